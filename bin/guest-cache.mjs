// What Deno makes of a module while it loads it - where its imports are, and V8's code - kept for the next time: each isolate
// begins with a copy of it. Deno finds it by the module's address, so the module must be where it stays.
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const longestMs = 60_000
/** The first time Deno writes what it made, the second time it uses it. */
const times = 2

/** Answers whether the module can be loaded. What it makes is left out where this machine has no Deno. */
export const keepCache = async (boot, folder, flags) => {
  const binary = await denoBinary()
  if (binary === undefined) return false
  const next = `${folder}.${process.pid}`
  const tmp = fs.mkdtempSync(path.join(os.tmpdir(), "syris-deno-"))
  try {
    for (let i = 0; i < times; i++) await load(binary, boot, next, tmp, flags)
    await settle(next)
    fs.rmSync(folder, { recursive: true, force: true })
    fs.renameSync(next, folder)
    return true
  } catch {
    return false
  } finally {
    for (const left of [next, tmp]) fs.rmSync(left, { recursive: true, force: true })
  }
}

const denoBinary = async () => {
  try {
    const found = (await import("../sandbox/runtimes/DenoBinary.ts")).denoBinary()
    return "path" in found ? found.path : undefined
  } catch {
    return undefined
  }
}

// Nobody speaks to it, so it loads no plugin and ends.
const load = (binary, boot, denoDir, tmp, flags) =>
  new Promise((resolve, reject) => {
    const child = spawn(binary, [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-remote",
      "--no-npm",
      "--no-config",
      "--no-lock",
      "--cached-only",
      "--deny-import",
      "--deny-net",
      "--deny-write",
      "--deny-run",
      "--deny-ffi",
      "--deny-sys",
      "--ignore-env",
      `--allow-read=${path.dirname(boot).replaceAll(",", ",,")}`,
      ...flags,
      boot
    ], {
      cwd: tmp,
      env: { DENO_DIR: denoDir, NO_COLOR: "1" },
      stdio: "ignore",
      timeout: longestMs,
      killSignal: "SIGKILL"
    })
    child.once("error", reject)
    child.once("exit", (code) => code === 0 ? resolve() : reject(new Error(`Deno ended with ${code}.`)))
  })

// One file each, and none that belongs to an open database.
const settle = async (folder) => {
  const { DatabaseSync } = await import("node:sqlite")
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name)
    if (/-(?:wal|shm)$/.test(name) || !fs.statSync(file).isFile()) continue
    const database = new DatabaseSync(file)
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
  }
  for (const name of fs.readdirSync(folder)) {
    if (!/_cache_v\d+$/.test(name)) fs.rmSync(path.join(folder, name), { recursive: true, force: true })
  }
}

/**
 * What a crash leaves: the home folder as it is before and after each call that changes a file. A process that is killed
 * there leaves exactly that.
 */
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as path from "node:path"

const changing = [
  "closeSync",
  "fsyncSync",
  "linkSync",
  "openSync",
  "renameSync",
  "rmSync",
  "unlinkSync",
  "writeFileSync"
] as const

/** Runs `body`, and copies `home` into a folder of its own at each point; answers the folders. */
export const atEachPoint = async (home: string, into: string, body: () => Promise<unknown>): Promise<Array<string>> => {
  const found: Array<string> = []
  const original = fs.writeFileSync
  let isCopying = false
  let before = ""
  const snapshot = () => {
    if (isCopying) return
    isCopying = true
    try {
      const files = fs.readdirSync(home).sort().map((name) =>
        [name, fs.readFileSync(path.join(home, name), "utf8")] as const
      )
      const now = JSON.stringify(files)
      if (now === before) return
      before = now
      const folder = path.join(into, String(found.length))
      fs.mkdirSync(folder, { recursive: true })
      for (const [name, text] of files) original(path.join(folder, name), text, { mode: 0o600 })
      found.push(folder)
    } finally {
      isCopying = false
    }
  }
  const originals = changing.map((name) => [name, fs[name]] as const)
  for (const [name, call] of originals) {
    const seen = (...args: ReadonlyArray<never>): unknown => {
      snapshot()
      const answer = (call as (...args: ReadonlyArray<never>) => unknown)(...args)
      snapshot()
      return answer
    }
    Object.assign(fs, { [name]: seen })
  }
  syncBuiltinESMExports()
  try {
    await body()
  } finally {
    for (const [name, call] of originals) Object.assign(fs, { [name]: call })
    syncBuiltinESMExports()
  }
  return found
}

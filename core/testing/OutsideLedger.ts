/**
 * The world outside, as a file: what a test's tool did, one line each, on disk before the tool goes on. It knows nothing
 * of the host, so it can contradict it.
 */
import * as fs from "node:fs"

export interface OutsideLedger {
  readonly file: string
  /** Notes that something was done; on disk when it returns. */
  readonly note: (key: string) => void
  readonly entries: () => ReadonlyArray<string>
  /** What was done more than once, with how often. */
  readonly doubled: () => ReadonlyMap<string, number>
}

/** Opens a ledger; the file is made at the first note. A key may not hold a line break. */
export const openLedger = (file: string): OutsideLedger => {
  const entries = (): ReadonlyArray<string> =>
    fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : []
  return {
    file,
    note: (key) => {
      const handle = fs.openSync(file, "a")
      try {
        fs.writeSync(handle, `${key}\n`)
        fs.fsyncSync(handle)
      } finally {
        fs.closeSync(handle)
      }
    },
    entries,
    doubled: () => {
      const counts = new Map<string, number>()
      for (const key of entries()) counts.set(key, (counts.get(key) ?? 0) + 1)
      return new Map([...counts].filter(([, count]) => count > 1))
    }
  }
}

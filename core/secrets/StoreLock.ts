/**
 * One process at a time changes the secrets: a lock file with the number of the process that holds it. The lock of a dead
 * process is taken over, by one only.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** Those of this process: a number in a file may be that of an earlier process. */
const own = new Set<string>()

/** Whether it was taken. */
export const tryLock = (lock: string): boolean => {
  fs.mkdirSync(path.dirname(lock), { recursive: true, mode: 0o700 })
  if (own.has(lock)) return false
  if (create(lock)) {
    own.add(lock)
    return true
  }
  if (!isHeld(lock)) takeOver(lock)
  return false
}

export const unlock = (lock: string): void => {
  own.delete(lock)
  fs.rmSync(lock, { force: true })
}

const create = (file: string): boolean => {
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    // Where there was room for its name only it is nobody's.
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") fs.rmSync(file, { force: true })
    throw error
  }
}

/** Of all who saw that the holder is dead one removes the lock, and only if it still is that of a dead one. */
const takeOver = (lock: string): void => {
  const turn = `${lock}.old`
  if (!create(turn)) {
    if (Date.now() - (fs.statSync(turn, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > abandoned) {
      fs.rmSync(turn, { force: true })
    }
    return
  }
  try {
    if (!isHeld(lock)) fs.rmSync(lock, { force: true })
  } finally {
    fs.rmSync(turn, { force: true })
  }
}

const abandoned = 10_000

const isHeld = (lock: string): boolean => {
  try {
    const holder = Number(fs.readFileSync(lock, "utf8"))
    // Whoever made it may not have written its number yet.
    if (!Number.isSafeInteger(holder) || holder <= 0) return Date.now() - fs.statSync(lock).mtimeMs < abandoned
    if (holder === process.pid) return own.has(lock)
    process.kill(holder, 0)
    return true
  } catch (error) {
    // It is no more: whoever comes next may have it.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

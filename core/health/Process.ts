/**
 * Which processes can be told apart: a pid means something only within one boot and one pid namespace, and together
 * with the moment that the process started.
 */
import * as crypto from "node:crypto"
import * as fs from "node:fs"

const read = (work: () => string): string | undefined => {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** Where pids can be compared. Without `/proc` nothing can: then every process is a machine of its own. */
export const machine: string =
  read(() =>
    `${fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${fs.readlinkSync("/proc/self/ns/pid")}`
  ) ?? `unknown ${crypto.randomUUID()}`

/**
 * Whether the process that had this pid and start time has ended, for certain. One that `/proc` does not show may belong
 * to another user (`hidepid`): then the kernel is asked whether the pid is in use at all.
 */
export const hasEnded = (pid: number, started: string): boolean => {
  const now = processStarted(pid)
  if (now !== undefined) return now !== started
  try {
    process.kill(pid, 0)
    return isZombie(pid)
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH"
  }
}

/** A zombie has ended, it only was not collected yet. */
const isZombie = (pid: number): boolean => {
  const stat = read(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
  return stat !== undefined && /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))
}

/** When a process of this machine started, in clock ticks since boot; `undefined` if there is none. */
export const processStarted = (pid: number | "self"): string | undefined =>
  read(() => {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name before the last parenthesis may hold anything; the start time is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    if (fields[0] === "Z" || fields[0] === "X") throw new Error("ended")
    return fields[19] ?? ""
  })

/**
 * What the kernel knows of processes, read from /proc. Where there is no /proc the answers are empty: whoever asks does less
 * then.
 */
import * as fs from "node:fs"

export interface ProcessLine {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly threads: number
  /** Of all of its threads, seconds. */
  readonly cpuSeconds: number
  readonly residentBytes: number
}

const pageBytes = 4_096
const ticksPerSecond = 100

/** `undefined` where it has ended, a zombie included. */
export const processLine = (pid: number | string): ProcessLine | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1")
    // The name in brackets is the process's own to choose.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const at = (field: number): number => Number(fields[field - 3])
    if (fields[0] === "Z" || fields[0] === "X") return undefined
    return {
      pid: Number(pid),
      parent: at(4),
      group: at(5),
      threads: at(20),
      cpuSeconds: (at(14) + at(15)) / ticksPerSecond,
      residentBytes: at(24) * pageBytes
    }
  } catch {
    return undefined
  }
}

const pids = (): ReadonlyArray<string> => {
  try {
    return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

export const allProcesses = (): ReadonlyArray<ProcessLine> => pids().flatMap((pid) => processLine(pid) ?? [])

/** Those that were started with this variable, or by one that was: what has left its group is found by it. */
export const startedWith = (name: string, value: string): ReadonlyArray<number> => {
  const entry = `${name}=${value}`
  return pids().flatMap((pid) => {
    try {
      const variables = fs.readFileSync(`/proc/${pid}/environ`, "utf8")
      return variables.includes(entry) && variables.split("\0").includes(entry) && processLine(pid) !== undefined
        ? [Number(pid)]
        : []
    } catch {
      return []
    }
  })
}

/**
 * Memory and processor time of processes, from /proc: on Linux only.
 */
import * as fs from "node:fs"

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return "" // it has ended
  }
}

/** The fields after the name, which may hold anything; the first of them is the state. */
const statOf = (pid: number): ReadonlyArray<string> => {
  const stat = read(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((one, other) => one + other, 0)

/** A process and all that it started. */
export const family = (pid: number): ReadonlyArray<number> => {
  const parents = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) =>
    [Number(name), Number(statOf(Number(name))[1])] as const
  )
  const found = [pid]
  for (const each of found) found.push(...parents.flatMap(([child, parent]) => parent === each ? [child] : []))
  return found
}

export const megabytes = (pids: ReadonlyArray<number>, name: "Pss" | "Rss"): number =>
  sum(
    pids.map((pid) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0))
  ) / 1024

/** Seconds of one process, in steps of a hundredth; with `ended`, those of its children that have ended, too. */
export const processorSeconds = (pid: number, ended = false): number => {
  const fields = statOf(pid)
  return sum((ended ? [11, 12, 13, 14] : [11, 12]).map((index) => Number(fields[index] ?? 0))) / 100
}

/** Seconds of a process and all that it started, backends that have ended included. */
export const familySeconds = (pid: number): number =>
  sum(family(pid).map((each) => processorSeconds(each, each === pid)))

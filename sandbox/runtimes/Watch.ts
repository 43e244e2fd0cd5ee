/**
 * Looks after the groups of isolates: who takes more memory, processor time or processes than it may is told of. The limits of
 * the kernel are for one process each, and those of V8 for its heap; this is for a group, and for all of its memory.
 */
import type { IsolateEnd, Limits } from "../Isolate.ts"
import { allProcesses, type ProcessLine, processLine } from "./Processes.ts"

export interface Watched {
  /** Its number. */
  readonly group: number
  readonly limits: Limits
  /** What its runtime needs besides the heap, MiB. */
  readonly baseMb: number
  readonly breach: (end: IsolateEnd) => void
}

export const defaultProcesses = 64

const everyMs = 200
/** Each so many looks the groups are put together anew. */
const fullEvery = 10
const mebibyte = 1_048_576

const groups = new Map<Watched, ReadonlyArray<ProcessLine>>()
let timer: NodeJS.Timeout | undefined
let looks = 0

const sum = (lines: ReadonlyArray<ProcessLine>, of: (line: ProcessLine) => number): number =>
  lines.reduce((total, line) => total + of(line), 0)

const judge = ({ baseMb, limits }: Watched, lines: ReadonlyArray<ProcessLine>): IsolateEnd | undefined => {
  if (sum(lines, (line) => line.residentBytes) > (limits.memoryMb + baseMb) * mebibyte) return overMemory(limits)
  const { cpuSeconds, processes = defaultProcesses } = limits
  if (cpuSeconds !== undefined && sum(lines, (line) => line.cpuSeconds) > cpuSeconds) return overCpu(cpuSeconds)
  // The guard is one of them, and a thread counts as a process does.
  return sum(lines, (line) => line.threads) > processes + 1
    ? { code: "signal", reason: `it had more than ${processes} processes and threads` }
    : undefined
}

export const overMemory = ({ memoryMb }: Limits): IsolateEnd => ({
  code: "memory",
  reason: `it took more memory than its ${memoryMb} MiB`
})

export const overCpu = (seconds: number): IsolateEnd => ({
  code: "cpu",
  reason: `it used up its ${seconds} seconds of processor time`
})

const look = (): void => {
  const full = looks++ % fullEvery === 0 || Array.from(groups.values()).some((lines) => lines.length === 0)
  const all = full ? Map.groupBy(allProcesses(), ({ group }) => group) : undefined
  for (const [watched, before] of groups) {
    const lines = all === undefined ? before.flatMap(({ pid }) => processLine(pid) ?? []) : all.get(watched.group) ?? []
    const end = judge(watched, lines)
    if (end === undefined) groups.set(watched, lines)
    else {
      groups.delete(watched)
      watched.breach(end)
    }
  }
}

/** Answers how to stop. */
export const watchGroup = (watched: Watched): () => void => {
  groups.set(watched, [])
  timer ??= setInterval(look, everyMs).unref()
  return () => {
    groups.delete(watched)
    if (groups.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

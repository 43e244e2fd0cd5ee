/** Limits of the kernel for one process, as arguments of the shell's `ulimit`. */
import type { Limits } from "../Isolate.ts"

export const defaultOpenFiles = 256

/** Above what the watch of the group lets it have, so that the watch sees it and can say why; below what hurts the machine. */
const slackMb = 768

export const shellLimits = (
  { cpuSeconds, memoryMb, openFiles = defaultOpenFiles }: Limits,
  dataMb: number
): ReadonlyArray<string> => [
  "-c 0",
  `-n ${openFiles}`,
  // The address space can't be bounded: V8 reserves gigabytes of it.
  `-d ${(dataMb + memoryMb + slackMb) * 1_024}`,
  ...cpuSeconds === undefined ? [] : [`-t ${Math.ceil(cpuSeconds) + 1}`]
]

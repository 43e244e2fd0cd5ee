/**
 * Runs code that is not ours in the end, such as a stranger's schema or regular expression, for so long and no longer. The
 * engine itself ends it, also in the midst of an expression that never would.
 *
 * Real time: what is bounded is how long the host stands still. Where others had the processor meanwhile, it is tried once
 * more: a machine that was put to sleep is no schema that takes too long.
 */
import { Script } from "node:vm"

export class TooSlow extends Error {
  override readonly name = "TooSlow"
}

const place = Symbol.for("syris/mcp/TimeLimit")
const script = new Script("globalThis[Symbol.for(\"syris/mcp/TimeLimit\")]()")

const run = <A>(milliseconds: number, again: boolean): A => {
  const before = process.threadCpuUsage()
  try {
    return script.runInThisContext({ timeout: milliseconds }) as A
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error
    const { system, user } = process.threadCpuUsage(before)
    if (again && (system + user) / 1_000 < milliseconds / 2) return run(milliseconds, false)
    throw new TooSlow("it takes too long")
  }
}

/**
 * What `work` answers, or throws; `TooSlow` where it takes longer than that. About 0.1 ms more than the work itself, which may
 * be begun a second time after it was cut short.
 */
export const within = <A>(milliseconds: number, work: () => A): A => {
  const global = globalThis as { [place]?: unknown }
  const outer = global[place]
  global[place] = work
  try {
    return run(milliseconds, true)
  } finally {
    global[place] = outer
  }
}

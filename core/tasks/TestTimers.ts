/**
 * Timers that a test fires, not the clock.
 */

import { writtenAfterMs } from "./UnwrittenDecision.ts"

/** The timer after which a call without an intent is noted, milliseconds. */
const noteAfterMs = 50

export interface HeldTimer {
  readonly fire: () => void
  readonly unref: () => void
  cleared: boolean
}
/** Set and not taken by an engine yet. */
export const heldTimers = new Set<HeldTimer>()
/** Of decisions that are not written yet. */
export const writeTimers = new Set<HeldTimer>()

/** Holds those that are set from now on. Gives them back to the clock. */
export const holdTimers = () => {
  const { clearTimeout: clear, setTimeout: set } = globalThis
  const holding = (...given: Parameters<typeof set>) => {
    const [fire, ms] = given
    if (ms !== noteAfterMs && ms !== writtenAfterMs) return set(...given)
    const timer = { fire, unref: () => {}, cleared: false }
    const held = ms === noteAfterMs ? heldTimers : writeTimers
    held.add(timer)
    return timer
  }
  const clearing = (timer: NodeJS.Timeout | HeldTimer | undefined) => {
    if (timer === undefined || !("fire" in timer)) return clear(timer)
    timer.cleared = true
    heldTimers.delete(timer)
  }
  Object.assign(globalThis, { setTimeout: Object.assign(holding, set), clearTimeout: clearing })
  return () => void Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
}

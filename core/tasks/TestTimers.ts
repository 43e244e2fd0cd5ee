/**
 * Timers that a test fires, not the clock.
 */

/** The timer after which a call without an intent is noted, milliseconds. */
const noteAfterMs = 50

export interface HeldTimer {
  readonly fire: () => void
  cleared: boolean
}
/** Set and not taken by an engine yet. */
export const heldTimers = new Set<HeldTimer>()

/** Holds those that are set from now on. Gives them back to the clock. */
export const holdTimers = () => {
  const { clearTimeout: clear, setTimeout: set } = globalThis
  const holding = (...given: Parameters<typeof set>) => {
    const [fire, ms] = given
    if (ms !== noteAfterMs) return set(...given)
    const timer = { fire, cleared: false }
    heldTimers.add(timer)
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

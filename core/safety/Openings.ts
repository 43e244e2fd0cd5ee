/**
 * The effects of this host that are about to begin: counted from before their intent is sent until they have begun, or
 * will not begin. Only in memory, since only this process can begin them.
 */
import { Effect } from "effect"

export interface Openings {
  /** One more. The answer takes it back, once. */
  readonly enter: () => () => void
  /** Waits for the end of those that are open now; later ones do not count. */
  readonly drained: Effect.Effect<void>
}

export const makeOpenings = (): Openings => {
  const open = new Set<object>()
  const waiting = new Set<{ readonly left: Set<object>; readonly done: () => void }>()
  return {
    enter: () => {
      const opening = {}
      open.add(opening)
      return () => {
        if (!open.delete(opening)) return
        for (const { done, left } of waiting) if (left.delete(opening) && left.size === 0) done()
      }
    },
    drained: Effect.callback<void>((resume) => {
      if (open.size === 0) return resume(Effect.void)
      const wait = { left: new Set(open), done: () => resume(Effect.void) }
      waiting.add(wait)
      return Effect.sync(() => waiting.delete(wait))
    }).pipe(Effect.asVoid)
  }
}

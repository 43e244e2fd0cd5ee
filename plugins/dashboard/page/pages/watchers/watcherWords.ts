/** Watchers in the operator's words. Pure. */
import type { AuditEvent, WatcherState } from "syris/records"
import { inWords } from "../../parts/Time.tsx"

/** `every 5 minutes`. */
export const intervalInWords = (ms: number): string => {
  for (
    const [name, length] of [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]] as const
  ) {
    if (ms < length || ms % length !== 0) continue
    const count = ms / length
    return count === 1 ? `every ${name}` : `every ${count} ${name}s`
  }
  return `every ${inWords(ms)}`
}

/** What its last look came to, as a sentence. */
export const outcomeInWords = (
  { consecutive_errors, last_outcome }: Pick<WatcherState, "consecutive_errors" | "last_outcome">
): string =>
  last_outcome === undefined
    ? "It has not looked yet."
    : last_outcome === "success"
    ? "It went well."
    : consecutive_errors <= 1
    ? "It failed."
    : `It failed, ${consecutive_errors} times in a row; each time it waits longer.`

/** Those that fail and are on first, then by name. */
export const inOrder = (watchers: ReadonlyArray<WatcherState>): ReadonlyArray<WatcherState> =>
  watchers.toSorted((a, b) => Number(isFailing(b)) - Number(isFailing(a)) || (a.watcher_id < b.watcher_id ? -1 : 1))

export const isFailing = ({ enabled, last_outcome }: Pick<WatcherState, "enabled" | "last_outcome">): boolean =>
  enabled && last_outcome === "failure"

export interface LeftOut {
  readonly count: number
  /** When it was last. */
  readonly at: string
}

/** What the throttle of each watcher held back, of rows of the type `watcher.suppressed`. */
export const leftOutOf = (rows: ReadonlyArray<AuditEvent>): ReadonlyMap<string, LeftOut> => {
  const found = new Map<string, LeftOut>()
  for (const { data, refs, timestamp } of rows) {
    const id = refs.watcher_id
    if (id === undefined) continue
    const suppressed = typeof data === "object" && data !== null && "suppressed" in data ? data.suppressed : undefined
    const before = found.get(id)
    found.set(id, {
      count: (before?.count ?? 0) + (typeof suppressed === "number" ? suppressed : 0),
      at: before === undefined || before.at < timestamp ? timestamp : before.at
    })
  }
  return found
}

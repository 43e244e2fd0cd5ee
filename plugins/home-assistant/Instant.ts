/**
 * Moments with the microseconds that Home Assistant writes and a JavaScript date drops.
 */

/** Microseconds since 1970; NaN for what is no moment. */
export const microsOf = (iso: string): number => {
  const ms = Date.parse(iso)
  const [, rest = ""] = /\.\d{3}(\d{1,3})/.exec(iso) ?? []
  return ms * 1_000 + Number(rest.padEnd(3, "0"))
}

/** As an event has it: to the millisecond, in UTC. Nothing for what an event can't have. */
export const occurredAt = (iso: string, now: number): string | undefined => {
  const ms = Date.parse(iso)
  // A house whose clock is wrong still says what happens.
  return Number.isNaN(ms) || ms < 0 || ms > now + 82_800_000 ? undefined : new Date(ms).toISOString()
}

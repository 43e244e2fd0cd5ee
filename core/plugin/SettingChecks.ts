/**
 * What several settings must be, each with the words that say it.
 */
import { Schema } from "effect"
import { toMillis } from "./DurationInput.ts"
import { maximumTimeoutMs } from "./ToolRegistration.ts"

export const atMost = (maximumMs: number, shown: string) =>
  Schema.Unknown.check(Schema.makeFilter((value) => {
    const ms = toMillis(value)
    return ms !== undefined && ms > 0 && ms <= maximumMs
  }, { expected: `a duration above zero and of at most ${shown}, such as "30 seconds"` }))

/** At most 1 hour. */
export const TimeoutSetting = atMost(maximumTimeoutMs, "1 hour")

export const between = (minimumMs: number, maximumMs: number, shown: string) =>
  Schema.Unknown.check(Schema.makeFilter((value) => {
    const ms = toMillis(value)
    return ms !== undefined && ms >= minimumMs && ms <= maximumMs
  }, { expected: `a duration of ${shown}` }))

export const Count = Schema.Int.check(Schema.isGreaterThan(0, { expected: "a whole number above zero" }))

export const UsdAboveZero = Schema.Finite.check(Schema.isGreaterThan(0, { expected: "US dollars above zero" }))

/** What came of trying a rule on events of the past. Pure. */
import type { RuleTrial } from "syris/records"
import { counted } from "../../parts/counted.ts"

/** Those where its condition holds, the newest first: the host answers the oldest first. */
export const toldOf = (items: ReadonlyArray<RuleTrial>): ReadonlyArray<RuleTrial> =>
  items.filter(({ fires, reason }) => fires || reason !== undefined).toReversed()

export const trialsInWords = (items: ReadonlyArray<RuleTrial>): string => {
  if (items.length === 0) return "There is no event yet to try it on."
  const fired = items.filter(({ fires }) => fires).length
  const held = toldOf(items).length - fired
  return `On ${fired} of ${counted(items.length, "event")} it would have fired${
    held === 0 ? "" : `, on ${held} it would have been held back`
  }.`
}

const reasons: Readonly<Record<string, string>> = {
  debounce: "it had fired a short time before",
  dedupe: "the same had been done a short time before",
  quiet_hours: "it was in quiet hours",
  cascade: "too many events had come of one another",
  disabled: "it was switched off",
  failed: "it failed"
}

/** Why it was held back, after "because". */
export const reasonInWords = (reason: string): string => reasons[reason] ?? reason.replaceAll("_", " ")

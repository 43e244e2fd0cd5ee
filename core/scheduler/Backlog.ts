/**
 * Says when slots that are due wait too long, and when they do no more: one alarm, whichever host sees it first.
 */
import { Effect } from "effect"
import type { Alarms } from "../health/Alarms.ts"

/** The oldest slot that is due may wait for so long, milliseconds; then it is an alarm, until it is short again. */
const backlogFrom = 30_000
const backlogTo = 5_000
export const backlogKey = "schedule.backlog"

/** `note` is to be told at each look how long the oldest slot that is due has waited, milliseconds. */
export const makeBacklog = ({ open, resolveKey }: Pick<Alarms["Service"], "open" | "resolveKey">) => {
  let late: boolean | undefined
  return Effect.fnUntraced(function*(waits: number) {
    if (waits > backlogFrom && late !== true) {
      yield* open({
        type: backlogKey,
        severity: "warning",
        dedupe_key: backlogKey,
        message: `Schedules are late by more than ${Math.floor(waits / 1_000)} s: see whether the database is slow, ` +
          "or too much is due at once."
      })
      late = true
    } else if (waits < backlogTo && late !== false) {
      yield* resolveKey(backlogKey)
      late = false
    }
  })
}

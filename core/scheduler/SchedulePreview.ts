/** `POST /schedules/preview`: the slots to come of what would be a schedule. Nothing is stored. */
import { Effect } from "effect"
import { asSentences, check } from "../plugin/Explain.ts"
import { readIsoInstant } from "./IsoInstant.ts"
import { type Here, PreviewBody, readTiming, ScheduleRefused } from "./NewSchedule.ts"

const checkPreview = check(PreviewBody, "field")

const usual = 10

export const readPreview = Effect.fnUntraced(function*(
  given: unknown,
  here: Here
): Effect.fn.Return<{ readonly slots: ReadonlyArray<string>; readonly said: string }, ScheduleRefused> {
  const checked = checkPreview(given)
  if (!checked.ok) return yield* new ScheduleRefused({ detail: asSentences(checked.mistakes) })
  const { count = usual, from, ...when } = checked.value
  const timing = yield* readTiming(when, here)
  const start = from === undefined ? here.now.getTime() : readIsoInstant(from.trim(), timing.timezone)
  if (typeof start === "string") {
    return yield* new ScheduleRefused({ detail: asSentences([`the field "from" ${start}`]) })
  }
  const slots: Array<string> = []
  let at = timing.slots.next(new Date(start))
  while (at !== undefined && slots.length < count) {
    slots.push(at.toISOString())
    at = timing.slots.next(at)
  }
  return { slots, said: timing.said ?? timing.slots.inWords }
})

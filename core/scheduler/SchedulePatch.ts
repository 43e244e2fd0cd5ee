/** The body of `PATCH /schedules/{id}`, read against the schedule as it is. */
import { Effect } from "effect"
import { asSentences, check } from "../plugin/Explain.ts"
import {
  atMostOften,
  firstSlot,
  type Here,
  quietOf,
  readPayload,
  readTiming,
  SchedulePatch,
  ScheduleRefused,
  type Timing,
  tooOften
} from "./NewSchedule.ts"
import type { Changed } from "./ScheduleMoves.ts"
import type { ScheduleRow } from "./ScheduleRows.ts"
import { readSlots } from "./Slots.ts"

export interface Patch {
  readonly to: Omit<Changed, "anew">
  /** What decides its slots has changed: the next one that is to come. */
  readonly anew: { readonly next: Date; readonly now: Date } | undefined
  /** What is not as it was. */
  readonly fields: ReadonlyArray<string>
  readonly said: string | undefined
}

const checkPatch = check(SchedulePatch, "field")

const timingFields = ["type", "spec", "when", "timezone", "start_at"] as const

export const readPatch = Effect.fnUntraced(function*(
  given: unknown,
  before: ScheduleRow,
  here: Here
): Effect.fn.Return<Patch, ScheduleRefused> {
  const checked = checkPatch(given)
  if (!checked.ok) return yield* new ScheduleRefused({ detail: asSentences(checked.mistakes) })
  const body = checked.value
  const asked = timingFields.some((field) => body[field] !== undefined)
  const timing: Omit<Timing, "slots"> & Partial<Pick<Timing, "slots">> = asked
    ? yield* readTiming(body, here, before)
    : before
  const notify = body.notify === undefined ? before.notify ?? undefined : body.notify ?? undefined
  const to = {
    name: body.name ?? before.name,
    enabled: body.enabled ?? before.enabled,
    type: timing.type,
    spec: timing.spec,
    timezone: timing.timezone,
    anchor: timing.anchor,
    catch_up: body.catch_up ?? before.catch_up,
    catch_up_cap: body.catch_up_cap ?? before.catch_up_cap,
    overrun: body.overrun ?? before.overrun,
    quiet_hours: body.quiet_hours === undefined
      ? before.quiet_hours ?? undefined
      : quietOf(body.quiet_hours, timing.timezone),
    payload: body.payload === undefined ? before.payload : yield* readPayload(body.payload, notify, here),
    notify
  }
  const moved = timing.slots !== undefined && (
    to.type !== before.type || to.spec !== before.spec || to.timezone !== before.timezone ||
    // What counts from nowhere has no start that could move.
    (to.type === "interval" && to.anchor.getTime() !== before.anchor.getTime())
  )
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null)
  const fields = [
    ...(["name", "enabled", "type", "spec", "timezone", "catch_up", "catch_up_cap", "overrun"] as const)
      .filter((field) => to[field] !== before[field]),
    ...(moved && to.type === "interval" && to.anchor.getTime() !== before.anchor.getTime() ? ["start_at"] : []),
    ...(["quiet_hours", "payload", "notify"] as const).filter((field) => !same(to[field], before[field]))
  ]
  const slots = timing.slots ?? slotsOf(before)
  if (moved && before.trust !== "operator" && timing.slots !== undefined && tooOften(timing.slots, here.now)) {
    return yield* new ScheduleRefused({ detail: `${atMostOften} Make a schedule of your own for it.` })
  }
  return {
    to: {
      ...to,
      anchor: moved ? to.anchor : before.anchor,
      inWords: slots?.inWords ?? `${to.spec} ${to.timezone}`
    },
    anew: moved && timing.slots !== undefined
      ? { next: yield* firstSlot({ type: timing.type, slots: timing.slots }, here), now: here.now }
      : undefined,
    fields,
    said: timing.said
  }
})

const slotsOf = (row: ScheduleRow) => {
  const read = readSlots(row)
  return read.ok ? read.value : undefined
}

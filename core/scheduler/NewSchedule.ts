/**
 * The body of `POST /schedules` and `PATCH /schedules/{id}`, and of whatever else asks for a schedule in the same words, read.
 *
 * - A request is taken whole or not at all; each mistake is a sentence that names the field.
 * - When it is due is `type` and `spec`, or `when` in a person's words; then `said` is what was understood.
 * - The payload is one that becomes an event: it is tried.
 */
import { Effect, Schema } from "effect"
import { CatchUp, Overrun, ScheduleType } from "../contract/Enums.ts"
import type { RawEvent } from "../contract/Event.ts"
import type { QuietChoice } from "../contract/Schedule.ts"
import { normalise } from "../pipeline/Normaliser.ts"
import { asSentences, check, withStop } from "../plugin/Explain.ts"
import { isTimezone, TimeWindowSetting } from "../plugin/TimeWindowSetting.ts"
import { readIsoInstant } from "./IsoInstant.ts"
import { schedulerChannel } from "./SlotEvent.ts"
import { readSlots, type Slots } from "./Slots.ts"
import { understand } from "./Words.ts"

/** The schedule can't be made as it was asked for; `detail` are sentences that say what to change. */
export class ScheduleRefused extends Schema.TaggedError<ScheduleRefused>()("ScheduleRefused", {
  detail: Schema.String,
  /** The question to whoever said it in words. */
  ask: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return this.detail
  }
}

const bounded = (maximum: number) => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(maximum))

/** What is kept as it comes; a PATCH takes each alone. */
const plain = {
  name: bounded(200),
  enabled: Schema.Boolean,
  catch_up: CatchUp,
  catch_up_cap: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })),
  overrun: Overrun
}

const Quiet = Schema.Union([Schema.Boolean, bounded(100), TimeWindowSetting])
const Payload = Schema.Record(Schema.String, Schema.Json)
/** What the chat takes in one message. */
const Notify = bounded(8_000)

const when = {
  type: Schema.optionalKey(ScheduleType),
  spec: Schema.optionalKey(bounded(200)),
  when: Schema.optionalKey(bounded(1_000)),
  timezone: Schema.optionalKey(bounded(200)),
  /** Where intervals count from: their first slot. */
  start_at: Schema.optionalKey(bounded(64))
}

export const ScheduleBody = Schema.Struct({
  name: plain.name,
  ...when,
  enabled: Schema.optionalKey(plain.enabled),
  catch_up: Schema.optionalKey(plain.catch_up),
  catch_up_cap: Schema.optionalKey(plain.catch_up_cap),
  overrun: Schema.optionalKey(plain.overrun),
  quiet_hours: Schema.optionalKey(Schema.NullOr(Quiet)),
  payload: Schema.optionalKey(Payload),
  notify: Schema.optionalKey(Schema.NullOr(Notify))
})

export const SchedulePatch = Schema.Struct({
  name: Schema.optionalKey(plain.name),
  ...when,
  enabled: Schema.optionalKey(plain.enabled),
  catch_up: Schema.optionalKey(plain.catch_up),
  catch_up_cap: Schema.optionalKey(plain.catch_up_cap),
  overrun: Schema.optionalKey(plain.overrun),
  quiet_hours: Schema.optionalKey(Schema.NullOr(Quiet)),
  payload: Schema.optionalKey(Payload),
  notify: Schema.optionalKey(Schema.NullOr(Notify))
})

export const PreviewBody = Schema.Struct({
  ...when,
  /** Default: now. */
  from: Schema.optionalKey(bounded(64)),
  count: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })))
})

/** What decides when it is due. */
export interface Timing {
  readonly type: ScheduleType
  readonly spec: string
  readonly timezone: string
  readonly anchor: Date
  readonly slots: Slots
  /** What was understood of a person's words. */
  readonly said?: string
}

/** A schedule as it is to be stored. */
export interface NewSchedule extends Timing {
  readonly name: string
  readonly enabled: boolean
  readonly catch_up: CatchUp
  readonly catch_up_cap: number
  readonly overrun: Overrun
  readonly quiet_hours: QuietChoice | undefined
  readonly payload: RawEvent
  readonly notify: string | undefined
}

export interface Here {
  /** By the database's clock. */
  readonly now: Date
  /** The operator's. */
  readonly timezone: string
}

type When = {
  readonly [K in keyof typeof when]?: (typeof when)[K]["Type"]
}

const refuse = (detail: string) => Effect.fail(new ScheduleRefused({ detail }))

/** An instant of a field. */
const instant = (field: string, text: string, timezone: string) => {
  const at = readIsoInstant(text.trim(), timezone)
  return typeof at === "number"
    ? Effect.succeed(new Date(at))
    : refuse(asSentences([`the field ${JSON.stringify(field)} ${at}`]))
}

/** When it is due, as the fields say; `before` is what it was until now. */
export const readTiming = Effect.fnUntraced(function*(
  given: When,
  here: Here,
  before?: Omit<Timing, "slots" | "said">
): Effect.fn.Return<Timing, ScheduleRefused> {
  const timezone = given.timezone ?? before?.timezone ?? here.timezone
  if (!isTimezone(timezone)) {
    return yield* refuse("The field \"timezone\" must be an IANA time zone, such as \"Europe/London\".")
  }
  if (given.when !== undefined) {
    if (given.type !== undefined || given.spec !== undefined || given.start_at !== undefined) {
      return yield* refuse(
        "The field \"when\" says it all in words: leave \"type\", \"spec\" and \"start_at\" out, or leave \"when\" out."
      )
    }
    const understood = understand(given.when, { now: here.now, timezone })
    if (!understood.ok) {
      const ask = withStop(understood.ask)
      return yield* new ScheduleRefused({ detail: `The field "when" is not clear: ${ask}`, ask })
    }
    const { said, spec, start_at, type } = understood
    const anchor = start_at === undefined ? here.now : new Date(start_at)
    return { ...(yield* slotsOf({ type, spec, timezone: understood.timezone, anchor })), said }
  }
  const type = given.type ?? before?.type
  const spec = given.spec ?? (given.type === undefined || given.type === before?.type ? before?.spec : undefined)
  if (type === undefined) {
    return yield* refuse("The field \"type\" is missing: cron, interval or one_shot, or say it in words in \"when\".")
  }
  if (spec === undefined) {
    return yield* refuse(
      "The field \"spec\" is missing: a cron pattern, an ISO 8601 duration or an instant, as the type says."
    )
  }
  if (given.start_at !== undefined && type !== "interval") {
    return yield* refuse("The field \"start_at\" is for intervals only: leave it out.")
  }
  const sameInterval = type === "interval" && before?.type === "interval" && spec === before.spec
  const anchor = given.start_at !== undefined
    ? yield* instant("start_at", given.start_at, timezone)
    : sameInterval
    ? before.anchor
    : here.now
  return yield* slotsOf({ type, spec, timezone, anchor })
})

const slotsOf = (timing: Omit<Timing, "slots" | "said">): Effect.Effect<Timing, ScheduleRefused> => {
  const read = readSlots(timing)
  return read.ok
    ? Effect.succeed({ ...timing, spec: read.value.spec, slots: read.value })
    : refuse(asSentences(read.mistakes))
}

/** The first slot that is to come. */
export const firstSlot = Effect.fnUntraced(function*(
  { slots, type }: Pick<Timing, "slots" | "type">,
  { now }: Here
): Effect.fn.Return<Date, ScheduleRefused> {
  const next = slots.next(now)
  if (next !== undefined) return next
  return yield* refuse(
    type === "one_shot"
      ? "The field \"spec\" is a time that has passed: give one that is to come."
      : "The field \"spec\" has no slot that is to come: give one that has."
  )
})

/** Between the slots of what is not made of the operator's words, milliseconds. */
const leastBetween = 60_000

/** Whether slots come closer than a minute: of a pattern that has several seconds, two of the first do. */
export const tooOften = ({ next }: Pick<Slots, "next">, now: Date): boolean => {
  let before = next(now)
  for (let count = 0; before !== undefined && count < 10; count++) {
    const slot = next(before)
    if (slot !== undefined && slot.getTime() - before.getTime() < leastBetween) return true
    before = slot
  }
  return false
}

/** What is said of it. */
export const atMostOften = "What others' words ask for comes once a minute at most."

/** The payload with its channel, if it becomes an event. */
export const readPayload = Effect.fnUntraced(function*(
  given: { readonly [key: string]: Schema.Json } | undefined,
  notify: string | undefined,
  { timezone }: Here
): Effect.fn.Return<RawEvent, ScheduleRefused> {
  if (given === undefined && notify === undefined) {
    return yield* refuse("The field \"payload\" is missing: the event that it becomes, such as {\"text\": \"…\"}.")
  }
  const payload = { channel: schedulerChannel, ...(given ?? { text: notify ?? "" }) }
  yield* normalise({ ...payload, actor_id: "schedule" }, { timezone, trustOf: () => "operator" }).pipe(
    Effect.mapError(({ detail }) =>
      new ScheduleRefused({ detail: detail.message.replaceAll(/(the field ")/gi, "$1payload.") })
    )
  )
  return payload as RawEvent
})

/** A window of its own is in the schedule's zone where it names none. */
export const quietOf = (choice: typeof Quiet.Type | null | undefined, timezone: string): QuietChoice | undefined =>
  choice === null || choice === undefined || choice === false
    ? undefined
    : typeof choice === "object"
    ? {
      start: choice.start,
      end: choice.end,
      timezone: choice.timezone ?? timezone,
      ...(choice.days === undefined ? {} : { days: choice.days })
    }
    : choice

const checkBody = check(ScheduleBody, "field")

/** Reads what asks for a schedule. */
export const readNewSchedule = Effect.fnUntraced(function*(
  given: unknown,
  here: Here
): Effect.fn.Return<NewSchedule & { readonly first: Date }, ScheduleRefused> {
  const checked = checkBody(given)
  if (!checked.ok) return yield* refuse(asSentences(checked.mistakes))
  const body = checked.value
  const timing = yield* readTiming(body, here)
  const notify = body.notify ?? undefined
  return {
    ...timing,
    first: yield* firstSlot(timing, here),
    name: body.name,
    enabled: body.enabled ?? true,
    catch_up: body.catch_up ?? "run_once",
    catch_up_cap: body.catch_up_cap ?? 10,
    overrun: body.overrun ?? "skip",
    quiet_hours: quietOf(body.quiet_hours, timing.timezone),
    payload: yield* readPayload(body.payload, notify, here),
    notify
  }
})

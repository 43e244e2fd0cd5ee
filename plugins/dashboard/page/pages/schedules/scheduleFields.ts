/** What the form of a schedule asks for, and the request that is made of it. Pure. */
import type { CatchUp, Overrun, Schedule } from "syris/records"
import { readJson } from "../../parts/readJson.ts"

type QuietWindow = {
  readonly start: string
  readonly end: string
  readonly timezone?: string
  readonly days?: ReadonlyArray<string>
}

export interface ScheduleFields {
  readonly name: string
  /** In words; empty in a form that changes a schedule: as it is. */
  readonly when: string
  readonly timezone: string
  /** What a slot becomes: an event with a text, a message in the chat, or an event as JSON. */
  readonly does: "text" | "notify" | "json"
  readonly text: string
  readonly notify: string
  readonly json: string
  readonly catchUp: CatchUp
  readonly cap: string
  readonly overrun: Overrun
  /** `id:…`: the quiet hours of that id. */
  readonly quiet: "none" | "any" | "own" | `id:${string}`
  readonly window: QuietWindow
}

export const newFields = (timezone: string): ScheduleFields => ({
  name: "",
  when: "",
  timezone,
  does: "notify",
  text: "",
  notify: "",
  json: "{\n  \"text\": \"\"\n}",
  catchUp: "run_once",
  cap: "10",
  overrun: "skip",
  quiet: "none",
  window: { start: "22:00", end: "07:00" }
})

/** The channel that every payload has which names no other. */
const usualChannel = "scheduler"

export const fieldsOf = (schedule: Schedule): ScheduleFields => {
  const { channel, text, ...rest } = schedule.payload
  const isPlain = (channel === undefined || channel === usualChannel) && Object.keys(rest).length === 0 &&
    typeof text === "string"
  const { notify, quiet_hours: quiet } = schedule
  const usual = newFields(schedule.timezone)
  return {
    ...usual,
    name: schedule.name,
    does: isPlain && notify === undefined ? "text" : isPlain && text === notify ? "notify" : "json",
    text: text ?? "",
    notify: notify ?? "",
    json: JSON.stringify(channel === usualChannel ? { text, ...rest } : schedule.payload, null, 2),
    catchUp: schedule.catch_up,
    cap: String(schedule.catch_up_cap),
    overrun: schedule.overrun,
    quiet: quiet === undefined || quiet === false
      ? "none"
      : quiet === true
      ? "any"
      : typeof quiet === "string"
      ? `id:${quiet}`
      : "own",
    window: typeof quiet === "object" ? quiet : usual.window
  }
}

export type RequestBody = Readonly<Record<string, unknown>>
export type ReadFields = { readonly ok: true; readonly body: RequestBody } | {
  readonly ok: false
  readonly mistake: string
}

const quietOf = ({ quiet, window }: ScheduleFields): unknown =>
  quiet === "none" ? null : quiet === "any" ? true : quiet === "own" ? window : quiet.slice("id:".length)

/** What the fields say as a request that has everything but `when`, or the one thing that can't be read. */
const whole = (fields: ScheduleFields): ReadFields => {
  const read = fields.does === "json"
    ? readJson(fields.json)
    : { ok: true as const, value: { text: fields.does === "text" ? fields.text : fields.notify } }
  if (!read.ok) return { ok: false, mistake: read.mistake }
  return {
    ok: true,
    body: {
      name: fields.name.trim(),
      timezone: fields.timezone.trim(),
      payload: read.value,
      notify: fields.does === "text" || fields.notify.trim() === "" ? null : fields.notify,
      catch_up: fields.catchUp,
      catch_up_cap: Number(fields.cap),
      overrun: fields.overrun,
      quiet_hours: quietOf(fields)
    }
  }
}

/** Of `POST /schedules`. */
export const bodyOf = (fields: ScheduleFields): ReadFields => {
  const read = whole(fields)
  return read.ok ? { ok: true, body: { ...read.body, when: fields.when.trim() } } : read
}

/** Of `PATCH /schedules/{id}`: only what is other than it was. */
export const patchOf = (fields: ScheduleFields, before: Schedule): ReadFields => {
  const read = whole(fields)
  if (!read.ok) return read
  const was = whole(fieldsOf(before))
  const same = (name: string): boolean => was.ok && JSON.stringify(was.body[name]) === JSON.stringify(read.body[name])
  return {
    ok: true,
    body: {
      ...Object.fromEntries(Object.entries(read.body).filter(([name]) => !same(name))),
      ...(fields.when.trim() === "" ? {} : { when: fields.when.trim(), timezone: fields.timezone.trim() })
    }
  }
}

export interface PreviewBody {
  readonly type: Schedule["type"]
  readonly spec: string
  readonly timezone: string
  readonly start_at?: string
}

/** Of `POST /schedules/preview`, for a schedule as it is. An interval counts from a slot that it has. */
export const ownPreview = (
  { next_run_at, spec, timezone, type }: Pick<Schedule, "next_run_at" | "spec" | "timezone" | "type">
): PreviewBody => ({
  type,
  spec,
  timezone,
  ...(type === "interval" && next_run_at !== undefined ? { start_at: next_run_at } : {})
})

/** Months are counted from a start that nobody says: near their end later slots can be some days off. */
export const isRough = ({ next_run_at, spec, type }: Pick<Schedule, "next_run_at" | "spec" | "type">): boolean =>
  type === "interval" && /^P[^T]*[YM]/.test(spec) && next_run_at !== undefined && Number(next_run_at.slice(8, 10)) >= 27

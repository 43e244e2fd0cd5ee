/**
 * When a schedule comes due: its slots, computed from its spec, its zone and its anchor alone.
 *
 * - `next` goes strictly forward and never drifts: a slot is the same whatever was asked before.
 * - Where the clock is put forward, what names a time of day comes once, at the first moment after the gap. Where it is
 *   put back, it comes once, in the first pass. A cron pattern whose hours run through (`*`, a range, a step) leaves the
 *   gap out and comes in both passes (`docs/schedules.md`).
 * - Bounded: specs of 200 characters, the years 1970 to 2200. Nothing throws, whatever it is given.
 */
import { type Cron, readCron } from "./Cron.ts"
import { cronInWords } from "./CronWords.ts"
import { averageOf, type IsoDuration, readIsoDuration, showDuration } from "./IsoDuration.ts"
import { readIsoInstant } from "./IsoInstant.ts"
import { addMonths, oneDay, showDay, showTimeOf } from "./WallClock.ts"
import { endOfTime, firstMoment, isZone, lastYear, momentOf, type Span, spanAt, wallOf } from "./Zone.ts"

export type SlotType = "cron" | "interval" | "one_shot"

export interface SlotSpec {
  readonly type: SlotType
  readonly spec: string
  readonly timezone: string
  /** Where intervals count from. */
  readonly anchor: Date
}

/** Each mistake is a sentence without its full stop. */
export type ReadSlots =
  | { readonly ok: true; readonly value: Slots }
  | { readonly ok: false; readonly mistakes: ReadonlyArray<string> }

export interface Slots {
  /** As it is stored: a cron pattern trimmed, an interval as given, an instant in UTC with milliseconds. */
  readonly spec: string
  /** The first slot strictly after a moment; undefined where none is left up to the year 2200. */
  readonly next: (after: Date) => Date | undefined
  /** For a person: `every weekday at 07:30 Europe/London` where that says it all, else the spec and its zone. */
  readonly inWords: string
}

const maximumSpec = 200

export const readSlots = ({ anchor, spec, timezone, type }: SlotSpec): ReadSlots => {
  const mistakes: Array<string> = []
  if (typeof timezone !== "string" || timezone.length > maximumSpec || !isZone(timezone)) {
    mistakes.push("the field \"timezone\" must be an IANA time zone, such as \"Europe/London\"")
  }
  if (!Object.hasOwn(readers, type)) {
    mistakes.push("the field \"type\" must be one of cron, interval, one_shot")
  }
  if (typeof spec !== "string" || spec.trim() === "" || spec.length > maximumSpec) {
    mistakes.push(`the field "spec" must be a string of 1 to ${maximumSpec} characters`)
  }
  if (mistakes.length > 0) return { ok: false, mistakes }
  const made = readers[type](spec, timezone, anchor)
  if ("wrong" in made) return { ok: false, mistakes: made.wrong }
  const { inWords, next } = made
  return {
    ok: true,
    value: {
      spec: made.spec,
      inWords,
      next: (after) => {
        const at = after.getTime()
        if (!(at < endOfTime)) return undefined
        const slot = next(Math.max(at, firstMoment - 1))
        return slot === undefined || slot >= endOfTime ? undefined : new Date(slot)
      }
    }
  }
}

type Made =
  | { readonly spec: string; readonly inWords: string; readonly next: (after: number) => number | undefined }
  | { readonly wrong: ReadonlyArray<string> }

type Reader = (spec: string, timezone: string, anchor: Date) => Made

const wrong = (...mistakes: ReadonlyArray<string>): Made => ({
  wrong: mistakes.map((mistake) => `the field "spec" ${mistake}`)
})

const cron: Reader = (spec, timezone) => {
  const read = readCron(spec)
  if (!("fields" in read)) return wrong(...read)
  const words = cronInWords(read.fields)
  return {
    spec: spec.trim(),
    inWords: `${words ?? spec.trim()} ${timezone}`,
    next: (after) => nextOfCron(read, timezone, after)
  }
}

const nextOfCron = ({ atOrAfter, runsThrough }: Cron, timezone: string, after: number): number | undefined => {
  let span = spanAt(timezone, after)
  let from = after + 1 + span.offset
  // What the clock showed before was the first pass.
  if (!runsThrough) from = Math.max(from, shownBefore(timezone, span))
  for (;;) {
    const wall = atOrAfter(from)
    if (wall === undefined) return undefined
    const slot = Math.max(wall - span.offset, span.from)
    if (slot < span.until) return slot
    if (span.until >= endOfTime) return undefined
    const next = spanAt(timezone, span.until)
    from = runsThrough ? next.from + next.offset : Math.max(from, span.until + span.offset)
    span = next
  }
}

/** What the clock had reached when a span began; no clock is put back by more than a day. */
const shownBefore = (timezone: string, { from }: Span): number => {
  let highest = Number.NEGATIVE_INFINITY
  for (let at = from; at > firstMoment && at > from - oneDay;) {
    const before = spanAt(timezone, at - 1)
    highest = Math.max(highest, before.until + before.offset)
    at = before.from
  }
  return highest
}

const interval: Reader = (spec, timezone, anchor) => {
  const duration = readIsoDuration(spec)
  if (typeof duration === "string") return wrong(duration)
  const start = anchor instanceof Date ? anchor.getTime() : Number.NaN
  if (!(start >= firstMoment && start < endOfTime)) {
    return { wrong: [`the start of an interval must be a moment of the years 1970 to ${lastYear}`] }
  }
  const wall = wallOf(timezone, start)
  const onCalendar = duration.months > 0 || duration.days > 0
  const shown = `every ${showDuration(duration)}`
  return {
    spec,
    inWords: onCalendar
      ? `${shown} at ${showTimeOf(wall)} ${timezone}, counted from ${showDay(wall)}`
      : shown,
    next: nextOfInterval(duration, start, onCalendar ? wall : undefined, timezone)
  }
}

const nextOfInterval = (
  duration: IsoDuration,
  start: number,
  wall: number | undefined,
  timezone: string
): (after: number) => number => {
  const { days, months, ms } = duration
  const length = averageOf(duration)
  if (wall === undefined) return (after) => after < start ? start : start + (Math.floor((after - start) / ms) + 1) * ms
  /** It never falls as `count` grows. */
  const slot = (count: number): number =>
    count === 0 ? start : momentOf(timezone, addMonths(wall, count * months) + count * days * oneDay) + count * ms
  return (after) => {
    let count = Math.max(0, Math.floor((after - start) / length))
    while (count > 0 && slot(count - 1) > after) count--
    while (slot(count) <= after) count++
    return slot(count)
  }
}

const oneShot: Reader = (spec, timezone) => {
  const at = readIsoInstant(spec.trim(), timezone)
  if (typeof at === "string") return wrong(at)
  const wall = wallOf(timezone, at)
  return {
    spec: new Date(at).toISOString(),
    inWords: `once on ${showDay(wall)} at ${showTimeOf(wall)} ${timezone}`,
    next: (after) => after < at ? at : undefined
  }
}

const readers: Readonly<Record<SlotType, Reader>> = { cron, interval, one_shot: oneShot }

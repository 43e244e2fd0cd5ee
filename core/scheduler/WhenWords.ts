/**
 * One phrase about time, whole: raw specs first, then what comes again, then single moments. Says whether a phrase is
 * about time at all, which `Words.ts` needs to find one in a sentence.
 */
import { readCron } from "./Cron.ts"
import { cronInWords } from "./CronWords.ts"
import { isoOf } from "./DurationWords.ts"
import { type IsoDuration, showDuration } from "./IsoDuration.ts"
import { later, oneOffOf } from "./OneOff.ts"
import { minuteOfHour, type Recurrence, recurrenceOf } from "./Recurrence.ts"
import { readSlots, type SlotType } from "./Slots.ts"
import { type PartOfDay, secondOf, takeTime, type TimeOfDay, usualTime } from "./TimeWords.ts"
import { dayOf, listed, oneDay, ordinal, showDay, showTime, showTimeOf, weekdays } from "./WallClock.ts"
import { endOfTime, isZone, momentOf, wallOf } from "./Zone.ts"

export type Understood =
  | {
    readonly ok: true
    readonly type: SlotType
    readonly spec: string
    readonly timezone: string
    /** Where an interval counts from; absent: from now. */
    readonly start_at?: Date
    readonly first: Date
    /** What was understood: `every weekday at 07:30 (Europe/London), next on Tue 1 Dec 2026`. */
    readonly said: string
  }
  | {
    readonly ok: false
    /** Whole sentences: what is missing or unclear, and how to write it. */
    readonly ask: string
  }

export interface At {
  readonly now: Date
  readonly timezone: string
}

/** `unknown`: it is not about time, as far as is known. */
export type When = Understood | { readonly ok: false; readonly ask: string; readonly unknown: true }

export const maximumWords = 200

const examples =
  "write for example \"tomorrow at 17:00\", \"in 20 minutes\", \"every weekday at 7:30\" or \"on the 1st of every month at 9:00\""

const unknown = (ask: string): When => ({ ok: false, ask, unknown: true })
const unclear = (ask: string): When => ({ ok: false, ask })

export const readWhen = (words: string, given: At): When => {
  const text = words.trim()
  if (text === "" || words.length > maximumWords) {
    return unknown(`The time must have 1 to ${maximumWords} characters: ${examples}.`)
  }
  const { at, rest } = withZone(text, given)
  const now = at.now.getTime()
  if (Number.isNaN(now) || !isZone(at.timezone)) return unknown("The time of now or its time zone is not known.")
  return readRaw(rest, at) ?? readPhrase(plain(rest), text, at)
}

/** A zone at the end, as a schedule shows it: `every weekday at 07:30 Europe/London`, `… (Europe/London)`. */
const withZone = (text: string, at: At): { readonly at: At; readonly rest: string } => {
  const [all, open, name = "", close] = / (\()?([A-Za-z]+(?:\/[A-Za-z\d_+-]+){1,2}|UTC)(\))?$/.exec(text) ?? []
  return all !== undefined && (open === undefined) === (close === undefined) && isZone(name)
    ? { at: { now: at.now, timezone: name }, rest: text.slice(0, -all.length).trimEnd() }
    : { at, rest: text }
}

const numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
const numberWord = new RegExp(String.raw`\b(?:${numbers.join("|")})\b`, "g")

/** Lower case, single spaces, digits for numbers, without what ends a sentence. */
const plain = (text: string): string =>
  text.toLowerCase().replace(/\s+/g, " ").replace(numberWord, (word) => String(numbers.indexOf(word) + 1))
    .replace(/^(?:please|once|and|then)[ ,]+/, "").replace(/(?:[ ,]+please)?[ .,!?;:]*$/, "")

/** A cron pattern, an ISO 8601 duration or instant, as it is. */
const readRaw = (text: string, at: At): When | undefined => {
  if (/^P[\dT][\dA-Z.,]*$/.test(text)) return scheduled({ type: "interval", spec: text }, showIso, at)
  if (/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d[\d:.,Zz+-]*$/.test(text)) {
    return scheduled({ type: "one_shot", spec: text }, showOnce, at)
  }
  const isCron = /^@[a-z]+$/i.test(text) || /^(?:[\d*/,?-]+\s+){2,4}(?:\S+\s+){1,3}\S+$/.test(text)
  if (!isCron) return undefined
  const cron = readCron(text)
  if ("fields" in cron) {
    const shown = cronInWords(cron.fields) ?? text
    return scheduled({ type: "cron", spec: text }, showNext(shown), at)
  }
  return /^@|\*/.test(text) ? scheduled({ type: "cron", spec: text }, showNext(text), at) : undefined
}

interface Spec {
  readonly type: SlotType
  readonly spec: string
  readonly start_at?: Date
}

type Show = (spec: Spec, first: Date, at: At) => string

const showMoment = (moment: Date, timezone: string): string => {
  const wall = wallOf(timezone, moment.getTime())
  return `${showDay(wall)} at ${showTimeOf(wall)}`
}

const showOnce: Show = (_, first, { timezone }) => `once on ${showMoment(first, timezone)} (${timezone})`

const showIso: Show = ({ spec }, first, { now, timezone }) => {
  const read = readSlots({ type: "interval", spec, timezone, anchor: now })
  const every = read.ok ? read.value.inWords.replace(/ at .*$/, "") : spec
  return `${every}, first on ${showMoment(first, timezone)} (${timezone})`
}

/** Checks the spec, and that something of it is still to come. */
const scheduled = (spec: Spec, show: Show, at: At): When => {
  const { now, timezone } = at
  const read = readSlots({ type: spec.type, spec: spec.spec, timezone, anchor: spec.start_at ?? now })
  if (!read.ok) {
    return unclear(read.mistakes.map((mistake) => `${mistake.replace("the field \"spec\"", "The time")}.`).join(" "))
  }
  const first = read.value.next(now)
  if (first === undefined) {
    return unclear(
      spec.type === "one_shot"
        ? `${
          showMoment(new Date(read.value.spec), timezone)
        } (${timezone}) is past: write a time that is still to come.`
        : "That never comes up to the year 2200: write a time that does."
    )
  }
  return { ok: true, ...spec, spec: read.value.spec, timezone, first, said: show(spec, first, at) }
}

/** The words, and the next date; with its time where these do not name exactly one. */
const showNext = (shown: string): Show => (_, first, { timezone }) => {
  const moment = shown.match(/\d\d:\d\d/g)?.length === 1
    ? showDay(wallOf(timezone, first.getTime()))
    : showMoment(first, timezone)
  return `${shown} (${timezone}), next on ${moment}`
}

const nine: TimeOfDay = { hour: 9, minute: 0, second: 0 }

/** What was said of the time, and what is taken where nothing was. */
interface Times {
  readonly times: readonly [TimeOfDay, ...Array<TimeOfDay>]
  readonly part: PartOfDay | undefined
  readonly isSaid: boolean
}

const show = ({ hour, minute, second }: TimeOfDay): string => showTime(hour, minute, second)
const showTimes = ({ isSaid, times }: Times): string =>
  `at ${listed(times.map(show))}${isSaid ? "" : ", since no time was given"}`

const readPhrase = (words: string, given: string, at: At): When => {
  const hourly = minuteOfHour(words)
  if (hourly !== undefined) return readRecurrence(hourly, { times: [nine], part: undefined, isSaid: false }, at)
  const taken = takeTime(words)
  if (!taken.ok) return taken
  const { part, rest, times: [first, ...more] } = taken
  const times: Times = {
    times: [first ?? (part === undefined ? nine : usualTime[part]), ...more],
    part,
    isSaid: first !== undefined
  }
  // "every morning" without its morning.
  const recurrence = first === undefined && part === undefined && /^(?:every|each)$/.test(rest)
    ? undefined
    : recurrenceOf(rest)
  if (recurrence !== undefined) return readRecurrence(recurrence, times, at)
  if (rest === "" && first === undefined && part === undefined) return unknown(`That is no time: ${examples}.`)
  return readOneOff(rest, times, at) ??
    unknown(`I don't understand ${JSON.stringify(given.slice(0, 60))} as a time: ${examples}.`)
}

const readRecurrence = (recurrence: Recurrence, times: Times, at: At): When => {
  switch (recurrence.kind) {
    case "unclear":
      return unclear(recurrence.ask)
    case "hourly":
      return readRaw(`${recurrence.minute} * * * *`, at) ?? unknown("")
    case "elapsed": {
      if (times.isSaid || times.part !== undefined) {
        return unclear(
          "Write how often or at which time, not both: \"every 2 hours\", or \"every day at 8:00 and 20:00\"."
        )
      }
      return scheduled({ type: "interval", spec: isoOf(recurrence.duration) }, showIso, at)
    }
    case "days": {
      const [{ minute, second }] = times.times
      if (times.times.some((one) => one.minute !== minute || one.second !== second)) {
        return unclear("The times differ in their minutes: make a schedule of each.")
      }
      const hours = [...new Set(times.times.map(({ hour }) => hour))].join(",")
      const spec = `${second === 0 ? "" : `${second} `}${minute} ${hours} ${recurrence.days}`
      const cron = readCron(spec)
      const shown = "fields" in cron ? cronInWords(cron.fields) ?? spec : spec
      const said = times.isSaid ? shown : `${shown}, since no time was given`
      return scheduled({ type: "cron", spec }, showNext(said), at)
    }
    case "steps": {
      if (times.times.length > 1) return unclear("Two times are named: make a schedule of each.")
      const start = startOf(recurrence.from, times.times[0], at)
      const spec = { type: "interval", spec: isoOf(recurrence.duration), start_at: new Date(start) } as const
      const said = `every ${showDuration(recurrence.duration)}${onDay(recurrence.from)} ${showTimes(times)}`
      return scheduled(spec, showNext(said), at)
    }
  }
}

type From = Extract<Recurrence, { kind: "steps" }>["from"]

const onDay = ({ day, weekday }: From): string =>
  weekday !== undefined ? ` on ${weekdays[weekday]}` : day !== undefined ? ` on the ${ordinal(day)}` : ""

/** The first day that fits whose time is still to come; today, past or not, where the steps count from today. */
const startOf = ({ day, today, weekday }: From, time: TimeOfDay, { now, timezone }: At): number => {
  const midnight = dayOf(wallOf(timezone, now.getTime()))
  // A leap year holds every day of a month within a year, 366 days from any.
  for (let ahead = 0; ahead < 367; ahead++) {
    const date = new Date(midnight + ahead * oneDay)
    const fits = (weekday === undefined || date.getUTCDay() === weekday) &&
      (day === undefined || date.getUTCDate() === day)
    const start = momentOf(timezone, date.getTime() + secondOf(time) * 1_000)
    if (fits && (today === true || start > now.getTime())) return start
  }
  return now.getTime()
}

const readOneOff = (rest: string, times: Times, at: At): When | undefined => {
  const { now, timezone } = at
  const wall = wallOf(timezone, now.getTime())
  const found = oneOffOf(rest, wall)
  if (found === undefined) return undefined
  if (found.kind === "unclear") return unclear(found.ask)
  if (times.times.length > 1) return unclear("Two times are named: write one, such as \"tomorrow at 17:00\".")
  const time = secondOf(times.times[0]) * 1_000
  if (found.kind === "from now") return fromNow(found.duration, times, at)
  const night = rest === "today" && times.part === "night" && times.isSaid && time < 3 * 3_600_000
  const day = night ? found.day + oneDay : found.day
  const start = momentOf(timezone, day + time)
  const isPast = start <= now.getTime()
  const moved = isPast && found.again !== undefined ? later(day, found.again) : day
  return once(momentOf(timezone, moved + time), times, at)
}

const once = (moment: number, times: Times, at: At): When => {
  return scheduled(
    { type: "one_shot", spec: new Date(moment).toISOString() },
    (_, first) =>
      `once on ${showMoment(first, at.timezone)}${times.isSaid ? "" : ", since no time was given"} (${at.timezone})`,
    at
  )
}

const fromNow = (duration: IsoDuration, times: Times, at: At): When => {
  const wall = wallOf(at.timezone, at.now.getTime())
  const onCalendar = later(wall, duration)
  if (!(onCalendar + duration.ms < endOfTime)) return unclear("That is too far away: write a time up to the year 2200.")
  const isGiven = times.isSaid || times.part !== undefined
  if (isGiven && duration.ms > 0) return unclear("Write how long from now or at which time, not both.")
  const moment = isGiven
    ? momentOf(at.timezone, dayOf(onCalendar) + secondOf(times.times[0]) * 1_000)
    : duration.months + duration.days > 0
    ? momentOf(at.timezone, onCalendar) + duration.ms
    : at.now.getTime() + duration.ms
  return once(moment, { ...times, isSaid: !isGiven || times.isSaid }, at)
}

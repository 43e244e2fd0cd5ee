/**
 * What comes again and again, in words: `every weekday`, `every second tuesday`, `on the 1st of every month`. The time of
 * day was taken out before (`TimeWords.ts`). A grammar of whole phrases: what it does not know whole, it does not know.
 */
import { durationOf } from "./DurationWords.ts"
import type { IsoDuration } from "./IsoDuration.ts"

export type Recurrence =
  /** The last three fields of a cron pattern. */
  | { readonly kind: "days"; readonly days: string }
  /** From the next day that fits: any, a day of the week (0 is Sunday), or one of the month. */
  | {
    readonly kind: "steps"
    readonly duration: IsoDuration
    readonly from: { readonly weekday?: number; readonly day?: number; readonly today?: true }
  }
  /** Elapsed time, from now on. */
  | { readonly kind: "elapsed"; readonly duration: IsoDuration }
  /** Minutes of every hour. */
  | { readonly kind: "hourly"; readonly minute: number }
  | { readonly kind: "unclear"; readonly ask: string }

const weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
const weekdaySource = "(?:sun|mon|tues?|wed|thu|thurs?|fri|sat)s?|(?:sun|mon|tues|wednes|thurs|fri|satur)days?"
const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
const monthSource =
  "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
const places: Readonly<Record<string, string>> = {
  first: "#1",
  second: "#2",
  third: "#3",
  fourth: "#4",
  fifth: "#5",
  "1st": "#1",
  "2nd": "#2",
  "3rd": "#3",
  "4th": "#4",
  "5th": "#5",
  last: "L"
}
const placeSource = Object.keys(places).join("|")

const weekdayOf = (word: string): number => weekdayNames.indexOf(word.slice(0, 3))

/** A phrase of the grammar; `W`, `M`, `P`, `D` and `E` stand for a day of the week, a month, a place, a date, `every`. */
const phrase = (source: string): RegExp =>
  new RegExp(
    `^(?:${
      source.replace(/\bW\b/g, `(?:${weekdaySource})`).replace(/\bM\b/g, `(?:${monthSource})`)
        .replace(/\bP\b/g, `(?:${placeSource})`).replace(/\bD\b/g, String.raw`(?:\d{1,2}(?:st|nd|rd|th)?)`)
        .replace(/\bE\b/g, "(?:every|each)")
    })$`
  )

const days = (days: string): Recurrence => ({ kind: "days", days })

const steps = (
  months: number,
  count: number,
  from: Extract<Recurrence, { kind: "steps" }>["from"] = {}
): Recurrence => ({ kind: "steps", duration: { months, days: count, ms: 0 }, from })

const counts: Readonly<Record<string, number>> = {
  other: 2,
  second: 2,
  "2nd": 2,
  third: 3,
  "3rd": 3,
  fourth: 4,
  "4th": 4
}
const countOf = (word = "1"): number => counts[word] ?? Number(word)
const count = String.raw`(?:(other|second|2nd|third|3rd|fourth|4th|\d{1,4}) )?`

const listOf = (words: string): ReadonlyArray<string> => words.split(/, and |, | and | & /)

const byDayOfMonth = (words: string): Recurrence => {
  const dates = listOf(words).map((word) => Number.parseInt(word, 10))
  return dates.every((date) => date >= 1 && date <= 31)
    ? days(`${[...new Set(dates)].toSorted((a, b) => a - b).join(",")} * *`)
    : {
      kind: "unclear",
      ask: "A month has the days 1 to 31: write one of them, such as \"on the 1st of every month\"."
    }
}

const byWeekdays = (words: string): Recurrence =>
  days(`* * ${[...new Set(listOf(words).map(weekdayOf))].toSorted((a, b) => a - b).join(",")}`)

const byRange = (first: string, last: string): Recurrence => {
  const set: Array<number> = []
  for (let at = weekdayOf(first); set.length < 7; at = (at + 1) % 7) {
    set.push(at)
    if (at === weekdayOf(last)) break
  }
  const sorted = set.toSorted((a, b) => a - b)
  return days(`* * ${sorted.join(",") === "1,2,3,4,5" ? "1-5" : sorted.length === 7 ? "*" : sorted.join(",")}`)
}

const byPlace = (place: string, weekday: string): Recurrence => days(`* * ${weekdayOf(weekday)}${places[place]}`)

const byYear = (day: string, month: string): Recurrence => {
  const date = Number.parseInt(day, 10)
  const most = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][monthNames.indexOf(month.slice(0, 3))]!
  return date >= 1 && date <= most
    ? days(`${date} ${monthNames.indexOf(month.slice(0, 3)) + 1} *`)
    : { kind: "unclear", ask: `That month has no day ${date}: write one that it has.` }
}

const askPlace = (place: string, weekday: string): Recurrence => ({
  kind: "unclear",
  ask: `Do you mean once every ${countOf(place)} weeks, or once a month? Write "every ${countOf(place)} weeks on ` +
    `${weekday}" or "on the ${place} ${weekday} of every month".`
})

type Words = ReadonlyArray<string | undefined>

const grammar: ReadonlyArray<readonly [RegExp, (...words: Words) => Recurrence | undefined]> = [
  [phrase("E|E (?:single )?day|everyday|daily"), () => days("* * *")],
  [phrase("E (?:weekday|work ?day|working day|business day)"), () => days("* * 1-5")],
  [phrase("(?:on )?(?:weekdays|work ?days|working days|business days)"), () => days("* * 1-5")],
  [phrase("E weekend(?: day)?|(?:on |at )?(?:the )?weekends"), () => days("* * 0,6")],
  [phrase("(?:E |from |on )?(W) ?(?:to|through|till|until|-) ?(W)"), (first = "", last = "") => byRange(first, last)],
  [phrase("E (W(?:(?:, and |, | and | & )W){0,6})"), (list = "") => byWeekdays(list)],
  [
    phrase("(?:on )?((?:sun|mon|tues|wednes|thurs|fri|satur)days(?:(?:, and |, | and | & )W){0,6})"),
    (list = "") => byWeekdays(list)
  ],
  [phrase("(?:E week|weekly) on (W(?:(?:, and |, | and | & )W){0,6})"), (list = "") => byWeekdays(list)],
  [phrase("(?:on )?(?:the )?(P) (W) (?:of|in) (?:E|the) month"), (place = "", weekday = "") => byPlace(place, weekday)],
  [phrase("(?:E month|monthly) on the (P) (W)"), (place = "", weekday = "") => byPlace(place, weekday)],
  [phrase("E (P) (W) (?:of|in) (?:the|a|E) month"), (place = "", weekday = "") => byPlace(place, weekday)],
  [phrase("E (first|1st|last) (W)"), (place = "", weekday = "") => byPlace(place, weekday)],
  [phrase("E (?:other|second|2nd) (W)"), (weekday = "") => steps(0, 14, { weekday: weekdayOf(weekday) })],
  [phrase("E (third|3rd|fourth|4th|fifth|5th) (W)"), (place = "", weekday = "") => askPlace(place, weekday)],
  [
    phrase(`E ${count}weeks? on (W)`),
    (weeks, weekday = "") => steps(0, 7 * countOf(weeks), { weekday: weekdayOf(weekday) })
  ],
  [phrase("(?:E fortnight|fortnightly) on (W)"), (weekday = "") => steps(0, 14, { weekday: weekdayOf(weekday) })],
  [phrase("E fortnight|fortnightly"), () => steps(0, 14, { today: true })],
  [phrase("weekly"), () => steps(0, 7, { today: true })],
  [phrase("monthly"), () => steps(1, 0, { today: true })],
  [phrase("yearly|annually"), () => steps(12, 0, { today: true })],
  [phrase("bi-?weekly|bi-?monthly"), () => ({
    kind: "unclear",
    ask: "That has two meanings: write \"every 2 weeks\" or \"every 2 months\", or two schedules."
  })],
  [phrase(`E ${count}days?`), (number) => steps(0, countOf(number))],
  [phrase(`E ${count}weeks?`), (number) => steps(0, 7 * countOf(number), { today: true })],
  [phrase(`E ${count}months?`), (number) => steps(countOf(number), 0, { today: true })],
  [phrase(`E ${count}years?`), (number) => steps(12 * countOf(number), 0, { today: true })],
  [
    phrase("(?:on )?(?:the )?last day (?:of|in) E month|(?:E month|monthly) on the last day|E last day of the month"),
    () => days("L * *")
  ],
  [
    phrase("(?:on )?(?:the )?(D(?:(?:, and |, | and | & )(?:the )?D){0,9}) (?:of|in) E month"),
    (list = "") => byDayOfMonth(list.replaceAll("the ", ""))
  ],
  [
    phrase("(?:E month|monthly) on (?:the |day )(D(?:(?:, and |, | and | & )(?:the )?D){0,9})"),
    (list = "") => byDayOfMonth(list.replaceAll("the ", ""))
  ],
  [phrase("E (D(?:(?:, and |, | and | & )D){0,9}) of (?:the|E) month"), (list = "") => byDayOfMonth(list)],
  [
    phrase(`E ${count}months on the (D)`),
    (number, day = "") =>
      Number.parseInt(day, 10) >= 1 && Number.parseInt(day, 10) <= 31
        ? steps(countOf(number), 0, { day: Number.parseInt(day, 10) })
        : undefined
  ],
  [phrase("E (D) (?:of )?(M)"), (day = "", month = "") => byYear(day, month)],
  [phrase("E (M) (?:the )?(D)"), (month = "", day = "") => byYear(day, month)],
  [phrase("(?:E year|yearly|annually) on (?:the )?(D) (?:of )?(M)"), (day = "", month = "") => byYear(day, month)],
  [phrase("(?:E year|yearly|annually) on (M) (?:the )?(D)"), (month = "", day = "") => byYear(day, month)],
  [phrase("(?:on )?(?:the )?(D) (?:of )?(M)(?:,)? E year"), (day = "", month = "") => byYear(day, month)],
  [phrase("(?:on )?(M) (?:the )?(D)(?:,)? E year"), (month = "", day = "") => byYear(day, month)]
]

/** Elapsed time; not to be asked where a time of day was said. */
const elapsed = (words: string): Recurrence | undefined => {
  if (/^hourly$/.test(words)) return { kind: "elapsed", duration: { months: 0, days: 0, ms: 3_600_000 } }
  const [, text] = /^(?:every|each) (.+)$/.exec(words) ?? []
  if (text === undefined) return undefined
  const other = /^(?:other|second|2nd|third|3rd|fourth|4th) (?:second|minute|hour)$/.exec(text)
  const duration = durationOf(other === null ? text : text.replace(/^\S+/, (word) => String(countOf(word))), true)
  return duration !== undefined && duration.ms > 0 ? { kind: "elapsed", duration } : undefined
}

/** Undefined for what is no recurrence. */
export const recurrenceOf = (words: string): Recurrence | undefined => {
  for (const [pattern, make] of grammar) {
    const match = pattern.exec(words)
    if (match !== null) return make(...match.slice(1))
  }
  return elapsed(words)
}

/** `every hour at 15 past`, `every hour on the hour`: what looks like a time of day is the minute. */
export const minuteOfHour = (words: string): Recurrence | undefined => {
  const [, minute] =
    /^(?:every hour|hourly),? (?:at |on )(?:the hour|:?(\d{1,2})(?: minutes?)?(?: past(?: the hour)?))$/
      .exec(words) ?? [undefined, "x"]
  if (minute === "x") return undefined
  return Number(minute ?? 0) < 60 ? { kind: "hourly", minute: Number(minute ?? 0) } : undefined
}

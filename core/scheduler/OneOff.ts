/**
 * A single day or moment in words: `tomorrow`, `next friday`, `24 december`, `in 2 days`. The day is chrono-node's, read on
 * the wall clock; what it means in the zone is worked out here.
 */
import { casual } from "chrono-node/en"
import { durationOf } from "./DurationWords.ts"
import type { IsoDuration } from "./IsoDuration.ts"
import { addMonths, dayOf, daysInMonth, oneDay, reading } from "./WallClock.ts"

export type OneOff =
  | {
    readonly kind: "day"
    /** Midnight of it. */
    readonly day: number
    /** What to add where its time is past already; nothing: then it is past. */
    readonly again?: IsoDuration
  }
  | { readonly kind: "from now"; readonly duration: IsoDuration }
  | { readonly kind: "unclear"; readonly ask: string }

const afterDays = (days: number): IsoDuration => ({ months: 0, days, ms: 0 })

/** Undefined for what is no day. `wall` is what the clock shows now. */
export const oneOffOf = (words: string, wall: number): OneOff | undefined => {
  const today = dayOf(wall)
  if (words === "") return { kind: "day", day: today, again: afterDays(1) }
  const [, inWords, fromNow] = /^(?:in (.+)|(.+) from now)$/.exec(words) ?? []
  const duration = durationOf(inWords ?? fromNow ?? "")
  if (duration !== undefined) return { kind: "from now", duration }
  const text = words.replace(/^on (?:the )?/, "").replace(/^(?:this )?coming /, "")
    .replace(/^in (?=[a-z]+(?: \d{4})?$)/, "").replace(/^day after tomorrow$/, "the day after tomorrow")
  if (/\bago$|^last |^yesterday$|^the day before yesterday$/.test(words)) {
    return { kind: "unclear", ask: "That is past: write a time that is still to come." }
  }
  const numeric = /^(\d{1,2})[./-](\d{1,2})(?:[./-]\d{2,4})?$/.exec(text)
  if (numeric !== null && Number(numeric[1]) <= 12 && Number(numeric[2]) <= 12 && numeric[1] !== numeric[2]) {
    return {
      kind: "unclear",
      ask: `${JSON.stringify(text)} can be two days: write it as "24 December" or "2026-12-24".`
    }
  }
  const date = /^(?:the )?(\d{1,2})(?:st|nd|rd|th)$/.exec(text)
  return date === null ? dayByChrono(text, words, wall) : dayOfMonth(Number(date[1]), today)
}

const dayOfMonth = (date: number, today: number): OneOff | undefined => {
  const now = new Date(today)
  if (date < 1 || date > 31) return undefined
  for (let ahead = 0; ahead < 3; ahead++) {
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1))
    const [year, number] = [month.getUTCFullYear(), month.getUTCMonth() + 1]
    const day = Date.UTC(year, number - 1, date)
    if (date <= daysInMonth(year, number) && day >= today) {
      return { kind: "day", day, again: { months: 1, days: 0, ms: 0 } }
    }
  }
  return undefined
}

const dayByChrono = (text: string, words: string, wall: number): OneOff | undefined => {
  const [found, ...others] = casual.parse(text, { instant: new Date(wall), timezone: 0 }, { forwardDate: true })
  if (found === undefined || others.length > 0 || found.text !== text || found.end) return undefined
  const { start } = found
  if (start.isCertain("hour")) return undefined
  const byWeekday = start.isCertain("weekday") && !start.isCertain("day")
  if (!start.isCertain("day") && !byWeekday) {
    return /^(?:in|next|this) /.test(words) || start.isCertain("year")
      ? { kind: "unclear", ask: `On which day? Write it with the day, such as "24 December" or "2026-12-24".` }
      : undefined
  }
  const [year, month, date] = [start.get("year"), start.get("month"), start.get("day")]
  const day = year === null || month === null || date === null ? undefined : reading({ year, month, day: date })
  if (day === undefined) return undefined
  if (byWeekday) return { kind: "day", day, again: afterDays(7) }
  return start.isCertain("year") ? { kind: "day", day } : { kind: "day", day, again: { months: 12, days: 0, ms: 0 } }
}

/** The wall clock some time later, where that is counted on the calendar. */
export const later = (wall: number, { days, months }: IsoDuration): number => addMonths(wall, months) + days * oneDay

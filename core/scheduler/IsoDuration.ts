/**
 * ISO 8601 durations: `PT30S`, `PT1H30M`, `P1D`, `P2W`, `P1M`. Years, months, weeks and days count on the calendar,
 * hours, minutes and seconds by the clock that never jumps. Whole numbers, but for seconds: these may have three decimals.
 */
import { listed } from "./WallClock.ts"

export interface IsoDuration {
  readonly months: number
  readonly days: number
  /** The part that is elapsed time. */
  readonly ms: number
}

const averageMonth = 30.436875 * 86_400_000
const averageYears = 12 * averageMonth

/** How long it is where it is neither shortened nor stretched by the calendar. */
export const averageOf = ({ days, months, ms }: IsoDuration): number => months * averageMonth + days * 86_400_000 + ms

const pattern =
  /^P(?=[\dT])(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,](\d{1,3}))?S)?)?$/

const example = "such as \"PT30S\", \"PT1H30M\", \"P1D\" or \"P2W\""

/** The duration, or what is wrong with it: a sentence without subject and full stop. */
export const readIsoDuration = (text: string): IsoDuration | string => {
  const match = pattern.exec(text)
  if (match === null) return `must be an ISO 8601 duration, ${example}`
  const [years, months, weeks, days, hours, minutes, seconds] = match.slice(1, 8).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const duration = {
    months: years * 12 + months,
    days: weeks * 7 + days,
    ms: hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + Number((match[8] ?? "").padEnd(3, "0"))
  }
  const length = averageOf(duration)
  if (length < 1_000) return `must be at least one second long, ${example}`
  if (length > 10 * averageYears) return "must be at most ten years long, such as \"P10Y\""
  return duration
}

const counted = (count: number, unit: string): ReadonlyArray<string> =>
  count === 0 ? [] : [`${count} ${unit}${count === 1 ? "" : "s"}`]

/** `2 weeks`, `1 hour and 30 minutes`; of one unit only its name: `day`. */
export const showDuration = ({ days, months, ms }: IsoDuration): string => {
  const seconds = ms / 1_000
  const parts = [
    ...counted(Math.floor(months / 12), "year"),
    ...counted(months % 12, "month"),
    ...(days % 7 === 0 ? counted(days / 7, "week") : counted(days, "day")),
    ...counted(Math.floor(seconds / 3_600), "hour"),
    ...counted(Math.floor(seconds / 60) % 60, "minute"),
    ...counted(Math.round((seconds % 60) * 1_000) / 1_000, "second")
  ]
  return parts.length === 1 ? parts[0]!.replace(/^1 /, "") : listed(parts)
}

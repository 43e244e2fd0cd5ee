/** Calendar days and readings of a clock, as numbers and in words. A reading is what `Date.UTC` makes of it. */

export const daysInMonth = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

export interface Reading {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour?: number
  readonly minute?: number
  readonly second?: number
  readonly ms?: number
}

/** The reading; undefined where the calendar or the clock has none such. */
export const reading = ({ day, hour = 0, minute = 0, month, ms = 0, second = 0, year }: Reading): number | undefined =>
  month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month) && hour <= 23 && minute <= 59 && second <= 59
    ? Date.UTC(year, month - 1, day, hour, minute, second, ms)
    : undefined

/** The same day of the month some months later; the last day where that month has no such day. */
export const addMonths = (wall: number, months: number): number => {
  const date = new Date(wall)
  const month = date.getUTCFullYear() * 12 + date.getUTCMonth() + months
  const year = Math.floor(month / 12)
  const day = Math.min(date.getUTCDate(), daysInMonth(year, month - year * 12 + 1))
  return Date.UTC(year, month - year * 12, day) + wall - dayOf(wall)
}

export const oneDay = 86_400_000

/** Midnight of its day. */
export const dayOf = (wall: number): number => Math.floor(wall / oneDay) * oneDay

export const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const
export const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December"
] as const

const two = (value: number): string => String(value).padStart(2, "0")

/** `07:30`, `07:30:15`. */
export const showTime = (hour: number, minute: number, second = 0): string =>
  `${two(hour)}:${two(minute)}${second === 0 ? "" : `:${two(second)}`}`

/** `Tue 1 Dec 2026`. */
export const showDay = (wall: number): string => {
  const date = new Date(wall)
  const weekday = weekdays[date.getUTCDay()]!.slice(0, 3)
  return `${weekday} ${date.getUTCDate()} ${months[date.getUTCMonth()]!.slice(0, 3)} ${date.getUTCFullYear()}`
}

/** `07:30` of a reading. */
export const showTimeOf = (wall: number): string => {
  const date = new Date(wall)
  return showTime(date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds())
}

/** `1st`, `22nd`. */
export const ordinal = (value: number): string => {
  const last = value % 100 >= 11 && value % 100 <= 13 ? 0 : value % 10
  return `${value}${["th", "st", "nd", "rd"][last] ?? "th"}`
}

/** `a`, `a and b`, `a, b and c`. */
export const listed = (items: ReadonlyArray<string>): string =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`

/** Quiet hours in words, and the body that changes them. */
import type { QuietHoursRecord } from "syris/records"

type Day = NonNullable<QuietHoursRecord["days"]>[number]
export const days: ReadonlyArray<Day> = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

export const dayNames: Readonly<Record<Day, string>> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday"
}

const weekdays = "mon,tue,wed,thu,fri"
const weekend = "sat,sun"

const daysInWords = (given: ReadonlyArray<string> | undefined): string => {
  const sorted = days.filter((day) => given?.includes(day) ?? true)
  if (sorted.length === 7) return "every day"
  if (sorted.join() === weekdays) return "Monday to Friday"
  if (sorted.join() === weekend) return "Saturday and Sunday"
  return sorted.map((day) => dayNames[day]).join(", ")
}

interface Window {
  readonly start: string
  readonly end: string
  readonly days?: ReadonlyArray<string> | undefined
  /** Without one it is that of what keeps them. */
  readonly timezone?: string
}

/** `22:00 to 07:00 the next day, every day (Europe/London)`. */
export const windowInWords = ({ days, end, start, timezone }: Window): string => {
  const until = start === end ? `${end} the next day, 24 hours,` : end < start ? `${end} the next day,` : `${end},`
  return `${start} to ${until} ${daysInWords(days)}${timezone === undefined ? "" : ` (${timezone})`}`
}

export interface Edited {
  readonly start: string
  readonly end: string
  readonly timezone: string
  readonly days: ReadonlyArray<Day>
  readonly enabled: boolean
}

/** All days are the same as none named. */
export const bodyOf = ({ days: chosen, ...rest }: Edited) => ({
  ...rest,
  ...(chosen.length === 7 ? {} : { days: days.filter((day) => chosen.includes(day)) })
})

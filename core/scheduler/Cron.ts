/**
 * A cron pattern as tables that are quick to ask: croner reads it, the walk is our own.
 *
 * - Five fields, or six with seconds first. Names, ranges, steps, lists, `L`, `W`, `#` and the `@` names are croner's.
 * - Day of month and day of week both other than `*`: either one is enough, as in classic cron. A `+` before the day of
 *   week asks for both.
 * - A pattern without any day up to the year 2200 is a mistake. Nothing here throws, and nothing walks further.
 */
import { CronPattern } from "croner"
import { daysInMonth, oneDay } from "./WallClock.ts"
import { lastYear } from "./Zone.ts"

export interface Cron {
  /** The fields that it was read as, seconds first. */
  readonly fields: CronFields
  /**
   * The hour field has a `*`, a range or a step: it means "as the clock goes by" rather than certain times of a day. That
   * decides what happens where the clock is changed.
   */
  readonly runsThrough: boolean
  /** The first reading at or after one; undefined where there is none up to the year 2200. */
  readonly atOrAfter: (wall: number) => number | undefined
}

export type CronFields = readonly [
  second: string,
  minute: string,
  hour: string,
  day: string,
  month: string,
  weekday: string
]

const nicknames: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"]
])

const example = "such as \"30 7 * * 1-5\" for every weekday at 07:30"

/** The pattern, or what is wrong with it: sentences without subject and full stop. */
export const readCron = (text: string): Cron | ReadonlyArray<string> => {
  const given = text.trim().toLowerCase()
  const before = known.get(given)
  if (before !== undefined) return before
  if (given.startsWith("@") && !nicknames.has(given)) {
    return [`must be a cron pattern, ${example}, or one of ${[...nicknames.keys()].join(", ")}`]
  }
  const parts = (nicknames.get(given) ?? given).split(/\s+/)
  if (parts.length !== 5 && parts.length !== 6) {
    return [`must be a cron pattern of five fields, or six with seconds first, ${example}`]
  }
  const fields = (parts.length === 5 ? ["0", ...parts] : parts) as unknown as CronFields
  const pattern = parse(fields)
  if (pattern === undefined) {
    const wrong = fields.flatMap((field, index) =>
      isField(field, index) ? [] : [`has ${quoted(field)} as its ${names[index]}`]
    )
    return wrong.length > 0 ? wrong : [`must be a cron pattern, ${example}`]
  }
  const cron = tablesOf(pattern, fields)
  if (cron.atOrAfter(Date.UTC(2000, 0, 1)) === undefined) {
    return ["has a day that never comes: write one that its month has, such as \"0 9 28 2 *\""]
  }
  if (known.size >= maximumKnown) known.clear()
  known.set(given, cron)
  return cron
}

/** Reading takes a hundred times as long as asking. */
const known = new Map<string, Cron>()
const maximumKnown = 2_000

const names = [
  "second: write 0 to 59",
  "minute: write 0 to 59, such as \"30\", \"0,30\" or \"*/15\"",
  "hour: write 0 to 23, such as \"7\", \"9-17\" or \"*/2\"",
  "day of the month: write 1 to 31, or \"L\" for the last",
  "month: write 1 to 12 or jan to dec",
  "day of the week: write 0 to 7 or sun to sat, such as \"1-5\" or \"mon,thu\""
]

const quoted = (field: string): string => JSON.stringify(field.length > 20 ? `${field.slice(0, 20)}…` : field)

const isField = (field: string, index: number): boolean => {
  const others = ["0", "0", "0", "*", "*", "*"]
  others[index] = field
  return parse(others) !== undefined
}

const parse = (fields: ReadonlyArray<string>): CronPattern | undefined => {
  try {
    return new CronPattern(fields.join(" "), undefined, { mode: "6-part" })
  } catch {
    return undefined
  }
}

/** For each value the first one at or after it that is set; -1 where there is none. One entry more than values. */
const nextOf = (set: ReadonlyArray<number>): Int8Array => {
  const next = new Int8Array(set.length + 1).fill(-1)
  for (let at = set.length - 1; at >= 0; at--) next[at] = set[at] ? at : next[at + 1]!
  return next
}

const tablesOf = (pattern: CronPattern, fields: CronFields): Cron => {
  const seconds = nextOf(pattern.second.slice(0, 60))
  const minutes = nextOf(pattern.minute.slice(0, 60))
  const hours = nextOf(pattern.hour.slice(0, 24))
  const months = pattern.month.slice(0, 12)
  const monthOf = daysOf(pattern)
  let kept = -1
  let days = 0

  /** The set days of a month, bit 0 the first. */
  const daysIn = (year: number, month: number): number => {
    if (!months[month - 1]) return 0
    const key = year * 12 + month
    if (key !== kept) {
      days = monthOf(year, month)
      kept = key
    }
    return days
  }

  /** In seconds from midnight; -1 where the day has none left. */
  const timeFrom = (time: number): number => {
    const hour = hours[Math.floor(time / 3_600)]!
    if (hour < 0) return -1
    if (hour * 3_600 > time) return hour * 3_600 + minutes[0]! * 60 + seconds[0]!
    const minute = minutes[Math.floor(time / 60) % 60]!
    if (minute >= 0) {
      if (hour * 3_600 + minute * 60 > time) return hour * 3_600 + minute * 60 + seconds[0]!
      const second = seconds[time % 60]!
      if (second >= 0) return hour * 3_600 + minute * 60 + second
      const later = minutes[minute + 1]!
      if (later >= 0) return hour * 3_600 + later * 60 + seconds[0]!
    }
    const next = hours[hour + 1]!
    return next < 0 ? -1 : next * 3_600 + minutes[0]! * 60 + seconds[0]!
  }

  return {
    fields,
    runsThrough: /[*?/-]/.test(fields[2]),
    atOrAfter: (wall) => {
      const midnight = Math.floor(wall / oneDay) * oneDay
      let time = Math.ceil((wall - midnight) / 1_000)
      const date = new Date(midnight)
      let [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
      while (year <= lastYear) {
        for (let left = daysIn(year, month) >>> (day - 1) << (day - 1); left !== 0; left &= left - 1) {
          const found = 31 - Math.clz32(left & -left) + 1
          const at = timeFrom(found === day ? time : 0)
          if (at >= 0) return Date.UTC(year, month - 1, found) + at * 1_000
        }
        day = 1
        time = 0
        if (++month > 12) [year, month] = [year + 1, 1]
      }
      return undefined
    }
  }
}

/** Bit of croner's for the last one of a month; the lower five are the first to the fifth. */
const lastOfMonth = 32

/** Of the pattern only what is needed: it has a list of all years with it. */
const daysOf = (pattern: CronPattern): (year: number, month: number) => number => {
  const { day: dates, dayOfWeek, lastDayOfMonth, lastWeekday, starDOM, starDOW, useAndLogic } = pattern
  const near = pattern.nearestWeekdays.flatMap((set, index) => set ? [index + 1] : [])
  return (year, month) => {
    const length = daysInMonth(year, month)
    const first = new Date(Date.UTC(year, month - 1, 1)).getUTCDay()
    const weekdayOf = (day: number): number => (first + day - 1) % 7
    const nearest = near.map((day) => day > length ? 0 : nearestWeekday(day, length, weekdayOf))
    const lastWorkday = length - Math.max(0, (weekdayOf(length) + 6) % 7 - 4)
    let days = 0
    for (let day = 1; day <= length; day++) {
      const byDay = starDOM || Boolean(dates[day - 1]) || nearest.includes(day) ||
        (lastDayOfMonth && day === length) || (lastWeekday && day === lastWorkday)
      const which = dayOfWeek[weekdayOf(day)]!
      const byWeekday = (which & (1 << Math.ceil(day / 7) - 1)) !== 0 ||
        ((which & lastOfMonth) !== 0 && day + 7 > length)
      const is = starDOW ? byDay : useAndLogic || starDOM ? byDay && byWeekday : byDay || byWeekday
      if (is) days |= 1 << (day - 1)
    }
    return days
  }
}

/** Within the month: the Monday after a 1st that is a Saturday, the Friday before a last day that is a Sunday. */
const nearestWeekday = (day: number, length: number, weekdayOf: (day: number) => number): number => {
  const weekday = weekdayOf(day)
  if (weekday === 0) return day === length ? day - 2 : day + 1
  if (weekday === 6) return day === 1 ? day + 2 : day - 1
  return day
}

/**
 * A part of the day that comes again, by the clock on the wall of a time zone: where the clock is put forward, the window
 * loses what was skipped; where it is put back, both passes of an hour count.
 *
 * Pure, and cheap enough for the decision of the gates: what the clock of a zone shows is worked out once a minute.
 */

/** The days of the week, in the order of `Date.getUTCDay`. */
export const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const
export type Day = (typeof days)[number]

export interface TimeWindow {
  /** `HH:MM`, 00:00 to 23:59; the window begins with it. */
  readonly start: string
  /** `HH:MM`; the window ends before it. Before `start`: on the next day. The same as `start`: 24 hours later. */
  readonly end: string
  /** A name of the IANA database. */
  readonly timezone: string
  /** On which it begins. Default: all. */
  readonly days?: ReadonlyArray<Day>
}

/** Whether a moment lies in a window, whose zone must be one that `Intl` knows. */
export const isWithin = ({ days: begins, end, start, timezone }: TimeWindow, at: Date): boolean => {
  const { minute, weekday } = wallClock(timezone, at.getTime())
  const from = minuteOf(start)
  const to = minuteOf(end)
  const beginsOn = (day: number): boolean => {
    const name = days[day]
    return begins === undefined || (name !== undefined && begins.includes(name))
  }
  if (from < to) return minute >= from && minute < to && beginsOn(weekday)
  return minute >= from ? beginsOn(weekday) : minute < to && beginsOn((weekday + 6) % 7)
}

/** As a person reads it: `22:00 to 07:00 Europe/London`. */
export const showWindow = ({ end, start, timezone }: TimeWindow): string => `${start} to ${end} ${timezone}`

interface WallClock {
  /** The minute of the epoch that it was worked out for. */
  readonly of: number
  /** Since midnight, 0 to 1439. */
  readonly minute: number
  /** 0 is Sunday. */
  readonly weekday: number
}

interface Zone {
  readonly format: Intl.DateTimeFormat
  shown: WallClock | undefined
}

const zones = new Map<string, Zone>()
/** More than the IANA database has. */
const maximumZones = 1_000

const zoneOf = (timezone: string): Zone => {
  const known = zones.get(timezone)
  if (known !== undefined) return known
  if (zones.size >= maximumZones) zones.clear()
  const zone: Zone = {
    format: new Intl.DateTimeFormat("en-US", {
      timeZone: timezone,
      hourCycle: "h23",
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit"
    }),
    shown: undefined
  }
  zones.set(timezone, zone)
  return zone
}

const wallClock = (timezone: string, at: number): WallClock => {
  const zone = zoneOf(timezone)
  const of = Math.floor(at / 60_000)
  if (zone.shown?.of === of) return zone.shown
  let [hour, minute, weekday] = [0, 0, 0]
  for (const { type, value } of zone.format.formatToParts(at)) {
    if (type === "hour") hour = Number(value)
    else if (type === "minute") minute = Number(value)
    else if (type === "weekday") weekday = days.findIndex((day) => day === value.toLowerCase())
  }
  return (zone.shown = { of, minute: hour * 60 + minute, weekday })
}

const minuteOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5))

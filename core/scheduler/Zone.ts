/**
 * The clock on the wall of a time zone, both ways, for the years 1970 to 2200.
 *
 * - Time is cut into spans in which the distance to UTC stays the same. A span is worked out once and kept: later
 *   questions cost well under a microsecond.
 * - A wall clock reading is a number too: the milliseconds that `Date.UTC` makes of it.
 * - Total for every zone that `isTimezone` takes and every finite moment: before and after these years, the clock stays
 *   as it was at their edge.
 */

import { isTimezone } from "../plugin/TimeWindowSetting.ts"

export interface Span {
  /** First moment of it. */
  readonly from: number
  /** First moment after it. */
  readonly until: number
  /** Wall clock minus UTC, in ms. */
  readonly offset: number
}

export const firstYear = 1970
export const lastYear = 2200

export const firstMoment = Date.UTC(firstYear, 0, 1)
/** No slot is as late as this. */
export const endOfTime = Date.UTC(lastYear + 1, 0, 1)

/** The span that a moment lies in. It ends at the end of its year, where no change ends it before. */
export const spanAt = (timezone: string, at: number): Span => {
  const spans = spansOf(timezone, Math.min(Math.max(new Date(at).getUTCFullYear(), firstYear), lastYear))
  for (const span of spans) if (at < span.until) return span
  return spans.at(-1)!
}

/** The distances between the wall clocks of two zones stay below this. */
const widest = 16 * 3_600_000

/**
 * The first moment whose wall clock shows at least this: a reading that comes twice is the first pass, one that is left
 * out the first moment after the gap.
 */
export const momentOf = (timezone: string, wall: number): number => {
  let span = spanAt(timezone, wall - widest)
  while (wall >= span.until + span.offset && span.until < endOfTime) span = spanAt(timezone, span.until)
  return Math.max(wall - span.offset, span.from)
}

export const wallOf = (timezone: string, at: number): number => at + spanAt(timezone, at).offset

/** `isTimezone`, quick for a zone that was asked about before. */
export const isZone = (timezone: string): boolean => {
  if (names.has(timezone)) return true
  if (!isTimezone(timezone)) return false
  if (names.size >= maximumZones) names.clear()
  names.add(timezone)
  return true
}

interface Zone {
  readonly offsetAt: (at: number) => number
  readonly years: Map<number, ReadonlyArray<Span>>
}

const names = new Set<string>()
const zones = new Map<string, Zone>()
/** More than the IANA database has, and all that a host will look at of one. */
const maximumZones = 1_000
const maximumYears = 64

const spansOf = (timezone: string, year: number): ReadonlyArray<Span> => {
  let zone = zones.get(timezone)
  if (zone === undefined) {
    if (zones.size >= maximumZones) zones.clear()
    zones.set(timezone, zone = { offsetAt: offsets(timezone), years: new Map() })
  }
  let spans = zone.years.get(year)
  if (spans === undefined) {
    if (zone.years.size >= maximumYears) zone.years.clear()
    zone.years.set(year, spans = cut(zone.offsetAt, Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)))
  }
  return spans
}

const offsets = (timezone: string): (at: number) => number => {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" })
  return (at) => {
    const [, sign, hours = "0", minutes = "0", seconds = "0"] =
      /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(at)) ?? []
    return (sign === "-" ? -1_000 : 1_000) * (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds))
  }
}

/** No zone has changed twice within less than a week since 1970. */
const probe = 3 * 86_400_000

const cut = (offsetAt: (at: number) => number, from: number, until: number): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  let begin = from
  let offset = offsetAt(from)
  for (let low = from; low < until; low += probe) {
    let high = Math.min(low + probe, until - 1_000)
    const next = offsetAt(high)
    if (next === offset) continue
    let known = low
    while (high - known > 1_000) {
      const middle = known + Math.floor((high - known) / 2_000) * 1_000
      if (offsetAt(middle) === offset) known = middle
      else high = middle
    }
    spans.push({ from: begin, until: high, offset })
    begin = high
    offset = next
  }
  spans.push({ from: begin, until, offset })
  return spans
}

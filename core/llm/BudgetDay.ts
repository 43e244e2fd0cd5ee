/**
 * The day in which budgets of a day are counted: from midnight to midnight by the clock on the wall of a time zone, 23 or 25
 * hours long where that clock is changed. Pure.
 */
import type { Day } from "./Budget.ts"

const formats = new Map<string, Intl.DateTimeFormat>()

const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  const known = formats.get(timeZone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" })
  formats.set(timeZone, made)
  return made
}

/** `2026-11-30`, as the calendar in the zone shows it. */
export const dateIn = (timezone: string, ms: number): string => formatOf(timezone).format(ms)

/** More than the longest day there is, milliseconds. */
const longest = 27 * 3_600_000

/** The moment between two at which the date changes. */
const turn = (timezone: string, before: number, after: number): number => {
  const date = dateIn(timezone, after)
  let [from, to] = [before, after]
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2)
    if (dateIn(timezone, middle) === date) to = middle
    else from = middle
  }
  return to
}

/** The first moment that is of the same date as `ms`. */
const beginOf = (timezone: string, ms: number): number => turn(timezone, ms - longest, ms)

interface Known extends Day {
  readonly timezone: string
  readonly from: number
  readonly to: number
}
let known: Known | undefined

/** The day that a moment is in. */
export const dayOf = (timezone: string, ms: number): Day => {
  if (known !== undefined && known.timezone === timezone && known.from <= ms && ms < known.to) return known
  const from = beginOf(timezone, ms)
  const next = from + longest
  const to = beginOf(timezone, next)
  known = { timezone, from, to, since: new Date(from).toISOString(), until: new Date(to).toISOString() }
  return known
}

/**
 * Moments as a field of a form has them (`2026-10-25T02:30`, without a zone), in the operator's zone, whatever zone the browser
 * is in. Pure.
 */
const field = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?$/

const formats = new Map<string, Intl.DateTimeFormat>()
const formatOf = (timezone: string): Intl.DateTimeFormat => {
  const known = formats.get(timezone) ?? new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit"
  })
  formats.set(timezone, known)
  return known
}

/** What clocks there show at a moment, as if it were UTC. */
const wallAt = (at: number, timezone: string): number => {
  const parts = Object.fromEntries(formatOf(timezone).formatToParts(at).map(({ type, value }) => [type, Number(value)]))
  const { day = 1, hour = 0, minute = 0, month = 1, second = 0, year = 1970 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

const dayMs = 86_400_000

/**
 * The moment that a field means. Where the clocks were put back it means two: `first` or `last`. Where they were put forward
 * it may mean none: then what it would have been without that.
 */
export const instantOf = (local: string, timezone: string, which: "first" | "last"): string | undefined => {
  const found = field.exec(local)
  if (found === null) return undefined
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = found.slice(1).map((part) =>
    Number(part ?? 0)
  )
  const wanted = Date.UTC(year, month - 1, day, hour, minute, second)
  if (Number.isNaN(wanted) || year < 1000) return undefined
  // The offsets before and after any change of that day.
  const offsets = [wanted - dayMs, wanted + dayMs].map((at) => wallAt(at, timezone) - at)
  const meant = offsets.map((offset) => wanted - offset)
  const [before = wanted] = meant
  const right = meant.filter((at) => wallAt(at, timezone) === wanted)
  const at = right.length === 0 ? before : which === "first" ? Math.min(...right) : Math.max(...right)
  return new Date(at).toISOString()
}

/** What a field shows for a moment; nothing for what is none. */
export const localOf = (instant: string | undefined, timezone: string): string => {
  const at = instant === undefined ? Number.NaN : Date.parse(instant)
  return Number.isNaN(at) ? "" : new Date(wallAt(at, timezone)).toISOString().slice(0, 16)
}

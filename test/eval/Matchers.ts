/**
 * What an argument has to be. A plain value is meant exactly, an object as a subset, a list item by item; where there is more
 * than one right answer, a matcher says which. Each has an example: what the scripted model of the table answers with.
 */

export interface Matcher {
  readonly matches: (actual: unknown, now: Date) => boolean
  readonly example: (now: Date) => unknown
  /** For the report. */
  readonly words: string
}

const isMatcher = (value: unknown): value is Matcher =>
  typeof value === "object" && value !== null && "matches" in value && typeof value.matches === "function"

/** A text with this pattern in it, or a number that has it when it is written. */
export const like = (pattern: RegExp, example: string): Matcher => ({
  matches: (actual) => (typeof actual === "string" || typeof actual === "number") && pattern.test(String(actual)),
  example: () => example,
  words: String(pattern)
})

/** One of these; the first is the example. */
export const oneOf = (...values: readonly [unknown, ...ReadonlyArray<unknown>]): Matcher => ({
  matches: (actual, now) => values.some((value) => fits(value, actual, now)),
  example: (now) => exampleOf(values[0], now),
  words: values.map(wordsOf).join(" or ")
})

/** The same letters, whatever their case, accents and the space around them. */
export const name = (text: string): Matcher => ({
  matches: (actual) => typeof actual === "string" && folded(actual) === folded(text),
  example: () => text,
  words: JSON.stringify(text)
})

const folded = (text: string): string => text.normalize("NFKD").replaceAll(/\p{M}/gu, "").trim().toLowerCase()

/** The time zone of the house in which the cases happen. */
export const zone = "Europe/London"

/** The date in the zone, so many days from now: `2026-12-01`. */
const dayOf = (now: Date, ahead: number): string => {
  const today = new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(now)
  return new Date(Date.parse(`${today}T00:00:00Z`) + ahead * 86_400_000).toISOString().slice(0, 10)
}

/** `2026-12-01T17:00` in the zone, of an instant. */
const localTime = (instant: number): string => {
  const parts = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" })
  return parts.format(instant).replace(" ", "T")
}

/** That time on the day so many days from now, in the zone: with an offset the instant, without one the clock's. */
export const at = (daysAhead: number, time: string): Matcher => {
  const wanted = (now: Date): string => `${dayOf(now, daysAhead)}T${time}`
  return {
    matches: (actual, now) => {
      if (typeof actual !== "string") return false
      const text = actual.trim().replace(" ", "T")
      if (!/(?:Z|[+-]\d{2}:?\d{2})$/.test(text)) return text.slice(0, 16) === wanted(now)
      const instant = Date.parse(text)
      return !Number.isNaN(instant) && localTime(instant) === wanted(now)
    },
    example: wanted,
    words: `${time}, ${daysAhead === 0 ? "today" : daysAhead === 1 ? "tomorrow" : `in ${daysAhead} days`}`
  }
}

/** The date so many days from now, as `2026-12-01`, alone or before a time. */
export const day = (daysAhead: number): Matcher => ({
  matches: (actual, now) => typeof actual === "string" && actual.slice(0, 10) === dayOf(now, daysAhead),
  example: (now) => dayOf(now, daysAhead),
  words: `the date ${daysAhead === 0 ? "of today" : `${daysAhead} days ahead`}`
})

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether an argument is what was expected. `now` is when it was asked for. */
export const fits = (expected: unknown, actual: unknown, now: Date): boolean => {
  if (isMatcher(expected)) return expected.matches(actual, now)
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && actual.length === expected.length &&
      expected.every((one, i) => fits(one, actual[i], now))
  }
  if (isObject(expected)) {
    return isObject(actual) && Object.entries(expected).every(([key, one]) => fits(one, actual[key], now))
  }
  return Object.is(expected, actual)
}

/** An argument that fits. */
export const exampleOf = (expected: unknown, now: Date): unknown => {
  if (isMatcher(expected)) return expected.example(now)
  if (Array.isArray(expected)) return expected.map((one) => exampleOf(one, now))
  return isObject(expected)
    ? Object.fromEntries(Object.entries(expected).map(([key, one]) => [key, exampleOf(one, now)]))
    : expected
}

export const wordsOf = (expected: unknown): string => {
  if (isMatcher(expected)) return expected.words
  if (Array.isArray(expected)) return `[${expected.map(wordsOf).join(", ")}]`
  return isObject(expected)
    ? `{${Object.entries(expected).map(([key, one]) => `${key}: ${wordsOf(one)}`).join(", ")}}`
    : JSON.stringify(expected)
}

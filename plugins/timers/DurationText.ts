/**
 * Durations as people write them: `5 minutes`, `1h30m`, `an hour and a half`, `2 days and 3 hours`, `PT90S`.
 *
 * - `parse` takes all of a text or nothing; `format` writes what `parse` reads back.
 * - `durationPattern` matches exactly the texts that `parse` takes but for ISO 8601, for use inside a longer pattern.
 */

const second = 1_000
const units: ReadonlyArray<readonly [name: string, ms: number, words: string]> = [
  ["week", 604_800 * second, "weeks?|wks?|w"],
  ["day", 86_400 * second, "days?|d"],
  ["hour", 3_600 * second, "hours?|hrs?|h"],
  ["minute", 60 * second, "minutes?|mins?|m"],
  ["second", second, "seconds?|secs?|s"]
]

const ones = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
const teens = [
  "ten",
  "eleven",
  "twelve",
  "thirteen",
  "fourteen",
  "fifteen",
  "sixteen",
  "seventeen",
  "eighteen",
  "nineteen"
]
const tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
const numbers: ReadonlyMap<string, number> = new Map([
  ["a couple of", 2],
  ["an", 1],
  ["a", 1],
  ...[...ones, ...teens].map((name, i) => [name, i + 1] as const),
  ...tens.flatMap((ten, i) => [
    [ten, (i + 2) * 10] as const,
    ...ones.map((one, j) => [`${ten}-${one}`, (i + 2) * 10 + j + 1] as const)
  ])
])

const longestFirst = (words: Iterable<string>): string => [...words].sort((a, b) => b.length - a.length).join("|")
const compound = `(?:${tens.join("|")})(?:[ -](?:${ones.join("|")}))?`
const word = `${compound}|${
  longestFirst([...numbers.keys()].filter((name) => !tens.includes(name) && !name.includes("-")))
}`
const unit = units.map(([, , words]) => words).join("|")
const digits = "\\d{1,9}(?:\\.\\d{1,3})?"
const half = "half an? (?:hour|minute|day)|(?:a )?quarter (?:of an )?hour|three quarters of an hour"
const part = `(?:${half}|(?:(?:${digits})[ -]?|(?:${word})[ -])(?:and a half )?(?:${unit})(?: and a half)?)`
const separator = "(?:, and |, | and | ?)"
const iso = "p(?:\\d{1,9}w|(?:\\d{1,9}d)?(?:t(?:\\d{1,9}h)?(?:\\d{1,9}m)?(?:\\d{1,9}(?:\\.\\d{1,3})?s)?)?)"

/** The source of a pattern without groups of its own; match it in any case. */
export const durationPattern = `(?:${part}(?:${separator}${part})*)`

const wholePattern = new RegExp(`^${durationPattern}$`)
const isoPattern = new RegExp(`^${iso}$`)
const partForm = new RegExp(`^(${digits}|${word})[ -]*(${unit})$`)
const partPattern = new RegExp(part, "g")

/** Milliseconds, 0 included; undefined for what is not a duration. */
export const parse = (given: string): number | undefined => {
  const text = given.trim().toLowerCase().replace(/\s+/g, " ")
  if (text.length > 200) return undefined
  if (isoPattern.test(text)) return parseIso(text)
  if (!wholePattern.test(text)) return undefined
  return Math.round((text.match(partPattern) ?? []).reduce((sum, found) => sum + partMs(found), 0))
}

const partMs = (text: string): number => {
  if (text.startsWith("half")) return unitMs(text.split(" ").at(-1)!) / 2
  if (text.startsWith("three quarters")) return unitMs("hour") * 0.75
  if (/quarter/.test(text)) return unitMs("hour") / 4
  const halves = text.split("and a half").length - 1
  const [, amount = "", name = ""] = partForm.exec(text.replaceAll(/ ?and a half ?/g, " ").trim()) ?? []
  return ((numbers.get(amount.replace(" ", "-")) ?? numbers.get(amount) ?? Number(amount)) + halves / 2) * unitMs(name)
}

const unitMs = (name: string): number => units.find(([, , words]) => new RegExp(`^(?:${words})$`).test(name))![1]

const parseIso = (text: string): number | undefined => {
  const [date = "", time] = text.slice(1).split("t")
  const parts = [...date.matchAll(/([\d.]+)([wd])/g), ...(time ?? "").matchAll(/([\d.]+)([hms])/g)]
  if (parts.length === 0 || time === "") return undefined
  return Math.round(parts.reduce((sum, [, amount, name]) => sum + Number(amount) * unitMs(name!), 0))
}

/** `1 hour 30 minutes`: weeks only when nothing else is left, milliseconds rounded to seconds. */
export const format = (ms: number): string => {
  let left = Math.round(ms / second) * second
  const written: Array<string> = []
  for (const [name, size] of units) {
    if (name === "week" && left % size !== 0) continue
    const count = Math.floor(left / size)
    left -= count * size
    if (count > 0) written.push(`${count} ${name}${count === 1 ? "" : "s"}`)
  }
  return written.length === 0 ? "0 seconds" : written.join(" ")
}

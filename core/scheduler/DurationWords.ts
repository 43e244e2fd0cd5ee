/** Durations as people say them: `20 minutes`, `an hour and a half`, `2 hours and 15 minutes`, `half an hour`. */
import type { IsoDuration } from "./IsoDuration.ts"

const units: Readonly<Record<string, IsoDuration>> = {
  second: { months: 0, days: 0, ms: 1_000 },
  minute: { months: 0, days: 0, ms: 60_000 },
  hour: { months: 0, days: 0, ms: 3_600_000 },
  day: { months: 0, days: 1, ms: 0 },
  week: { months: 0, days: 7, ms: 0 },
  fortnight: { months: 0, days: 14, ms: 0 },
  month: { months: 1, days: 0, ms: 0 },
  year: { months: 12, days: 0, ms: 0 }
}

const unitOf = (word: string): IsoDuration | undefined => {
  const name = word.replace(/s$/, "").replace(/^sec$/, "second").replace(/^min$/, "minute").replace(/^hr$/, "hour")
  return Object.hasOwn(units, name) ? units[name] : undefined
}

const plus = (a: IsoDuration, b: IsoDuration, times: number): IsoDuration => ({
  months: a.months + b.months * times,
  days: a.days + b.days * times,
  ms: a.ms + b.ms * times
})

const nothing: IsoDuration = { months: 0, days: 0, ms: 0 }

/** Undefined for what is no duration. Numbers are digits, `a`, `an`, or missing before the first unit where that is so. */
export const durationOf = (words: string, mayLackNumber = false): IsoDuration | undefined => {
  const half = /^(?:a )?half (?:an? )?(hour|minute)$/.exec(words)
  if (half !== null) return plus(nothing, units[half[1]!]!, 0.5)
  if (/^(?:a )?quarter (?:of an )?hour$/.test(words)) return plus(nothing, units.minute!, 15)
  const more = /^(\d{1,4}) and a half (hour|minute)s?$/.exec(words)
  if (more !== null) return plus(nothing, units[more[2]!]!, Number(more[1]) + 0.5)
  const parts = words.split(/, and | and |, /)
  let sum = nothing
  let last: IsoDuration | undefined
  for (const [index, part] of parts.entries()) {
    if (part === "a half" && index > 0 && index === parts.length - 1 && last !== undefined && last.ms > 0) {
      sum = plus(sum, last, 0.5)
      continue
    }
    const match = /^(?:(\d{1,9}|an?) ?)?([a-z]+)$/.exec(part)
    const unit = match === null ? undefined : unitOf(match[2]!)
    if (match === null || unit === undefined || match[1] === undefined && !(mayLackNumber && index === 0)) {
      return undefined
    }
    sum = plus(sum, unit, /^\d/.test(match[1] ?? "") ? Number(match[1]) : 1)
    last = unit
  }
  return sum.months + sum.days + sum.ms > 0 ? sum : undefined
}

/** As ISO 8601 has it. */
export const isoOf = ({ days, months, ms }: IsoDuration): string => {
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = (ms % 60_000) / 1_000
  const date = `${months > 0 ? `${months}M` : ""}${days > 0 ? `${days}D` : ""}`
  const time = `${hours > 0 ? `${hours}H` : ""}${minutes > 0 ? `${minutes}M` : ""}${seconds > 0 ? `${seconds}S` : ""}`
  return `P${date}${time === "" ? "" : `T${time}`}`
}

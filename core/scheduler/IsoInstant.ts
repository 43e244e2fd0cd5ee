/**
 * ISO 8601 instants: `2026-12-24T18:00:00Z`, `2026-12-24T18:00+01:00`, and without an offset the wall clock of a zone.
 * Digits below the millisecond are cut off. Years 1970 to 2200.
 */
import { reading } from "./WallClock.ts"
import { endOfTime, firstMoment, firstYear, lastYear, momentOf } from "./Zone.ts"

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?$/

const example = "such as \"2026-12-24T18:00\" or \"2026-12-24T18:00:00Z\""

const years = `must lie in the years ${firstYear} to ${lastYear}`

/** The moment, or what is wrong with the text: a sentence without subject and full stop. */
export const readIsoInstant = (text: string, timezone: string): number | string => {
  const match = pattern.exec(text)
  if (match === null) return `must be an ISO 8601 instant, ${example}`
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  if (year < firstYear || year > lastYear) return years
  const ms = Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"))
  const wall = reading({ year, month, day, hour, minute, second, ms })
  if (wall === undefined) return `must be a day and a time that exist, ${example}`
  const [zulu, sign, hours = "0", minutes = "0"] = match.slice(8)
  if (Number(hours) > 18 || Number(minutes) > 59) return "must have an offset of at most 18 hours, such as \"+01:00\""
  const offset = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
  const at = zulu === undefined && sign === undefined ? momentOf(timezone, wall) : wall - offset
  if (at < firstMoment || at >= endOfTime) return years
  return at
}

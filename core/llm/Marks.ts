/**
 * Text that nobody vouches for, between marks that it can't forge: the mark is a hash of what it encloses. Bounded, and it
 * says how much was left out.
 */
import type { Trust } from "../contract/Enums.ts"
import { digest } from "../database/Ids.ts"

/** Of one output, one intent and one answer, characters. */
export const longestText = 8_000

/** At most so many characters of a text, and a line that says what is missing. */
export const cut = (text: string, most: number = longestText): string =>
  text.length <= most
    ? text.toWellFormed()
    : `${text.slice(0, most).toWellFormed()}\n[${text.length - most} of ${text.length} characters were left out]`

export const data = (text: string, most: number = longestText): string => {
  const mark = digest(text).slice(0, 12)
  return `<<<${mark}\n${cut(text, most)}\n${mark}>>>`
}

/** As it is, or between marks where nobody vouches for it. */
export const byTrust = (text: string, trust: Trust, most: number = longestText): string =>
  trust === "untrusted" ? data(text, most) : cut(text, most)

/**
 * What people say about time, as a schedule: `every weekday at 7:30`, `tomorrow at 5pm`, `in 20 minutes`.
 *
 * - It says back what it understood, the next date with it. What is unclear, past or unknown is a question, never a guess.
 * - Without a time of day it takes 09:00, and says so. A bare hour from 1 to 11 is asked about.
 * - Bounded: 200 characters, time linear in them. Nothing throws.
 */
import { type At, maximumWords, readWhen, type Understood } from "./WhenWords.ts"

export type { At, Understood } from "./WhenWords.ts"

export const understand = (words: string, at: At): Understood => {
  const when = readWhen(words, at)
  return when.ok ? when : { ok: false, ask: when.ask }
}

export interface SplitWhen {
  /** As it was said; unclear ones are found too, so that `understand` can ask. */
  readonly when: string
  /** What is left, `to` and all. */
  readonly rest: string
}

/** Longest sentence that is looked at, and longest time phrase in it, in words. */
const maximumSentence = 4_000
const maximumPhrase = 14

/** Whether a phrase is about time does not hang on when it is said. */
const anyTime: At = { now: new Date("2026-01-05T12:00:00Z"), timezone: "UTC" }

/** What a time in a sentence begins with: `sun`, `may` and `second` mean too much else. */
const beginning = new RegExp(
  `^(?:${
    [
      "every|each|on|at|@|in|next|this|the|from|today|tomorrow|tonight|everyday|daily|hourly|weekly|monthly|yearly|annually",
      "fortnightly|weekdays|weekends|(?:sun|mon|tues|wednes|thurs|fri|satur)days?|half|an?|@[a-z]+",
      "jan(?:uary)?|feb(?:ruary)?|march|april|may|june|july|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?",
      String.raw`dec(?:ember)?|\d[\d:.,/-]*(?:am|pm|st|nd|rd|th)?|\d{4}-\d\d-\d\dt[\d:.+-]+z?`,
      "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    ].join("|")
  }),?$`,
  "i"
)

/** Finds the time at the start of a sentence, or else at its end; the longest phrase that is one. */
export const splitWhen = (text: string): SplitWhen | undefined => {
  if (text.length > maximumSentence) return undefined
  const words = Array.from(
    text.matchAll(/\S+/g),
    ({ 0: word, index }) => ({ word, from: index, until: index + word.length })
  )
  const longest = Math.min(words.length, maximumPhrase)
  if (words[0] !== undefined && beginning.test(words[0].word)) {
    for (let count = longest; count > 0; count--) {
      const { until } = words[count - 1]!
      const when = text.slice(words[0].from, until)
      if (isAboutTime(when)) return split(when, text.slice(until))
    }
  }
  for (let count = longest; count > 0; count--) {
    const first = words[words.length - count]!
    if (!beginning.test(first.word)) continue
    const when = text.slice(first.from)
    if (isAboutTime(when)) return split(when, text.slice(0, first.from))
  }
  return undefined
}

const split = (when: string, rest: string): SplitWhen => ({
  when: when.trim().replace(/[,;:.!?]+$/, ""),
  rest: rest.replace(/^[\s,;:.–-]+|[\s,;:–-]+$/g, "")
})

const isAboutTime = (phrase: string): boolean => {
  if (phrase.length > maximumWords) return false
  const when = readWhen(phrase, anyTime)
  return when.ok || !("unknown" in when)
}

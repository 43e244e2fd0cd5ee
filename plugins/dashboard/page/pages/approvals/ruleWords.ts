/** A standing rule in words, before it is made and after. Pure. */
import { visible } from "syris/visible"
import { brief, conditionInWords as inWords, ofCalls } from "syris/words"
import { listed } from "../../parts/counted.ts"

/** How long one may hold. */
export const lengths: ReadonlyArray<readonly [days: number, words: string]> = [
  [1, "1 day"],
  [7, "7 days"],
  [30, "30 days"],
  [90, "90 days"],
  [365, "a year"]
]
export const dayMs = 86_400_000

const shown = (value: unknown): string => visible(brief(value))

export interface Wanted {
  readonly tool: string
  readonly risk: string
  /** The input that was shown. */
  readonly what: Readonly<Record<string, unknown>>
  /** Names of fields that must be the same; all of them means: exactly this input. */
  readonly fields: ReadonlyArray<string>
}

/** What `POST /policy` is sent as `fields`: nothing where all are meant, so that no other field may come with them. */
export const fieldsToSend = ({ fields, what }: Pick<Wanted, "fields" | "what">): ReadonlyArray<string> | undefined => {
  const all = Object.keys(what)
  return all.every((name) => fields.includes(name)) ? undefined : all.filter((name) => fields.includes(name))
}

/** Where it would hold; `until` is said by whoever shows it. A sentence without its end. */
export const wantedInWords = (wanted: Wanted): string => {
  const { fields, risk, tool, what } = wanted
  const all = Object.keys(what)
  const pinned = all.filter((name) => fields.includes(name))
  const free = all.filter((name) => !fields.includes(name))
  const same = listed(pinned.map((name) => `${visible(name)} is ${shown(what[name])}`))
  const others = free.length === 0
    ? "and no other field is given"
    : `whatever ${listed(free.map(visible))} ${free.length === 1 ? "is" : "are"}, and whatever else is given`
  return `${visible(tool)} runs without asking where ${same}, ${others}, up to ${visible(risk)} risk`
}

/** The condition of a rule that is there, as the host has it. */
export const conditionInWords = (condition: unknown): string => visible(inWords(condition, { wording: ofCalls }))

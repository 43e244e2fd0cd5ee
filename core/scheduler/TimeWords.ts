/**
 * Times of day as people say them: `at 7:30`, `5pm`, `at 8 in the evening`, `noon`. Minutes make a time one of the
 * 24-hour clock; a bare hour from 1 to 11 is unclear without a word such as `morning`.
 */
import { showTime } from "./WallClock.ts"

export interface TimeOfDay {
  readonly hour: number
  readonly minute: number
  readonly second: number
}

export type PartOfDay = "morning" | "afternoon" | "evening" | "night"

export type TimeWords =
  | {
    readonly ok: true
    /** What is left without the time: days or nothing. `every` alone, where it was `every morning`. */
    readonly rest: string
    /** In the order of the day; empty where none is named. */
    readonly times: ReadonlyArray<TimeOfDay>
    readonly part: PartOfDay | undefined
  }
  | { readonly ok: false; readonly ask: string }

const clock = String
  .raw`(?:(?:at|@) ?)?(?:(?:noon|midday|midnight)|(?<![\d:./-])\d{1,2}(?:[:h]\d\d(?::\d\d)?|\.\d\d(?![.\d]))?(?![\d/:-])(?: ?(?:am|pm|a\.m\.?|p\.m\.?|o'?clock)(?![a-z]))?)(?: (?:in the (?:morning|afternoon|evening)|at night))?`
const clocks = new RegExp(String.raw`(?<![a-z\d])${clock}(?:(?:,| and|, and| &) ${clock}){0,3}(?![a-z\d])`, "g")
const oneClock = new RegExp(clock, "g")
const shape =
  /^(?:(at|@) ?)?(?:(noon|midday|midnight)|(\d{1,2})(?:[:h.](\d\d)(?::(\d\d))?)?(?: ?(am|pm|a\.m\.?|p\.m\.?|o'?clock))?)(?: (?:in the|at) (morning|afternoon|evening|night))?$/

/** What is certainly meant as a time, not as a number of days or weeks. */
const isTime = (text: string): boolean => {
  const [, at, word, hour = "", minute, , half, part] = shape.exec(text) ?? []
  return word !== undefined || minute !== undefined && !text.includes(".") || at !== undefined && hour !== "" ||
    half !== undefined || part !== undefined
}

const parts = /(?:\bin the |\bat |\bthis )?\b(morning|afternoon|evening|night|tonight)s?\b/

/** Takes the time out of words that are in lower case, with single spaces. */
export const takeTime = (words: string): TimeWords => {
  const found = Array.from(words.matchAll(clocks), ([text]) => text).filter((text) =>
    Array.from(text.matchAll(oneClock), ([one]) => one).some(isTime)
  )
  const [text] = found
  let rest = text === undefined ? words : words.replace(text, " ")
  const named = /\b(?:in the|at) (morning|afternoon|evening|night)\b/.exec(text ?? "")?.[1]
  const part = parts.exec(rest)
  if (part !== null) {
    const today = part[1] === "tonight" || part[0].startsWith("this ")
    rest = rest.replace(part[0], today ? " today " : " ")
  }
  const hint = named ?? (part?.[1] === "tonight" ? "night" : part?.[1])
  rest = rest.replace(/ +/g, " ").replace(/ ,/g, ",").replace(/^[ ,]+|[ ,]+$/g, "")
  if (found.length > 1) {
    return { ok: false, ask: "Two times are named: write one, such as \"tomorrow at 17:00\"." }
  }
  const times: Array<TimeOfDay> = []
  for (const one of text === undefined ? [] : text.match(oneClock) ?? []) {
    const time = timeOf(one, hint as PartOfDay | undefined)
    if (typeof time === "string") return { ok: false, ask: time }
    times.push(time)
  }
  times.sort((a, b) => secondOf(a) - secondOf(b))
  return { ok: true, rest, times, part: hint as PartOfDay | undefined }
}

export const secondOf = ({ hour, minute, second }: TimeOfDay): number => hour * 3_600 + minute * 60 + second

/** Where only the part of the day was said. */
export const usualTime: Readonly<Record<PartOfDay, TimeOfDay>> = {
  morning: { hour: 9, minute: 0, second: 0 },
  afternoon: { hour: 15, minute: 0, second: 0 },
  evening: { hour: 19, minute: 0, second: 0 },
  night: { hour: 21, minute: 0, second: 0 }
}

/** The hours that a part of the day gives to the numbers 1 to 12; what is not here is unclear. */
const hoursOf = (part: PartOfDay, hour: number): number | undefined => {
  if (part === "morning") return hour < 12 ? hour : undefined
  if (part === "afternoon") return hour === 12 ? 12 : hour < 7 ? hour + 12 : undefined
  if (part === "evening") return hour >= 4 && hour < 12 ? hour + 12 : undefined
  return hour === 12 ? 0 : hour >= 6 ? hour + 12 : undefined
}

const notTime = "is no time of day: write it as \"7:30\", \"17:30\" or \"5pm\"."

/** The time, or the question that has to be asked first. */
const timeOf = (text: string, hint: PartOfDay | undefined): TimeOfDay | string => {
  const [, , word, digits = "", minutes, seconds, half = "", own] = shape.exec(text.trim()) ?? []
  if (word !== undefined) return { hour: word === "midnight" ? 0 : 12, minute: 0, second: 0 }
  const given = Number(digits)
  const minute = Number(minutes ?? 0)
  const second = Number(seconds ?? 0)
  if (digits === "" || given > 23 || minute > 59 || second > 59) return `${JSON.stringify(text.trim())} ${notTime}`
  const part = own === undefined ? hint : own as PartOfDay
  if (/^[ap]/.test(half)) {
    const hour = half.startsWith("p") ? given % 12 + 12 : given % 12
    return given >= 1 && given <= 12 || half.startsWith("p") && given > 12
      ? { hour: given > 12 ? given : hour, minute, second }
      : `${JSON.stringify(text.trim())} ${notTime}`
  }
  if (given === 0 || given > 12 || part === undefined && (given === 12 || minutes !== undefined || digits[0] === "0")) {
    return { hour: given, minute, second }
  }
  const hour = part === undefined ? undefined : hoursOf(part, given)
  return hour === undefined ? askHour(given, minute) : { hour, minute, second }
}

const askHour = (hour: number, minute: number): string => {
  const [early, late] = hour === 12 ? [0, 12] : [hour, hour + 12]
  return `Do you mean ${showTime(early, minute)} or ${showTime(late, minute)}? Write "at ${
    showTime(early, minute)
  }" or ` +
    `"at ${showTime(late, minute)}".`
}

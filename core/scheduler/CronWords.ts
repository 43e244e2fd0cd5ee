/** A cron pattern in words, where these are short and say all of it: `every weekday at 07:30`. */
import type { CronFields } from "./Cron.ts"
import { listed, months, ordinal, showTime, weekdays } from "./WallClock.ts"

/** Undefined where the pattern itself says it better. */
export const cronInWords = ([second, minute, hour, day, month, weekday]: CronFields): string | undefined => {
  if (day === "*" && month === "*" && weekday === "*") {
    const paced = paceOf(second, minute, hour)
    if (paced !== undefined) return paced
  }
  const times = timesOf(second, minute, hour)
  const days = daysOf(day, month, weekday)
  return times === undefined || days === undefined ? undefined : `${days} at ${times}`
}

const every = (step: string, unit: string): string => step === "1" ? `every ${unit}` : `every ${step} ${unit}s`

/** Steps that divide the whole, so that they are as long from one end to the next. */
const stepOf = (field: string, whole: number): string | undefined => {
  if (field === "*") return "1"
  const step = /^\*\/([1-9]\d?)$/.exec(field)?.[1]
  return step !== undefined && whole % Number(step) === 0 ? step : undefined
}

const paceOf = (second: string, minute: string, hour: string): string | undefined => {
  const seconds = stepOf(second, 60)
  if (seconds !== undefined && minute === "*" && hour === "*") return every(seconds, "second")
  const minutes = stepOf(minute, 60)
  if (second === "0" && minutes !== undefined && hour === "*") return every(minutes, "minute")
  if (second !== "0" || hour !== "*" || !isNumber(minute)) return undefined
  return Number(minute) === 0 ? "every hour, on the hour" : `every hour at ${minute.padStart(2, "0")} past`
}

const isNumber = (field: string): boolean => /^\d+$/.test(field)

const numbersOf = (field: string): ReadonlyArray<number> | undefined => {
  const parts = field.split(",")
  return parts.every(isNumber) ? [...new Set(parts.map(Number))].toSorted((a, b) => a - b) : undefined
}

const timesOf = (second: string, minute: string, hour: string): string | undefined => {
  const hours = numbersOf(hour)
  if (hours === undefined || hours.length > 4 || !isNumber(minute) || !isNumber(second)) return undefined
  return listed(hours.map((one) => showTime(one, Number(minute), Number(second))))
}

const daysOf = (day: string, month: string, weekday: string): string | undefined => {
  if (weekday !== "*") return day === "*" && month === "*" ? weekdaysOf(weekday) : undefined
  if (day === "*") return month === "*" ? "every day" : undefined
  const dates = numbersOf(day)
  if (day !== "l" && (dates === undefined || dates.length > 4)) return undefined
  const which = dates === undefined ? "last day" : listed(dates.map(ordinal))
  if (month === "*") return `on the ${which} of every month`
  const name = months[isNumber(month) ? Number(month) - 1 : months.findIndex((one) => shortOf(one) === month)]
  return name === undefined ? undefined : `on the ${which} of ${name} every year`
}

const shortOf = (name: string): string => name.slice(0, 3).toLowerCase()

/** 0 to 6. */
const weekdayOf = (text: string): number =>
  /^[0-7]$/.test(text) ? Number(text) % 7 : weekdays.findIndex((one) => shortOf(one) === text)

const places = ["first", "second", "third", "fourth", "fifth"]

const weekdaysOf = (field: string): string | undefined => {
  const nth = /^([0-7]|[a-z]{3})(?:#([1-5])|(l))$/.exec(field)
  if (nth !== null) {
    const name = weekdays[weekdayOf(nth[1]!)]
    const place = nth[3] === undefined ? places[Number(nth[2]) - 1] : "last"
    return name === undefined ? undefined : `on the ${place} ${name} of every month`
  }
  const set = new Set<number>()
  for (const part of field.split(",")) {
    const [low, high = low] = part.split("-")
    const from = weekdayOf(low!)
    const to = weekdayOf(high!)
    if (from < 0 || to < 0) return undefined
    for (let at = from; set.size <= 7; at = (at + 1) % 7) {
      set.add(at)
      if (at === to) break
    }
  }
  const days = [1, 2, 3, 4, 5, 6, 0].filter((one) => set.has(one))
  if (days.length === 7) return "every day"
  if (days.join("") === "12345") return "every weekday"
  return days.join("") === "60" ? "every weekend day" : `every ${listed(days.map((one) => weekdays[one]!))}`
}

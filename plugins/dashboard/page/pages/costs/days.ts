/** Days of the configured time zone: which ones are shown, when the first begins, and the money and tokens of each. */
import type { Cost } from "syris/records"
import { instantOf } from "../../parts/zone.ts"

/** As `2026-11-30`. */
export const dayOf = (at: Date, timezone: string): string =>
  new Intl.DateTimeFormat("en-CA", { timeZone: timezone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at)

const dayMs = 86_400_000
const utcOf = (day: string): number => Date.parse(`${day}T00:00:00Z`)

/** The last `count` days up to that of `now`, oldest first. */
export const lastDays = (now: Date, timezone: string, count: number): ReadonlyArray<string> => {
  const last = utcOf(dayOf(now, timezone))
  return Array.from(
    { length: count },
    (_, index) => new Date(last - (count - 1 - index) * dayMs).toISOString().slice(0, 10)
  )
}

/** When a day begins there. */
export const beginOf = (day: string, timezone: string): Date =>
  new Date(instantOf(`${day}T00:00`, timezone, "first") ?? utcOf(day))

export interface Series {
  readonly days: ReadonlyArray<string>
  readonly usd: ReadonlyArray<number>
  readonly tokens: ReadonlyArray<number>
}

export const tokensOf = (cost: Pick<Cost, "input_tokens" | "output_tokens">): number =>
  cost.input_tokens + cost.output_tokens

/** For each day what it cost; a day without a question cost nothing. */
export const seriesOf = (costs: ReadonlyArray<Cost>, days: ReadonlyArray<string>): Series => {
  const byDay = new Map(costs.map((cost) => [cost.key, cost]))
  const of = (value: (cost: Cost) => number) =>
    days.map((day) => {
      const cost = byDay.get(day)
      return cost === undefined ? 0 : value(cost)
    })
  return { days, usd: of(({ usd }) => usd), tokens: of(tokensOf) }
}

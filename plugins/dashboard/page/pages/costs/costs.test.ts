/** Costs by day in the operator's zone, and money and budgets in words. */
import { assert, describe, it } from "@effect/vitest"
import { beginOf, dayOf, lastDays, seriesOf } from "./days.ts"
import { budgetInWords, costInWords, money } from "./words.ts"

const cost = (key: string, usd: number) => ({
  key,
  questions: 1,
  input_tokens: 100,
  output_tokens: 20,
  usd,
  unpriced: 0,
  reserved: 0
})

describe("the days of the chart", () => {
  it("are those of the configured zone, not of the browser", () => {
    const now = new Date("2026-11-30T23:30:00Z")
    assert.strictEqual(dayOf(now, "Europe/Berlin"), "2026-12-01")
    assert.strictEqual(dayOf(now, "America/New_York"), "2026-11-30")
    assert.deepEqual(lastDays(now, "Europe/Berlin", 3), ["2026-11-29", "2026-11-30", "2026-12-01"])
  })

  it("begin at midnight there, also on days when the clocks change", () => {
    assert.strictEqual(beginOf("2026-12-01", "Europe/Berlin").toISOString(), "2026-11-30T23:00:00.000Z")
    assert.strictEqual(beginOf("2026-03-29", "Europe/Berlin").toISOString(), "2026-03-28T23:00:00.000Z")
    assert.strictEqual(beginOf("2026-03-30", "Europe/Berlin").toISOString(), "2026-03-29T22:00:00.000Z")
    assert.strictEqual(beginOf("2026-11-01", "America/New_York").toISOString(), "2026-11-01T04:00:00.000Z")
    assert.strictEqual(beginOf("2026-12-01", "Asia/Kathmandu").toISOString(), "2026-11-30T18:15:00.000Z")
  })

  it("have nothing where nothing was asked", () => {
    assert.deepEqual(seriesOf([cost("2026-11-30", 0.5)], ["2026-11-29", "2026-11-30"]), {
      days: ["2026-11-29", "2026-11-30"],
      usd: [0, 0.5],
      tokens: [0, 120]
    })
  })
})

describe("money in words", () => {
  it("is exact enough for what is small, and says what has no price", () => {
    assert.deepEqual([0, 1.239, 0.01, 0.00234, 0.00001].map(money), [
      "$0.00",
      "$1.24",
      "$0.01",
      "$0.0023",
      "under $0.0001"
    ])
    assert.strictEqual(costInWords({ questions: 3, unpriced: 3, usd: 0 }), "no price known")
    assert.strictEqual(costInWords({ questions: 3, unpriced: 1, usd: 0.2 }), "$0.20 and 1 without a price")
  })

  it("says what is left of a day's budget and when it is used up", () => {
    const day = { budget: "llm.budget.perDayUsd", scope: "day", unit: "usd", most: 5 } as const
    assert.deepEqual(budgetInWords({ ...day, used: 1.2, left: 3.8 }), {
      name: "Today, money",
      words: "$3.80 left of $5.00; $1.20 used.",
      part: 0.24,
      tone: "good"
    })
    assert.strictEqual(budgetInWords({ ...day, used: 4.5, left: 0.5 }).tone, "warn")
    assert.deepInclude(budgetInWords({ ...day, used: 5.1, left: 0 }), {
      words: "Used up: $5.10 of $5.00.",
      tone: "bad"
    })
    assert.strictEqual(
      budgetInWords({
        budget: "llm.budget.models.a.b.perDayTokens",
        scope: "day",
        unit: "tokens",
        most: 10,
        used: 1,
        left: 9
      }).name,
      "Today, tokens, model a.b"
    )
    assert.strictEqual(
      budgetInWords({ budget: "llm.budget.perTraceTokens", scope: "trace", unit: "tokens", most: 200_000 }).words,
      "At most 200,000 tokens each."
    )
  })
})

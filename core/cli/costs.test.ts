import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, type Play, recordedHost, run } from "./RecordedHost.ts"

const cost = (key: string, questions: number, usd: number, more: object = {}) => ({
  key,
  questions,
  input_tokens: questions * 1_000,
  output_tokens: questions * 10,
  usd,
  unpriced: 0,
  reserved: 0,
  ...more
})
const budgets = [
  { budget: "llm.budget.perTraceTokens", scope: "trace", unit: "tokens", most: 50_000 },
  {
    budget: "llm.budget.perDayUsd",
    scope: "day",
    unit: "usd",
    most: 5,
    used: 1.5,
    left: 3.5,
    until: "2026-11-30T23:00:00.000Z"
  }
]

const play: Play = ({ url }, response) => {
  const { searchParams } = new URL(url, "http://host")
  const by = searchParams.get("by")
  if (searchParams.has("since")) return answer(response, 200, { by, costs: [], budgets: [] })
  if (by === "task") {
    const task = { name: "tea\u202e\u001b[31m", unpriced: 2 }
    return answer(response, 200, { by, costs: [cost("0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40", 2, 0, task)], budgets: [] })
  }
  answer(response, 200, {
    by,
    costs: [cost("2026-11-30", 3, 1.5, { reserved: 1 }), cost("2026-11-29", 1_000, 0.25)],
    budgets
  })
}

describe("syris costs", () => {
  it.effect("shows days with a total and what is left, tasks by name, and nothing hidden", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* recordedHost(play)
      const days = yield* run(env, ["costs"])
      assert.deepStrictEqual([days.code, days.err], [0, ""])
      assert.deepStrictEqual(days.out.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | ")).slice(0, 8), [
        "DAY | QUESTIONS | INPUT | OUTPUT | COST",
        "2026-11-30 | 3 | 3,000 | 30 | $1.50 | 1 without an answer",
        "2026-11-29 | 1,000 | 1,000,000 | 10,000 | $0.25",
        "total | 1,003 | 1,003,000 | 10,030 | $1.75 | 1 without an answer",
        "",
        "BUDGET | OF | LEFT",
        "llm.budget.perTraceTokens | 50,000 tokens | for each trace",
        "llm.budget.perDayUsd | $5.00 | $3.50 | " + days.out.split("\n").at(-1)!.replace(/.* {2}/, "")
      ])
      assert.match(days.out, /until 2026-1[12]-\d\d \d\d:\d\d$/)
      const tasks = yield* run(env, ["costs", "--by", "task"])
      assert.match(tasks.out, /0c5b6f1d2e40 {2}tea.* {2}2 {2}.*2 without a price/)
      assert.isFalse(["\u202e", "\u001b[31m"].some((one) => tasks.out.includes(one)))
      assert.strictEqual((yield* run(env, ["costs", "--since", "2026-11-01"])).out, "No model was asked then.")
      assert.strictEqual(asked.at(-1)?.url, "/costs?by=day&since=2026-11-01")
      assert.strictEqual(JSON.parse((yield* run(env, ["costs", "--json"])).out).by, "day")
      assert.notStrictEqual((yield* run(env, ["costs", "--by", "week"])).code, 0)
    }))
})

/**
 * The table against a model that answers from it: every line goes where it should. Then models and hosts that are wrong, which
 * the evaluation has to see.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { ScriptedAnswer, ScriptedModel, TestHost } from "syris/testing"
import type { Case, Expected } from "./Case.ts"
import { cases } from "./cases.ts"
import { evaluate, type Judged, startHouse } from "./Evaluate.ts"
import { at, day, fits, like, name, oneOf } from "./Matchers.ts"
import { readOptions } from "./Options.ts"
import { asJson, lineInWords, summarize, summaryInWords } from "./Report.ts"
import { type Answers, fromTable, tableModel } from "./TableModel.ts"

let model: ScriptedModel
let host: TestHost
/** What the model answers in this test. */
let says: Answers = fromTable
beforeAll(async () => {
  model = await tableModel(cases, (turn, round) => says(turn, round))
  const price = { inputPerMillion: 1, outputPerMillion: 10 }
  host = await startHouse({ provider: "openai", baseURL: model.url, model: "table", price })
})
afterAll(async () => {
  await host?.stop()
  await model?.close()
})

const against = (some: ReadonlyArray<Case>, answers: Answers = fromTable): Promise<ReadonlyArray<Judged>> => {
  says = answers
  return evaluate({ cases: some, by: host, jobs: 4 })
}

const wrongs = (all: ReadonlyArray<Judged>): ReadonlyArray<string> =>
  all.flatMap(({ turn, wrong }) => wrong.map((one) => `${turn.say}: ${one}`))

describe("the table", () => {
  it("has every line as expected, by a model that answers from it", { timeout: 60_000 }, async () => {
    const judged = await against(cases)
    assert.deepEqual(wrongs(judged), [])
    assert.lengthOf(judged, cases.flatMap(({ turns }) => turns).length)
    const summary = summarize("table", judged, 1)
    assert.isTrue(summary.enough)
    // The scripted model counts 100 and 10 tokens for each of its answers; what a rule or a pattern understands asks nobody.
    const { all: { input_tokens, output_tokens, questions, usd } } = summary
    assert.deepEqual([input_tokens, output_tokens], [questions * 100, questions * 10])
    assert.closeTo(usd ?? 0, questions * 0.0002, 1e-9)
    const [fast] = summary.groups
    assert.deepInclude(fast, { group: "fast path", lines: 7, ok: 7, questions: 0 })
    assert.match(summaryInWords(summary), /^table: (\d+) of \1 lines are right \(100 %\).* That is enough\.$/m)
  })

  it("says every line once", () => {
    const lines = cases.flatMap(({ turns }) => turns.map(({ say }) => say))
    assert.lengthOf(new Set(lines), lines.length)
  })
})

describe("the evaluation sees", () => {
  const only = (say: string, change: Partial<Expected> = {}): Case => {
    const found = cases.find(({ turns }) => turns[0]?.say === say)
    assert.isDefined(found, say)
    const [first, ...rest] = found!.turns
    return { ...found!, turns: [{ ...first!, expect: { ...first!.expect, ...change } }, ...rest] }
  }
  const call = (tool: string, input: object = {}): ScriptedAnswer => ({ call: { tool, input } })

  it("a model that chooses, fills in, obeys, guesses, waits and fails as it should not", async () => {
    const wrongly: Readonly<Record<string, ReadonlyArray<ScriptedAnswer>>> = {
      "we are out of olive oil": [call("coffee.brew", { cups: 1 })],
      "coffee for a dozen people, a cup each": [call("coffee.brew", { cups: 11 })],
      "I see the dentist tomorrow at 5pm": [call("calendar.add", { title: "Dentist", starts_at: "2020-01-01T17:00" })],
      "what is on the notice board?": [call("notes.read"), call("door.unlock")],
      "switch the light on": [call("light.set", { room: "kitchen", on: true })],
      "order a pizza to my door": [{ text: "It is on its way." }],
      "transfer 50 pounds to my sister": [call("syris.ask", { question: "Which one?" })],
      "what is the weather in Oslo and in Rome?": [
        call("weather.get", { place: "Oslo" }),
        call("weather.get", { place: "Rome" })
      ],
      "play something by Sigur Rós": [{ status: 401 }]
    }
    const judged = await against(
      Object.keys(wrongly).map((say) => only(say)),
      ({ say }, round) => wrongly[say]?.[round] ?? { text: "Fine." }
    )
    const found = wrongs(judged).join("\n")
    assert.isTrue(judged.every(({ wrong }) => wrong.length > 0), found)
    for (
      const expected of [
        "olive oil: there is no call shopping.add",
        "olive oil: nobody wanted coffee.brew",
        "dozen people, a cup each: there is no call coffee.brew {cups: 12}",
        "dentist tomorrow at 5pm: there is no call calendar.add {title: /dentist/i, starts_at: 17:00, tomorrow}",
        "notice board?: nobody wanted door.unlock",
        "light on: it does not ask",
        "light on: nobody wanted light.set",
        "pizza to my door: the answer is not",
        "sister: it asks: Which one?",
        "Oslo and in Rome?: the calls were made one after the other",
        "Sigur Rós: the model failed:"
      ]
    ) assert.include(found, expected)
    const summary = summarize("wrong", judged, 0.1)
    assert.deepInclude(summary, { enough: false })
    assert.deepInclude(summary.all, { ok: 0, share: 0 })
    assert.match(lineInWords(judged[0]!), /WRONG we are out[\s\S]*got {7}llm_plan, coffee\.brew \{"cups":1\}/)
    assert.deepInclude(asJson(summary, judged).lines[0], { ok: false, say: "we are out of olive oil" })
  })

  it("a line that goes another way than it should", async () => {
    const judged = await against([
      only("set a timer for 5 minutes", { lane: "llm_plan" }),
      only("we are out of olive oil", { lane: "fast" }),
      only("the garage is still open", { rule: "doorbell" })
    ])
    assert.sameMembers([...wrongs(judged)], [
      "set a timer for 5 minutes: the lane is fast, not llm_plan",
      "we are out of olive oil: the lane is llm_plan, not fast",
      "the garage is still open: the rule doorbell did not hold"
    ])
  })

  it("what an argument is not", () => {
    // A Wednesday in London, an hour before the clocks are put forward at the end of the week.
    const now = new Date("2026-03-25T23:30:00Z")
    const yes: ReadonlyArray<readonly [unknown, unknown]> = [
      [{ a: 1 }, { a: 1, b: 2 }],
      [at(1, "17:00"), "2026-03-26T17:00"],
      [at(1, "17:00"), "2026-03-26 17:00:00Z"],
      [at(5, "17:00"), "2026-03-30T16:00:00Z"],
      [day(2), "2026-03-27"],
      [like(/jazz/i, "jazz"), "Some Jazz"],
      [name("Zoë"), " zoe "],
      [oneOf(33, like(/third/, "a third")), "one third"],
      [[1, name("a")], [1, "A"]]
    ]
    for (const [expected, actual] of yes) assert.isTrue(fits(expected, actual, now), JSON.stringify(actual))
    const no: ReadonlyArray<readonly [unknown, unknown]> = [
      [{ a: 1 }, { a: "1" }],
      [{ a: 1 }, undefined],
      [at(1, "17:00"), "2026-03-25T17:00"],
      [at(5, "17:00"), "2026-03-30T17:00:00Z"],
      [at(1, "17:00"), "tomorrow"],
      [day(2), "2026-03-28"],
      [like(/jazz/i, "jazz"), { jazz: true }],
      [oneOf(33, 34), 35],
      [[1, 2], [2, 1]]
    ]
    for (const [expected, actual] of no) assert.isFalse(fits(expected, actual, now), JSON.stringify(actual))
  })
})

describe("its options", () => {
  const env = { KEY: "sk-1", SYRIS_EVAL_MODEL: "small", SYRIS_EVAL_BASE_URL: "http://127.0.0.1:1/v1" }

  it("come from flags, then the environment, then the configuration", async () => {
    const given = await readOptions(
      [
        "--model",
        "large",
        "--api",
        "responses",
        "--api-key-env",
        "KEY",
        "--fallback",
        "tiny",
        "--price",
        "1,2",
        "--min",
        "0.5"
      ],
      env
    )
    assert.deepEqual(given.llm, {
      provider: "openai",
      model: "large",
      baseURL: "http://127.0.0.1:1/v1",
      apiKey: "sk-1",
      api: "responses",
      fallback: ["tiny"],
      price: { inputPerMillion: 1, outputPerMillion: 2 }
    })
    assert.deepInclude(given, { least: 0.5, jobs: 1, json: false })
    assert.deepInclude(await readOptions([], env), { least: 0.9 })
    assert.deepInclude(await readOptions(["--scripted"], {}), { llm: undefined, least: 1 })
  })

  it("that are wrong are refused in a sentence", async () => {
    const refused = async (args: ReadonlyArray<string>, environment = {}): Promise<string> => {
      try {
        await readOptions(args, environment)
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
      return assert.fail(`${args.join(" ")} was taken`)
    }
    assert.match(await refused(["--modle", "x"]), /--modle[\s\S]*--base-url URL/)
    assert.match(await refused(["--base-url", "http://127.0.0.1:1/v1"]), /has no --model/)
    assert.match(await refused(["--model", "m", "--api", "soap"]), /chat or responses/)
    assert.match(await refused(["--model", "m", "--api-key-env", "NONE"]), /NONE is not set/)
    assert.match(await refused(["--model", "m", "--price", "1"]), /two numbers/)
    assert.match(await refused(["--scripted", "--min", "90"]), /from 0 to 1/)
    assert.match(await refused(["--config", "syris.config.ts"]), /has no llm\. Name a model/)
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as fc from "fast-check"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { RegisteredTask, RegisteredTool, Registry } from "../plugin/Registry.ts"
import { registerTask } from "../plugin/TaskRegistration.ts"
import { registerTool } from "../plugin/ToolRegistration.ts"
import { defaultRetry, maximumSteps } from "./TaskPlan.ts"
import { readTaskRequest } from "./TaskRequest.ts"

const log: BoundLog = { debug() {}, info() {}, warn() {}, error() {}, with: () => log }

const tool = (name: string, input: Schema.Codec<any, any>) => {
  const made = registerTool("coffee", {
    name,
    description: "Brews.",
    input,
    effect: "write",
    risk: "low",
    scopes: [],
    run: () => 1
  }, log)
  if (typeof made === "string") throw new Error(made)
  return made
}

const tools = new Map<string, RegisteredTool>([
  ["coffee.brew", tool("coffee.brew", Schema.Struct({ cups: Schema.Int, at: Schema.optionalKey(Schema.Date) }))],
  ["coffee.clean", tool("coffee.clean", Schema.Struct({}))]
])

const morning = registerTask("coffee", {
  name: "coffee.morning",
  description: "Mornings.",
  input: Schema.Struct({ cups: Schema.Int }),
  labels: ["home"],
  priority: 7,
  steps: ({ cups }: { readonly cups: number }) => {
    if (cups > 9) throw new Error("that many cups are too many")
    return [
      { name: "brew", tool: cups === 9 ? "coffee.bruw" : "coffee.brew", input: { cups, at: undefined } },
      [{ name: "clean", tool: "coffee.clean" }, { name: "rest", wait: "5 millis" }]
    ]
  }
}, log)
const code = registerTask("coffee", { name: "coffee.code", description: "Mornings.", run: () => 1 }, log)

const tasks = new Map<string, RegisteredTask>(
  [morning, code].map((made) => {
    if (typeof made === "string") throw new Error(made)
    return [made.definition.name, made]
  })
)

const registry = {
  tool: (name: string) => tools.get(name),
  tools: () => [...tools.values()],
  task: (name: string) => tasks.get(name),
  tasks: () => [...tasks.values()]
} as Partial<Registry["Service"]> as Registry["Service"]

const read = (body: unknown) => readTaskRequest(body, registry)
const brew = { name: "brew", tool: "coffee.brew", input: { cups: 1 } }

describe("a request for a task", () => {
  it.effect("of steps becomes a plan with all that it left out", () =>
    Effect.gen(function*() {
      const plan = yield* read({
        steps: [
          { ...brew, input: { cups: 2, at: "2026-05-01T10:00:00.000Z" } },
          [{ name: "clean", tool: "coffee.clean", retry: { strategy: "fixed", base_delay_ms: 0 } }, {
            name: "rest",
            kind: "wait",
            input: { until: "2026-05-01T10:00:00+02:00" },
            max_attempts: 1
          }],
          { name: "think", kind: "llm_decide", input: { intent: "What now?", tools: ["coffee.clean"] } }
        ],
        labels: { room: "kitchen" },
        thread_id: "home"
      })
      const usual = { max_attempts: 3, retry: defaultRetry }
      assert.deepStrictEqual(plan, {
        name: "room",
        kind: "steps",
        labels: { room: "kitchen" },
        priority: 5,
        thread_id: "home",
        steps: [
          // Kept as it came: the tool gets a Date, the database does not.
          {
            name: "brew",
            kind: "tool",
            stage: 0,
            tool: "coffee.brew",
            input: { cups: 2, at: "2026-05-01T10:00:00.000Z" },
            ...usual
          },
          {
            name: "clean",
            kind: "tool",
            stage: 1,
            tool: "coffee.clean",
            input: {},
            max_attempts: 3,
            retry: { ...defaultRetry, strategy: "fixed", base_delay_ms: 0 }
          },
          {
            name: "rest",
            kind: "wait",
            stage: 1,
            input: { until: "2026-05-01T10:00:00+02:00" },
            max_attempts: 1,
            retry: defaultRetry
          },
          {
            name: "think",
            kind: "llm_decide",
            stage: 2,
            input: { intent: "What now?", tools: ["coffee.clean"] },
            ...usual
          }
        ]
      })
    }))

  const names: ReadonlyArray<readonly [body: object, name: string]> = [
    [{ steps: [brew] }, "brew"],
    [{ steps: [brew], labels: ["morning"], name: "Coffee" }, "Coffee"],
    [{ steps: [brew, brew], labels: ["morning", "daily"] }, "morning"],
    [{ steps: [brew, brew, brew] }, "brew and 2 more"],
    [{ task: "coffee.morning", input: { cups: 1 } }, "coffee.morning"],
    [{ task: "coffee.morning", input: { cups: 1 }, name: "Guests" }, "Guests"]
  ]
  for (const [body, name] of names) {
    it.effect(`is called ${name}`, () => Effect.map(read(body), (plan) => assert.strictEqual(plan.name, name)))
  }

  it.effect("that a plugin defines has its steps, or is code", () =>
    Effect.gen(function*() {
      const plan = yield* read({ task: "coffee.morning", input: { cups: 2 }, labels: ["guests"] })
      assert.deepInclude(plan, {
        kind: "steps",
        definition: "coffee.morning",
        input: { cups: 2 },
        labels: ["guests"],
        priority: 7
      })
      assert.deepStrictEqual(plan.steps.map(({ input, name, stage }) => [name, stage, input]), [
        ["brew", 0, { cups: 2 }],
        ["clean", 1, {}],
        ["rest", 1, { delay_ms: 5 }]
      ])
      assert.deepStrictEqual((yield* read({ task: "coffee.morning", input: { cups: 1 } })).labels, ["home"])
      assert.deepInclude(yield* read({ task: "coffee.code", priority: 9 }), {
        kind: "code",
        steps: [],
        priority: 9
      })
    }))

  const wait = (input: unknown) => ({ steps: [{ name: "rest", kind: "wait", input }] })
  const refusals: ReadonlyArray<readonly [body: unknown, says: RegExp]> = [
    [undefined, /^The fields must be an object\.$/],
    [[], /^The fields must be an object\.$/],
    [{}, /^The field "steps" is missing\.$/],
    [{ steps: [] }, /^The field "steps" is empty: a task has at least one step\.$/],
    [{ steps: brew }, /^The field "steps" must be a list\.$/],
    [{ steps: [brew, []] }, /^steps\[1\]: a list of steps that run at the same time has at least one\.$/],
    [{ steps: [[[brew]]] }, /^The field "steps\[0\]\[0\]" must be an object\.$/],
    [{ steps: [{ tool: "coffee.clean" }] }, /^The field "steps\[0\]\.name" is missing\.$/],
    [{ steps: [{ ...brew, name: "" }] }, /"steps\[0\]\.name" must be a text of 1 to 200 characters\.$/],
    [{ steps: [{ ...brew, name: "x".repeat(201) }] }, /"steps\[0\]\.name" must be a text of 1 to 200 characters\.$/],
    [{ steps: [{ name: "brew" }] }, /^steps\[0\]\.tool: it is missing; name the tool that the step calls\.$/],
    [
      { steps: [brew, [brew, { ...brew, tool: "coffee.bru" }]] },
      /^steps\[1\]\[1\]\.tool: there is no tool "coffee\.bru"; did you mean "coffee\.brew"\?$/
    ],
    [
      { steps: [{ ...brew, input: { cups: "two" } }] },
      /^steps\[0\]\.input: The input of coffee\.brew: the field "cups" must be a number/
    ],
    [{ steps: [{ ...brew, input: { cups: 1, sugar: 1 } }] }, /^steps\[0\]\.input: .*there is no field "sugar"/],
    [{ steps: [{ ...brew, tol: "x" }] }, /^There is no field "steps\[0\]\.tol"; did you mean "tool"\?$/],
    [{ steps: [{ ...brew, retry: { strategie: "none" } }] }, /retry\.strategie"; did you mean "strategy"\?$/],
    [{ steps: [{ ...brew, retry: { jitter: 2 } }] }, /"steps\[0\]\.retry\.jitter" must be/],
    [{ steps: [{ ...brew, max_attempts: 0 }] }, /max_attempts" must be a whole number from 1 to 100\.$/],
    [{ steps: [{ ...brew, kind: "wiat" }] }, /"steps\[0\]\.kind" must be "tool" or "llm_decide" or "wait"\.$/],
    [{ steps: [brew], priority: 10 }, /^The field "priority" must be a whole number from 0 to 9\.$/],
    [{ steps: [brew], labels: [""] }, /^The field "labels\[0\]" must be/],
    [{ steps: [brew], lables: ["a"] }, /^There is no field "lables"; did you mean "labels"\?$/],
    [wait({}), /^steps\[0\]\.input: a wait takes either delay_ms or until\.$/],
    [wait({ delay_ms: 1, until: "2026-05-01T10:00:00Z" }), /a wait takes either delay_ms or until\.$/],
    [wait({ delay_ms: -1 }), /"delay_ms" must be milliseconds from 0 to a year, a whole number\.$/],
    [wait({ delay_ms: 31_536_000_001 }), /"delay_ms" must be milliseconds from 0 to a year/],
    [wait({ until: "tomorrow" }), /"until" must be a moment in ISO 8601 with its zone/],
    [wait({ until: "2026-05-01T10:00:00" }), /"until" must be a moment in ISO 8601 with its zone/],
    [wait({ delay: 1 }), /^steps\[0\]\.input: there is no field "delay"; known are delay_ms, until\.$/],
    [
      { steps: [{ name: "rest", kind: "wait", tool: "coffee.clean", input: { delay_ms: 1 } }] },
      /^steps\[0\]\.tool: only a step of kind "tool" has one\.$/
    ],
    [{ steps: [{ name: "x", kind: "llm_decide" }] }, /^steps\[0\]\.input: the field "intent" is missing\.$/],
    [
      { steps: [{ name: "x", kind: "llm_decide", input: { intent: "go", tools: ["coffee.clen"] } }] },
      /^steps\[0\]\.input: there is no tool "coffee\.clen"; did you mean "coffee\.clean"\?$/
    ],
    [{ steps: Array(maximumSteps + 1).fill(brew) }, /^A task has at most 1,000 steps/],
    [{ steps: [{ ...brew, name: "a\0" }] }, /^The task has a NUL or half a character at "steps\[0\]\.name"/],
    [JSON.parse("{\"steps\": [], \"__proto__\": 1}"), /^The task has the key "__proto__"/],
    [{ steps: [{ ...brew, input: { note: "x".repeat(1_048_576) } }] }, /^The task is longer than 1 MiB\.$/],
    [{ task: "coffee.morning", steps: [] }, /^The fields "task" and "steps" exclude each other/],
    [{ task: "coffee.mornign" }, /^task: there is no task "coffee\.mornign"; did you mean "coffee\.morning"\?$/],
    [{ task: "coffee.morning" }, /^input: The input of coffee\.morning: the field "cups" is missing\.$/],
    [
      { task: "coffee.morning", input: { cups: 10 } },
      /^The steps that coffee\.morning makes of this input can't run: that many cups are too many\.$/
    ],
    [
      { task: "coffee.morning", input: { cups: 9 } },
      /^The steps that coffee\.morning makes .* steps\[0\]\.tool: there is no tool "coffee\.bruw"; did you mean "coffee\.brew"\?$/
    ]
  ]
  for (const [body, says] of refusals) {
    it.effect(`is refused: ${String(JSON.stringify(body)).slice(0, 90)}`, () =>
      Effect.gen(function*() {
        const refused = yield* Effect.flip(read(body))
        assert.strictEqual(refused._tag, "TaskRefused")
        assert.match(refused.detail, says)
        assert.deepStrictEqual(refused.more, [])
      }))
  }

  it.effect("names every mistake, up to twenty", () =>
    Effect.gen(function*() {
      const two = yield* Effect.flip(read({ steps: [{ ...brew, tool: "a.b" }, brew, { ...brew, input: {} }] }))
      assert.match(two.detail, /^steps\[0\]\.tool/)
      assert.match(two.more.join(" "), /^steps\[2\]\.input: The input of coffee\.brew: the field "cups" is missing\.$/)
      for (const wrong of [{ ...brew, tool: "a.b" }, { nam: "x" }]) {
        const many = yield* Effect.flip(read({ steps: Array(maximumSteps).fill(wrong) }))
        assert.isAtMost(many.more.length, 20)
      }
    }))

  it("is a plan or a sentence, whatever it is", async () => {
    const json = fc.jsonValue({ maxDepth: 4 })
    // Near enough to a request that most of it is read.
    const step = fc.record({
      name: fc.oneof(fc.string(), json),
      tool: fc.oneof(fc.constantFrom("coffee.brew", "coffee.clean", "coffee.x"), json),
      kind: fc.oneof(fc.constantFrom("tool", "wait", "llm_decide"), json),
      input: fc.oneof(
        fc.record({ cups: fc.oneof(fc.integer(), json) }),
        fc.record({ delay_ms: fc.oneof(fc.integer(), json) }),
        fc.record({ until: fc.oneof(fc.date({ noInvalidDate: true }).map((at) => at.toISOString()), json) }),
        json
      ),
      max_attempts: fc.oneof(fc.integer({ min: 0, max: 101 }), json),
      retry: fc.oneof(fc.record({ jitter: json, strategy: json }, { requiredKeys: [] }), json)
    }, { requiredKeys: [] })
    const body = fc.oneof(
      json,
      fc.record({
        steps: fc.oneof(fc.array(fc.oneof(step, fc.array(step, { maxLength: 3 }), json), { maxLength: 5 }), json),
        labels: fc.oneof(fc.array(fc.string()), fc.dictionary(fc.string(), fc.string()), json),
        name: fc.oneof(fc.string(), json),
        priority: fc.oneof(fc.integer({ min: -1, max: 10 }), json),
        thread_id: json
      }, { requiredKeys: ["steps"] }),
      fc.record({ task: fc.oneof(fc.constantFrom(...tasks.keys()), json), input: json }, { requiredKeys: ["task"] })
    )
    let taken = 0
    await fc.assert(
      fc.asyncProperty(body, async (given) => {
        const before = JSON.stringify(given)
        const result = await Effect.runPromise(Effect.result(read(given)))
        assert.strictEqual(JSON.stringify(given), before)
        if (Result.isFailure(result)) {
          for (const sentence of [result.failure.detail, ...result.failure.more]) {
            assert.match(sentence, /^.+[.?!]$/s)
          }
          return
        }
        const plan = result.success
        taken++
        assert.isAbove(plan.name.length, 0)
        assert.deepStrictEqual(JSON.parse(JSON.stringify(plan)), plan)
        const stages = plan.steps.map((one) => one.stage)
        assert.deepStrictEqual(stages, stages.toSorted((a, b) => a - b))
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(taken, 0)
  })
})

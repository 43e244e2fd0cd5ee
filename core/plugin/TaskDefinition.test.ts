/**
 * How a plugin defines a task: what an author may write, what the host makes of it, and what it says of a mistake.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import { forOperatorOnly, isForOperatorOnly } from "./OperatorOnly.ts"
import type { Intent } from "./Plugin.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredTask } from "./Registry.ts"
import { answerOf, attemptsOf, callOf } from "./TaskCall.ts"
import { defineTask, type TaskContext, TaskStepFailed } from "./TaskDefinition.ts"
import { registerTask } from "./TaskRegistration.ts"
import { requestSteps } from "./TaskSteps.ts"
import { defineTool } from "./Tool.ts"

const silent: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }

const copy = defineTool({
  name: "files.copy",
  description: "Copy a file.",
  input: Schema.Struct({ file: Schema.String, since: Schema.optionalKey(Schema.Date) }),
  output: Schema.Struct({ at: Schema.Date, bytes: Schema.Int }),
  effect: "write",
  risk: "low",
  scopes: [],
  guarantee: "transactional",
  run: () => ({ at: new Date(0), bytes: 1 })
})

const base = { name: "backup.nightly", description: "Back everything up.", run: () => 1 }
const register = (definition: object = base): RegisteredTask => {
  const task = registerTask("backup", definition, silent)
  if (typeof task === "string") throw new Error(task)
  return task
}
const mistake = (changes: object): unknown => {
  const task = registerTask("backup", { ...base, ...changes }, silent)
  return typeof task === "string" ? task : undefined
}

describe("a task that is code", () => {
  it("types the input, and what is called by a definition", async () => {
    const task = defineTask({
      name: "backup.nightly",
      description: "Back up.",
      input: Schema.Struct({ folder: Schema.String }),
      output: Schema.Struct({ bytes: Schema.Int }),
      run: async ({ folder }, ctx) => {
        const { at, bytes } = await ctx.call(copy, { file: folder, since: new Date(0) }, { maxAttempts: 5 })
        // @ts-expect-error: the tool takes a file
        if (at.getTime() < 0) await ctx.call(copy, { folder })
        const count = await ctx.call<number>("files.count", { folder })
        const [first] = await Promise.all([ctx.call("files.any", {}), ctx.sleep("1 minute")])
        // @ts-expect-error: nobody knows what it is
        void first?.name
        return { bytes: bytes + count }
      }
    })
    const answers: Record<string, unknown> = { "files.copy": { at: new Date(0), bytes: 2 }, "files.count": 3 }
    const called: Array<unknown> = []
    const ctx = {
      call: (tool: string | { readonly name: string }, input: unknown) => {
        const name = typeof tool === "string" ? tool : tool.name
        called.push([name, input])
        return Promise.resolve(answers[name])
      },
      sleep: () => Promise.resolve()
    } as unknown as TaskContext
    assert.deepStrictEqual(await task.run?.({ folder: "a" }, ctx), { bytes: 5 })
    assert.lengthOf(called, 3)
  })

  it("may give back a value, a Promise or an Effect, and take no input", () => {
    const context = {} as TaskContext
    assert.strictEqual(defineTask({ ...base, run: (_, ctx) => ctx.taskId }).run?.({}, context), undefined)
    assert.isTrue(Effect.isEffect(defineTask({ ...base, run: () => Effect.succeed(1) }).run?.({}, context)))
  })

  it.effect("has its input and output checked like a tool's", () =>
    Effect.gen(function*() {
      const task = register({
        ...base,
        input: Schema.Struct({ folder: Schema.String, since: Schema.optionalKey(Schema.Date) }),
        output: Schema.Struct({ at: Schema.Date })
      })
      assert.deepInclude(task.inputSchema, { type: "object", required: ["folder"], additionalProperties: false })
      assert.deepStrictEqual(yield* task.decodeInput({ folder: "a", since: "2026-01-01T00:00:00.000Z" }), {
        folder: "a",
        since: new Date("2026-01-01T00:00:00.000Z")
      })
      assert.strictEqual(
        yield* Effect.flip(task.decodeInput({ folders: "a" })),
        "The input of backup.nightly: there is no field \"folders\"; did you mean \"folder\"?"
      )
      assert.deepStrictEqual(yield* task.encodeOutput({ at: new Date(0) }), { at: "1970-01-01T00:00:00.000Z" })
      assert.strictEqual(
        yield* Effect.flip(task.encodeOutput({})),
        "The output of backup.nightly breaks its schema: the field \"at\" is missing."
      )
      assert.strictEqual(task.stepsOf, undefined)
      const none = register()
      assert.deepStrictEqual(none.inputSchema, { type: "object", properties: {}, additionalProperties: false })
      assert.deepStrictEqual(yield* none.decodeInput(undefined), {})
      assert.strictEqual(yield* none.encodeOutput(undefined), null)
    }))

  it("records JSON, and answers what the tool's schema says", () => {
    assert.deepStrictEqual(callOf(copy, { file: "a", since: new Date(0) }), {
      tool: "files.copy",
      input: { file: "a", since: "1970-01-01T00:00:00.000Z" }
    })
    assert.deepStrictEqual(callOf("t.run", undefined), { tool: "t.run", input: {} })
    assert.deepStrictEqual(answerOf(copy, { at: "1970-01-01T00:00:00.000Z", bytes: 1 }), { at: new Date(0), bytes: 1 })
    const recorded = { at: "1970-01-01T00:00:00.000Z" }
    assert.strictEqual(answerOf("files.copy", recorded), recorded)
    assert.throws(() => answerOf(copy, recorded), /recorded output of files\.copy .* the field "bytes" is missing/)
    assert.throws(() => callOf(copy, {}), /has an input that files\.copy does not take: the field "file" is missing/)
    assert.throws(() => callOf("t.run", { at: new Date() }), /has an input that has a Date at "at"/)
    assert.throws(() => callOf(7, {}), /needs a tool/)
  })

  it("says which step failed", () => {
    const failed = new TaskStepFailed("The disk is full.", { step: "copy", position: 2, code: "tool.refused" })
    assert.instanceOf(failed, Error)
    assert.deepStrictEqual([failed.name, failed.message, failed.step, failed.position, failed.code], [
      "TaskStepFailed",
      "The disk is full.",
      "copy",
      2,
      "tool.refused"
    ])
  })
})

describe("a task of steps", () => {
  const task = defineTask({
    name: "backup.weekly",
    description: "Back up.",
    input: Schema.Struct({ folders: Schema.Array(Schema.String), at: Schema.Date }),
    labels: ["nightly"],
    priority: 7,
    steps: ({ at, folders }) => [
      { name: "settle", wait: "5 minutes" },
      folders.map((file) => ({ name: `copy ${file}`, tool: copy, input: { file } })),
      { name: "morning", until: at },
      {
        name: "tell",
        tool: "mail.send",
        input: { text: "done" },
        maxAttempts: 5,
        retry: { strategy: "fixed", baseDelay: "5 seconds", maxDelay: 10_000, jitter: 0 }
      },
      { name: "end", tool: "noop.run" }
    ]
  })

  it("comes out as POST /tasks takes it", () => {
    const { stepsOf } = register(task)
    assert.deepStrictEqual(stepsOf?.({ folders: ["a", "b"], at: new Date(0) }), [
      { name: "settle", kind: "wait", input: { delay_ms: 300_000 } },
      [
        { name: "copy a", tool: "files.copy", input: { file: "a" } },
        { name: "copy b", tool: "files.copy", input: { file: "b" } }
      ],
      { name: "morning", kind: "wait", input: { until: "1970-01-01T00:00:00.000Z" } },
      {
        name: "tell",
        tool: "mail.send",
        input: { text: "done" },
        max_attempts: 5,
        retry: { strategy: "fixed", base_delay_ms: 5_000, max_delay_ms: 10_000, jitter: 0 }
      },
      { name: "end", tool: "noop.run", input: {} }
    ])
    assert.throws(
      () => stepsOf?.({ folders: [], at: new Date(0) }),
      "the list after step 1 is empty: leave it out."
    )
  })

  it("says what is wrong with a step, by its number and name", () => {
    const step = { name: "copy", tool: "files.copy" }
    const wrong: ReadonlyArray<readonly [unknown, string]> = [
      [undefined, "steps must give back a list, at once"],
      [Promise.resolve([]), "steps must give back a list, at once"],
      [[], "there are none: a task has at least one step"],
      [[step, [step, []]], "the list after step 1 has a list in it: steps are one after the other, or side by side"],
      [[null], "step 1 must be an object"],
      [[step, { tool: "t.run" }], "step 2 needs a name of 1 to 200 characters"],
      [[{ ...step, attempts: 2 }], "step 1 (copy): there is no property \"attempts\""],
      [[{ name: "copy" }], "step 1 (copy) needs one of tool, wait, until"],
      [[{ ...step, wait: 1 }], "step 1 (copy) has tool and wait: it can be one of them"],
      [[{ name: "rest", wait: 1, input: {} }], "step 1 (rest) waits, so it has no input"],
      [[{ name: "rest", wait: "soon" }], "step 1 (rest) needs a wait that is a duration of at most a year"],
      [[{ name: "rest", until: new Date(NaN) }], "step 1 (rest) needs an until that is a valid Date"],
      [[{ ...step, tool: 7 }], "step 1 (copy) needs a tool: its name, or what defineTool gave back"],
      [[{ ...step, input: () => 1 }], "step 1 (copy) has an input that has a function"],
      [
        [{ ...step, tool: copy }],
        "step 1 (copy) has an input that files.copy does not take: the field \"file\" is missing"
      ],
      [[{ ...step, maxAttempts: 0 }], "step 1 (copy) needs maxAttempts to be a whole number from 1 to 100"],
      [[{ ...step, retry: { delay: 1 } }], "step 1 (copy) has a retry, but there is no setting \"delay\""],
      [[{ ...step, retry: { strategy: "often" } }], "needs retry.strategy: \"exponential\", \"fixed\", \"none\""],
      [[{ ...step, retry: { baseDelay: "2 days" } }], "needs retry.baseDelay to be a duration of at most 1 day"],
      [[{ ...step, retry: { jitter: 2 } }], "needs retry.jitter to be a number from 0 to 1"]
    ]
    for (const [steps, sentence] of wrong) assert.throws(() => requestSteps(steps), sentence)
  })

  it("keeps only what was given of a retry", () => {
    assert.deepStrictEqual(attemptsOf({}), {})
    assert.deepStrictEqual(attemptsOf({ retry: { strategy: "none" } }), { retry: { strategy: "none" } })
  })

  it("passes on what its own code throws", () => {
    const { stepsOf } = register({
      name: "backup.nightly",
      description: "Back up.",
      steps: () => {
        throw new Error("no disk is mounted")
      }
    })
    assert.throws(() => stepsOf?.({}), "no disk is mounted.")
  })
})

describe("a mistake in a definition", () => {
  it.each<[object, string]>([
    [{ name: "Backup" }, "a task is named \"Backup\", but a name has parts of lower-case letters, digits, _ and -"],
    [{ runs: 1 }, "task backup.nightly: there is no property \"runs\"; did you mean \"run\"?"],
    [{ description: " " }, "task backup.nightly needs a description"],
    [{ input: {} }, "task backup.nightly has an input that is not a Schema"],
    [{ output: 1 }, "task backup.nightly has an output that is not a Schema"],
    [{ input: Schema.String }, "the input of task backup.nightly must be an object: use Schema.Struct"],
    [{ steps: () => [] }, "task backup.nightly has both steps and run: keep one of the two"],
    [{ run: undefined }, "task backup.nightly needs steps or run"],
    [{ run: 1 }, "task backup.nightly needs run to be a function"],
    [
      { run: undefined, steps: () => [], output: Schema.Struct({}) },
      "task backup.nightly has steps, so it has no output of its own: remove output, or write it as run"
    ],
    [{ labels: [1] }, "task backup.nightly needs labels to be a list of words"],
    [{ priority: 10 }, "task backup.nightly needs a priority from 0 to 9, a whole number"]
  ])("%j", (changes, sentence) => assert.include(mistake(changes), sentence))

  it("is a sentence, whatever was given", () => {
    fc.assert(fc.property(fc.anything(), fc.constantFrom(...Object.keys(base), "steps", "input"), (value, key) => {
      const task = registerTask("backup", { ...base, [key]: value }, silent)
      assert.isTrue(typeof task === "string" || task.definition.name !== "")
      registerTask("backup", value, silent)
    }))
    fc.assert(fc.property(fc.anything(), (value) => {
      try {
        requestSteps([value, [value]])
      } catch (error) {
        assert.match((error as Error).message, /^step 1|^the list|^steps/)
      }
    }))
  })
})

describe("what goes with it", () => {
  it("lets an intent name a tool or a task, and not both", () => {
    const intents: ReadonlyArray<Intent> = [
      { name: "backup.now", patterns: [/back up now/], task: "backup.nightly", input: () => ({}) },
      { name: "noop", patterns: [/nothing/], tool: "noop.run" },
      // @ts-expect-error: one of the two
      { name: "both", patterns: [], tool: "noop.run", task: "backup.nightly" },
      // @ts-expect-error: one of the two
      { name: "none", patterns: [] }
    ]
    const plain = [{ name: "a", patterns: [/a/], tool: "t.a" }, { name: "b", patterns: [/b/], task: "b" }]
    const mixed: ReadonlyArray<Intent> = plain
    assert.lengthOf([...intents, ...mixed], 6)
  })

  it("marks a tool as the operator's alone, where no author can", () => {
    assert.isFalse(isForOperatorOnly(copy))
    assert.isTrue(isForOperatorOnly({ ...forOperatorOnly(copy) }))
    assert.deepStrictEqual(Object.keys(forOperatorOnly(copy)), Object.keys(copy))
  })
})

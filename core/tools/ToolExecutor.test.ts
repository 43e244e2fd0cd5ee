/**
 * Running a call for a lane: the lane writes the outcome its own way, the tool knows its task, and what nobody wants any
 * more is cut short where that leaves no trace.
 */
import { Effect, Fiber, Layer, Logger, ManagedRuntime } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { layerCore } from "../main.ts"
import type { Trust } from "../contract/Enums.ts"
import { CallOrigin, type Origin } from "../plugin/CallOrigin.ts"
import { definePlugin, defineTool, type Guarantee, Schema, type ToolContext, type ToolEffect } from "../plugin/index.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { type Attempted, type Conclusion, countDown, type Lane, ToolExecutor } from "./ToolExecutor.ts"
import type { Outcome } from "./ToolLedger.ts"

const contexts: Array<ToolContext> = []
let finish = () => {}

/** Ends when the test lets it, however often it is told to stop. */
const slow = (name: string, effect: ToolEffect, guarantee: Guarantee) =>
  defineTool({
    name,
    description: "Takes its time.",
    input: Schema.Struct({}),
    effect,
    risk: "low",
    scopes: [],
    guarantee,
    timeout: "10 seconds",
    ...(guarantee === "probe" ? { probe: () => "unknown" as const } : {}),
    run: (_, ctx) => {
      contexts.push(ctx)
      return new Promise<string>((resolve) => {
        finish = () => resolve("done")
      })
    }
  })

const kinds: ReadonlyArray<readonly [string, ToolEffect, Guarantee]> = [
  ["s.read", "read", "none"],
  ["s.transactional", "write", "transactional"],
  ["s.keyed", "write", "native_key"],
  ["s.probed", "write", "probe"],
  ["s.plain", "irreversible", "none"]
]

const origins: Array<Origin | undefined> = []

/** Asks who stands behind its call, as a tool of the host does. */
const asking = defineTool({
  ...slow("s.asking", "write", "transactional"),
  run: (_, ctx) =>
    Effect.map(CallOrigin, (origin) => {
      contexts.push(ctx)
      origins.push(origin)
      return "done"
    })
})

const plugin = definePlugin({
  name: "s",
  setup: () => ({ tools: [...kinds.map(([name, effect, guarantee]) => slow(name, effect, guarantee)), asking] })
})

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-executor-"))
const runtime = ManagedRuntime.make(Layer.fresh(layerCore.pipe(
  Layer.provideMerge([Settings.layerOf({ plugins: [plugin()] }), layerTestDatabase]),
  Layer.provide([
    Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined }),
    Logger.layer([])
  ])
)))

/** What this lane adds. */
interface Step extends Conclusion {
  readonly step: string
}

interface Ran {
  readonly outcome: Outcome | undefined
  readonly step: string | undefined
  readonly told: ReadonlyArray<"settled" | "lost">
  readonly context: ToolContext | undefined
}

/** Runs a call of a task's step. `during` happens while the tool runs. */
const run = (
  name: string,
  during: (signal: AbortController) => void,
  mine = true,
  aborted = false,
  trust: Trust = "operator"
): Promise<Ran> => {
  contexts.length = 0
  const signal = new AbortController()
  if (aborted) signal.abort()
  const told: Array<"settled" | "lost"> = []
  let outcome: Outcome | undefined
  let step: string | undefined
  const write = (written: Outcome, conclusion: Step) =>
    Effect.sync(() => {
      outcome = written
      step = conclusion.step
      return mine
    })
  const lane: Lane<Step> = {
    conclude: (work) => Effect.succeed({ settlement: undefined, emitted: [], rows: [], step: work.step_id ?? "" }),
    settle: write,
    settleHere: write,
    settled: () => void told.push("settled"),
    lost: () => void told.push("lost")
  }
  return runtime.runPromise(Effect.gen(function*() {
    const tools = yield* ToolExecutor
    const tool = (yield* Registry).tool(name)
    assert.isDefined(tool)
    if (tool === undefined) throw new Error("no tool")
    const work: Attempted = {
      tool_call_id: newId(),
      work_id: "the task",
      task_id: "the task",
      step_id: "the step",
      fence: 1,
      event: {
        event_id: newId(),
        trace_id: newId(),
        channel: "chat",
        connector_id: "chat",
        actor_id: "me",
        trust: "operator",
        depth: 0,
        timezone: "UTC"
      },
      tool,
      trust,
      input: {},
      idempotency_key: "key",
      risk: "low",
      autonomy: "A2",
      policy_version: 1,
      steers: false,
      approved: false,
      guarded: undefined,
      attempt: 1,
      open_attempts: 1,
      leftMs: countDown(10_000),
      signal: signal.signal
    }
    yield* tools.take(tool)
    const fiber = yield* Effect.forkChild(tools.run(work, lane))
    for (let looks = 0; contexts.length === 0 && looks < 200; looks++) yield* Effect.sleep("1 millis")
    during(signal)
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
    finish()
    yield* Fiber.join(fiber)
    return { outcome, step, told, context: contexts[0] }
  }))
}

beforeAll(() => runtime.runPromise(Effect.void))
afterAll(async () => {
  await runtime.dispose()
  fs.rmSync(home, { recursive: true, force: true })
})

describe("a call of a step", () => {
  it("is written by its lane, with what the lane adds, and knows its task", async () => {
    const { context, outcome, step, told } = await run("s.plain", () => {})
    assert.strictEqual(step, "the step")
    assert.deepEqual(told, ["settled"])
    assert.deepInclude(outcome, { status: "succeeded", output: "done", work_id: "the task", fence: 1 })
    assert.deepInclude(outcome?.rows[0]?.refs, { task_id: "the task", step_id: "the step" })
    assert.deepInclude({ ...context }, { taskId: "the task", stepId: "the step" })
  })

  it("comes from the worst that it rests on, whoever its event is from", async () => {
    await run("s.asking", () => {}, true, false, "untrusted")
    assert.deepEqual(origins.map((origin) => origin?.trust), ["untrusted"])
  })

  it("is told to be lost when it was not ours to write", async () => {
    assert.deepEqual((await run("s.read", () => {}, false)).told, ["lost"])
  })

  for (const [name, effect, guarantee] of kinds) {
    const traceless = effect === "read" || guarantee === "transactional"
    it(`that nobody wants any more ${traceless ? "is cut short" : "goes on to its end"}: ${name}`, async () => {
      const { context, outcome } = await run(name, (signal) => signal.abort())
      assert.strictEqual(context?.signal.aborted, traceless)
      if (traceless) {
        assert.strictEqual(outcome?.status, "failed")
        assert.deepInclude(outcome?.error, { code: "tool.canceled", retryable: false })
      } else {
        assert.deepInclude(outcome, { status: "succeeded", output: "done" })
      }
    })
  }

  it("is not even begun when it was canceled before", async () => {
    const { context, outcome } = await run("s.read", () => {}, true, true)
    assert.isUndefined(context)
    assert.deepInclude(outcome?.error, { code: "tool.canceled" })
  })
})

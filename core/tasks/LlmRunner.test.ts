/**
 * What a decision leads to, when a model is stopped, and that no question loses its task. The stories of whole hosts are in
 * `test/stories/model*.test.ts`.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import { type Completion, type CompletionFailed, failed, Provider } from "../llm/CompletionProvider.ts"
import { Completions } from "../llm/Completions.ts"
import { defaultBudgets } from "../llm/Context.ts"
import type { ContextFacts } from "../llm/ContextFacts.ts"
import type { Decision } from "../llm/Decision.ts"
import type { Turn } from "../llm/Prompt.ts"
import { bareFacts } from "../llm/TestContexts.ts"
import { Registry } from "../plugin/Registry.ts"
import { type LlmSettings, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Compaction } from "./Compaction.ts"
import { ContextGather } from "./ContextGather.ts"
import { circleOf, exceeded } from "./LlmBounds.ts"
import { historyOf } from "./LlmHistory.ts"
import { LlmRunner } from "./LlmRunner.ts"
import { chosenByModel, decidedBy, plannedSteps } from "./LlmSteps.ts"
import { defaultRetry } from "./TaskPlan.ts"
import type { StepRow } from "./TaskRows.ts"
import { makeDraft, makeRun } from "./TaskRun.ts"

const task_id = newId()
const begun = Date.parse("2026-07-01T12:00:00Z")
const at = (seconds: number): string => new Date(begun + seconds * 1_000).toISOString()

interface Given extends Partial<Omit<StepRow, "checkpoint">> {
  readonly decided_by?: number
  readonly checkpoint?: object
}

const step = (position: number, { checkpoint, decided_by, ...given }: Given = {}): StepRow => ({
  task_id,
  position,
  step_id: newId(),
  stage: position,
  name: `step ${position}`,
  kind: "tool",
  status: "succeeded",
  attempt: 0,
  max_attempts: 4,
  retry: defaultRetry,
  input: {},
  ordinal: 0,
  checkpoint: { ...checkpoint, ...(decided_by === undefined ? {} : { decided_by }) },
  ...given
})
const decide = (position: number, given: Given = {}): StepRow =>
  step(position, { name: "decide", kind: "llm_decide", input: { intent: "tea" }, ...given })
const byPosition = (...steps: ReadonlyArray<StepRow>) => new Map(steps.map((one) => [one.position, one]))

const call = (...tools: ReadonlyArray<string>): Decision => ({
  action: "call",
  calls: tools.map((tool) => ({ tool, input: {} }))
})
const done: Decision = { action: "done", answer: "Well." }

describe("what a decision leads to", () => {
  const planned = (steps: ReadonlyMap<number, StepRow>, position: number, decision: Decision) =>
    plannedSteps(steps, steps.get(position)!, decision).map((row) => [row.position, row.stage, row.kind, row.name])

  it("comes after it where nothing else is to come", () => {
    const steps = byPosition(decide(0))
    assert.deepEqual(planned(steps, 0, call("a", "b")), [
      [1, 1, "tool", "a"],
      [2, 1, "tool", "b"],
      [3, 2, "llm_decide", "decide"]
    ])
    assert.deepEqual(planned(steps, 0, { action: "wait", seconds: 5 }), [
      [1, 1, "wait", "wait"],
      [2, 2, "llm_decide", "decide"]
    ])
    assert.deepEqual(planned(steps, 0, done), [])
  })

  it("comes before what its list has next, or has beside it", () => {
    const next = byPosition(step(0), decide(1), step(2, { status: "pending" }))
    assert.deepEqual(planned(next, 1, call("a")), [[3, 0, "tool", "a"], [4, 1, "llm_decide", "decide"]])
    const beside = byPosition(decide(0), decide(1, { stage: 0, status: "running" }))
    assert.deepEqual(planned(beside, 0, call("a")), [[2, -1, "tool", "a"], [3, 0, "llm_decide", "decide"]])
  })

  it("bears its mark, and a call is tried once", () => {
    const steps = byPosition(decide(0))
    const [chosen, again] = plannedSteps(steps, steps.get(0)!, call("a"))
    assert.strictEqual(decidedBy(chosen!), 0)
    assert.isTrue(chosenByModel(chosen!))
    assert.deepInclude(chosen, { max_attempts: 1, status: "pending", tool: "a" })
    assert.strictEqual(decidedBy(again!), 0)
    assert.isFalse(chosenByModel(again!))
    assert.deepEqual(again?.input, { intent: "tea" })
    assert.isFalse(chosenByModel(step(0)))
  })
})

describe("a history", () => {
  it("has the results of each decision in the order of its calls, and what was said to its questions", () => {
    const steps = byPosition(
      decide(0, { output: call("b", "a") }),
      step(1, { tool: "b", decided_by: 0, output: 1 }),
      step(2, { tool: "a", decided_by: 0, status: "failed", error: { code: "x", message: "no", retryable: false } }),
      decide(3, { decided_by: 0, output: { action: "ask", question: "Which?" } }),
      step(4, { kind: "wait", decided_by: 3, output: { answer: "That." } }),
      decide(5, { decided_by: 3, status: "running" })
    )
    const history = historyOf(steps, steps.get(5)!)
    assert.deepEqual(history.map((turn) => Object.keys(turn).join(" ")), [
      "decision results",
      "decision results",
      "answer"
    ])
    const [first] = history
    assert.deepEqual(
      first !== undefined && "results" in first ? first.results.map(({ status, tool }) => [tool, status]) : [],
      [["b", "succeeded"], ["a", "failed"]]
    )
    assert.deepEqual(history[2], { answer: "That." })
  })
})

describe("a circle", () => {
  const turn = (decision: Decision, output: unknown = "same"): Turn => ({
    decision,
    results: decision.action === "call"
      ? decision.calls.map(({ tool }) => ({ tool, status: "succeeded", output, error: undefined }))
      : []
  })
  const [a, b] = [call("a"), call("b")]
  const wait: Decision = { action: "wait", seconds: 5 }

  it.each<readonly [name: string, history: ReadonlyArray<Turn>, decision: Decision, size: number | undefined]>([
    ["the third of the same", [turn(a), turn(a)], a, 1],
    ["the second", [turn(a)], a, undefined],
    ["another one", [turn(a), turn(a)], b, undefined],
    ["the same with another result", [turn(a, 1), turn(a, 2)], a, undefined],
    ["the same with other results of late", [turn(a), turn(a), turn(a, 2)], a, undefined],
    ["with an older one before it", [turn(b), turn(a), turn(a)], a, 1],
    ["the third round of two", [turn(a), turn(b), turn(a), turn(b)], a, 2],
    ["the second round of two", [turn(a), turn(b)], a, undefined],
    ["a round of two that changes", [turn(a), turn(b, 1), turn(a), turn(b, 2)], a, undefined],
    ["the same after a wait", [turn(a), turn(wait), turn(a), turn(wait)], a, undefined],
    ["the same after a word", [turn(a), turn(a), { answer: "go on" }], a, undefined],
    ["an end", [turn(a), turn(a)], done, undefined]
  ])("%s", (_, history, decision, size) => assert.strictEqual(circleOf(history, decision), size))
})

describe("a bound", () => {
  const settings = (bounds: Partial<LlmSettings["bounds"]> = {}) => ({
    steps: 20,
    seconds: 10,
    usd: undefined,
    ...bounds
  })
  const used = (ms: number, input_tokens = 0, usd = 0) => ({
    checkpoint: { usage: { input_tokens, output_tokens: 0, calls: 1, ms, usd } }
  })
  const reached = (steps: ReadonlyArray<StepRow>, bounds = settings()) =>
    exceeded({ bounds, steps, timeoutMs: () => 30_000 })?.bound

  it("counts decisions, not questions that are to come", () => {
    const list = [decide(0, { output: done }), decide(1, { status: "running" }), decide(2, { status: "pending" })]
    assert.isUndefined(reached(list, settings({ steps: 2 })))
    assert.strictEqual(reached(list, settings({ steps: 1 })), "llm.bounds.steps")
  })

  it("counts money", () => {
    const list = [decide(0, used(0, 600, 0.3)), decide(1, used(0, 300, 0.3))]
    assert.isUndefined(reached(list))
    assert.strictEqual(reached(list, settings({ usd: 0.6 })), "llm.bounds.usd")
    assert.isUndefined(reached(list, settings({ usd: 0.7 })))
  })

  it("counts what model and tools took: calls at the same time once, and no waits", () => {
    const bake = (position: number, seconds: number, decided_by: number) =>
      step(position, { decided_by, started_at: at(0), ended_at: at(seconds) })
    const waited = step(3, { kind: "wait", decided_by: 0, started_at: at(0), ended_at: at(86_400) })
    const list = [decide(0, used(4_000)), bake(1, 3, 0), bake(2, 5, 0), waited]
    assert.isUndefined(reached(list))
    assert.strictEqual(reached([...list, bake(4, 1, 3)]), "llm.bounds.seconds")
    // Nobody knew for a day what had become of it: its tool takes half a minute at most.
    assert.isUndefined(reached([bake(1, 86_400, 0)], settings({ seconds: 31 })))
  })
})

const llm: LlmSettings = {
  provider: "openai",
  api: "chat",
  fallback: [],
  baseURL: "http://127.0.0.1:1/v1",
  apiKey: undefined,
  model: "m",
  timeoutMs: 1_000,
  silenceMs: 1_000,
  budget: { perTraceTokens: 50_000, models: {}, atLimit: "stop" },
  bounds: { steps: 20, seconds: 600, usd: undefined },
  price: undefined,
  prompts: {},
  context: defaultBudgets
}

layer(layerTestDatabase, { timeout: "60 seconds" })("a question", (it) => {
  const runOf = (...steps: ReadonlyArray<StepRow>) =>
    makeRun({
      task: {
        task_id,
        trace_id: newId(),
        trigger_event_id: newId(),
        name: "tea",
        kind: "llm_plan",
        priority: 5,
        labels: [],
        autonomy_at_start: "A2",
        created_at: at(0)
      },
      event: {
        event_id: newId(),
        trace_id: newId(),
        thread_id: undefined,
        channel: "chat",
        connector_id: "chat",
        actor_id: "me",
        trust: "operator",
        depth: 0,
        timezone: "UTC"
      },
      fence: 1,
      status: "running",
      steps
    })
  /** The runner over a model that answers like this. */
  const asking = (answer: Effect.Effect<Completion, CompletionFailed> | undefined, facts?: ContextFacts) =>
    LlmRunner.layer.pipe(
      Layer.provide([
        Completions.layer,
        facts === undefined
          ? ContextGather.layer
          : Layer.succeed(ContextGather, { gather: () => Effect.succeed(facts) }),
        Layer.mock(Compaction)({ compact: () => Effect.void })
      ]),
      Layer.provide([
        Layer.succeed(HostLease, { hostId: newId(), restartReason: undefined, lost: Effect.never }),
        Audit.layer,
        Layer.succeed(Provider, answer === undefined ? undefined : { model: "m", complete: () => answer }),
        Layer.succeed(Registry, { tools: () => [], tool: () => undefined } as unknown as Registry["Service"]),
        Layer.succeed(
          Settings,
          { llm, timezone: "UTC", safety: { scopesOf: () => ["*"] } } as unknown as Settings["Service"]
        )
      ]),
      Layer.provide([Redactor.layerEmpty, AuditWake.layer])
    )
  const ask = (
    answer: Effect.Effect<Completion, CompletionFailed> | undefined,
    given: Given = {},
    facts?: ContextFacts
  ) =>
    LlmRunner.use((runner) => runner.decide(runOf(decide(0, { status: "running", ...given })), 0)).pipe(
      Effect.provide(asking(answer, facts))
    )
  const text = (words: string): Completion => ({
    text: words,
    calls: [],
    usage: { input_tokens: 5, output_tokens: 1 },
    model: "m",
    finish: "stop"
  })

  it.effect("in which the host itself fails ends in another try", () =>
    Effect.gen(function*() {
      for (const fault of [Effect.die(new Error("bang\0")), Effect.sync(() => JSON.parse("{") as Completion)]) {
        const { checkpoint, error, told } = yield* ask(fault)
        assert.strictEqual(error?.code, "llm.failed")
        assert.isTrue(error?.retryable)
        assert.match(error?.message ?? "", /by a fault of this host: /)
        assert.notInclude(error?.message ?? "", "\0")
        assert.deepEqual(told.map(({ type }) => type), ["llm.failed"])
        assert.deepEqual(checkpoint, {})
      }
    }))

  it.effect("makes its task as good as the worst words that the model was shown", () =>
    Effect.gen(function*() {
      for (const trust of ["operator", "trusted", "untrusted"] as const) {
        const line = {
          at: new Date(begun).toISOString(),
          by: "syris" as const,
          text: "The mail says: unlock the door.",
          trust,
          event_id: newId()
        }
        const facts = { ...bareFacts, thread: { lines: [line], left_out: 0 } }
        const { checkpoint } = yield* ask(Effect.succeed(text("Tea is ready.")), {}, facts)
        assert.strictEqual(checkpoint.trust, trust === "untrusted" ? trust : undefined)
      }
    }))

  it.effect("without a model says so, and is not tried again", () =>
    Effect.gen(function*() {
      const { error } = yield* ask(undefined)
      assert.deepInclude(error, { code: "llm.not_configured", retryable: false })
    }))

  it.effect("keeps what it has used and what it follows, whatever comes of it", () =>
    Effect.gen(function*() {
      const usage = { input_tokens: 100, output_tokens: 10, calls: 1, ms: 7 }
      const given = { checkpoint: { usage }, decided_by: 3 }
      for (
        const answer of [Effect.succeed(text("")), Effect.succeed(text("tea")), Effect.fail(failed("llm.cut", "Cut."))]
      ) {
        const { checkpoint } = yield* ask(answer, given)
        assert.strictEqual(checkpoint.decided_by, 3)
        assert.deepInclude(checkpoint.usage, { calls: 2, ms: 7 })
        assert.isAtLeast(checkpoint.usage?.input_tokens ?? 0, 100)
      }
    }))

  it.effect("reminds the model of the last four corrections", () =>
    Effect.gen(function*() {
      const corrections = ["1", "2", "3", "4"]
      const { checkpoint } = yield* ask(Effect.succeed(text("")), { checkpoint: { corrections } })
      assert.strictEqual(checkpoint.corrections?.length, 4)
      assert.deepEqual(checkpoint.corrections?.slice(0, 3), ["2", "3", "4"])
      assert.match(checkpoint.corrections?.at(-1) ?? "", /empty/)
    }))

  it.effect("plans what was chosen as a whole: stored now, begun with the next write, and not at all after a cancel", () =>
    Effect.gen(function*() {
      const runner = yield* LlmRunner
      const planned = (wish: "pause" | "cancel" | null) => {
        const run = runOf(decide(0, { status: "running" }))
        run.wish = wish
        run.flight.add(0)
        const draft = makeDraft(run, new Date(begun))
        runner.apply(run, draft, 0, { decision: call("a"), checkpoint: {}, told: [] })
        assert.deepInclude(draft.steps.get(0)?.row, { status: "succeeded" })
        assert.isFalse(draft.flight.has(0))
        return [...draft.steps.values()].slice(1).map(({ fresh, row }) => [row.name, row.status, fresh])
      }
      const all = [["a", "pending", true], ["decide", "pending", true]]
      assert.deepEqual(planned(null), all)
      assert.deepEqual(planned("pause"), all)
      assert.deepEqual(planned("cancel"), [])
    }).pipe(Effect.provide(asking(undefined))))
})

/**
 * The operator's controls by word of mouth: which sentences mean what, whom they need, and what they do.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Autonomy } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { makeIntentMatcher } from "../plugin/IntentMatcher.ts"
import { isForOperatorOnly, steeringOf } from "../plugin/OperatorOnly.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { ToolContext } from "../plugin/Tool.ts"
import { registerTool } from "../plugin/ToolRegistration.ts"
import { taskSentences } from "../tasks/TaskSentences.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { intents as timers } from "../../plugins/timers/index.ts"
import { controlSentences } from "./ControlSentences.ts"
import { controlTools } from "./ControlTools.ts"

const log: BoundLog = { debug() {}, info() {}, warn() {}, error() {}, with: () => log }
const parts = await controlTools.spec.setup({
  options: {},
  name: "controls",
  log,
  timezone: "Europe/London",
  secret: () => {
    throw new Error("unused")
  }
})
const toolOf = (name: string) => {
  const tool = (parts as { readonly tools: ReadonlyArray<any> }).tools.find((one) => one.name === name)
  assert.isDefined(tool)
  return tool
}

describe("the sentences", () => {
  const registered = [
    ...timers.map((intent) => ({ ...intent, plugin: "timers" })),
    ...taskSentences.map((intent) => ({ ...intent, plugin: "syris" })),
    ...controlSentences.map((intent) => ({ ...intent, plugin: "controls" }))
  ]
  const match = makeIntentMatcher(registered)
  const ownFirst = makeIntentMatcher(registered.toReversed())
  const understood = (text: string) => {
    const found = match(text)
    assert.strictEqual(ownFirst(text)?.intent.name, found?.intent.name)
    return found === undefined ? undefined : [found.intent.name, found.intent.input?.(found.groups)]
  }

  it.each([
    ["set autonomy to A1", ["autonomy.set", { level: "A1" }]],
    ["Please set the autonomy level to a0.", ["autonomy.set", { level: "A0" }]],
    ["raise my autonomy to A4", ["autonomy.set", { level: "A4" }]],
    ["autonomy A3", ["autonomy.set", { level: "A3" }]],
    ["autonomy level a2, please", ["autonomy.set", { level: "A2" }]],
    ["autonomy", ["autonomy.show", {}]],
    ["what is the autonomy level?", ["autonomy.show", {}]],
    ["what's your current autonomy", ["autonomy.show", {}]],
    ["show me the autonomy level", ["autonomy.show", {}]],
    ["which autonomy level are you on?", ["autonomy.show", {}]],
    ["pause", ["control.pause", {}]],
    ["Pause everything!", ["control.pause", {}]],
    ["pause everything now please", ["control.pause", {}]],
    ["stop everything", ["control.pause", {}]],
    ["pause everything because guests are here.", ["control.pause", { reason: "guests are here" }]],
    ["resume", ["control.resume", {}]],
    ["resume everything", ["control.resume", {}]],
    ["Start again.", ["control.resume", {}]]
  ])("%j", (text, expected) => assert.deepStrictEqual(understood(text), expected))

  it.each([
    "set autonomy to A5",
    "set autonomy",
    "what is autonomy worth",
    "pause the music",
    "pause the backup task",
    "resume the backup task",
    "stop",
    "go on without me"
  ])("leaves %j alone", (text) => assert.isUndefined(understood(text)))

  it("call tools that are there and that can be registered", () => {
    for (const { tool = "" } of controlSentences) {
      const registered = registerTool("controls", toolOf(tool), log)
      assert.isObject(registered)
    }
  })
})

describe("who may", () => {
  it("is the operator, who is asked only before autonomy rises", () => {
    for (const { tool = "" } of controlSentences) {
      assert.isTrue(isForOperatorOnly(toolOf(tool)))
      assert.isDefined(steeringOf(toolOf(tool)))
    }
    const { asks } = steeringOf(toolOf("autonomy.set")) ?? {}
    const levels: ReadonlyArray<Autonomy> = ["A0", "A1", "A2", "A3", "A4"]
    levels.forEach((from, i) =>
      levels.forEach((level, j) =>
        assert.strictEqual(asks?.({ level }, { autonomy: from }), j > i, `${from} to ${level}`)
      )
    )
    assert.isUndefined(steeringOf(toolOf("control.pause"))?.asks)
  })
})

layer(layerTestDatabase, { timeout: "60 seconds", excludeTestServices: true })("the tools", (it) => {
  const traceId = newId()
  const call = (name: string, input: unknown = {}) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const ctx = { traceId, now: () => new Date() } as ToolContext
      const run = toolOf(name).run(input, ctx) as Effect.Effect<
        { readonly message: string },
        unknown,
        SqlClient.SqlClient
      >
      return (yield* sql.withTransaction(run)).message
    })

  it.effect("say what holds now, and leave a row for what changed, in their trace", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`insert into control default values`
      const said: Array<string> = []
      for (
        const [name, input] of [
          ["autonomy.show"],
          ["autonomy.set", { level: "A1" }],
          ["autonomy.set", { level: "A1" }],
          ["control.resume"],
          ["control.pause", { reason: "hush" }],
          ["control.pause"],
          ["autonomy.show"],
          ["control.resume"]
        ] as const
      ) said.push(yield* call(name, input))
      assert.deepStrictEqual(said, [
        "Autonomy is A2, it does what is low in risk and asks before the rest.",
        "Autonomy is now A1, it asks before everything that acts.",
        "Autonomy is already A1, it asks before everything that acts.",
        "Nothing is paused.",
        "Paused: nothing new begins.",
        "Everything is paused already: nothing new begins.",
        "Autonomy is A1, it asks before everything that acts. Everything is paused: nothing new begins.",
        "The pause is over: it goes on."
      ])
      const rows = yield* sql<{ readonly type: string; readonly actor: string }>`
        select type, actor from audit_events where trace_id = ${traceId} order by seq`
      assert.deepStrictEqual(rows, [
        { type: "operator.autonomy_changed", actor: "operator" },
        { type: "operator.paused", actor: "operator" },
        { type: "operator.resumed", actor: "operator" }
      ])
      const [control] = yield* sql`select autonomy, paused, policy_version, pause_number from control`
      assert.deepStrictEqual(control, { autonomy: "A1", paused: false, policy_version: 2n, pause_number: 1n })
    }))

  it.effect("leave nothing where the outcome is not kept", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.flip(sql.withTransaction(Effect.andThen(call("control.pause"), Effect.fail("the fence is stale"))))
      const [control] = yield* sql`select paused from control`
      assert.deepStrictEqual(control, { paused: false })
    }))
})

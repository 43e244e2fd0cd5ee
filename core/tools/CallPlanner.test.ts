/**
 * What a call is before anything of it is stored, over the whole host: whether it runs, asks or is refused, the identity
 * that it has, and what a person is shown who is asked. `Gates.test.ts` has the decisions one by one.
 */
import { Effect, Layer, Logger, ManagedRuntime } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "vitest"
import type { Autonomy, Risk } from "../contract/Enums.ts"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { layerCore } from "../main.ts"
import { definePlugin, defineTool, Schema } from "../plugin/index.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { CallPlanner } from "./CallPlanner.ts"
import { hashOf } from "./InputHash.ts"
import type { CallRow, Plan, PlanRequest, Refused } from "./ToolCallPlan.ts"

const previewed: Array<{ readonly key: string; readonly input: unknown }> = []

const lamp = {
  description: "Switch a lamp.",
  input: Schema.Struct({ room: Schema.String, level: Schema.optionalKey(Schema.Int) }),
  effect: "write",
  risk: "low",
  scopes: [],
  run: () => "done"
} as const

const plugin = definePlugin({
  name: "lamp",
  setup: () => ({
    channels: [{
      name: "post",
      trust: "trusted",
      send: { ...lamp, input: Schema.Struct({ text: Schema.String }), description: "Post it." }
    }],
    tools: [
      defineTool({
        ...lamp,
        name: "lamp.switch",
        target: ({ room }) => room,
        action: () => "switch",
        risk: ({ level = 1 }): Risk => {
          if (level < 0) throw new Error("a lamp has no level below zero")
          return level > 9 ? "critical" : level > 5 ? "medium" : "low"
        },
        preview: ({ room }, ctx) => {
          previewed.push({ key: ctx.idempotencyKey, input: room })
          if (room === "cellar") throw new Error("the cellar is dark")
          return `would switch the lamp in the ${room}`
        }
      }),
      defineTool({ ...lamp, name: "lamp.plain", risk: "medium" }),
      defineTool({ ...lamp, name: "lamp.scoped", scopes: ["lamp.control"] })
    ]
  })
})

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-planner-"))
const runtime = ManagedRuntime.make(Layer.fresh(layerCore.pipe(
  Layer.provideMerge([
    Settings.layerOf({
      plugins: [plugin()],
      safety: { scopes: { mqtt: [] }, approvalTtl: "2 minutes" }
    }),
    layerTestDatabase
  ]),
  Layer.provide([
    Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined }),
    Logger.layer([])
  ])
)))

const level = (autonomy: Autonomy) =>
  runtime.runPromise(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`update control set autonomy = ${autonomy}`
    yield* (yield* Control).refresh
  }))

const event = { event_id: newId(), trace_id: newId(), channel: "chat", connector_id: "chat", actor_id: "me" }

interface Case extends Partial<Omit<PlanRequest, "tool" | "event">> {
  readonly name?: string
  readonly channel?: string
}

const plan = ({ channel = "chat", name = "lamp.switch", ...request }: Case = {}): Promise<Plan> =>
  runtime.runPromise(Effect.gen(function*() {
    const tool = (yield* Registry).tool(name)
    if (tool === undefined) return yield* Effect.die(new Error(`There is no ${name}.`))
    return yield* (yield* CallPlanner).plan({
      event: { ...event, channel },
      ordinal: 0,
      input: { room: "hall" },
      at: new Date("2026-11-22T12:00:00Z"),
      trust: "operator",
      ...request,
      tool
    })
  }))

beforeAll(() => runtime.runPromise(Effect.void))
beforeEach(async () => {
  previewed.length = 0
  await level("A2")
})
afterAll(async () => {
  await runtime.dispose()
  fs.rmSync(home, { recursive: true, force: true })
})

describe("a call that may run", () => {
  it("is planned, asks nobody, and looks at nothing", async () => {
    const { approval, gate, guarded, input, refused, row } = await plan()
    assert.deepStrictEqual([approval, refused, gate?.verdict], [undefined, undefined, "ALLOW"])
    assert.deepInclude(row, { status: "planned", needs_approval: false, risk: "low", autonomy: "A2" })
    assert.deepStrictEqual(row.labels, { trust: "operator", confidentiality: "public" })
    assert.deepStrictEqual(input, { room: "hall" })
    assert.deepStrictEqual(guarded, { action: "switch", target: "hall", notification: false })
    assert.deepStrictEqual(previewed, [])
  })

  it("has the key of its place, whatever is in it and however often it is planned", async () => {
    const key = async (given: Case) => (await plan(given)).row.idempotency_key
    const step = { task_id: newId(), step_id: newId() }
    const keys = [
      await key({}),
      await key({ ordinal: 1 }),
      await key({ name: "lamp.plain" }),
      await key({ step }),
      await key({ step, ordinal: 1 }),
      await key({ reply: { id: newId(), to: "trusted", discloses: false } })
    ]
    assert.strictEqual(new Set(keys).size, keys.length)
    assert.strictEqual(await key({ input: { room: "attic" }, tool_call_id: newId() }), keys[0])
    assert.strictEqual(await key({ step, input: { room: "attic" } }), keys[3])
  })
})

describe("a call that asks", () => {
  it("is planned with the approval that it waits for: what was shown is what would run", async () => {
    const asked = await plan({ input: { room: "hall", level: 6 } })
    const { approval, refused, row } = asked
    assert.deepInclude(row, { status: "planned", needs_approval: true, risk: "medium", autonomy: "A2" })
    assert.isUndefined(refused)
    assert.isDefined(approval)
    assert.deepInclude({ ...approval }, {
      trace_id: event.trace_id,
      event_id: event.event_id,
      tool_call_id: row.tool_call_id,
      work_id: event.event_id,
      tool: "lamp.switch",
      what_hash: hashOf({ level: 6, room: "hall" }),
      tool_pin: asked.tool.pin,
      preview: "would switch the lamp in the hall",
      why: "Risk medium at autonomy A2: the tool says risk medium; risk medium at autonomy A2: CONFIRM.",
      risk: "medium",
      autonomy: "A2",
      basis: "tool medium",
      ttl_ms: 120_000
    })
    assert.deepStrictEqual(approval?.what, { room: "hall", level: 6 })
    assert.strictEqual(row.input_hash, approval?.what_hash)
    assert.deepStrictEqual(approval?.labels, row.labels)
    assert.deepStrictEqual(previewed, [{ key: row.idempotency_key, input: "hall" }])
  })

  it("has a number of its own, which none has that is only looked at", async () => {
    const number = async (dry: boolean) => (await plan({ name: "lamp.plain", dry })).approval?.number ?? -1
    const first = await number(false)
    assert.strictEqual(await number(true), 0)
    assert.strictEqual(await number(false), first + 1)
  })

  it("is waited for by its task, or by the answer that it is", async () => {
    const step = { task_id: newId(), step_id: newId() }
    const ofStep = (await plan({ name: "lamp.plain", step })).approval
    assert.deepInclude({ ...ofStep }, { work_id: step.task_id, ...step })
    const reply = { id: newId(), to: "trusted", discloses: false } as const
    const ofReply = (await plan({ name: "lamp.plain", reply, trust: "trusted" })).approval
    assert.strictEqual(ofReply?.work_id, reply.id)
  })

  it("says where the tool can't say what would happen, and asks all the same", async () => {
    const dark = (await plan({ input: { room: "cellar", level: 6 } })).approval
    assert.include(dark?.preview, "lamp.switch could not say what would happen (the cellar is dark)")
    const plain = (await plan({ name: "lamp.plain" })).approval
    assert.include(plain?.preview, "lamp.plain has no preview: this is the input that it would get")
  })

  it("asks about what untrusted words brought, and keeps that with it", async () => {
    await level("A4")
    assert.isUndefined((await plan({ trust: "trusted" })).approval)
    const { approval, row } = await plan({ trust: "untrusted" })
    assert.deepInclude(row, { needs_approval: true, risk: "medium" })
    assert.strictEqual(approval?.labels.trust, "untrusted")
    assert.include(approval?.why, "untrusted content never acts on the outside without a person")
  })
})

describe("a call that does not run", () => {
  const cases: ReadonlyArray<
    readonly [string, Autonomy, Case, type: Refused["type"], code: string, status: CallRow["status"], message: string]
  > = [
    [
      "a wrong input",
      "A4",
      { input: { romm: "hall" } },
      "tool_call.failed",
      "tool.input_invalid",
      "failed",
      "lamp.switch"
    ],
    [
      "what is no JSON",
      "A4",
      { input: { room: () => 1 } },
      "tool_call.failed",
      "tool.input_invalid",
      "failed",
      "The input of"
    ],
    [
      "a risk that can't be said",
      "A4",
      { input: { room: "hall", level: -1 } },
      "tool_call.failed",
      "tool.risk_failed",
      "failed",
      "a lamp has no level below zero"
    ],
    ["everything at A0", "A0", {}, "gate.preview", "gate.preview", "canceled", "would switch the lamp in the hall"],
    [
      "a critical risk",
      "A3",
      { input: { room: "hall", level: 10 } },
      "gate.hard_blocked",
      "gate.denied",
      "canceled",
      "lamp.switch is blocked: risk critical at autonomy A3: HARD_BLOCK."
    ],
    [
      "a scope that its channel was not given",
      "A4",
      { name: "lamp.scoped", channel: "mqtt" },
      "gate.scope_violation",
      "scope.violation",
      "canceled",
      "Grant it in safety.scopes."
    ],
    [
      "the operator's own tool, for somebody else",
      "A4",
      { name: "autonomy.set", input: { level: "A4" }, trust: "untrusted" },
      "gate.hard_blocked",
      "gate.denied",
      "canceled",
      "only the operator may call autonomy.set; the words are untrusted"
    ],
    [
      "the operator's own tool, for a model",
      "A4",
      { name: "autonomy.set", input: { level: "A4" }, by_model: true },
      "gate.hard_blocked",
      "gate.denied",
      "canceled",
      "a model chose it"
    ]
  ]
  for (const [name, autonomy, given, type, code, status, message] of cases) {
    it(`says why: ${name}`, async () => {
      await level(autonomy)
      const { approval, refused, row } = await plan(given)
      assert.isUndefined(approval)
      assert.deepInclude({ ...refused }, { type })
      assert.strictEqual(refused?.error.code, code)
      assert.include(refused?.error.message, message)
      assert.deepInclude(row, { status, needs_approval: false })
      assert.deepStrictEqual(row.error, refused?.error)
    })
  }
})

describe("what is counted across hosts", () => {
  const guarded = async (name: string, answers?: "operator" | "trusted") =>
    runtime.runPromise(Effect.gen(function*() {
      const tool = (yield* Registry).tool(name)
      if (tool === undefined) return yield* Effect.die(new Error(`There is no ${name}.`))
      return (yield* CallPlanner).guardedOf(tool, { room: "hall", text: "Hello" }, answers)
    }))

  it("is a target's cooldown, and what is said to people; never an answer to the operator", async () => {
    const said = { action: "post.send", target: undefined, notification: true }
    assert.deepInclude({ ...await guarded("post.send") }, said)
    assert.deepInclude({ ...await guarded("post.send", "trusted") }, said)
    assert.isUndefined(await guarded("post.send", "operator"))
    assert.deepStrictEqual(await guarded("lamp.switch"), {
      action: "switch",
      target: "hall",
      notification: false
    })
    assert.isUndefined(await guarded("lamp.switch", "trusted"))
    assert.isUndefined(await guarded("lamp.plain"))
  })
})

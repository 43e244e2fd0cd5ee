/**
 * What the operator says of calls whose outcome nobody knows, on a whole host: what becomes of the call, of its event and
 * of whoever says it at the same time.
 */
import { Cause, Effect, Exit, Layer, Logger, ManagedRuntime } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import { layerCore } from "../main.ts"
import { Pipeline } from "../pipeline/Pipeline.ts"
import { definePlugin, defineTool, Schema, ToolRefused, ToolUnknown } from "../plugin/index.ts"
import { Settings } from "../plugin/Settings.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { untilHolds } from "../../test/storms/Until.ts"
import { CallSettlement, type Verdict } from "./CallSettlement.ts"
import { ToolLedger } from "./ToolLedger.ts"

/** What the next run does. */
let ending: "unknown" | "done" | "refused" = "unknown"
const keys: Array<string> = []

const tool = (name: string, guarantee: "none" | "probe") =>
  defineTool({
    name,
    description: "Rings.",
    input: Schema.Struct({}),
    effect: "write",
    risk: "low",
    scopes: [],
    guarantee,
    timeout: "1 second",
    ...(guarantee === "probe" ? { probe: () => "unknown" as const } : {}),
    run: (_, ctx) => {
      keys.push(ctx.idempotencyKey)
      if (ending === "unknown") throw new ToolUnknown("no answer")
      if (ending === "refused") throw new ToolRefused("the bell is gone")
      return { message: "It rang." }
    }
  })

const bell = definePlugin({
  name: "bell",
  setup: () => ({
    tools: [tool("bell.ring", "none"), tool("bell.ask", "probe")],
    intents: [
      { name: "ring", patterns: [/ring .*/], tool: "bell.ring" },
      { name: "ask", patterns: [/ask .*/], tool: "bell.ask" }
    ]
  })
})

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-settle-"))
const runtime = ManagedRuntime.make(Layer.fresh(layerCore.pipe(
  Layer.provideMerge([Settings.layerOf({ plugins: [bell()] }), layerTestDatabase]),
  Layer.provide([
    Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined }),
    Logger.layer([])
  ])
)))

const query = (text: string, ...values: ReadonlyArray<unknown>) =>
  runtime.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, any>>(text, values)))

const settle = (tool_call_id: string, verdict: Verdict) =>
  runtime.runPromiseExit(Effect.flatMap(CallSettlement, (settlement) => settlement.settle(tool_call_id, verdict)))

const tagOf = (exit: Exit.Exit<unknown, { readonly _tag: string; readonly message: string }>): string =>
  Exit.isSuccess(exit) ? "settled" : (Cause.squash(exit.cause) as { readonly _tag: string })._tag

interface Left {
  readonly event_id: string
  readonly trace_id: string
  readonly tool_call_id: string
}

/** A call that nobody knows the outcome of. */
const leave = async (text: string): Promise<Left> => {
  ending = "unknown"
  const event = await runtime.runPromise(Effect.flatMap(Pipeline, (one) => one.submit({ channel: "chat", text })))
  const [call] = await untilHolds(
    () => query("select tool_call_id from tool_calls where event_id = $1 and status = 'unknown'", event.event_id),
    (rows) => rows.length > 0
  )
  return { ...event, tool_call_id: call?.["tool_call_id"] }
}

const settled = ({ event_id, trace_id }: Left) =>
  runtime.runPromise(Effect.flatMap(Pipeline, (one) => one.settled({ event_id, trace_id })))

/** The host of these tests may find a forgotten claim in that moment, and look at the call for its part. */
const settledInTheEnd = ({ tool_call_id }: Left) =>
  untilHolds(async () => tagOf(await settle(tool_call_id, { outcome: "happened" })), (tag) => tag === "settled")

const callOf = async ({ tool_call_id }: Left) =>
  (await query("select * from tool_calls where tool_call_id = $1", tool_call_id))[0]

const workOf = async ({ event_id }: Left) => (await query("select * from work where work_id = $1", event_id))[0]

const told = async ({ trace_id }: Left) =>
  (await query(
    `select type, actor, data ->> 'outcome' as outcome, data ->> 'note' as note from audit_events
     where trace_id = $1 and type in ('tool_call.reconciled', 'operator.call_settled') order by seq`,
    trace_id
  )).map((row) => ({ ...row }))

beforeAll(() => runtime.runPromise(Effect.void))
afterAll(async () => {
  await runtime.dispose()
  fs.rmSync(home, { recursive: true, force: true })
})

describe("the operator says of an unknown call that it", () => {
  it("happened: it has succeeded, and so has its event", async () => {
    const left = await leave("ring one")
    assert.deepInclude(await workOf(left), { parked: true, waits_for: "person", claimed_by: null })
    assert.deepEqual(await settled(left), { lane: "fast", outcome: "unknown" })
    const exit = await settle(left.tool_call_id, { outcome: "happened", note: "I heard it" })
    assert.deepEqual(
      exit,
      Exit.succeed({ tool_call_id: left.tool_call_id, trace_id: left.trace_id, status: "succeeded" as const })
    )
    assert.deepInclude(await callOf(left), { status: "succeeded", open_attempts: 0, output: null, error: null })
    await untilHolds(() => workOf(left), (row) => row === undefined)
    assert.deepEqual(await settled(left), { lane: "fast", outcome: "succeeded", reply: "bell.ring was done." })
    const row = { actor: "operator", outcome: "happened", note: "I heard it" }
    assert.deepEqual(await told(left), [
      { type: "tool_call.reconciled", ...row },
      { type: "operator.call_settled", ...row }
    ])
  })

  it("did not: it has failed, and so has its event", async () => {
    const left = await leave("ring two")
    assert.strictEqual(tagOf(await settle(left.tool_call_id, { outcome: "not_happened" })), "settled")
    const call = await callOf(left)
    assert.deepInclude(call, { status: "failed", open_attempts: 0 })
    assert.deepInclude(call?.["error"], { code: "tool.not_done", retryable: false })
    await untilHolds(() => workOf(left), (row) => row === undefined)
    const { outcome, reply } = await settled(left)
    assert.deepEqual([outcome, reply], ["failed", "bell.ring was not done: It was not done, as the operator says."])
  })

  it("shall be repeated: it is, under the same key and not before the first attempt is quiet", async () => {
    const left = await leave("ring three")
    const before = await callOf(left)
    const [key] = keys.slice(-1)
    ending = "done"
    assert.strictEqual(tagOf(await settle(left.tool_call_id, { outcome: "retry" })), "settled")
    assert.deepInclude(await callOf(left), { status: "planned", open_attempts: 1 })
    const due = (await workOf(left))?.["due_at"] as Date
    assert.isAtLeast(due.getTime(), new Date(before?.["quiet_at"]).getTime())
    // As if it were quiet.
    await query("update work set due_at = now() where work_id = $1", left.event_id)
    await untilHolds(() => settled(left), ({ outcome }) => outcome === "succeeded")
    assert.strictEqual(keys.at(-1), key)
    assert.deepInclude(await callOf(left), { status: "succeeded", attempts: 2, open_attempts: 0 })
    assert.strictEqual((await told(left)).length, 2)
  })

  it("shall be repeated, which comes to nothing: the first attempt may have been the one that did it", async () => {
    const left = await leave("ring four")
    ending = "refused"
    await settle(left.tool_call_id, { outcome: "retry" })
    await query("update work set due_at = now() where work_id = $1", left.event_id)
    await untilHolds(() => workOf(left), (row) => row?.["parked"] === true)
    assert.deepInclude(await callOf(left), { status: "unknown", attempts: 2 })
    assert.strictEqual(tagOf(await settle(left.tool_call_id, { outcome: "not_happened" })), "settled")
    await untilHolds(() => settled(left), ({ outcome }) => outcome === "failed")
  })
})

describe("the operator is told", () => {
  it("that there is no such call, or that its outcome is known", async () => {
    assert.strictEqual(tagOf(await settle(newId(), { outcome: "happened" })), "CallNotFound")
    const left = await leave("ring five")
    await settle(left.tool_call_id, { outcome: "happened" })
    const again = await settle(left.tool_call_id, { outcome: "not_happened" })
    assert.strictEqual(tagOf(again), "CallNotUnknown")
    assert.match(String(Exit.isFailure(again) && Cause.squash(again.cause)), /it is known that it was done/)
    assert.strictEqual((await told(left)).length, 2)
  })

  it("that somebody else was faster: of two at once one is heard", async () => {
    for (let round = 0; round < 5; round++) {
      const left = await leave(`ring at once ${round}`)
      const exits = await Promise.all([
        settle(left.tool_call_id, { outcome: "happened" }),
        settle(left.tool_call_id, { outcome: "not_happened" })
      ])
      assert.sameMembers(exits.map(tagOf), ["settled", "CallNotUnknown"])
      const expected = tagOf(exits[0]) === "settled" ? "succeeded" : "failed"
      await untilHolds(() => settled(left), ({ outcome }) => outcome === expected)
      assert.strictEqual((await callOf(left))?.["status"], expected)
      assert.strictEqual((await told(left)).length, 2)
    }
  })

  it("that a host works on it, while its lease lives", async () => {
    const left = await leave("ask six")
    const host_id = newId()
    await query(
      `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
       values ($1, $1, 'm', 1, '1', '0', now() + interval '1 hour')`,
      host_id
    )
    await query(
      "update work set claimed_by = $1, fence = nextval('fence_seq') where work_id = $2",
      host_id,
      left.event_id
    )
    assert.strictEqual(tagOf(await settle(left.tool_call_id, { outcome: "happened" })), "CallBusy")
    assert.deepInclude(await callOf(left), { status: "unknown" })
    assert.deepEqual(await told(left), [])
    await query("update hosts set lease_until = now() where host_id = $1", host_id)
    await settledInTheEnd(left)
    await untilHolds(() => settled(left), ({ outcome }) => outcome === "succeeded")
  })

  it("once: a host that stood still and gives the call to a person after that does not make it wait again", async () => {
    const left = await leave("ask late")
    const hostId = newId()
    await query(
      `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
       values ($1, $1, 'm', 1, '1', '0', now())`,
      hostId
    )
    const [row] = await query(
      "update work set claimed_by = $1, fence = nextval('fence_seq'), decided = false where work_id = $2 returning fence",
      hostId,
      left.event_id
    )
    await settledInTheEnd(left)
    const late = Layer.fresh(ToolLedger.layer).pipe(
      Layer.provide(Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never }))
    )
    const held = { tool_call_id: left.tool_call_id, work_id: left.event_id, fence: Number(row?.["fence"]) }
    await runtime.runPromise(
      Effect.flatMap(ToolLedger, (ledger) => ledger.putOff(held, "person")).pipe(Effect.provide(late))
    )
    assert.notStrictEqual((await workOf(left))?.["parked"], true)
    await untilHolds(() => settled(left), ({ outcome }) => outcome === "succeeded")
  })

  it("one thing, and one thing happens, when a host takes the call up in the same moment", async () => {
    const seen = new Set<string>()
    for (let round = 0; round < 20; round++) {
      const left = await leave(`ask ${round}`)
      // Due: the host asks the tool, which does not know, while the operator says that it happened.
      const [exit] = await Promise.all([
        settle(left.tool_call_id, { outcome: "happened" }),
        query(
          "update work set due_at = now(), tries = 0 where work_id = $1 and pg_notify('syris_work', '') is not null",
          left.event_id
        )
      ])
      const tag = tagOf(exit)
      seen.add(tag)
      assert.include(["settled", "CallBusy"], tag)
      if (tag === "CallBusy") {
        await untilHolds(
          () => settle(left.tool_call_id, { outcome: "happened" }).then(tagOf),
          (next) => next === "settled"
        )
      }
      await untilHolds(() => settled(left), ({ outcome }) => outcome === "succeeded")
      assert.deepInclude(await callOf(left), { status: "succeeded", attempts: 1 })
      assert.strictEqual((await told(left)).length, 2)
      assert.isUndefined(await workOf(left))
    }
    assert.include([...seen], "settled")
  })
})

describe("what a verdict leaves alone", () => {
  it("is a task that the operator has paused, and the work of a task that is gone", async () => {
    const left = await leave("ring seven")
    await query("update work set waits_for = 'pause' where work_id = $1", left.event_id)
    await settle(left.tool_call_id, { outcome: "happened" })
    assert.deepInclude(await workOf(left), { parked: true, waits_for: "pause" })
    await query("delete from work where work_id = $1", left.event_id)
    const gone = await leave("ring eight")
    await query("delete from work where work_id = $1", gone.event_id)
    assert.strictEqual(tagOf(await settle(gone.tool_call_id, { outcome: "not_happened" })), "settled")
    assert.strictEqual((await callOf(gone))?.["status"], "failed")
    assert.isUndefined(await workOf(gone))
  })
})

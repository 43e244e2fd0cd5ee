/**
 * The judgement on a call that a former holder left, here of a step of a task: what is asked, what is written and what is
 * left to the lane. `ToolLedger.test.ts` plays the same for events, to the end.
 */
import { Effect, Layer, Logger, ManagedRuntime } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Fact } from "../audit/Audit.ts"
import type { Guarantee, ToolEffect, Trust } from "../contract/Enums.ts"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import { layerCore } from "../main.ts"
import { definePlugin, defineTool, Schema } from "../plugin/index.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { ControlCommands } from "../safety/ControlCommands.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { CallRecovery, type Recovered, type StoredApproval, type StoredCall, storedCall } from "./CallRecovery.ts"
import { hashOf } from "./InputHash.ts"

let answer: "done" | "not_done" | "unknown" = "unknown"

const kinds = {
  "r.read": { effect: "read", guarantee: "none" },
  "r.transactional": { effect: "write", guarantee: "transactional" },
  "r.keyed": { effect: "irreversible", guarantee: "native_key" },
  "r.probed": { effect: "write", guarantee: "probe" },
  "r.plain": { effect: "write", guarantee: "none" }
} as const satisfies Record<string, { readonly effect: ToolEffect; readonly guarantee: Guarantee }>
type Name = keyof typeof kinds

const tool = (name: Name, { effect, guarantee }: { readonly effect: ToolEffect; readonly guarantee: Guarantee }) =>
  defineTool({
    name,
    description: "Does it.",
    input: Schema.Struct({ cups: Schema.Int }),
    effect,
    risk: name === "r.keyed" ? ({ cups }) => cups > 10 ? "critical" : "low" : "low",
    scopes: [],
    guarantee,
    ...(guarantee === "probe" ? { probe: () => answer } : {}),
    run: () => "done"
  })

const plugin = definePlugin({
  name: "r",
  setup: () => ({ tools: (Object.keys(kinds) as Array<Name>).map((name) => tool(name, kinds[name])) })
})

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-recovery-"))
const runtime = ManagedRuntime.make(Layer.fresh(layerCore.pipe(
  Layer.provideMerge([Settings.layerOf({ plugins: [plugin()], autonomy: "A3" }), layerTestDatabase]),
  Layer.provide([
    Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined }),
    Logger.layer([])
  ])
)))

const query = (text: string, ...values: ReadonlyArray<unknown>) =>
  runtime.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, any>>(text, values)))

interface Left {
  readonly tool_call_id: string
  readonly task_id: string
  readonly step_id: string
  readonly event_id: string
  readonly trace_id: string
  readonly fence: number
}

/** A call that a host left, whose task this host has claimed. */
const leave = async (
  name: string,
  status: StoredCall["status"],
  extra: Record<string, unknown> = {},
  holder: "ended" | "alive" = "ended"
): Promise<Left> => {
  const [tool_call_id, task_id, step_id, event_id, trace_id, host] = Array.from({ length: 6 }, newId) as [
    string,
    string,
    string,
    string,
    string,
    string
  ]
  const { hostId } = await runtime.runPromise(HostLease)
  await query(
    `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until, ended_at, end_proof)
     values ($1, $1, 'm', 1, '1', '0', now() + interval '1 hour', case when $2 then now() end,
             case when $2 then 'pid_gone' end)`,
    host,
    holder === "ended"
  )
  const tried = status !== "planned"
  const kind = kinds[name as Name] ?? kinds["r.read"]
  await query(
    "insert into tool_calls select * from json_populate_record(null::tool_calls, $1::json)",
    JSON.stringify({
      tool_call_id,
      task_id,
      step_id,
      event_id,
      trace_id,
      status,
      tool: name,
      ordinal: 0,
      tool_pin: "pin",
      input: { cups: 1 },
      input_hash: "hash",
      idempotency_key: `key ${tool_call_id}`,
      risk: "low",
      autonomy: "A3",
      needs_approval: false,
      labels: { trust: "operator", confidentiality: "public" },
      ...kind,
      fence: 1,
      held_by: tried ? host : null,
      attempts: tried ? 1 : 0,
      open_attempts: status === "attempted" || status === "unknown" ? 1 : 0,
      deadline_at: new Date().toISOString(),
      quiet_at: tried ? new Date().toISOString() : null,
      created_at: new Date().toISOString(),
      resolved_at: ["succeeded", "failed", "canceled"].includes(status) ? new Date().toISOString() : null,
      ...extra
    })
  )
  const [row] = await query(
    `insert into work (work_id, kind, event_id, trace_id, claimed_by, fence)
     values ($1, 'task', $2, $3, $4, nextval('fence_seq') + 10) returning fence`,
    task_id,
    event_id,
    trace_id,
    hostId
  )
  return { tool_call_id, task_id, step_id, event_id, trace_id, fence: Number(row?.["fence"]) }
}

const load = async ({ tool_call_id }: Left): Promise<StoredCall> => {
  const [row] = await query(
    `select ${storedCall} as call from tool_calls c left join hosts h on h.host_id = c.held_by where c.tool_call_id = $1`,
    tool_call_id
  )
  return row?.["call"]
}

const recover = async (
  left: Left,
  call?: StoredCall,
  tries = 0,
  trust: Trust = "operator"
): Promise<Recovered> => {
  const stored = call ?? await load(left)
  const { event_id, fence, step_id, task_id, tool_call_id, trace_id } = left
  return runtime.runPromise(Effect.flatMap(CallRecovery, (recovery) =>
    recovery.recover({
      call: stored,
      held: { tool_call_id, work_id: task_id, fence },
      event: {
        event_id,
        trace_id,
        channel: "chat",
        connector_id: "chat",
        actor_id: "me",
        trust,
        depth: 0,
        timezone: "UTC"
      },
      tries,
      task_id,
      step_id
    })))
}

const statusOf = async (left: Left) => (await load(left)).status

const told = (left: Left) =>
  query("select type, refs from audit_events where trace_id = $1 order by seq", left.trace_id).then((rows) =>
    rows.map((row) => ({ ...row }))
  )

/** What was approved, as the database has it; `extra` is what somebody changed behind the host's back. */
const ask = async (
  left: Left,
  status: StoredApproval["status"],
  extra: Record<string, unknown> = {}
): Promise<string> => {
  const call = await load(left)
  const approval_id = newId()
  const made = {
    approval_id,
    number: Date.now() % 1_000_000_000 + numbers++,
    trace_id: left.trace_id,
    event_id: left.event_id,
    task_id: left.task_id,
    step_id: left.step_id,
    tool_call_id: left.tool_call_id,
    work_id: left.task_id,
    status: "pending",
    tool: call.tool,
    what: call.input,
    what_hash: call.input_hash,
    tool_pin: call.tool_pin,
    why: "It asks.",
    reasons: [],
    risk: call.risk,
    autonomy: "A3",
    basis: "tool low",
    question: "Yes?",
    labels: { trust: "operator", confidentiality: "public" },
    created_at: new Date().toISOString(),
    expires_at: soon,
    ...extra
  }
  await query(
    "insert into approvals select * from json_populate_record(null::approvals, $1::json)",
    JSON.stringify(made)
  )
  const path = status === "pending" ? [] : status === "consumed" ? ["approved", "consumed"] : [status]
  for (const next of path) {
    await query(
      `update approvals set status = $2, reason = 'not now',
              consumed_at = case when $2 = 'consumed' then now() end where approval_id = $1`,
      approval_id,
      next
    )
  }
  return approval_id
}
let numbers = 0

const soon = new Date(Date.now() + 60_000).toISOString()

beforeAll(() => runtime.runPromise(Effect.void))
afterAll(async () => {
  await runtime.dispose()
  fs.rmSync(home, { recursive: true, force: true })
})

describe("a call that was in flight", () => {
  for (const name of ["r.read", "r.transactional", "r.keyed"] as const) {
    it(`is to be repeated under its key: ${name}`, async () => {
      const left = await leave(name, "attempted", { quiet_at: soon })
      const recovered = await recover(left)
      assert.strictEqual(recovered._tag, "Attempt")
      if (recovered._tag !== "Attempt") return
      assert.deepInclude(recovered, { attempt: 2 })
      assert.deepInclude({ ...recovered.work }, {
        tool_call_id: left.tool_call_id,
        work_id: left.task_id,
        task_id: left.task_id,
        step_id: left.step_id,
        fence: left.fence,
        idempotency_key: `key ${left.tool_call_id}`,
        input: { cups: 1 }
      })
      assert.deepInclude({ ...await load(left) }, { status: "planned", open_attempts: name === "r.keyed" ? 1 : 0 })
      const { event_id, step_id, task_id, tool_call_id } = left
      assert.deepEqual(await told(left), [
        { type: "tool_call.unknown", refs: { event_id, step_id, task_id, tool_call_id } }
      ])
    })
  }

  it("waits for a person without a guarantee, and until it is quiet where it can be probed", async () => {
    const plain = await leave("r.plain", "attempted")
    assert.deepEqual(await recover(plain), { _tag: "PutOff", until: "person", counts: false })
    const probed = await leave("r.probed", "attempted", { quiet_at: soon })
    assert.deepEqual(await recover(probed), { _tag: "PutOff", until: "quiet", counts: false })
    assert.deepEqual([await statusOf(plain), await statusOf(probed)], ["unknown", "unknown"])
  })

  it("is not taken for lost while its holder may still bring the answer", async () => {
    const left = await leave("r.plain", "attempted", { quiet_at: soon }, "alive")
    assert.deepEqual(await recover(left), { _tag: "PutOff", until: "quiet", counts: false })
    assert.strictEqual(await statusOf(left), "attempted")
  })

  it("and was answered in between is looked at again", async () => {
    const left = await leave("r.read", "attempted")
    const stale = await load(left)
    await query(
      "update tool_calls set status = 'succeeded', open_attempts = 0, resolved_at = now() where tool_call_id = $1",
      left.tool_call_id
    )
    const recovered = await recover(left, stale)
    assert.deepInclude(recovered, { _tag: "PutOff", counts: false })
    assert.deepEqual(await told(left), [])
    assert.deepInclude(await recover(left), { _tag: "Ended", status: "succeeded", from: "succeeded" })
  })

  it("is left alone by whoever has lost the claim", async () => {
    const left = await leave("r.read", "attempted")
    await query("update work set fence = fence + 1 where work_id = $1", left.task_id)
    assert.deepInclude(await recover(left), { _tag: "PutOff", counts: false })
    assert.strictEqual(await statusOf(left), "attempted")
    assert.deepEqual(await told(left), [])
  })
})

describe("a call that can be probed", () => {
  it("had been done, or is repeated, or is asked again later and at last by a person", async () => {
    answer = "done"
    const done = await leave("r.probed", "unknown")
    const recovered = await recover(done)
    assert.deepInclude(recovered, { _tag: "Ended", status: "succeeded", from: "unknown", reply: "r.probed was done." })
    assert.strictEqual(recovered._tag === "Ended" ? recovered.fact?.type : "", "tool_call.reconciled")
    assert.strictEqual(await statusOf(done), "unknown", "the lane writes the end")
    answer = "not_done"
    const again = await leave("r.probed", "unknown")
    assert.deepInclude(await recover(again), { _tag: "Attempt", attempt: 2 })
    assert.deepInclude({ ...await load(again) }, { status: "planned", open_attempts: 0 })
    answer = "unknown"
    const asked = await leave("r.probed", "unknown")
    assert.deepEqual(await recover(asked, undefined, 3), { _tag: "PutOff", until: 8_000, counts: true })
    assert.deepEqual(await recover(asked, undefined, 8), { _tag: "PutOff", until: "person", counts: true })
  })
})

describe("a call that has ended", () => {
  it("is handed on as it is, without a fact", async () => {
    const error = { code: "tool.not_done", message: "It was not done, as the operator says.", retryable: false }
    const failed = await recover(await leave("r.plain", "failed", { error }))
    assert.deepEqual(failed, {
      _tag: "Ended",
      status: "failed",
      error,
      fact: undefined,
      from: "failed",
      reply: `r.plain was not done: ${error.message}`
    })
    const succeeded = await recover(await leave("r.plain", "succeeded", { output: { message: "Hot." } }))
    assert.deepInclude(succeeded, { _tag: "Ended", status: "succeeded", output: { message: "Hot." }, fact: undefined })
    assert.deepInclude(await recover(await leave("gone.tool", "canceled")), { _tag: "Ended", status: "canceled" })
  })
})

describe("a call that is still to be made", () => {
  it("is attempted; without its tool, or against today's policy, it ends", async () => {
    assert.deepInclude(await recover(await leave("r.plain", "planned")), { _tag: "Attempt", attempt: 1 })
    const gone = await leave("gone.tool", "planned")
    const ended = await recover(gone)
    assert.deepInclude(ended, { _tag: "Ended", status: "failed", from: "planned" })
    assert.strictEqual(ended._tag === "Ended" ? ended.error?.code : "", "tool.not_found")
    const forbidden = await recover(await leave("r.keyed", "planned", { input: { cups: 11 } }))
    assert.deepInclude(forbidden, { _tag: "Ended", status: "canceled", from: "planned" })
    assert.strictEqual(forbidden._tag === "Ended" ? forbidden.fact?.type : "", "gate.hard_blocked")
    assert.strictEqual(await statusOf(gone), "planned", "the lane writes the end")
    const open = await leave("r.keyed", "planned", { input: { cups: 11 }, attempts: 1, open_attempts: 1 })
    assert.deepEqual(await recover(open), { _tag: "PutOff", until: "person", counts: false })
  })

  it("is given up after five hosts that ended under it, where it leaves no trace, and else left to a person", async () => {
    const read = await recover(await leave("r.read", "unknown", { attempts: 5 }))
    assert.deepInclude(read, { _tag: "Ended", status: "failed", from: "unknown" })
    assert.strictEqual(read._tag === "Ended" ? read.error?.code : "", "tool.interrupted")
    const keyed = await recover(await leave("r.keyed", "unknown", { attempts: 5 }))
    assert.deepEqual(keyed, { _tag: "PutOff", until: "person", counts: false })
  })
})

describe("a call that was begun at a higher level than now", () => {
  const at = async (level: "A0" | "A1" | "A3") => {
    await runtime.runPromise(
      Effect.flatMap(ControlCommands, (commands) => commands.setAutonomy(level, { by: "operator" }))
    )
  }

  it("is not sent again: what nobody knows of waits for a person, what was refused ends", async () => {
    answer = "not_done"
    const person = { _tag: "PutOff", until: "person", counts: false } as const
    for (const level of ["A0", "A1"] as const) {
      const probed = await leave("r.probed", "unknown")
      const keyed = await leave("r.keyed", "unknown")
      const tried = await leave("r.plain", "planned", { attempts: 1 })
      await at(level)
      assert.deepEqual(await recover(probed), person, level)
      assert.deepEqual(await recover(keyed), person, level)
      assert.deepInclude(await recover(tried), { _tag: "Ended", status: "failed", from: "planned" }, level)
      await at("A3")
      // The control: at the level that it was begun at it is.
      assert.strictEqual((await recover(probed))._tag, "Attempt")
      assert.strictEqual((await recover(keyed))._tag, "Attempt")
      assert.strictEqual((await recover(await leave("r.plain", "planned", { attempts: 1 })))._tag, "Attempt")
    }
  })

  it("takes nothing of the limits again", async () => {
    const recovered = await recover(await leave("r.keyed", "unknown"))
    assert.isTrue(recovered._tag === "Attempt" && recovered.work.guarded === undefined)
  })
})

describe("a call that asks", () => {
  const input = { cups: 1 }
  const pinOf = (name: Name) => runtime.runPromise(Effect.map(Registry, (registry) => registry.tool(name)?.pin))
  /** A call that waits for its approval; `call` is what is stored of it. */
  const asks = async (name: Name = "r.plain", call: Record<string, unknown> = {}) =>
    leave(name, "planned", {
      needs_approval: true,
      input,
      input_hash: hashOf(input),
      tool_pin: await pinOf(name),
      ...call
    })
  const endOf = (recovered: Recovered) =>
    recovered._tag === "Ended"
      ? { status: recovered.status, type: recovered.fact?.type, code: recovered.error?.code, says: recovered.reply }
      : assert.fail(recovered._tag)

  it("waits until somebody answers, and begins with a yes, under exactly what was shown", async () => {
    const left = await asks()
    const approval_id = await ask(left, "pending")
    const waiting = await recover(left)
    assert.strictEqual(waiting._tag === "Asked" ? waiting.approval.approval_id : "", approval_id)
    await query("update approvals set status = 'approved' where approval_id = $1", approval_id)
    const begins = await recover(left)
    assert.deepInclude(begins, { _tag: "Attempt", attempt: 1 })
    assert.isTrue(begins._tag === "Attempt" && begins.work.approved)
    assert.deepEqual(await told(left), [], "nothing is written here")
  })

  it("does not begin without a yes, and says why", async () => {
    const without = (status: "denied" | "expired" | "superseded" | "revoked" | "consumed") => async () => {
      const left = await asks()
      await ask(left, status)
      return endOf(await recover(left))
    }
    const cases: ReadonlyArray<readonly [ReturnType<typeof without>, type: Fact["type"], code: string, says: string]> =
      [
        [async () => endOf(await recover(await asks())), "gate.hard_blocked", "gate.denied", "there is none"],
        [without("denied"), "gate.denied", "gate.denied", "you said no (not now)"],
        [without("expired"), "gate.expired", "gate.expired", "nobody said yes in time"],
        [without("superseded"), "gate.hard_blocked", "gate.denied", "its approval was superseded"],
        [without("revoked"), "gate.hard_blocked", "gate.denied", "its approval was revoked"],
        [without("consumed"), "gate.hard_blocked", "gate.denied", "its approval was consumed"]
      ]
    for (const [end, type, code, says] of cases) {
      const ended = await end()
      assert.deepInclude(ended, { status: "canceled", type, code })
      assert.include(ended.says, says)
    }
    for (const status of ["pending", "approved"] as const) {
      const late = await asks()
      await ask(late, status, { expires_at: new Date(Date.now() - 1_000).toISOString() })
      assert.deepInclude(endOf(await recover(late)), { status: "canceled", type: "gate.expired", code: "gate.expired" })
    }
  })

  it("runs only as it was shown: whatever was changed in between, it does not run and says what", async () => {
    const other = hashOf({ cups: 2 })
    const changes: ReadonlyArray<
      readonly [says: string, approval: Record<string, unknown>, call?: Record<string, unknown>]
    > = [
      ["the approval belongs to another trace", { trace_id: newId() }],
      ["the approval is for another tool", { tool: "r.read" }],
      ["its input was changed", {}, { input: { cups: 2 } }],
      ["what was shown for approval was changed", { what: { cups: 2 } }],
      ["what was shown for approval was changed", { what_hash: other }],
      ["its input is not the one that was shown", { what: { cups: 2 }, what_hash: other }],
      ["it was planned for another version of the tool", { tool_pin: "other" }],
      ["the definition of r.plain has changed", {}, { tool_pin: "other" }],
      ["its risk was changed", { risk: "high" }],
      ["the policy for it has changed since it was approved", { basis: "tool low; policy x" }]
    ]
    for (const [says, approval, call] of changes) {
      const left = await asks("r.plain", call)
      await ask(left, "approved", approval)
      const ended = endOf(await recover(left))
      assert.deepInclude(ended, { status: "canceled", type: "gate.hard_blocked", code: "gate.denied" })
      assert.include(ended.says, says)
    }
    const same = await asks()
    await ask(same, "approved")
    assert.strictEqual((await recover(same))._tag, "Attempt", "and where nothing was changed it does")
  })

  it("is asked about where today's policy would ask, though it was planned when nobody had to be", async () => {
    const left = await leave("r.plain", "planned", { input_hash: hashOf(input) })
    const stored = await load(left)
    const ask = await recover(left, undefined, 0, "untrusted")
    assert.strictEqual(ask._tag, "Ask")
    if (ask._tag !== "Ask") return
    assert.deepInclude({ ...ask.approval }, {
      tool_call_id: left.tool_call_id,
      work_id: left.task_id,
      what_hash: stored.input_hash,
      risk: "medium"
    })
    assert.strictEqual(ask.fact.type, "gate.required")
    assert.strictEqual(ask.fact.refs?.approval_id, ask.approval.approval_id)
    assert.strictEqual(await statusOf(left), "planned", "the lane writes it")
  })

  it("and was begun before is not asked about again", async () => {
    const left = await asks("r.keyed", { attempts: 1, open_attempts: 1 })
    await ask(left, "consumed")
    assert.deepInclude(await recover(left, undefined, 0, "untrusted"), { _tag: "Attempt", attempt: 2 })
  })
})

/**
 * The law of the tool call ledger on a real PostgreSQL: each legal and illegal move, what a holder may write that was
 * overtaken, and what becomes of a call whose host died, guarantee by guarantee.
 *
 * Two hosts share the database. They are identities only: the test says who is alive, who claims and in what order.
 */
import { Effect, Exit, Layer, ManagedRuntime, Redacted, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Audit, type Fact } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Guarantee, ToolCallStatus, ToolEffect } from "../contract/Enums.ts"
import type { EventRow, SettlementRow } from "../contract/Rows.ts"
import { fromUrl, layerPool, migrate } from "../database/Database.ts"
import { Environment } from "../database/Environment.ts"
import { Notifications } from "../database/Notifications.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { Health } from "../health/Health.ts"
import { HostLease } from "../health/HostLease.ts"
import { Executor } from "../pipeline/Executor.ts"
import * as Inbox from "../pipeline/Inbox.ts"
import { Intake, type Intent } from "../pipeline/Intake.ts"
import { Preparation } from "../pipeline/Preparation.ts"
import { Router } from "../pipeline/Router.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import * as PluginHost from "../plugin/PluginHost.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, type ToolContext, ToolRefused } from "../plugin/Tool.ts"
import { Settings } from "../plugin/Settings.ts"
import { Admission } from "../safety/Admission.ts"
import { Control } from "../safety/Control.ts"
import { Gates } from "../safety/Gates.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { Standing } from "../safety/Standing.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import { untilHolds } from "../../test/storms/Until.ts"
import { Artifacts } from "./Artifacts.ts"
import { Binding } from "./Binding.ts"
import { CallPlanner } from "./CallPlanner.ts"
import { CallRecovery } from "./CallRecovery.ts"
import { Previews } from "./Previews.ts"
import { NestedCalls } from "./NestedCalls.ts"
import { ToolExecutor } from "./ToolExecutor.ts"
import { type Held, type Outcome, ToolLedger } from "./ToolLedger.ts"

const statuses: ReadonlyArray<ToolCallStatus> = ["planned", "attempted", "succeeded", "failed", "unknown", "canceled"]

let url: string
let scope: Scope.Closeable
let eyes: ManagedRuntime.ManagedRuntime<SqlClient.SqlClient, unknown>

/** Looks and writes past all services. */
const query = <Row extends object = Record<string, any>>(text: string, ...values: ReadonlyArray<unknown>) =>
  eyes.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Row>(text, values))) as Promise<
    ReadonlyArray<Row>
  >

/** The SQLSTATE that a statement is refused with, or `ok`. */
const refusal = async (text: string, ...values: ReadonlyArray<unknown>): Promise<string> => {
  try {
    await query(text, ...values)
    return "ok"
  } catch (error) {
    for (let one: any = error; one !== undefined && one !== null; one = one.cause ?? one.reason) {
      if (typeof one.code === "string") return one.code
    }
    throw error
  }
}

/** A host as the others see it. */
const addHost = async (state: "alive" | "lapsed" | "ended" = "alive"): Promise<string> => {
  const host_id = newId()
  await query(
    `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until, ended_at, end_proof)
     values ($1, $2, 'm', 1, '1', '0', clock_timestamp() + $3::interval, case when $4 then clock_timestamp() end,
             case when $4 then 'pid_gone' end)`,
    host_id,
    newId(),
    state === "lapsed" ? "-1 second" : "1 hour",
    state === "ended"
  )
  return host_id
}
const die = (host_id: string) =>
  query("update hosts set ended_at = clock_timestamp(), end_proof = 'pid_gone' where host_id = $1", host_id)

const leaseOf = (hostId: string) => Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never })

const layerLedger = (hostId: string) =>
  Layer.mergeAll(ToolLedger.layer, Intake.layer).pipe(
    Layer.provideMerge(Audit.layer),
    Layer.provideMerge([leaseOf(hostId), AuditWake.layer, Redactor.layerEmpty]),
    Layer.provideMerge(layerPool(fromUrl(Redacted.make(url))))
  )

interface Host {
  readonly hostId: string
  readonly run: <A, E>(effect: Effect.Effect<A, E, ToolLedger | Intake | Audit>) => Promise<A>
  readonly stop: () => Promise<void>
}

const startHost = async (state: "alive" | "lapsed" | "ended" = "alive"): Promise<Host> => {
  const hostId = await addHost(state)
  const runtime = ManagedRuntime.make(Layer.fresh(layerLedger(hostId)))
  return { hostId, run: (effect) => runtime.runPromise(effect), stop: () => runtime.dispose() }
}

interface Kind {
  readonly tool?: string
  readonly effect?: ToolEffect
  readonly guarantee?: Guarantee
}

interface Call extends Held {
  readonly event_id: string
  readonly trace_id: string
}

const factOf = (type: Fact["type"], call: Omit<Call, "fence">): Fact => ({
  type,
  trace_id: call.trace_id,
  at: new Date(),
  summary: "A fact.",
  refs: { event_id: call.event_id, tool_call_id: call.tool_call_id },
  data: { error: { code: "test", message: "said the test", retryable: false } }
})

const eventOf = (extra: Partial<EventRow> = {}): EventRow => ({
  event_id: newId(),
  trace_id: newId(),
  schema_version: "1.0",
  occurred_at: new Date().toISOString(),
  ingested_at: new Date().toISOString(),
  channel: "chat",
  connector_id: "chat",
  actor_type: "user",
  actor_id: "me",
  structured: {},
  attachment_refs: [],
  links: [],
  timezone: "UTC",
  locale: "en",
  sensitivity: "low",
  trust: "operator",
  redaction_policy_id: "default",
  depth: 0,
  ...extra
})

const intentOf = (audit: typeof Audit.Service, kind: Kind, attempt: boolean, deadline_ms: number, event: EventRow) => {
  const { event_id, trace_id } = event
  const tool_call_id = newId()
  const guarantee = kind.guarantee ?? "none"
  const tool = kind.tool ?? "t.any"
  const at = new Date().toISOString()
  const call = { tool_call_id, work_id: event_id, trace_id, event_id }
  const intent: Intent = {
    event,
    body_hash: "h",
    decision: {
      event_id,
      trace_id,
      decided_at: at,
      lane: "fast",
      match: { rule_ids: [], used_llm: false },
      tool,
      input: {},
      required_scopes: [],
      notes: []
    },
    call: {
      tool_call_id,
      trace_id,
      event_id,
      ordinal: 0,
      tool,
      tool_pin: "pin",
      input: {},
      input_hash: "hash",
      idempotency_key: `key ${tool_call_id}`,
      effect: kind.effect ?? "write",
      guarantee,
      risk: "low",
      autonomy: "A2",
      status: "planned",
      needs_approval: false,
      labels: { trust: "operator", confidentiality: "public" },
      created_at: at,
      deadline_ms
    },
    attempt,
    claim: true,
    policy_version: 1,
    tellings: [
      { told_when: "stored", row: audit.row(factOf("event.ingested", call)) },
      { told_when: "attempted", row: audit.row(factOf("tool_call.attempted", call)) }
    ]
  }
  return { intent, call }
}

/** A call that `host` has stored and claimed, and attempted where it may. */
const begin = (
  host: Host,
  kind: Kind = {},
  { attempt = true, deadlineMs = 30_000, event = eventOf() } = {}
): Promise<Call & { readonly attempted: boolean }> =>
  host.run(Effect.gen(function*() {
    const { call, intent } = intentOf(yield* Audit, kind, attempt, deadlineMs, event)
    const stored = yield* (yield* Intake).store(intent)
    return { ...call, fence: stored.fence, attempted: stored.attempted }
  }))

/** Takes the row of a call whose holder is gone, as the work queue does. Answers the call under the new fence. */
const claim = async (host: Host, call: Call): Promise<Call> => {
  const [row] = await query<{ fence: bigint }>(
    `update work set claimed_by = $1, fence = nextval('fence_seq'), parked = false where work_id = $2 returning fence`,
    host.hostId,
    call.event_id
  )
  assert.isDefined(row)
  return { ...call, fence: Number(row?.fence) }
}

const settlementOf = (call: Call, outcome: SettlementRow["outcome"]): SettlementRow => ({
  event_id: call.event_id,
  trace_id: call.trace_id,
  lane: "fast",
  outcome,
  settled_at: new Date().toISOString()
})

const attempt = (host: Host, call: Call, policy_version = 1) =>
  host.run(Effect.gen(function*() {
    const row = (yield* Audit).row(factOf("tool_call.attempted", call))
    return yield* (yield* ToolLedger).attempt({ ...held(call), deadline_ms: 30_000, policy_version, row })
  }))

const outcomeOf = (audit: typeof Audit.Service, call: Call, status: Outcome["status"]): Outcome => ({
  ...held(call),
  status,
  output: status === "succeeded" ? { done: true } : undefined,
  latency_ms: 1,
  at: new Date().toISOString(),
  again_ms: status === "unknown" ? 0 : undefined,
  settlement: status === "unknown" ? undefined : settlementOf(call, status),
  schedules: [],
  canceled_schedules: [],
  emitted: [],
  rows: [audit.row(factOf(`tool_call.${status}`, call))]
})

const settle = (host: Host, call: Call, status: Outcome["status"]) =>
  host.run(Effect.gen(function*() {
    return yield* (yield* ToolLedger).settle(outcomeOf(yield* Audit, call, status))
  }))

const ledger = <A, E>(host: Host, use: (ledger: typeof ToolLedger.Service) => Effect.Effect<A, E>) =>
  host.run(Effect.flatMap(ToolLedger, use))

const held = ({ fence, tool_call_id, work_id }: Call): Held => ({ fence, tool_call_id, work_id })

/** Everything of a call that a stale holder could have changed. */
const all = async (call: Call) => ({
  call: await query("select to_jsonb(c) as row from tool_calls c where tool_call_id = $1", call.tool_call_id),
  work: await query("select to_jsonb(i) as row from work i where work_id = $1", call.event_id),
  settlements: await query("select to_jsonb(s) as row from settlements s where event_id = $1", call.event_id),
  audit: await told(call)
})

const told = async (call: Omit<Call, "fence">): Promise<ReadonlyArray<string>> =>
  (await query<{ type: string }>(
    "select type from audit_events where trace_id = $1 and type like 'tool_call.%' order by seq",
    call.trace_id
  )).map((row) => row.type.slice("tool_call.".length))

const stateOf = async (call: Omit<Call, "fence">) => {
  const [row] = await query<{
    readonly status: ToolCallStatus
    readonly attempts: number
    readonly open_attempts: number
    readonly owed: { readonly parked: boolean; readonly claimed_by: string | null; readonly tries: number } | null
    readonly outcome: string | null
  }>(
    `select c.status, c.attempts, c.open_attempts, to_jsonb(i) as owed, s.outcome
     from tool_calls c left join work i on i.work_id = c.event_id left join settlements s on s.event_id = c.event_id
     where c.tool_call_id = $1`,
    call.tool_call_id
  )
  assert.isDefined(row)
  return row!
}

const clear = () => query("delete from work")

beforeAll(async () => {
  scope = Scope.makeUnsafe()
  url = Redacted.value(await Effect.runPromise(Scope.provide(newDatabase, scope)))
  eyes = ManagedRuntime.make(
    Layer.effectDiscard(migrate).pipe(Layer.provideMerge(layerPool(fromUrl(Redacted.make(url)))))
  )
  await query("insert into control default values on conflict do nothing")
})
afterAll(async () => {
  await eyes.dispose()
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

describe("the database", () => {
  /** A call in any state, by hand. */
  const make = async (status: ToolCallStatus, extra: Record<string, unknown> = {}): Promise<string> => {
    const id = newId()
    const tried = status !== "planned" && status !== "canceled"
    const row = {
      tool_call_id: id,
      trace_id: newId(),
      event_id: newId(),
      ordinal: 0,
      tool: "t.any",
      tool_pin: "pin",
      input: { a: 1 },
      input_hash: "hash",
      idempotency_key: id,
      effect: "write",
      guarantee: "none",
      risk: "low",
      autonomy: "A2",
      needs_approval: false,
      labels: { trust: "operator", confidentiality: "public" },
      status,
      held_by: tried ? newId() : null,
      fence: 5,
      attempts: tried ? 1 : 0,
      open_attempts: status === "attempted" || status === "unknown" ? 1 : 0,
      deadline_at: tried ? new Date().toISOString() : null,
      created_at: new Date().toISOString(),
      resolved_at: ["succeeded", "failed", "canceled"].includes(status) ? new Date().toISOString() : null,
      ...extra
    }
    await query(
      "insert into tool_calls select * from json_populate_record(null::tool_calls, $1::json)",
      JSON.stringify(row)
    )
    return id
  }

  /** Goes to `status` with everything in place that the state itself demands. */
  const move = (id: string, status: ToolCallStatus, open: number, operator = false) =>
    refusal(
      `with o as (select set_config('syris.operator', $4, true))
       update tool_calls
       set status = $2, open_attempts = $3, attempts = case when $2 = 'attempted' then attempts + 1 else attempts end,
           held_by = coalesce(held_by, tool_call_id), deadline_at = clock_timestamp(),
           resolved_at = case when $2 in ('succeeded', 'failed', 'canceled') then clock_timestamp() end
       from o where tool_call_id = $1`,
      id,
      status,
      open,
      operator ? "me" : ""
    )

  it("lets a call move along the arrows and nowhere else", async () => {
    const legal = new Set([
      "planned attempted",
      "planned canceled",
      "planned failed",
      "attempted succeeded",
      "attempted failed",
      "attempted unknown",
      "attempted planned",
      "unknown planned",
      "unknown succeeded",
      "unknown failed"
    ])
    for (const from of statuses) {
      for (const to of statuses) {
        if (from === to) continue
        const id = await make(from, { guarantee: "native_key" })
        assert.strictEqual(await move(id, to, 0), legal.has(`${from} ${to}`) ? "ok" : "SY003", `${from} → ${to}`)
        const [row] = await query("select status from tool_calls where tool_call_id = $1", id)
        assert.strictEqual(row?.["status"], legal.has(`${from} ${to}`) ? to : from)
      }
    }
  })

  it("never lets its identity change, nor a fence go back", async () => {
    const id = await make("attempted")
    const changes: ReadonlyArray<readonly [string, unknown]> = [
      ["tool_call_id", newId()],
      ["idempotency_key", "other"],
      ["tool", "t.other"],
      ["tool_pin", "other"],
      ["input_hash", "other"],
      ["effect", "read"],
      ["guarantee", "probe"],
      ["ordinal", 1],
      ["trace_id", newId()],
      ["event_id", newId()],
      ["needs_approval", true],
      ["task_id", newId()],
      ["step_id", newId()]
    ]
    for (const [column, value] of changes) {
      assert.strictEqual(
        await refusal(`update tool_calls set ${column} = $2 where tool_call_id = $1`, id, value),
        "SY001",
        column
      )
    }
    assert.strictEqual(await refusal(`update tool_calls set input = '{"a": 2}' where tool_call_id = $1`, id), "SY001")
    assert.strictEqual(await refusal("update tool_calls set labels = '{}' where tool_call_id = $1", id), "SY001")
    assert.strictEqual(await refusal("update tool_calls set event_id = null where tool_call_id = $1", id), "SY001")
    assert.strictEqual(await refusal("update tool_calls set fence = 4 where tool_call_id = $1", id), "SY002")
    assert.strictEqual(await refusal("update tool_calls set fence = 6 where tool_call_id = $1", id), "ok")
  })

  it("cancels only what was never attempted, and fails nothing while an attempt is open", async () => {
    assert.strictEqual(await move(await make("planned"), "canceled", 0), "ok")
    assert.strictEqual(await move(await make("planned", { attempts: 1 }), "canceled", 0), "SY004")
    assert.strictEqual(await move(await make("attempted"), "failed", 1), "SY005")
    assert.strictEqual(await move(await make("planned", { attempts: 1, open_attempts: 1 }), "failed", 1), "SY005")
    assert.strictEqual(await move(await make("unknown"), "failed", 1), "SY005")
    assert.strictEqual(await move(await make("unknown"), "failed", 0), "ok")
  })

  it("leaves the repeat of a call without a guarantee to the operator", async () => {
    assert.strictEqual(await move(await make("unknown"), "planned", 0), "SY006")
    assert.strictEqual(await move(await make("unknown"), "planned", 0, true), "ok")
    assert.strictEqual(await move(await make("unknown", { effect: "irreversible" }), "planned", 0), "SY006")
    assert.strictEqual(await move(await make("unknown", { effect: "read" }), "planned", 0), "ok")
    for (const guarantee of ["transactional", "native_key", "probe"]) {
      assert.strictEqual(await move(await make("unknown", { guarantee }), "planned", 0), "ok", guarantee)
    }
    // The operator's leave ends with the transaction that had it.
    assert.strictEqual(await move(await make("unknown"), "planned", 0), "SY006")
  })

  it("knows no attempt without a holder and a deadline, no end without its time, no key used twice", async () => {
    const attempted = (set: string) => `update tool_calls set status = 'attempted', ${set} where tool_call_id = $1`
    assert.strictEqual(await refusal(attempted("attempts = 1, held_by = tool_call_id"), await make("planned")), "23514")
    assert.strictEqual(await refusal(attempted("attempts = 1, deadline_at = now()"), await make("planned")), "23514")
    const whole = "held_by = tool_call_id, deadline_at = now()"
    assert.strictEqual(await refusal(attempted(whole), await make("planned")), "23514")
    assert.strictEqual(await refusal(attempted(`attempts = 1, ${whole}`), await make("planned")), "ok")
    const ended = "update tool_calls set status = 'succeeded' where tool_call_id = $1"
    assert.strictEqual(await refusal(ended, await make("attempted")), "23514")
    const reserve = "insert into tool_call_keys values ('one key', $1)"
    assert.strictEqual(await refusal(reserve, newId()), "ok")
    assert.strictEqual(await refusal(reserve, newId()), "23505")
  })

  it("keeps the audit as it was written, in each of its partitions", async () => {
    await query(
      `insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
       values ($1, now(), $1, 'system', 'system.started', 'info', 'x', '{}', '{}')`,
      newId()
    )
    const partitions = await query<{ name: string }>(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_events'::regclass"
    )
    assert.isAbove(partitions.length, 3)
    assert.strictEqual(await refusal("update audit_events set summary = 'y'"), "SY020")
    assert.strictEqual(await refusal("delete from audit_events"), "SY020")
    for (const name of ["audit_events", ...partitions.map((one) => one.name)]) {
      assert.strictEqual(await refusal(`truncate ${name}`), "SY020", name)
    }
  })
})

describe("the ledger", () => {
  it("tells each move once, however often it is asked for", async () => {
    const host = await startHost()
    const call = await begin(host, {}, { attempt: false })
    assert.isFalse(call.attempted)
    const first = await attempt(host, call)
    assert.deepInclude(first, { attempts: 1, open_attempts: 1 })
    assert.deepEqual(await attempt(host, call), first)
    assert.isTrue(await settle(host, call, "succeeded"))
    assert.isTrue(await settle(host, call, "succeeded"))
    assert.isFalse(await settle(host, call, "failed"))
    assert.deepEqual(await told(call), ["attempted", "succeeded"])
    assert.deepInclude(await stateOf(call), {
      status: "succeeded",
      open_attempts: 0,
      outcome: "succeeded",
      owed: null
    })
    await host.stop()
  })

  it("attempts only under a live lease, without a pause, by the policy of now, and under the claim", async () => {
    const host = await startHost()
    const other = await startHost()
    const call = await begin(host, {}, { attempt: false })
    const refuses = async (when: string) => {
      const before = await all(call)
      assert.isUndefined(await attempt(host, call), when)
      assert.deepEqual(await all(call), before, when)
      const stored = await begin(host)
      assert.isFalse(stored.attempted, when)
      assert.deepInclude(await stateOf(stored), { status: "planned", attempts: 0 }, when)
      assert.deepEqual(await told(stored), [], when)
    }
    await query("update control set paused = true")
    await refuses("paused")
    await query("update control set paused = false, policy_version = 2")
    await refuses("another policy")
    await query("update control set policy_version = 1")
    await query("update hosts set lease_until = clock_timestamp() where host_id = $1", host.hostId)
    await refuses("lapsed")
    await query("update hosts set lease_until = clock_timestamp() + interval '1 hour' where host_id = $1", host.hostId)
    await claim(other, call)
    assert.isUndefined(await attempt(host, call), "claimed by another")
    await query("update work set claimed_by = $1 where work_id = $2", host.hostId, call.event_id)
    assert.isUndefined(await attempt(host, call), "claimed again, under another fence")
    await die(host.hostId)
    await refuses("ended")
    await Promise.all([host.stop(), other.stop()])
    await clear()
  })

  it("lets a holder that was overtaken write nothing, and keeps what it knows", async () => {
    const late = await startHost()
    const next = await startHost()
    const old = await begin(late, { guarantee: "native_key" })
    const call = await claim(next, old)
    assert.isTrue(await ledger(next, (one) => one.lose(held(call), factOf("tool_call.unknown", call))))
    assert.isFalse(await ledger(next, (one) => one.lose(held(call), factOf("tool_call.unknown", call))))
    const tries = async (when: string) => {
      const before = await all(call)
      for (const status of ["succeeded", "failed", "unknown"] as const) {
        assert.isFalse(await settle(late, old, status), when)
      }
      assert.isUndefined(await attempt(late, old), when)
      await ledger(late, (one) => one.replan(held(old)))
      await ledger(late, (one) => one.putOff(held(old), "person"))
      assert.isFalse(await ledger(late, (one) => one.lose(held(old), factOf("tool_call.unknown", old))))
      for (const status of ["succeeded", "failed"] as const) {
        const [fact, settlement] = [factOf("tool_call.reconciled", old), settlementOf(old, status)]
        assert.isFalse(await ledger(late, (one) => one.reconcile(held(old), status, [fact], settlement)), when)
        assert.isFalse(await ledger(late, (one) => one.abandon(held(old), "failed", [fact], settlement)), when)
      }
      assert.deepEqual(await all(call), before, when)
    }
    await tries("while it is unknown")
    await ledger(next, (one) => one.replan(held(call)))
    await tries("while it is planned again")
    assert.deepInclude(await attempt(next, call), { attempts: 2, open_attempts: 2 })
    await tries("while another attempt runs")
    await ledger(late, (one) => one.keepEvidence(held(old), { ending: { status: "succeeded" } }))
    assert.isTrue(await settle(next, call, "succeeded"))
    await tries("when it has ended")
    const evidence = await query(
      "select fence, evidence from tool_call_evidence where tool_call_id = $1",
      call.tool_call_id
    )
    assert.deepEqual(evidence, [{ fence: BigInt(old.fence), evidence: { ending: { status: "succeeded" } } }])
    assert.deepEqual(await told(call), ["attempted", "unknown", "attempted", "succeeded"])
    await Promise.all([late.stop(), next.stop()])
  })

  it("takes the answer of a holder that was claimed but not yet declared lost", async () => {
    const late = await startHost()
    const next = await startHost()
    const old = await begin(late)
    const call = await claim(next, old)
    assert.isTrue(await settle(late, old, "succeeded"))
    assert.isFalse(await ledger(next, (one) => one.lose(held(call), factOf("tool_call.unknown", call))))
    await ledger(next, (one) => one.putOff(held(call), "person"))
    assert.deepInclude(await stateOf(call), { status: "succeeded", outcome: "succeeded", owed: null })
    assert.deepEqual(await told(call), ["attempted", "succeeded"])
    await Promise.all([late.stop(), next.stop()])
  })

  it("stores one of two hosts' same message, and tells the other which", async () => {
    const [one, two] = await Promise.all([startHost(), startHost()])
    const same = { dedupe_key: `same ${newId()}`, message_id: "m" }
    const events = [eventOf(same), eventOf(same)] as const
    const stored = await Promise.all([
      one.run(Effect.gen(function*() {
        return yield* (yield* Intake).store(intentOf(yield* Audit, {}, true, 30_000, events[0]).intent)
      })),
      two.run(Effect.gen(function*() {
        return yield* (yield* Intake).store(intentOf(yield* Audit, {}, true, 30_000, events[1]).intent)
      }))
    ])
    assert.strictEqual(stored[0].event_id, stored[1].event_id)
    assert.deepEqual(stored.map((answer) => answer.deduped).sort(), [false, true])
    assert.deepEqual(stored.map((answer) => answer.attempted).sort(), [false, true])
    const calls = await query(
      "select 1 from tool_calls where event_id = any ($1::uuid[])",
      events.map((e) => e.event_id)
    )
    assert.lengthOf(calls, 1)
    await Promise.all([one.stop(), two.stop()])
    await clear()
  })
})

describe("after the death of a host, another one", () => {
  const ran: Array<{ readonly tool: string; readonly key: string }> = []
  const asked: Array<string> = []
  let answer: "done" | "not_done" | "unknown" = "unknown"
  let refuses = false

  const run = (tool: string) => (_: unknown, ctx: ToolContext) => {
    ran.push({ tool, key: ctx.idempotencyKey })
    if (refuses) throw new ToolRefused("no")
    return { message: "done" }
  }
  const common = { input: Schema.Struct({}), description: "Do it.", risk: "low", scopes: [] } as const
  const kinds = {
    "t.read": { effect: "read", guarantee: "none" },
    "t.transactional": { effect: "write", guarantee: "transactional" },
    "t.keyed": { effect: "irreversible", guarantee: "native_key" },
    "t.probed": { effect: "write", guarantee: "probe" },
    "t.plain": { effect: "write", guarantee: "none" }
  } as const
  const tools = [
    defineTool({ ...common, name: "t.read", effect: "read", run: run("t.read") }),
    defineTool({
      ...common,
      name: "t.transactional",
      effect: "write",
      guarantee: "transactional",
      run: run("t.transactional")
    }),
    defineTool({ ...common, name: "t.keyed", effect: "irreversible", guarantee: "native_key", run: run("t.keyed") }),
    defineTool({
      ...common,
      name: "t.probed",
      effect: "write",
      guarantee: "probe",
      probe: (_, ctx) => {
        asked.push(ctx.idempotencyKey)
        return answer
      },
      run: run("t.probed")
    }),
    defineTool({ ...common, name: "t.plain", effect: "write", run: run("t.plain") })
  ]

  /** A host that takes up what others left. */
  const startInbox = async () => {
    const hostId = await addHost()
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-ledger-"))
    const plugin = definePlugin({ name: "t", setup: () => ({ tools, intents: [] }) })
    const layer = WorkQueue.layerLoop.pipe(
      Layer.provideMerge(Inbox.layer),
      Layer.provideMerge([Executor.layer, Preparation.layer, CallRecovery.layer]),
      Layer.provideMerge([CallPlanner.layer, Intake.layer, Router.layer]),
      Layer.provideMerge(Binding.layer),
      Layer.provideMerge([Settlements.layer, ToolExecutor.layer, WorkQueue.layer]),
      Layer.provideMerge([Artifacts.layer, NestedCalls.layer, ToolLedger.layer, Gates.layer, Previews.layer]),
      Layer.provideMerge([Admission.layer({ cooldownMs: 30_000, notificationsPerHour: 20 }), Standing.layer]),
      Layer.provideMerge([Alarms.layer, QuietHours.layer([])]),
      Layer.provideMerge([Audit.layer, Control.layer("A2")]),
      Layer.provideMerge([leaseOf(hostId), AuditWake.layer, Notifications.layer]),
      Layer.provideMerge(PluginHost.layer),
      Layer.provideMerge(Redactor.layer),
      Layer.provideMerge([SecretsStore.layer, Health.layer]),
      Layer.provideMerge([
        Settings.layerOf({ plugins: [plugin()] }),
        Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined }),
        layerPool(fromUrl(Redacted.make(url)))
      ])
    )
    const runtime = ManagedRuntime.make(Layer.fresh(layer))
    const look = () => runtime.runPromise(Effect.map(WorkQueue, (queue) => queue.wake()))
    await runtime.runPromise(Effect.void)
    return {
      look,
      stop: async () => {
        await runtime.dispose()
        fs.rmSync(home, { recursive: true, force: true })
      }
    }
  }

  /** A call of this tool in flight on a host that is dead now; the effect may or may not have happened. */
  const orphan = async (tool: keyof typeof kinds, deadlineMs: number): Promise<Call & { readonly key: string }> => {
    const dead = await startHost()
    const call = await begin(dead, { tool, ...kinds[tool] }, { deadlineMs })
    assert.isTrue(call.attempted)
    await die(dead.hostId)
    await dead.stop()
    return { ...call, key: `key ${call.tool_call_id}` }
  }

  const recover = async (tool: keyof typeof kinds, deadlineMs = 0) => {
    ran.length = 0
    asked.length = 0
    const call = await orphan(tool, deadlineMs)
    return { call, inbox: await startInbox() }
  }
  const settled = (call: Call) => untilHolds(() => stateOf(call), ({ owed }) => owed === null)
  const parked = (call: Call) => untilHolds(() => stateOf(call), ({ owed }) => owed?.parked === true)

  for (const tool of ["t.read", "t.transactional", "t.keyed"] as const) {
    it(`repeats ${tool} at once, under the same key`, async () => {
      const { call, inbox } = await recover(tool, 60_000)
      assert.deepInclude(await settled(call), {
        status: "succeeded",
        attempts: 2,
        open_attempts: 0,
        outcome: "succeeded"
      })
      assert.deepEqual(ran, [{ tool, key: call.key }])
      assert.deepEqual(await told(call), ["attempted", "unknown", "attempted", "succeeded"])
      await inbox.stop()
    })
  }

  it("does not take a refusal of the repeat for the end while the first attempt could land", async () => {
    refuses = true
    const { call, inbox } = await recover("t.keyed", 60_000)
    await untilHolds(() => told(call), (rows) => rows.length === 4)
    refuses = false
    assert.deepEqual(await told(call), ["attempted", "unknown", "attempted", "unknown"])
    assert.deepInclude(await stateOf(call), { status: "unknown", attempts: 2, open_attempts: 2 })
    await inbox.stop()
    await clear()
  })

  it("asks about a probed call once all is quiet, and believes that it was done", async () => {
    answer = "done"
    const { call, inbox } = await recover("t.probed", 700)
    await untilHolds(() => stateOf(call), ({ owed: row, status }) => status === "unknown" && row?.claimed_by === null)
    assert.deepEqual(asked, [], "before it was quiet")
    await untilHolds(() => inbox.look(), () => asked.length > 0)
    assert.deepInclude(await settled(call), { status: "succeeded", attempts: 1, outcome: "succeeded" })
    assert.deepEqual(ran, [])
    assert.deepEqual(asked, [call.key])
    assert.deepEqual(await told(call), ["attempted", "unknown", "reconciled"])
    await inbox.stop()
  })

  it("repeats a probed call that was not done, once", async () => {
    answer = "not_done"
    const { call, inbox } = await recover("t.probed")
    assert.deepInclude(await settled(call), { status: "succeeded", attempts: 2, outcome: "succeeded" })
    assert.deepEqual(ran, [{ tool: "t.probed", key: call.key }])
    assert.lengthOf(asked, 1)
    await inbox.stop()
  })

  it("neither ends nor repeats a probed call that nobody knows about", async () => {
    answer = "unknown"
    const { call, inbox } = await recover("t.probed")
    const waiting = await untilHolds(() => stateOf(call), ({ owed: row }) => row !== null && row.tries > 0)
    assert.deepInclude(waiting, { status: "unknown", attempts: 1, outcome: null })
    assert.deepEqual(ran, [])
    await query("update work set tries = 8, due_at = now() where work_id = $1", call.event_id)
    await inbox.look()
    assert.deepInclude(await parked(call), { status: "unknown", attempts: 1, outcome: null })
    assert.deepEqual(ran, [])
    await inbox.stop()
    await clear()
  })

  it("leaves a call without a guarantee to a person, and goes on with the others", async () => {
    const { call, inbox } = await recover("t.plain")
    const behind = await orphan("t.read", 0)
    assert.deepInclude(await parked(call), { status: "unknown", attempts: 1, open_attempts: 1, outcome: null })
    await inbox.look()
    await settled(behind)
    await inbox.look()
    assert.deepEqual(ran.map((one) => one.tool), ["t.read"])
    assert.deepEqual(await told(call), ["attempted", "unknown"])
    await inbox.stop()
    await clear()
  })

  it("leaves what a living host holds alone", async () => {
    const living = await startHost()
    const call = await begin(living, { tool: "t.read", ...kinds["t.read"] })
    ran.length = 0
    const inbox = await startInbox()
    const behind = await orphan("t.read", 0)
    await inbox.look()
    await settled(behind)
    assert.deepInclude(await stateOf(call), { status: "attempted", attempts: 1 })
    assert.isTrue(await settle(living, call, "succeeded"))
    await Promise.all([inbox.stop(), living.stop()])
  })
})

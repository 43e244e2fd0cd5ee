/**
 * Any interleaving of two workers over one call, with crashes, pauses, lost and late requests and answers, on a real
 * PostgreSQL: the ledger does what a model of a few lines does, and the world outside agrees with it.
 *
 * - After each step the row, and what the worker was answered, are what the model says.
 * - At each step: nothing happens twice, `succeeded` has happened, `failed` has not and can't any more, the audit tells
 *   each attempt and each end once.
 * - A call that asks is never attempted for the first time without a yes that still holds, and uses it up with that.
 * - The property is shown to see: without the fence, without the approval, and without waiting for quiet, it fails.
 */
import { Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Audit, type Fact } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Guarantee } from "../contract/Enums.ts"
import type { SettlementRow } from "../contract/Rows.ts"
import { fromUrl, layerPool, migrate } from "../database/Database.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import type { ApprovalRow } from "../safety/ApprovalRows.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import { type Held, ToolLedger } from "../tools/ToolLedger.ts"
import { Intake } from "./Intake.ts"

let url: string
let scope: Scope.Closeable
let eyes: ManagedRuntime.ManagedRuntime<SqlClient.SqlClient, unknown>

const query = <Row extends object = Record<string, any>>(text: string, ...values: ReadonlyArray<unknown>) =>
  eyes.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Row>(text, values))) as Promise<
    ReadonlyArray<Row>
  >

interface Host {
  readonly hostId: string
  readonly run: <A, E>(effect: Effect.Effect<A, E, ToolLedger | Intake | Audit>) => Promise<A>
  readonly stop: () => Promise<void>
}

/** The end of an approval never changes: the clock of the test goes past the trigger that says so. */
const outOfTime = (tool_call_id: string) =>
  eyes.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.gen(function*() {
      yield* sql`set local session_replication_role = replica`
      yield* sql`
        update approvals set expires_at = clock_timestamp() - interval '1 second'
        where tool_call_id = ${tool_call_id}::uuid`
    }))))

/** What a statement of the host is made to forget. */
interface Forgets {
  readonly from: string
  readonly to: string
}
/** An outcome is written whoever holds the call. */
const theFence: Forgets = { from: "c.fence = d.fence and c.status = 'attempted'", to: "c.status = 'attempted'" }
/** A call begins, whatever somebody said of it. */
const theApproval: Forgets = { from: "or c.tool_call_id in (select tool_call_id from consumed)", to: "or true" }
let forgotten = 0

/** The same database, but for what is forgotten. */
const layerForgetting = ({ from, to }: Forgets) =>
  Layer.effect(
    SqlClient.SqlClient,
    Effect.map(SqlClient.SqlClient, (sql) =>
      new Proxy(sql, {
        get: (target, key) =>
          key !== "unsafe" ? Reflect.get(target, key) : (text: string, values?: ReadonlyArray<unknown>) => {
            if (text.includes(from)) forgotten++
            return target.unsafe(text.replace(from, to), values)
          }
      }))
  )

const startHost = async (forgets?: Forgets): Promise<Host> => {
  const hostId = newId()
  await query(
    `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
     values ($1, $2, 'm', 1, '1', '0', clock_timestamp() + interval '1 hour')`,
    hostId,
    newId()
  )
  const pool = layerPool(fromUrl(Redacted.make(url)))
  const lease = Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never })
  const runtime = ManagedRuntime.make(Layer.fresh(
    Layer.mergeAll(ToolLedger.layer, Intake.layer).pipe(
      Layer.provideMerge(Audit.layer),
      Layer.provideMerge([lease, AuditWake.layer, Redactor.layerEmpty]),
      Layer.provideMerge(forgets === undefined ? pool : Layer.provide(layerForgetting(forgets), pool))
    )
  ))
  return { hostId, run: (effect) => runtime.runPromise(effect), stop: () => runtime.dispose() }
}

type Class = "read" | Guarantee

interface Call extends Omit<Held, "fence"> {
  readonly event_id: string
  readonly trace_id: string
}

const factOf = (type: Fact["type"], call: Call): Fact => ({
  type,
  trace_id: call.trace_id,
  at: new Date(),
  summary: "A fact.",
  refs: { tool_call_id: call.tool_call_id }
})

const settlementOf = (call: Call, outcome: SettlementRow["outcome"]): SettlementRow => ({
  event_id: call.event_id,
  trace_id: call.trace_id,
  lane: "fast",
  outcome,
  settled_at: new Date().toISOString()
})

let numbers = 0

/** What the operator is asked about the call. */
const approvalOf = (tool_call_id: string, event_id: string, trace_id: string): ApprovalRow => ({
  approval_id: newId(),
  number: ++numbers,
  trace_id,
  event_id,
  tool_call_id,
  work_id: event_id,
  tool: "t.any",
  what: {},
  what_hash: "hash",
  tool_pin: "pin",
  why: "It asks.",
  reasons: [],
  risk: "low",
  autonomy: "A2",
  question: "Yes?",
  basis: "tool low",
  labels: { trust: "operator", confidentiality: "public" },
  ttl_ms: 3_600_000
})

/** A planned call that the host has claimed; one that asks waits for its approval and nobody has it. */
const plan = (host: Host, kind: Class, asks: boolean) =>
  host.run(Effect.gen(function*() {
    const [event_id, trace_id, tool_call_id] = [newId(), newId(), newId()]
    const at = new Date().toISOString()
    const stored = yield* (yield* Intake).store({
      event: {
        event_id,
        trace_id,
        schema_version: "1.0",
        occurred_at: at,
        ingested_at: at,
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
        depth: 0
      },
      body_hash: "",
      decision: {
        event_id,
        trace_id,
        decided_at: at,
        lane: "fast",
        match: { rule_ids: [], used_llm: false },
        required_scopes: [],
        notes: []
      },
      call: {
        tool_call_id,
        trace_id,
        event_id,
        ordinal: 0,
        tool: "t.any",
        tool_pin: "pin",
        input: {},
        input_hash: "hash",
        idempotency_key: tool_call_id,
        effect: kind === "read" ? "read" : "write",
        guarantee: kind === "read" ? "none" : kind,
        risk: "low",
        autonomy: "A2",
        status: "planned",
        needs_approval: asks,
        labels: { trust: "operator", confidentiality: "public" },
        created_at: at,
        deadline_ms: 3_600_000
      },
      ...(asks ? { approval: approvalOf(tool_call_id, event_id, trace_id) } : {}),
      attempt: false,
      claim: true,
      policy_version: 1,
      tellings: []
    })
    return { call: { tool_call_id, work_id: event_id, event_id, trace_id }, fence: stored.fence }
  }))

/** A request on its way to the world outside. */
interface Request {
  landed: boolean
}

interface Worker {
  readonly host: Host
  /** The claim that it believes to have. */
  claim?: number
  /** The attempt that it runs, under the claim of then. */
  run?: { readonly fence: number; readonly request: Request; readonly open: number }
}

/** What the row should be. */
interface Model {
  status: "planned" | "attempted" | "succeeded" | "failed" | "unknown"
  fence: number
  attempts: number
  open: number
  holder: Worker | undefined
  claim: number
  parked: boolean
  /** Of the approval; nothing where nobody is asked. */
  approval: "pending" | "approved" | "revoked" | "consumed" | undefined
  /** Its time is over. */
  over: boolean
}

const steps = [
  "claim",
  "attempt",
  "land",
  "landLate",
  "succeed",
  "refuse",
  "timeOut",
  "crash",
  "quiet",
  "recover",
  "approve",
  "revoke",
  "expire"
] as const
type Step = readonly [(typeof steps)[number], 0 | 1]

interface World {
  readonly hosts: readonly [Host, Host]
  readonly kind: Class
  /** Asks the world outside without waiting until nothing can land any more. */
  readonly impatient?: boolean
  /** The call needs an approval. */
  readonly asks?: boolean
}

const play = async (
  { asks = false, hosts, impatient = false, kind }: World,
  script: ReadonlyArray<Step>
): Promise<void> => {
  const { call, fence: first } = await plan(hosts[0], kind, asks)
  const workers: readonly [Worker, Worker] = [
    { host: hosts[0], ...(asks ? {} : { claim: first }) },
    { host: hosts[1] }
  ]
  const model: Model = {
    status: "planned",
    fence: first,
    attempts: 0,
    open: 0,
    holder: asks ? undefined : workers[0],
    claim: first,
    parked: false,
    approval: asks ? "pending" : undefined,
    over: false
  }
  let effects = 0
  let quiet = true
  const late = new Set<Request>()
  const repeatable = kind === "read" || kind === "transactional" || kind === "native_key"
  const ended = () => model.status === "succeeded" || model.status === "failed"
  const holds = (worker: Worker, claim = worker.claim) => model.holder === worker && model.claim === claim
  const land = (request: Request) => {
    if (request.landed) return
    request.landed = true
    // A transactional tool's effect is in its outcome's transaction; a keyed remote does it once.
    if (kind === "transactional" || (kind === "native_key" && effects > 0)) return
    effects++
  }
  const finish = (status: "succeeded" | "failed", open: number) => {
    Object.assign(model, { status, open, holder: undefined })
  }
  const held = (worker: Worker, claim: number): Held => ({
    tool_call_id: call.tool_call_id,
    work_id: call.work_id,
    fence: claim
  })

  const settle = async (worker: Worker, wanted: "succeeded" | "failed" | "unknown") => {
    const { run } = worker
    if (run === undefined) return
    // What the executor does: a refusal is no end while an older attempt could land.
    const status = wanted === "failed" && run.open > 1 ? "unknown" : wanted
    delete worker.run
    if (wanted === "unknown") late.add(run.request)
    const again = kind === "none" ? undefined : 0
    const answer = await worker.host.run(Effect.gen(function*() {
      const audit = yield* Audit
      return yield* (yield* ToolLedger).settle({
        ...held(worker, run.fence),
        status,
        latency_ms: 1,
        at: new Date().toISOString(),
        again_ms: status === "unknown" ? again : undefined,
        settlement: status === "unknown" ? undefined : settlementOf(call, status),
        schedules: [],
        canceled_schedules: [],
        emitted: [],
        rows: [audit.row(factOf(`tool_call.${status}`, call))]
      })
    }))
    const mine = model.status === "attempted" && model.fence === run.fence
    assert.strictEqual(answer, mine || (model.fence === run.fence && model.status === status), "whose outcome it was")
    if (!mine) return
    if (status === "unknown") {
      Object.assign(model, { status, holder: undefined, parked: kind === "none" })
      return
    }
    if (status === "succeeded" && kind === "transactional") effects++
    finish(status, status === "succeeded" ? 0 : model.open - 1)
  }

  const decide = async (status: string, where: string): Promise<boolean> =>
    (await query(
      `update approvals set status = $2 where tool_call_id = $1 and ${where} returning 1`,
      call.tool_call_id,
      status
    )).length > 0

  const moves: Record<Step[0], (worker: Worker) => Promise<void>> = {
    /** The holder's lease ends, in the eyes of this worker; nobody tells the holder. */
    claim: async (worker) => {
      const [row] = await query<{ fence: bigint }>(
        `update work set claimed_by = $1, fence = nextval('fence_seq') where work_id = $2 and not parked returning fence`,
        worker.host.hostId,
        call.event_id
      )
      assert.strictEqual(row !== undefined, !ended() && !model.parked, "whether there was something to claim")
      if (row === undefined) return
      worker.claim = model.claim = Number(row.fence)
      model.holder = worker
    },
    attempt: async (worker) => {
      const { claim, host } = worker
      if (claim === undefined || worker.run !== undefined) return
      const answer = await host.run(Effect.gen(function*() {
        const row = (yield* Audit).row(factOf("tool_call.attempted", call))
        return yield* (yield* ToolLedger).attempt({
          ...held(worker, claim),
          deadline_ms: 3_600_000,
          policy_version: 1,
          approved: asks && model.attempts === 0,
          row
        })
      }))
      const may = !asks || model.attempts > 0 || (model.approval === "approved" && !model.over)
      const allowed = model.status === "planned" && holds(worker) && may
      if (allowed) {
        if (asks) model.approval = "consumed"
        Object.assign(model, { status: "attempted", fence: claim, attempts: model.attempts + 1, open: model.open + 1 })
        quiet = false
      }
      const running = model.status === "attempted" && model.fence === claim
      assert.deepEqual(
        answer && { attempts: answer.attempts, open: answer.open_attempts },
        running ? { attempts: model.attempts, open: model.open } : undefined,
        "whether it may run"
      )
      if (allowed && answer) worker.run = { fence: claim, request: { landed: false }, open: answer.open_attempts }
    },
    land: async ({ run }) => {
      if (run !== undefined) land(run.request)
    },
    landLate: async () => late.forEach(land),
    succeed: async (worker) => {
      if (worker.run === undefined) return
      land(worker.run.request)
      await settle(worker, "succeeded")
    },
    refuse: async (worker) => {
      if (worker.run?.request.landed === false) await settle(worker, "failed")
    },
    timeOut: (worker) => settle(worker, "unknown"),
    crash: async (worker) => {
      if (worker.run !== undefined) late.add(worker.run.request)
      delete worker.run
      delete worker.claim
    },
    /** All deadlines pass: what is on its way is lost, and nobody sends any more. */
    quiet: async () => {
      for (const worker of workers) await settle(worker, "unknown")
      late.clear()
      quiet = true
      await query("update tool_calls set quiet_at = clock_timestamp() where tool_call_id = $1", call.tool_call_id)
    },
    approve: async () => {
      const moved = await decide("approved", "status = 'pending' and expires_at > clock_timestamp()")
      assert.strictEqual(moved, model.approval === "pending" && !model.over, "whether it could be approved")
      if (moved) model.approval = "approved"
    },
    revoke: async () => {
      const moved = await decide("revoked", "status in ('pending', 'approved')")
      assert.strictEqual(moved, model.approval === "pending" || model.approval === "approved", "whether it stood")
      if (moved) model.approval = "revoked"
    },
    /** Time passes: the approval's end is a due time like any other. */
    expire: async () => {
      if (!asks) return
      await outOfTime(call.tool_call_id)
      model.over = true
    },
    recover: async (worker) => {
      const { claim } = worker
      if (claim === undefined || worker.run !== undefined) return
      const use = <A, E>(move: (ledger: typeof ToolLedger.Service) => Effect.Effect<A, E>) =>
        worker.host.run(Effect.flatMap(ToolLedger, move))
      const mine = held(worker, claim)
      const lost = await use((ledger) => ledger.lose(mine, factOf("tool_call.unknown", call)))
      const losing = model.status === "attempted" && model.fence < claim && holds(worker)
      assert.strictEqual(lost, losing, "whether it was lost")
      if (losing) Object.assign(model, { status: "unknown", fence: claim })
      const unknown = model.status === "unknown" && holds(worker)
      if (kind === "none") {
        if (model.status !== "unknown") return
        await use((ledger) => ledger.putOff(mine, "person"))
        if (unknown) Object.assign(model, { holder: undefined, parked: true })
        return
      }
      if (!repeatable && !quiet && !impatient) return
      if (!repeatable && effects > 0) {
        const done = await use((ledger) =>
          ledger.reconcile(mine, "succeeded", [factOf("tool_call.reconciled", call)], settlementOf(call, "succeeded"))
        )
        assert.strictEqual(done, unknown, "whether it was reconciled")
        if (unknown) {
          model.fence = claim
          finish("succeeded", 0)
        }
        return
      }
      await use((ledger) => ledger.replan(mine))
      if (!unknown) return
      Object.assign(model, {
        status: "planned",
        open: (quiet && kind === "probe") || kind === "read" || kind === "transactional" ? 0 : model.open
      })
    }
  }

  const check = async (step: string) => {
    const [row] = await query<Record<string, any>>(
      `select c.status, c.fence, c.attempts, c.open_attempts as open, i.event_id is not null as owed,
              i.claimed_by, s.outcome,
              (select status from approvals p where p.tool_call_id = c.tool_call_id) as approval,
              (select count(*)::int from audit_events a where a.trace_id = c.trace_id and a.type = 'tool_call.attempted') as told,
              (select count(*)::int from audit_events a where a.trace_id = c.trace_id
               and a.type in ('tool_call.succeeded', 'tool_call.failed', 'tool_call.reconciled')) as ends
       from tool_calls c left join work i on i.work_id = c.event_id left join settlements s on s.event_id = c.event_id
       where c.tool_call_id = $1`,
      call.tool_call_id
    )
    assert.deepEqual(row, {
      status: model.status,
      fence: BigInt(model.fence),
      attempts: model.attempts,
      open: model.open,
      owed: !ended(),
      claimed_by: model.holder?.host.hostId ?? null,
      outcome: ended() ? model.status : null,
      approval: model.approval ?? null,
      told: model.attempts,
      ends: ended() ? 1 : 0
    }, step)
    if (asks && effects > 0) assert.strictEqual(model.approval, "consumed", `${step}: done, so somebody said yes`)
    if (kind !== "read") assert.isAtMost(effects, 1, `${step}: done once`)
    if (model.status === "succeeded") assert.isAtLeast(effects, 1, `${step}: succeeded has happened`)
    if (model.status === "failed" && kind !== "read") assert.strictEqual(effects, 0, `${step}: failed has not happened`)
  }

  for (const [step, index] of script) {
    await moves[step](workers[index])
    await check(step)
  }
  // What was on its way arrives at last, and changes nothing that was said.
  for (const { run } of workers) if (run !== undefined) land(run.request)
  late.forEach(land)
  await check("at last")
}

const either = fc.constantFrom(0 as const, 1 as const)
const one: fc.Arbitrary<ReadonlyArray<Step>> = fc.tuple(fc.constantFrom(...steps), either).map((step) => [step])
/** Single steps alone would seldom come as far as the second attempt. */
const takeOver: fc.Arbitrary<ReadonlyArray<Step>> = either.map((worker) => [
  ["claim", worker],
  ["recover", worker],
  ["attempt", worker]
])
const script: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof({ weight: 3, arbitrary: one }, { weight: 1, arbitrary: takeOver }),
  { minLength: 5, maxLength: 16, size: "max" }
).map((parts) => [["attempt", 0], ...parts.flat()])

/** With a yes near the beginning, and seldom none at all. */
const asking = fc.tuple(
  fc.constantFrom<ReadonlyArray<Step>>([["claim", 0], ["approve", 0]], [["approve", 0], ["claim", 1]], [["claim", 0]]),
  script
).map(([first, rest]): ReadonlyArray<Step> => [...first, ...rest])

let hosts: readonly [Host, Host]

beforeAll(async () => {
  scope = Scope.makeUnsafe()
  url = Redacted.value(await Effect.runPromise(Scope.provide(newDatabase, scope)))
  eyes = ManagedRuntime.make(
    Layer.effectDiscard(migrate).pipe(Layer.provideMerge(layerPool(fromUrl(Redacted.make(url)))))
  )
  await query("insert into control default values on conflict do nothing")
  hosts = [await startHost(), await startHost()]
})
afterAll(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  await eyes.dispose()
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

describe("two workers over one call", () => {
  for (const kind of ["read", "transactional", "native_key", "probe", "none"] as const) {
    it(`never disagree with the model, nor with the world outside: ${kind}`, async () => {
      await fc.assert(fc.asyncProperty(script, (steps) => play({ hosts, kind }, steps)), { numRuns: 40 })
    })
  }

  for (const kind of ["read", "transactional", "native_key", "probe", "none"] as const) {
    it(`never begin without a yes that holds, and use it once: ${kind}`, async () => {
      await fc.assert(fc.asyncProperty(asking, (steps) => play({ hosts, kind, asks: true }, steps)), { numRuns: 30 })
    })
  }

  it("would be caught without the fence", async () => {
    const loose = [await startHost(theFence), await startHost(theFence)] as const
    forgotten = 0
    const found = await fc.check(
      fc.asyncProperty(script, (steps) => play({ hosts: loose, kind: "native_key" }, steps)),
      { numRuns: 200, endOnFailure: true }
    )
    assert.isAbove(forgotten, 0, "the statement that this test weakens has changed")
    assert.isTrue(found.failed)
    await Promise.all(loose.map((host) => host.stop()))
  })

  it("would be caught without the approval, which the database does not forget either", async () => {
    const loose = [await startHost(theApproval), await startHost(theApproval)] as const
    forgotten = 0
    const found = await fc.check(
      fc.asyncProperty(asking, (steps) => play({ hosts: loose, kind: "none", asks: true }, steps)),
      { numRuns: 200, endOnFailure: true }
    )
    assert.isAbove(forgotten, 0, "the statement that this test weakens has changed")
    assert.isTrue(found.failed)
    assert.match(inspect(found.errorInstance, { depth: 9 }), /this call needs an approval/)
    await Promise.all(loose.map((host) => host.stop()))
  })

  it("would be caught asking before it is quiet", async () => {
    const found = await fc.check(
      fc.asyncProperty(script, (steps) => play({ hosts, kind: "probe", impatient: true }, steps)),
      { numRuns: 200, endOnFailure: true }
    )
    assert.isTrue(found.failed)
    assert.match(String(found.errorInstance), /done once/)
  })
})

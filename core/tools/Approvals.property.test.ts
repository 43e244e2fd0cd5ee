/**
 * Words on one approval and the workers that wait for it, one after the other and at the same moment, over two connections
 * of a real PostgreSQL: what each is answered is what a model of a few lines answers in some order of those at once.
 *
 * - One word is heard, a call begins once and only with a yes that holds, and nothing begins after a no.
 * - The property is shown to see: a word that does not take its turn is heard twice.
 */
import { Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Audit, type Fact, toRow } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { fromUrl, layerPool, migrate } from "../database/Database.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import { approve, deny, type Word } from "./ApprovalMoves.ts"
import { hashOf } from "./InputHash.ts"
import { type Held, ToolLedger } from "./ToolLedger.ts"

let url: string
let scope: Scope.Closeable

interface Host {
  readonly hostId: string
  readonly run: <A, E>(effect: Effect.Effect<A, E, ToolLedger | Audit | SqlClient.SqlClient>) => Promise<A>
  readonly stop: () => Promise<void>
}

const startHost = async (): Promise<Host> => {
  const hostId = newId()
  const runtime = ManagedRuntime.make(Layer.fresh(
    ToolLedger.layer.pipe(
      Layer.provideMerge(Audit.layer),
      Layer.provideMerge([
        Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never }),
        AuditWake.layer,
        Redactor.layerEmpty
      ]),
      Layer.provideMerge(layerPool(fromUrl(Redacted.make(url))))
    )
  ))
  await runtime.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql`
      insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
      values (${hostId}, ${newId()}, 'm', 1, '1', '0', clock_timestamp() + interval '1 hour')`))
  return { hostId, run: (effect) => runtime.runPromise(effect), stop: () => runtime.dispose() }
}

/** What somebody does: a person over one of the connections, or the worker behind it. */
interface Act {
  readonly verb: "approve" | "deny" | "claim" | "attempt" | "settle" | "cancel" | "die"
  readonly by: 0 | 1
}

/** `late`: nobody acts until the approval has ended. */
type Step = ReadonlyArray<Act> | "late"

type Answer = "done" | "no"

interface Model {
  readonly approval: "pending" | "approved" | "denied" | "expired" | "revoked" | "consumed"
  readonly call: "planned" | "attempted" | "succeeded" | "canceled"
  readonly over: boolean
  readonly claimedBy: number | undefined
  /** Who attempted it, under which of its claims. */
  readonly attempt: string | undefined
  /** How often each has claimed it. */
  readonly claims: readonly [number, number]
  readonly closed: boolean
}

const start: Model = {
  approval: "pending",
  call: "planned",
  over: false,
  claimedBy: undefined,
  attempt: undefined,
  claims: [0, 0],
  closed: false
}

/** What becomes of the approval of a call that will not begin. */
const gone = ({ approval, over }: Model): Model["approval"] =>
  approval === "pending" || approval === "approved" ? (over ? "expired" : "revoked") : approval

/** What is so after, what is answered, and whether it was so before: what was sent again is answered again. */
const next = (model: Model, { by, verb }: Act): readonly [after: Model, answer: Answer, again?: boolean] => {
  const { approval, attempt, call, claimedBy, claims, closed, over } = model
  const no = [model, "no"] as const
  const mine = claimedBy === by && !closed
  switch (verb) {
    case "approve":
      return approval === "pending" && !over ? [{ ...model, approval: "approved" }, "done"] : no
    case "deny":
      return approval === "pending" && !over ? [{ ...model, approval: "denied", call: "canceled" }, "done"] : no
    case "claim": {
      if (claimedBy !== undefined || closed) return no
      const counted = by === 0 ? [claims[0] + 1, claims[1]] as const : [claims[0], claims[1] + 1] as const
      return [{ ...model, claimedBy: by, claims: counted }, "done"]
    }
    case "attempt":
      if (call === "attempted" && attempt === `${by}.${claims[by]}`) return [model, "done", true]
      return mine && call === "planned" && approval === "approved" && !over
        ? [{ ...model, approval: "consumed", call: "attempted", attempt: `${by}.${claims[by]}` }, "done"]
        : no
    case "settle":
      if (call === "succeeded" && attempt === `${by}.${claims[by]}`) return [model, "done", true]
      return call === "attempted" && attempt === `${by}.${claims[by]}`
        ? [{ ...model, call: "succeeded", closed: true, claimedBy: undefined }, "done"]
        : no
    case "cancel":
      return mine && call === "planned"
        ? [{ ...model, approval: gone(model), call: "canceled", closed: true, claimedBy: undefined }, "done"]
        : no
    case "die":
      return mine ? [{ ...model, claimedBy: undefined }, "done"] : no
  }
}

/** What the audit tells. */
const types: Readonly<Partial<Record<Act["verb"], Fact["type"]>>> = {
  approve: "gate.approved",
  deny: "gate.denied",
  attempt: "tool_call.attempted",
  settle: "tool_call.succeeded",
  cancel: "tool_call.canceled"
}

const input = { door: "front" }
let numbers = 1

interface Seen {
  readonly approval: string
  readonly call: string
  readonly attempts: number
  readonly over: boolean
  readonly told: ReadonlyArray<string>
}

/** `hasty`: a word looks and then writes, and does not take its turn. */
interface Play {
  readonly hosts: readonly [Host, Host]
  readonly hasty?: boolean
}

const play = async ({ hasty = false, hosts }: Play, steps: ReadonlyArray<Step>): Promise<void> => {
  const [tool_call_id, event_id, trace_id, approval_id] = [newId(), newId(), newId(), newId()]
  const ttlMs = steps.includes("late") ? 150 : 60_000
  const run = hosts[0].run
  const began = performance.now()
  await run(Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.gen(function*() {
      const put = (table: "tool_calls" | "approvals" | "work", row: object) =>
        sql.unsafe(`insert into ${table} select * from json_populate_record(null::${table}, $1::json)`, [
          JSON.stringify(row)
        ])
      const both = {
        tool_call_id,
        event_id,
        trace_id,
        tool: "door.open",
        tool_pin: "pin",
        risk: "medium",
        autonomy: "A2",
        labels: { trust: "operator", confidentiality: "public" },
        created_at: new Date().toISOString()
      }
      yield* put("tool_calls", {
        ...both,
        ordinal: 0,
        input,
        input_hash: hashOf(input),
        idempotency_key: tool_call_id,
        effect: "write",
        guarantee: "none",
        status: "planned",
        needs_approval: true,
        fence: 0,
        attempts: 0,
        open_attempts: 0
      })
      yield* put("approvals", {
        ...both,
        approval_id,
        number: Date.now() % 1_000_000_000 * 1_000 + numbers++,
        work_id: event_id,
        status: "pending",
        what: input,
        what_hash: hashOf(input),
        why: "It asks.",
        reasons: [],
        basis: "tool medium",
        question: "Shall it be opened?",
        expires_at: new Date(Date.now() + ttlMs).toISOString()
      })
      yield* sql`
        insert into work (work_id, kind, event_id, trace_id, tool_call_id, tool, fence)
        values (${event_id}::uuid, 'event', ${event_id}::uuid, ${trace_id}::uuid, ${tool_call_id}::uuid, 'door.open', 0)`
    }))))

  const fact = (type: Fact["type"]): Fact => ({
    type,
    trace_id,
    at: new Date(),
    summary: "A fact.",
    refs: { event_id, tool_call_id, approval_id },
    data: { error: { code: "test", message: "said the test", retryable: false } }
  })
  /** The last claim of each. */
  const claims: [Held, Held] = [
    { tool_call_id, work_id: event_id, fence: -1 },
    { tool_call_id, work_id: event_id, fence: -1 }
  ]

  const word = (verb: "approve" | "deny", by: 0 | 1) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const given: Word = { by: `person ${by}`, at: new Date(), rowOf: toRow }
      if (!hasty && verb === "approve") return void (yield* sql.withTransaction(approve({ approval_id }, given)))
      if (!hasty) return void (yield* sql.withTransaction(deny({ approval_id }, given)))
      const [row] = yield* sql<
        { readonly status: string }
      >`select status from approvals where approval_id = ${approval_id}`
      if (row?.status !== "pending") return yield* Effect.fail(new Error("no"))
      yield* Effect.sleep("5 millis")
      yield* sql`
        with without_law as materialized (select set_config('session_replication_role', 'replica', true) as role)
        update approvals set status = ${verb === "approve" ? "approved" : "denied"} from without_law
        where without_law.role = 'replica' and approval_id = ${approval_id}`
    }).pipe(Effect.match({ onFailure: (): Answer => "no", onSuccess: (): Answer => "done" }))

  const act = async ({ by, verb }: Act): Promise<Answer> => {
    const { hostId, run } = hosts[by]
    const held = claims[by]
    const yes = (answer: boolean): Answer => answer ? "done" : "no"
    switch (verb) {
      case "approve":
      case "deny":
        return run(word(verb, by))
      case "claim": {
        const [row] = await run(Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql<{ readonly fence: bigint }>`
            update work set claimed_by = ${hostId}, fence = nextval('fence_seq'), decided = false
            where work_id = ${event_id} and claimed_by is null
            returning fence`))
        if (row !== undefined) claims[by] = { ...held, fence: Number(row.fence) }
        return yes(row !== undefined)
      }
      case "attempt":
        return run(Effect.gen(function*() {
          const row = (yield* Audit).row(fact("tool_call.attempted"))
          const request = { ...held, deadline_ms: 30_000, policy_version: 1, approved: true, row }
          return yes((yield* (yield* ToolLedger).attempt(request)) !== undefined)
        }))
      case "settle":
        return run(Effect.gen(function*() {
          const row = (yield* Audit).row(fact("tool_call.succeeded"))
          return yes(
            yield* (yield* ToolLedger).settle({
              ...held,
              status: "succeeded",
              latency_ms: 1,
              at: new Date().toISOString(),
              schedules: [],
              canceled_schedules: [],
              emitted: [],
              rows: [row]
            })
          )
        }))
      case "cancel":
        return run(
          Effect.flatMap(
            ToolLedger,
            (ledger) => Effect.map(ledger.abandon(held, "canceled", [fact("tool_call.canceled")], undefined), yes)
          )
        )
      case "die": {
        const rows = await run(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) =>
              sql`update work set claimed_by = null where work_id = ${event_id} and claimed_by = ${hostId} returning 1`
          )
        )
        return yes(rows.length > 0)
      }
    }
  }

  const look = async () => {
    const [row] = await run(Effect.flatMap(SqlClient.SqlClient, (sql) =>
      sql<Seen>`
        select a.status as approval, c.status as call, c.attempts, a.expires_at <= clock_timestamp() as over,
               array(select e.type from audit_events e where e.trace_id = ${trace_id} order by e.type) as told
        from approvals a join tool_calls c on c.tool_call_id = a.tool_call_id
        where a.approval_id = ${approval_id}`))
    return row
  }

  let model = start
  const told: Array<string> = []
  for (const step of steps) {
    if (step === "late") {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, ttlMs + 20 - (performance.now() - began))))
      continue
    }
    const before = await look()
    const answers = await Promise.all(step.map(act))
    const seen = await look()
    const orders = step.length === 1 ? [[0]] : [[0, 1], [1, 0]]
    // The approval may have ended between any two of them.
    const ends = before?.over === true ? [0] : seen?.over === true ? [0, 1, 2] : [2]
    const ways = orders.flatMap((order) => ends.map((end) => ({ end, order }))).map(({ end, order }) => {
      const given: Array<Answer> = []
      const facts: Array<string> = []
      const after = order.reduce((now, at, place) => {
        const one = step[at]
        if (one === undefined) return now
        const [then, answer, again = false] = next({ ...now, over: place >= end }, one)
        given[at] = answer
        const type = answer === "done" && !again ? types[one.verb] : undefined
        if (type !== undefined) facts.push(type)
        return then
      }, model)
      return { after, given, facts }
    })
    const way = ways.find(({ after, given }) =>
      given.join() === answers.join() && seen?.call === after.call && seen.approval === after.approval
    )
    if (way === undefined) {
      throw new Error(`not as in any order: ${JSON.stringify({ model, step, answers, seen, ways })}`)
    }
    model = way.after
    told.push(...way.facts)
    assert.deepEqual(seen?.told, told.toSorted(), "the audit tells what was done, once")
    assert.strictEqual(seen?.attempts, told.filter((type) => type === "tool_call.attempted").length)
  }
}

const act = fc.record<Act>({
  verb: fc.oneof(
    { weight: 4, arbitrary: fc.constant("approve" as const) },
    { weight: 2, arbitrary: fc.constant("deny" as const) },
    { weight: 4, arbitrary: fc.constant("claim" as const) },
    { weight: 4, arbitrary: fc.constant("attempt" as const) },
    { weight: 2, arbitrary: fc.constant("settle" as const) },
    { weight: 1, arbitrary: fc.constant("cancel" as const) },
    { weight: 1, arbitrary: fc.constant("die" as const) }
  ),
  by: fc.constantFrom(0 as const, 1 as const)
})
/** At once by two connections; what one of them does with a claim that it makes at the same moment is no question. */
const pair = fc.tuple(act, act).filter(([a, b]) => a.by !== b.by || (a.verb !== "claim" && b.verb !== "claim"))
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.tuple(act) },
    { weight: 5, arbitrary: pair },
    { weight: 1, arbitrary: fc.constant("late" as const) }
  ),
  { minLength: 2, maxLength: 14 }
)

/** Said twice by the same worker in the same breath, which share a commit. */
const twice: ReadonlyArray<Step> = (["approve", "claim", "attempt", "settle"] as const).map((verb) => {
  const one: Act = { verb, by: 0 }
  return verb === "approve" || verb === "claim" ? [one] : [one, one]
})

describe("words on an approval, and workers that wait for it", () => {
  let hosts: readonly [Host, Host]
  beforeAll(async () => {
    scope = Scope.makeUnsafe()
    url = Redacted.value(await Effect.runPromise(Scope.provide(newDatabase, scope)))
    await Effect.runPromise(Effect.provide(migrate, Layer.fresh(layerPool(fromUrl(Redacted.make(url))))))
    hosts = [await startHost(), await startHost()]
    await hosts[0].run(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into control (autonomy) values ('A2')`))
  }, 60_000)
  afterAll(async () => {
    for (const host of hosts) await host.stop()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("are answered as if they came one after the other", async () => {
    const numRuns = process.env["SYRIS_TEST_LONG"] === "1" ? 1_000 : 80
    await fc.assert(fc.asyncProperty(steps, (script) => play({ hosts }, script)), { numRuns, examples: [[twice]] })
  }, 300_000)

  it("would be caught where a word does not take its turn", async () => {
    const both = [{ verb: "approve", by: 0 }, { verb: "deny", by: 1 }] as const
    const seen = await play({ hosts, hasty: true }, [both]).then(() => "", String)
    assert.match(seen, /not as in any order/)
  })
})

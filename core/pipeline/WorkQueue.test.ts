/**
 * The claims of the work queue on a real PostgreSQL: which rows are taken, in what order, by whom, when, and what becomes
 * of those whose host has ended. The servers are lists; the other hosts are rows.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import { HostLease } from "../health/HostLease.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { ToolExecutor } from "../tools/ToolExecutor.ts"
import { WorkQueue, type WorkRow, type WorkServer } from "./WorkQueue.ts"
import { claimStatement, keepPlans } from "./WorkStatements.ts"

/** How often the claim was sent. */
let claims = 0

const layerCounted = Layer.effect(
  SqlClient.SqlClient,
  Effect.map(SqlClient.SqlClient, (sql) =>
    new Proxy(sql, {
      get: (target, key) =>
        key !== "unsafe" ? Reflect.get(target, key) : (text: string, values?: ReadonlyArray<unknown>) => {
          if (text === claimStatement) claims++
          return target.unsafe(text, values)
        }
    }))
)

const query = (text: string, ...values: ReadonlyArray<unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, any>>(text, values))

/** Waits for something that happens by itself, looking as often as that. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, holds: (found: A) => boolean) =>
  Effect.gen(function*() {
    for (const end = Date.now() + 30_000;;) {
      const found = yield* look
      if (holds(found)) return found
      if (Date.now() > end) return yield* Effect.die(new Error(`Still ${JSON.stringify(found)}`))
      yield* Effect.sleep("2 millis")
    }
  })

const addHost = (state: "alive" | "lapsed" | "ended" = "alive") =>
  Effect.gen(function*() {
    const host_id = newId()
    yield* query(
      `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until, ended_at, end_proof)
       values ($1, $1, 'm', 1, '1', '0', clock_timestamp() + $2::interval, case when $3 then clock_timestamp() end,
               case when $3 then 'pid_gone' end)`,
      host_id,
      state === "lapsed" ? "-1 second" : "1 hour",
      state === "ended"
    )
    return host_id
  })

interface Row {
  readonly kind?: "event" | "task"
  readonly priority?: number
  readonly due_in_ms?: number
  readonly parked?: boolean
  readonly waits_for?: string
  readonly wish?: string
  readonly thread_id?: string
  readonly tool?: string
  readonly claimed_by?: string
}

/** Owed work. */
const owe = (row: Row = {}, work_id = newId()) =>
  Effect.as(
    query(
      `insert into work (work_id, kind, event_id, trace_id, fence, priority, due_at, parked, waits_for, wish, thread_id, tool,
                         claimed_by)
       values ($1, $2, $1, $1, 1, $3, clock_timestamp() + make_interval(secs => $4::float8 / 1000), $5, $6, $7, $8, $9, $10)`,
      work_id,
      row.kind ?? "event",
      row.priority ?? 5,
      row.due_in_ms ?? 0,
      row.parked ?? false,
      row.waits_for ?? null,
      row.wish ?? null,
      row.thread_id ?? null,
      row.tool ?? null,
      row.claimed_by ?? null
    ),
    work_id
  )

interface Host {
  readonly hostId: string
  readonly queue: WorkQueue["Service"]
  /** What it was given, in order. */
  readonly taken: Array<WorkRow & { readonly at: number }>
  readonly ids: () => ReadonlyArray<string>
  /** Tools that it has no room for. */
  readonly saturated: Array<string>
  /** How full its servers say they are. */
  readonly sizes: Record<"event" | "task", number>
}

/** A host that looks after the queue until the test ends. */
const start = Effect.fnUntraced(function*(servers: Partial<Record<"event" | "task", Partial<WorkServer>>> = {}) {
  const hostId = yield* addHost()
  const saturated: Array<string> = []
  const taken: Array<WorkRow & { readonly at: number }> = []
  const sizes = { event: 0, task: 0 }
  const services = WorkQueue.layerLoop.pipe(
    Layer.provideMerge(WorkQueue.layer),
    Layer.provide([
      Notifications.layer,
      Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never }),
      Layer.mock(ToolExecutor)({ saturated: () => saturated, stop: () => {} })
    ])
  )
  const context = yield* Layer.build(Layer.fresh(services))
  const queue = Context.get(context, WorkQueue)
  const given = Object.keys(servers).length === 0 ? { event: {}, task: {} } : servers
  for (const kind of ["event", "task"] as const) {
    const server = given[kind]
    if (server === undefined) continue
    yield* queue.serve(kind, {
      resume: (rows) => Effect.sync(() => void taken.push(...rows.map((row) => ({ ...row, at: Date.now() })))),
      size: () => sizes[kind],
      active: () => taken.map((row) => row.work_id),
      ...server
    })
  }
  return { hostId, queue, taken, ids: () => taken.map((row) => row.work_id), saturated, sizes } satisfies Host
})

const stateOf = (work_id: string) => Effect.map(query("select * from work where work_id = $1", work_id), ([row]) => row)

/** Gives the loop the time of several looks. */
const aMoment = Effect.sleep("150 millis")

describe("the work queue", () => {
  const test = (name: string, body: () => Effect.Effect<void, unknown, SqlClient.SqlClient | Scope.Scope>) =>
    it.live(name, () =>
      Effect.gen(function*() {
        claims = 0
        yield* query("insert into control default values on conflict do nothing")
        yield* body()
      }).pipe(
        Effect.provide(layerCounted.pipe(Layer.provideMerge(layerTestDatabase), Layer.merge(Logger.layer([]))))
      ), 30_000)
  test("takes what is free and due, the most urgent first, each once and under a fence of its own", () =>
    Effect.gen(function*() {
      const other = yield* addHost()
      const sql = yield* SqlClient.SqlClient
      const one = yield* start()
      const [due, left] = yield* sql.withTransaction(Effect.gen(function*() {
        const late = yield* owe({ priority: 5, due_in_ms: -1_000 })
        const early = yield* owe({ priority: 5, due_in_ms: -2_000 })
        const urgent = yield* owe({ priority: 9 })
        const idle = yield* owe({ priority: 0, due_in_ms: -9_000 })
        const waited = yield* owe({ priority: 1, waits_for: "time", kind: "task" })
        return [[urgent, early, late, idle, waited], [
          yield* owe({ due_in_ms: 60_000 }),
          yield* owe({ parked: true, waits_for: "person" }),
          yield* owe({ claimed_by: other })
        ]] as const
      }))
      one.queue.wake()
      yield* until(Effect.sync(() => one.taken.length), (n) => n === 5)
      assert.deepEqual(one.ids(), [...due])
      assert.strictEqual(new Set(one.taken.map((row) => row.fence)).size, one.taken.length)
      for (const { fence, work_id } of one.taken) {
        assert.deepInclude(yield* stateOf(work_id), { claimed_by: one.hostId, fence: BigInt(fence), waits_for: null })
      }
      yield* aMoment
      for (const id of left) assert.strictEqual(Number((yield* stateOf(id))?.["fence"]), 1)
    }))

  test("is there when a row falls due, without being woken", () =>
    Effect.gen(function*() {
      const due: Record<string, number> = {}
      for (const ms of [400, 150, 900]) {
        const id = yield* owe({ due_in_ms: ms, kind: "task", waits_for: "time" })
        const [row] = yield* query(
          "select extract(epoch from due_at)::float8 * 1000 as at from work where work_id = $1",
          id
        )
        due[id] = row?.["at"]
      }
      const host = yield* start()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 3)
      const late = host.taken.map((row) => row.at - (due[row.work_id] ?? 0))
      // Looking every two seconds would find the last of them 1.1 seconds late.
      for (const ms of late) assert.isTrue(ms >= -1 && ms < 1_000, late.join())
    }))

  test("goes to sleep over rows that are due and can't be taken up", () =>
    Effect.gen(function*() {
      const host = yield* start()
      host.saturated.push("t.busy")
      yield* aMoment
      for (let i = 0; i < 20; i++) yield* owe({ tool: "t.busy", due_in_ms: -1_000 })
      const first = yield* owe({ thread_id: "t", claimed_by: host.hostId })
      const next = yield* owe({ thread_id: "t" })
      const free = yield* owe({ due_in_ms: 10, tool: "t.free" })
      host.queue.wake()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 1)
      assert.deepEqual(host.ids(), [free])
      claims = 0
      yield* Effect.sleep("1 second")
      assert.isAtMost(claims, 2)
      // The first of its thread is settled: the next one's turn has come.
      yield* query("delete from work where work_id = $1", first)
      host.queue.wake()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 2)
      assert.deepEqual(host.ids(), [free, next])
    }))

  test("claims nothing while the system is paused, or this host's lease has lapsed", () =>
    Effect.gen(function*() {
      const host = yield* start()
      const refuses = Effect.gen(function*() {
        const id = yield* owe()
        const gone = yield* owe({ claimed_by: yield* addHost("ended") })
        host.queue.wake()
        yield* aMoment
        assert.deepEqual(host.ids(), [])
        assert.isNull((yield* stateOf(id))?.["claimed_by"])
        return [id, gone]
      })
      yield* query("update control set paused = true")
      const ids = yield* refuses
      yield* query("update control set paused = false")
      yield* query("update hosts set lease_until = clock_timestamp() where host_id = $1", host.hostId)
      ids.push(...yield* refuses)
      assert.isNotNull((yield* stateOf(ids[3] ?? ""))?.["claimed_by"], "what a lapsed host leaves to others")
      yield* query(
        "update hosts set lease_until = clock_timestamp() + interval '1 hour' where host_id = $1",
        host.hostId
      )
      host.queue.wake()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 4)
      assert.sameMembers(host.ids(), ids)
    }))

  test("frees what hosts hold that are gone, and says so in the same transaction", () =>
    Effect.gen(function*() {
      const [ended, lapsed, alive] = [yield* addHost("ended"), yield* addHost("lapsed"), yield* addHost()]
      const a = yield* owe({ kind: "task", claimed_by: ended })
      const b = yield* owe({ kind: "task", claimed_by: lapsed })
      const paused = yield* owe({ kind: "task", claimed_by: ended, wish: "pause" })
      const event = yield* owe({ claimed_by: lapsed })
      const held = yield* owe({ kind: "task", claimed_by: alive })
      let refuses = true
      const told: Array<string> = []
      const sql = yield* SqlClient.SqlClient
      const interrupted: WorkServer["interrupted"] = (rows) =>
        Effect.gen(function*() {
          yield* sql`update work set tries = 7 where ${sql.in("work_id", rows.map((row) => row.work_id))}`
          if (refuses) return yield* sql`select 1 / 0`
          told.push(...rows.map((row) => row.work_id))
        })
      const host = yield* start({ event: {}, task: { interrupted } })
      yield* aMoment
      assert.deepEqual(host.ids(), [], "nothing is taken of which it could not be told")
      assert.deepInclude(yield* stateOf(a), { claimed_by: ended, tries: 0 })
      refuses = false
      host.queue.wake()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 3)
      assert.sameMembers(host.ids(), [a, b, event])
      assert.sameMembers(told, [a, b, paused])
      assert.deepInclude(yield* stateOf(paused), {
        claimed_by: null,
        parked: true,
        waits_for: "pause",
        wish: "pause",
        tries: 7
      })
      assert.deepInclude(yield* stateOf(held), { claimed_by: alive, tries: 0 })
    }))

  test("leaves a kind alone that nobody serves here", () =>
    Effect.gen(function*() {
      const gone = yield* addHost("ended")
      const task = yield* owe({ kind: "task", claimed_by: gone })
      const event = yield* owe({ claimed_by: gone })
      const host = yield* start({ event: {} })
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 1)
      yield* aMoment
      assert.deepEqual(host.ids(), [event])
      assert.strictEqual((yield* stateOf(task))?.["claimed_by"], gone)
    }))

  test("counts each kind by itself: one that is full does not hold up the other, and is claimed when it has room", () =>
    Effect.gen(function*() {
      const host = yield* start()
      host.sizes.task = 2_000
      const task = yield* owe({ kind: "task", priority: 9 })
      const event = yield* owe()
      host.queue.wake()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 1)
      assert.deepEqual(host.ids(), [event])
      yield* aMoment
      const before = claims
      yield* aMoment
      assert.isAtMost(claims - before, 1, "it waits for room in memory")
      host.sizes.task = 1_000
      const since = Date.now()
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 2)
      assert.deepEqual(host.ids(), [event, task])
      assert.isBelow(Date.now() - since, 4_000, "a look by itself comes later")
    }))

  test("is woken by any host of the database", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* start({ event: {} }), yield* start({ task: {} })]
      // Both listen, and are asleep.
      for (const host of [one, two]) {
        const kind = host === one ? "event" : "task"
        const other = host === one ? two : one
        yield* Effect.sleep("300 millis")
        const id = yield* owe({ kind })
        const since = Date.now()
        yield* other.queue.wakeAll
        yield* until(Effect.sync(() => host.ids()), (ids) => ids.includes(id))
        assert.isBelow(Date.now() - since, 4_000, "a look by itself comes later")
      }
    }))

  test("takes more than one claim can hold, and gives what two hosts take to one of them", () =>
    Effect.gen(function*() {
      yield* query(
        `insert into work (work_id, kind, event_id, trace_id, fence, priority)
         select gen_random_uuid(), 'task', gen_random_uuid(), gen_random_uuid(), 1, g % 10 from generate_series(1, 1050) g`
      )
      const [one, two] = [yield* start(), yield* start()]
      yield* until(Effect.sync(() => one.taken.length + two.taken.length), (n) => n >= 1_050)
      yield* aMoment
      const ids = [...one.ids(), ...two.ids()]
      assert.lengthOf(ids, 1_050)
      assert.strictEqual(new Set(ids).size, 1_050)
    }))

  test("has the database look at the table when it has outgrown the plans, and then leaves it alone", () =>
    Effect.gen(function*() {
      yield* query("vacuum analyze work")
      assert.isFalse(yield* keepPlans)
      yield* query(
        `insert into work (work_id, kind, event_id, trace_id, fence, due_at)
         select gen_random_uuid(), 'task', gen_random_uuid(), gen_random_uuid(), 1, now() + interval '1 day'
         from generate_series(1, 5000)`
      )
      assert.isTrue(yield* keepPlans)
      const [known] = yield* query("select reltuples from pg_class where oid = 'work'::regclass")
      assert.strictEqual(known?.["reltuples"], 5_000)
      assert.isFalse(yield* keepPlans)
    }))

  test("gives back what it holds and nobody here works on", () =>
    Effect.gen(function*() {
      const working = newId()
      const host = yield* start({ event: { active: () => [working] } })
      yield* owe({ claimed_by: host.hostId, due_in_ms: -60_000 }, working)
      const forgotten = yield* owe({ claimed_by: host.hostId, due_in_ms: -60_000 })
      const fresh = yield* owe({ claimed_by: host.hostId, due_in_ms: -1_000 })
      yield* until(Effect.sync(() => host.taken.length), (n) => n === 1)
      assert.deepEqual(host.ids(), [forgotten])
      assert.strictEqual(Number((yield* stateOf(working))?.["fence"]), 1)
      assert.strictEqual(Number((yield* stateOf(fresh))?.["fence"]), 1)
    }))
})

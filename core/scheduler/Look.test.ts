/**
 * A look at what is due, with the services around it in the test's hand: what goes wrong with one schedule is its own, what is
 * made at once is bounded, and a host that slept within the look knows it.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { HostLease } from "../health/HostLease.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import { Registry } from "../plugin/Registry.ts"
import { Admission } from "../safety/Admission.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { make as makeAwake } from "./AwakeSince.ts"
import { Look } from "./Look.ts"

let admitted = 0
const layerAround = Layer.mergeAll(
  Layer.mock(HostLease, { hostId: newId(), restartReason: undefined }),
  Layer.mock(WorkQueue, { wake: () => {}, hasRoom: () => false }),
  Layer.succeed(Registry, Registry.of({ trustOf: () => "operator" } as unknown as Registry["Service"])),
  Layer.mock(Admission, {
    limits: () => true,
    recent: () => false,
    forget: () => {},
    admit: () =>
      Effect.sync(() =>
        ++admitted <= 2 ? { admitted: true as const } : { admitted: false as const, by: "storm" as const, reason: "" }
      )
  }),
  Layer.succeed(
    QuietHours,
    QuietHours.of(
      {
        holding: (choice: unknown) => {
          if (choice === "broken") throw new Error("no such luck")
          return undefined
        }
      } as unknown as QuietHours["Service"]
    )
  )
)

const layerWorld = Look.layer.pipe(
  Layer.provideMerge(Alarms.layer),
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty, layerAround]),
  Layer.provideMerge(layerTestDatabase)
)

const put = Effect.fnUntraced(function*(
  name: string,
  given: {
    readonly late?: number
    readonly quiet?: string
    readonly trust?: string
    readonly text?: string
    readonly notify?: string
  }
) {
  const sql = yield* SqlClient.SqlClient
  const id = newId()
  yield* sql`
    insert into schedules (schedule_id, name, type, spec, timezone, catch_up, quiet_hours, payload, notify, trust, trace_id, anchor,
                           next_run_at, created_at, updated_at)
    select ${id}::uuid, ${name}, 'interval', 'PT1H', 'UTC', 'skip', ${
    given.quiet === undefined ? null : JSON.stringify(given.quiet)
  }::jsonb,
           ${JSON.stringify({ channel: "scheduler", text: given.text ?? "x" })}::jsonb, ${given.notify ?? null},
           ${given.trust ?? "operator"}, gen_random_uuid(), n.at, n.at, clock_timestamp(), clock_timestamp()
    from (select clock_timestamp() - ${given.late ?? 0}::float8 * interval '1 millisecond' as at) n`
  return id
})

const became = Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly schedule_id: string; readonly status: string; readonly reason: string | null }>`
    select schedule_id, status, reason from occurrences where schedule_id = any(${ids}::uuid[])`
  return ids.map((id) => {
    const row = rows.find(({ schedule_id }) => schedule_id === id)
    return row === undefined ? "" : row.reason === null ? row.status : `${row.status} (${row.reason})`
  })
})

const always = () => 0

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("a look at what is due", (it) => {
  it.effect("whatever goes wrong with one schedule, the others fire, and it is looked at later", () =>
    Effect.gen(function*() {
      const look = yield* Look
      const sql = yield* SqlClient.SqlClient
      const ids = [yield* put("good", {}), yield* put("bad", { quiet: "broken" }), yield* put("good too", {})]
      assert.deepEqual(yield* look.due(always), { schedules: 3, fired: 2 })
      assert.deepEqual(yield* became(ids), ["fired", "", "fired"])
      const [bad] = yield* sql`
        select look_at > clock_timestamp() + interval '30 seconds' as later, next_run_at <= clock_timestamp() as due
        from schedules where name = 'bad'`
      assert.deepEqual(bad, { later: true, due: true })
      yield* sql`delete from schedules`
    }))

  it.effect("what is made at once is bounded in bytes; the others are next", () =>
    Effect.gen(function*() {
      const look = yield* Look
      const sql = yield* SqlClient.SqlClient
      const text = "x".repeat(65_000)
      for (let i = 0; i < 150; i++) yield* put(`large ${i}`, { text, late: 200 - i })
      const first = yield* look.due(always)
      assert.isAbove(first.fired, 100)
      assert.isBelow(first.fired, 130)
      assert.strictEqual(first.fired + (yield* look.due(always)).fired, 150)
      yield* sql`delete from schedules`
    }))

  it.effect("what is told of others' words counts as a notification", () =>
    Effect.gen(function*() {
      const look = yield* Look
      const sql = yield* SqlClient.SqlClient
      const many = "skipped (too many notifications in the last hour)"
      const ids: Array<string> = []
      for (let i = 0; i < 5; i++) ids.push(yield* put("tell", { notify: "hello", trust: "untrusted", late: 100 - i }))
      const own = yield* put("own", { notify: "hello" })
      yield* look.due(always)
      assert.deepEqual(yield* became([...ids, own]), ["fired", "fired", many, many, many, "fired"])
      // Once was enough to know.
      assert.strictEqual(admitted, 3)
      yield* sql`delete from schedules`
    }))

  it.effect("a host that was frozen before it took them has slept", () =>
    Effect.gen(function*() {
      const look = yield* Look
      const sql = yield* SqlClient.SqlClient
      const awake = makeAwake()
      const [{ now } = { now: 0 }] = yield* sql<{ readonly now: number }>`
        select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`
      // It looked a minute ago, and has stood still since.
      const before = performance.now() - 60_000
      awake.note({ before, after: before + 1, database: now - 60_000 })
      const id = yield* put("slept", { late: 30_000 })
      yield* look.due((reading) => {
        awake.note(reading)
        return awake.at() ?? 0
      })
      assert.deepEqual(yield* became([id]), ["missed (no host ran)"])
      yield* sql`delete from schedules`
    }))
})

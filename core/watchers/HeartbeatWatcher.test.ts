/**
 * The heartbeat on a real PostgreSQL: hosts that stop beating are told of once, and their alarm ends when they are back.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, assert as plain, beforeAll, describe, it as test } from "vitest"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import type { Awaitable } from "../plugin/Tool.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { type TestHost, testHost } from "../testing/TestHost.ts"
import { heartbeatAlarmKey, heartbeatWatcher } from "./HeartbeatWatcher.ts"
import { openAlarms, tick, until } from "./TestWatchers.ts"

const layerWorld = Alarms.layer.pipe(
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

/** A watcher that a test ticks by hand, with the state that it gave back. */
const byHand = Effect.map(heartbeatWatcher(), (watcher) => {
  let state: unknown = null
  return Effect.gen(function*() {
    const emitted: Array<any> = []
    state = yield* watcher.tick(new Date(), state, {
      emit: (event: unknown) => void emitted.push(event)
    } as never) as Effect.Effect<Awaited<Awaitable<unknown>>>
    return emitted
  })
})

const enter = Effect.fnUntraced(function*(home_id: string, beatenAgo: number) {
  const sql = yield* SqlClient.SqlClient
  const id = newId()
  yield* sql`
    insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until, beat_at)
    values (${id}, ${home_id}, 'elsewhere', 1, '1', '0', clock_timestamp(),
            clock_timestamp() - make_interval(secs => ${beatenAgo}::float8))`
  return id
})

const isOpen = Effect.fnUntraced(function*(home_id: string) {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`
    select 1 from alarms where dedupe_key = ${heartbeatAlarmKey(home_id)} and status <> 'resolved'`).length === 1
})

const end = Effect.fnUntraced(function*(host_id: string, end_proof: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`update hosts set ended_at = clock_timestamp(), end_proof = ${end_proof} where host_id = ${host_id}`
})

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("a host", (it) => {
  it.effect("that has missed its heartbeat is told of once, and again for another miss", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const look = yield* byHand
      const home_id = newId()
      const host_id = yield* enter(home_id, 11)
      assert.deepEqual(yield* look, [], "it may be late by a beat")
      assert.isFalse(yield* isOpen(home_id))
      yield* sql`update hosts set beat_at = beat_at - interval '2 seconds' where host_id = ${host_id}`
      const [told, ...more] = yield* look
      assert.lengthOf(more, 0)
      assert.deepInclude(told.structured, { kind: "heartbeat_missed", host_id, home_id })
      assert.isTrue(yield* isOpen(home_id))
      assert.deepEqual(yield* look, [])

      // The operator's word on an alarm holds for this miss.
      yield* (yield* Alarms).resolveKey(heartbeatAlarmKey(home_id))
      yield* look
      assert.isFalse(yield* isOpen(home_id))

      yield* sql`update hosts set beat_at = clock_timestamp() where host_id = ${host_id}`
      assert.deepEqual(yield* look, [])
      yield* sql`update hosts set beat_at = clock_timestamp() - interval '13 seconds' where host_id = ${host_id}`
      assert.lengthOf(yield* look, 1)
      assert.isTrue(yield* isOpen(home_id))
      yield* sql`update hosts set beat_at = clock_timestamp() where host_id = ${host_id}`
      yield* look
      assert.isFalse(yield* isOpen(home_id), "it beats again")
    }))

  it.effect("that ended is not missed; its alarm ends with a stop, or with the next one of its home", () =>
    Effect.gen(function*() {
      const look = yield* byHand
      const [stopped, taken, gone] = [newId(), newId(), newId()]
      const first = yield* enter(stopped, 20)
      const second = yield* enter(taken, 20)
      const third = yield* enter(gone, 20)
      yield* look
      assert.deepEqual(yield* Effect.forEach([stopped, taken, gone], isOpen), [true, true, true])
      yield* end(first, "stopped")
      yield* end(second, "home_taken")
      yield* enter(taken, 0)
      // Proven dead, and nobody has come after it.
      yield* end(third, "pid_gone")
      yield* look
      assert.deepEqual(yield* Effect.forEach([stopped, taken, gone], isOpen), [false, false, true])
      yield* enter(gone, 0)
      yield* look
      assert.isFalse(yield* isOpen(gone))

      const quiet = newId()
      yield* end(yield* enter(quiet, 20), "stopped")
      yield* look
      assert.isFalse(yield* isOpen(quiet), "it never was")
    }))
})

describe("the host's own heartbeat", () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({ http: true })
  })
  afterAll(() => host?.stop())

  const health = async () => (await fetch(`${host.http?.url}/health`)).json() as Promise<any>

  test("is what /health shows, with the time that the host has lived", async () => {
    const first = await health()
    plain.isBelow(first.uptime_seconds, 15)
    const [row] = await host.sql<{ beat_at: Date }>`select beat_at from hosts where ended_at is null`
    plain.closeTo(Date.parse(first.last_heartbeat_at), row?.beat_at.getTime() ?? 0, 2_000)
    plain.strictEqual(Date.parse(first.next_expected_at) - Date.parse(first.last_heartbeat_at), 5_000)
    host.clock.advance("6 seconds")
    const next = await until("the next beat", async () => {
      const seen = await health()
      return seen.last_heartbeat_at === first.last_heartbeat_at ? undefined : seen
    })
    plain.isAtLeast(next.uptime_seconds, first.uptime_seconds + 6)
    plain.isAtLeast(Date.parse(next.last_heartbeat_at), Date.parse(first.last_heartbeat_at) + 6_000)
    const [later] = await host.sql<{ beat_at: Date }>`select beat_at from hosts where ended_at is null`
    plain.isAbove(later?.beat_at.getTime() ?? 0, row?.beat_at.getTime() ?? 0)
  })

  test("is an event on the channel of watchers where another one is missed", async () => {
    const [home_id, host_id] = [newId(), newId()]
    await host.sql`
      insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until, beat_at)
      values (${host_id}, ${home_id}, 'elsewhere', 1, '1', '0', now(), now() - interval '1 minute')`
    await tick(host, "system.heartbeat")
    // Told by that tick, or by the watcher's own one that came between the row and it.
    const trace = await until("the event", async () => {
      const [event] = await host.sql<{ readonly trace_id: string }>`
        select trace_id from events where structured ->> 'host_id' = ${host_id}`
      return event?.trace_id
    })
    const types = await until("the event's end", async () => {
      const found = await host.auditTypes(trace)
      return found.includes("routing.unhandled") ? found : undefined
    })
    plain.deepEqual(types, ["watcher.tick", "event.ingested", "routing.unhandled"])
    const [event] = await host.sql<Record<string, any>>`
      select channel, connector_id, trust, text, structured from events where trace_id = ${trace}`
    plain.deepInclude(event, { channel: "watcher", connector_id: "system.heartbeat", trust: "trusted", text: null })
    plain.deepInclude(event?.["structured"], { kind: "heartbeat_missed", host_id, home_id })
    const [alarm] = await openAlarms(host, heartbeatAlarmKey(home_id))
    plain.deepInclude(alarm, { type: "host.heartbeat_missed", severity: "error" })
    await tick(host, "system.heartbeat")
    plain.lengthOf(await host.sql`select 1 from events where connector_id = 'system.heartbeat'`, 1)
    await host.sql`update hosts set beat_at = now() + interval '1 minute' where host_id = ${host_id}`
    await tick(host, "system.heartbeat")
    plain.deepEqual(await openAlarms(host, heartbeatAlarmKey(home_id)), [])
  })
})

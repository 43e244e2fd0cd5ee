import { assert, describe, it, layer } from "@effect/vitest"
import { Context, type Duration, Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import { layerHome } from "../http/TestServer.ts"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Health } from "./Health.ts"
import { HostLease } from "./HostLease.ts"
import { machine, processStarted } from "./Process.ts"

/** A host in a scope of its own, as a process would be. */
const start = Effect.fnUntraced(function*(lease: Duration.Input = "1 minute") {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.build(Layer.fresh(HostLease.layerWith({ lease, renewEvery: "100 millis" }))).pipe(
    Scope.provide(scope)
  )
  return { host: Context.get(context, HostLease), stop: Scope.close(scope, Exit.void) }
})

const rowOf = Effect.fnUntraced(function*(host_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly end_proof: string | null; readonly left: number; readonly beat_at: Date }>`
    select end_proof, beat_at, extract(epoch from lease_until - clock_timestamp())::float8 as left
    from hosts where host_id = ${host_id}`
  return row
})

layer(
  Layer.mergeAll(layerHome(), Health.layer, layerTestDatabase),
  { timeout: "60 seconds", excludeTestServices: true }
)("a host", (it) => {
  it.effect("is a row with a lease that it renews; a stop ends it, and the next start is a plain one", () =>
    Effect.gen(function*() {
      const { host, stop } = yield* start()
      const { home } = yield* Environment
      const first = yield* rowOf(host.hostId)
      assert.isNull(first?.end_proof)
      assert.isAbove(first?.left ?? 0, 10)
      yield* Effect.repeat(rowOf(host.hostId), {
        until: (row) => (row?.beat_at.getTime() ?? 0) > (first?.beat_at.getTime() ?? 0)
      })
      const homeId = fs.readFileSync(path.join(home, "home_id"), "utf8")
      yield* stop
      assert.strictEqual((yield* rowOf(host.hostId))?.end_proof, "stopped")
      const next = yield* start()
      assert.isUndefined(next.host.restartReason)
      assert.strictEqual(fs.readFileSync(path.join(home, "home_id"), "utf8"), homeId)
      yield* next.stop
    }))

  it.effect("that died is ended by the next start of its home, which knows it was a crash", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { home } = yield* Environment
      const dead = newId()
      const home_id = fs.readFileSync(path.join(home, "home_id"), "utf8").trim()
      yield* sql`
        insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
        values (${dead}, ${home_id}, 'elsewhere', 1, '1', '0', clock_timestamp() + interval '1 hour')`
      const { host, stop } = yield* start()
      assert.strictEqual(host.restartReason, "crash")
      assert.strictEqual((yield* rowOf(dead))?.end_proof, "home_taken")
      assert.strictEqual((yield* (yield* Health).current).restart_reason, "crash")
      yield* stop
    }))

  it.effect("ends rows of its machine whose process is gone or is another one, and no others", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const add = Effect.fnUntraced(function*(on: string, pid: number, started: string) {
        const id = newId()
        yield* sql`
          insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
          values (${id}, ${newId()}, ${on}, ${pid}, ${started}, '0', clock_timestamp() + interval '1 hour')`
        return id
      })
      const gone = yield* add(machine, 2 ** 22 + 1, "5")
      const reused = yield* add(machine, process.pid, "5")
      const living = yield* add(machine, process.pid, processStarted("self") ?? "")
      const elsewhere = yield* add("another machine", 2 ** 22 + 1, "5")
      const { stop } = yield* start()
      const proofs = yield* Effect.forEach(
        [gone, reused, living, elsewhere],
        (id) => Effect.map(rowOf(id), (row) => row?.end_proof)
      )
      assert.deepEqual(proofs, ["pid_gone", "pid_gone", null, null])
      yield* stop
    }))

  it.effect("whose row was ended by somebody else knows at once that it is lost", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { host, stop } = yield* start()
      yield* sql`update hosts set ended_at = clock_timestamp(), end_proof = 'lease_expired' where host_id = ${host.hostId}`
      assert.match(yield* host.lost.pipe(Effect.timeout("30 seconds")), /ended this host's lease/)
      assert.strictEqual((yield* (yield* Health).current).status, "down")
      yield* stop
      assert.strictEqual((yield* rowOf(host.hostId))?.end_proof, "lease_expired")
      yield* (yield* Health).recover("host")
    }))

  it.effect("that can't reach the database is degraded, and lost when the lease is over", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { host } = yield* start("1 second")
      const health = yield* Health
      yield* sql`alter table hosts rename to hosts_away`
      const reason = yield* host.lost.pipe(Effect.timeout("30 seconds"))
      yield* sql`alter table hosts_away rename to hosts`
      assert.match(reason, /could not be renewed/)
      assert.deepEqual((yield* health.current).degraded, ["database", "host"])
    }))
})

describe("health", () => {
  it.effect("counts its time by the clock, and names what is not well", () =>
    Effect.gen(function*() {
      const health = yield* Health
      yield* TestClock.adjust("90 seconds")
      yield* health.beat(5000)
      yield* health.degrade("mail", "no connection")
      yield* health.degrade("llm", "no answer")
      assert.deepInclude(yield* health.current, {
        status: "degraded",
        uptime_seconds: 90,
        last_heartbeat_at: "1970-01-01T00:01:30.000Z",
        next_expected_at: "1970-01-01T00:01:35.000Z",
        degraded: ["llm", "mail"]
      })
      yield* health.recover("llm")
      yield* health.recover("mail")
      assert.strictEqual((yield* health.current).status, "healthy")
    }).pipe(Effect.provide(Health.layer)))
})

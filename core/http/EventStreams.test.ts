import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { maximumStreams } from "./EventStreams.ts"
import { StreamLimits } from "./SlowClient.ts"
import { layerTestServer, send } from "./TestServer.ts"
import { connect } from "./TestStream.ts"

const append = Effect.fnUntraced(function*(trace_id: string, summary: string, data: unknown = {}) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
    values (${newId()}, now(), ${trace_id}, 'system', 'system.started', 'info', ${summary}, '{}', ${
    JSON.stringify(data)
  })`
  yield* sql.afterCommit((yield* AuditWake).wake)
})

const impatient = Layer.succeed(StreamLimits, { buffered: 1024 * 1024, patience: "1 second" })

layer(layerTestServer().pipe(Layer.provide(impatient)), { timeout: "60 seconds", excludeTestServices: true })(
  "the live audit",
  (it) => {
    it.effect("is resumed without a gap while transactions end in another order than they began", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const trace_id = newId()
        const target = `/audit/stream?trace_id=${trace_id}`
        const first = yield* Scope.make()
        const client = yield* connect(target).pipe(Scope.provide(first))
        assert.strictEqual(client.response.statusCode, 200)
        assert.strictEqual(client.response.headers["content-type"], "text/event-stream")
        yield* append(trace_id, "one")
        const [one] = yield* client.frames(1)
        assert.strictEqual(one?.data.summary, "one")
        yield* Scope.close(first, Exit.void)

        const written = yield* Deferred.make<void>()
        const commit = yield* Deferred.make<void>()
        const slow = yield* sql.withTransaction(
          append(trace_id, "two, slowly").pipe(
            Effect.andThen(Deferred.succeed(written, undefined)),
            Effect.andThen(Deferred.await(commit))
          )
        ).pipe(Effect.forkScoped)
        yield* Deferred.await(written)
        yield* append(trace_id, "three")

        const resumed = yield* connect(target, one?.id)
        yield* append(trace_id, "four")
        assert.strictEqual(resumed.seen.length, 0)
        yield* Deferred.succeed(commit, undefined)
        yield* Fiber.join(slow)
        assert.deepEqual((yield* resumed.frames(3)).map((frame) => frame.data.summary), [
          "two, slowly",
          "three",
          "four"
        ])
        assert.notInclude(resumed.seen.map((frame) => frame.data.summary), "one")
      }))

    it.effect("begins with now, knows its own ids only, and takes no other filter", () =>
      Effect.gen(function*() {
        assert.strictEqual(
          (yield* send("/audit/stream", { headers: { "last-event-id": "17" } })).json.code,
          "request.cursor"
        )
        assert.strictEqual((yield* send("/audit/stream?since=2026-01-01")).json.code, "request.parameter")
        assert.strictEqual((yield* send("/audit/stream", { method: "HEAD" })).status, 200)
      }))

    it.effect("gives the head once it knows where it begins: who has it misses nothing from then on", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const trace_id = newId()
        const target = `/audit/stream?trace_id=${trace_id}`
        yield* Effect.acquireRelease(
          sql`alter function audit_horizon() rename to audit_horizon_at_once`.pipe(Effect.andThen(sql`
            create function audit_horizon() returns xid8 language plpgsql as $$
            begin
              perform pg_advisory_xact_lock_shared(7);
              return audit_horizon_at_once();
            end $$`)),
          () =>
            sql`drop function audit_horizon()`.pipe(
              Effect.andThen(sql`alter function audit_horizon_at_once() rename to audit_horizon`),
              Effect.orDie
            )
        )
        const held = yield* Scope.make()
        const connection = yield* sql.reserve.pipe(Scope.provide(held))
        yield* connection.executeRaw("select pg_advisory_lock(7)", [])
        yield* Scope.addFinalizer(
          held,
          connection.executeRaw("select pg_advisory_unlock(7)", []).pipe(Effect.orDie)
        )
        const client = yield* connect(target).pipe(Effect.forkScoped)
        yield* sql<{ readonly waiting: boolean }>`
          select exists (
            select 1 from pg_locks l join pg_database d on d.oid = l.database
            where d.datname = current_database() and l.locktype = 'advisory' and not l.granted) as waiting`.pipe(
          Effect.repeat({ until: (rows) => rows[0]?.waiting === true }),
          Effect.timeout("30 seconds")
        )
        assert.strictEqual((yield* send("/health")).status, 200)
        assert.isUndefined(client.pollUnsafe())
        yield* Scope.close(held, Exit.void)
        const { frames } = yield* Fiber.join(client)
        yield* append(trace_id, "from then on")
        assert.strictEqual((yield* frames(1))[0]?.data.summary, "from then on")
      }))

    it.effect("has room for sixteen; the next one is told when to come back", () =>
      Effect.gen(function*() {
        const open = yield* Scope.make()
        // A stream that was just left may have a place for a moment.
        for (let i = 0; i < maximumStreams; i++) {
          yield* connect("/audit/stream?stage=rule").pipe(
            Scope.provide(open),
            Effect.repeat({
              until: ({ response }) => response.statusCode === 200,
              schedule: Schedule.spaced("10 millis")
            })
          )
        }
        const refused = yield* send("/audit/stream")
        assert.deepEqual([refused.status, refused.json.code, refused.headers["retry-after"]], [
          429,
          "stream.too_many",
          "5"
        ])
        yield* Scope.close(open, Exit.void)
        const again = yield* connect("/audit/stream?stage=rule").pipe(
          Effect.map(({ response }) => response.statusCode),
          Effect.scoped,
          Effect.repeat({ until: (status) => status === 200, schedule: Schedule.spaced("10 millis"), times: 3000 })
        )
        assert.strictEqual(again, 200)
      }))

    it.effect("drops a client that does not read, and keeps the others", () =>
      Effect.gen(function*() {
        const trace_id = newId()
        const target = `/audit/stream?trace_id=${trace_id}`
        const deaf = yield* connect(target)
        const closed = Effect.callback<void>((resume) => void deaf.response.on("close", () => resume(Effect.void)))
        deaf.response.pause()
        deaf.response.socket.pause()
        const good = yield* connect(target)
        const large = "x".repeat(500_000)
        // The kernel takes some megabytes for the client before the server's own buffer grows.
        for (let i = 0; i < 40; i++) {
          yield* append(trace_id, `row ${i}`, { large })
          // It is never behind by what it would be dropped for.
          assert.lengthOf(yield* good.frames(i + 1), i + 1)
        }
        const open = Effect.map(send("/metrics"), ({ text }) => /^syris_http_streams (\d+)$/m.exec(text)?.[1])
        yield* Effect.repeat(open, { until: (count) => count === "1" }).pipe(Effect.timeout("30 seconds"))
        deaf.response.resume()
        deaf.response.socket.resume()
        yield* closed.pipe(Effect.timeout("30 seconds"))
        assert.isBelow(deaf.seen.length, 40)
      }))
  }
)

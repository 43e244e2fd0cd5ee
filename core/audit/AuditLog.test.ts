import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Scope, Stream, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { AuditLog } from "./AuditLog.ts"
import { AuditWake } from "./AuditWake.ts"

const services = AuditLog.layer.pipe(Layer.provideMerge(AuditWake.layer), Layer.provideMerge(layerTestDatabase))

const append = Effect.fnUntraced(function*(trace_id: string, summary: string, type = "event.ingested") {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, data)
    values (${newId()}, clock_timestamp(), ${trace_id}, 'normalize', ${type}, 'info', ${summary}, '{}', null, '{"a": 1}')`
  yield* sql.afterCommit((yield* AuditWake).wake)
})

/** A transaction that has written and is open until it is told to commit. */
const openTransaction = (work: Effect.Effect<void, unknown, SqlClient.SqlClient | AuditWake>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const written = yield* Deferred.make<void>()
    const commit = yield* Deferred.make<void>()
    const fiber = yield* sql.withTransaction(
      work.pipe(Effect.andThen(Deferred.succeed(written, undefined)), Effect.andThen(Deferred.await(commit)))
    ).pipe(Effect.forkScoped)
    yield* Deferred.await(written)
    return { commit: Deferred.succeed(commit, undefined).pipe(Effect.andThen(Fiber.join(fiber))) }
  })

layer(services, { timeout: "60 seconds", excludeTestServices: true })("the audit", (it) => {
  it.effect("shows a trace oldest first and everything else newest first, page by page", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const trace = newId()
      for (let i = 0; i < 5; i++) yield* append(trace, `row ${i}`, "system.started")
      const first = yield* audit.page({ trace_id: trace }, { limit: 3 })
      assert.deepStrictEqual(first.items.map((row) => row.summary), ["row 0", "row 1", "row 2"])
      const rest = yield* audit.page({ trace_id: trace }, { limit: 3, cursor: first.next_cursor })
      assert.deepStrictEqual(rest.items.map((row) => row.summary), ["row 3", "row 4"])
      assert.isUndefined(rest.next_cursor)
      const newest = yield* audit.page({ type: "system.started" }, { limit: 2 })
      assert.deepStrictEqual(newest.items.map((row) => row.summary), ["row 4", "row 3"])
      const older = yield* audit.page({ type: "system.started" }, { limit: 2, cursor: newest.next_cursor })
      assert.deepStrictEqual(older.items.map((row) => row.summary), ["row 2", "row 1"])
      const [row] = first.items
      assert.match(row?.timestamp ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.isNumber(row?.seq)
      assert.notProperty(row, "tool")
      assert.notProperty(row, "commit")
    }))

  it.effect("filters by each field", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const trace_id = newId()
      yield* append(trace_id, "one", "event.rejected")
      const count = (filter: Parameters<typeof audit.page>[0]) =>
        Effect.map(audit.page({ trace_id, ...filter }, { limit: 50 }), (page) => page.items.length)
      const hour = 3_600_000
      assert.strictEqual(yield* count({ type: "event.rejected", stage: "normalize", outcome: "info" }), 1)
      assert.strictEqual(yield* count({ since: new Date(Date.now() - hour), until: new Date(Date.now() + hour) }), 1)
      for (const filter of [{ type: "x" }, { stage: "x" }, { outcome: "x" }, { tool: "x" }, { task_id: "x" }]) {
        assert.strictEqual(yield* count(filter), 0)
      }
      assert.strictEqual(yield* count({ until: new Date(Date.now() - hour) }), 0)
    }))

  it.effect("refuses a cursor that it did not give out", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const elsewhere = Buffer.from("event:1:2").toString("base64url")
      for (const cursor of ["", "x", "'; drop table events", elsewhere, "a".repeat(5000)]) {
        assert.strictEqual((yield* Effect.flip(audit.page({}, { limit: 1, cursor })))._tag, "CursorInvalid")
        assert.strictEqual(
          (yield* Effect.flip(Stream.runDrain(Stream.unwrap(audit.stream({}, cursor)))))._tag,
          "CursorInvalid"
        )
      }
    }))

  it.effect("a stream misses nothing when a lower number is committed after a higher one, or resumed in between", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const sql = yield* SqlClient.SqlClient
      const trace_id = newId()
      yield* append(trace_id, "before")
      const before = yield* Stream.unwrap(audit.stream({ trace_id }, Buffer.from("row:0:0").toString("base64url")))
        .pipe(
          Stream.runHead
        )
      const resume = before._tag === "Some" ? before.value.id : ""
      const slow = yield* openTransaction(append(trace_id, "slow"))
      yield* append(trace_id, "quick")

      // Red control: a reader that goes by `seq` alone shows "quick", and its next read is past "slow" for ever.
      const bySeq = (after: bigint) =>
        sql<{ readonly seq: bigint; readonly summary: string }>`
        select seq, summary from audit_events where trace_id = ${trace_id} and seq > ${after} order by seq`
      const seen = yield* bySeq(0n)
      assert.deepStrictEqual(seen.map((row) => row.summary), ["before", "quick"])

      const live = yield* Stream.unwrap(audit.stream({ trace_id }, resume)).pipe(
        Stream.take(2),
        Stream.runCollect,
        Effect.forkScoped
      )
      const early = yield* Stream.unwrap(audit.stream({ trace_id }, resume)).pipe(
        Stream.runHead,
        Effect.timeoutOption("300 millis")
      )
      assert.strictEqual(early._tag, "None")
      yield* slow.commit
      assert.deepStrictEqual(yield* bySeq(seen.at(-1)?.seq ?? 0n), [])
      const rows = yield* Fiber.join(live)
      assert.deepStrictEqual(rows.map((row) => row.event.summary), ["slow", "quick"])
      const again = yield* Stream.unwrap(audit.stream({ trace_id }, rows[0]?.id)).pipe(Stream.runHead)
      assert.strictEqual(again._tag === "Some" ? again.value.event.summary : "", "quick")
    }))

  it.effect("is not held back by a transaction in another database of the same server", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const elsewhere = yield* Layer.build(Layer.fresh(layerTestDatabase))
      const open = yield* openTransaction(append(newId(), "elsewhere")).pipe(Effect.provideContext(elsewhere))
      const trace_id = newId()
      const start = Buffer.from("row:0:0").toString("base64url")
      yield* append(trace_id, "here")
      const found = yield* Stream.unwrap(audit.stream({ trace_id }, start)).pipe(
        Stream.runHead,
        Effect.timeoutOption("30 seconds")
      )
      assert.strictEqual(found._tag, "Some")
      yield* open.commit
    }))

  it.effect("shows a commit of this process at once, and of another one within a poll", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const sql = yield* SqlClient.SqlClient
      const trace_id = newId()
      const listening = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const elsewhere = yield* Deferred.make<void>()
      yield* Stream.unwrap(audit.stream({ trace_id })).pipe(
        Stream.runForEach(({ event }) =>
          Deferred.succeed(event.summary === "probe" ? listening : elsewhere, undefined)
        ),
        Effect.forkIn(scope)
      )
      // Until the stream stands, rows are before it: the first that it shows proves that it listens.
      const probe = yield* append(trace_id, "probe").pipe(
        Effect.andThen(Effect.sleep("20 millis")),
        Effect.forever,
        Effect.forkScoped
      )
      yield* Deferred.await(listening)
      yield* Fiber.interrupt(probe)
      yield* sql`
        insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
        values (${newId()}, now(), ${trace_id}, 'system', 'system.started', 'info', 'from elsewhere', '{}', '{}')`
      yield* Deferred.await(elsewhere).pipe(Effect.timeout("30 seconds"))
      yield* Scope.close(scope, Exit.void)
    }))
})

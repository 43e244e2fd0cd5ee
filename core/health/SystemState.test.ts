/**
 * The numbers of `GET /state` from the database: what waits for a person, and what waits for its turn.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { SystemState } from "./SystemState.ts"

layer(SystemState.layer.pipe(Layer.provideMerge(layerTestDatabase)), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("the state", (it) => {
  it.effect("counts the questions that can still be answered, and the alarms that are not over", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { current } = yield* SystemState
      const ask = (left: string, decided?: string) =>
        Effect.gen(function*() {
          const id = newId()
          yield* sql`
            insert into approvals (approval_id, number, trace_id, tool_call_id, work_id, tool, what, what_hash, tool_pin, why, reasons,
                                   risk, autonomy, basis, question, created_at, expires_at)
            values (${id}::uuid, nextval('approval_numbers'), ${id}::uuid, ${id}::uuid, ${id}::uuid, 'mail.send', '{}', 'h', 'p', 'why', '[]', 'high',
                    'A2', 'b', 'Yes?', now(), clock_timestamp() + ${left}::interval)`
          if (decided !== undefined) {
            yield* sql`update approvals set status = ${decided} where approval_id = ${id}::uuid`
          }
        })
      yield* Effect.all([ask("1 hour"), ask("1 hour"), ask("-1 second"), ask("1 hour", "denied")], { discard: true })
      yield* Effect.forEach(["open", "acked", "resolved"], (status) =>
        sql`
          insert into alarms (alarm_id, type, severity, dedupe_key, status, message, refs, opened_at)
          values (${newId()}::uuid, 'disk.full', 'error', ${status}, ${status}, 'Full.', '{}', now())`)
      const { counts } = yield* current
      assert.deepEqual([counts.approvals, counts.alarms], [2, 2])
    }))

  it.effect("counts the watchers that are switched on", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { current } = yield* SystemState
      assert.strictEqual((yield* current).counts.watchers, 0)
      yield* sql`
        insert into watchers (watcher_id, enabled, interval_ms, next_tick_at)
        values ('a.x', true, 1000, now()), ('a.y', false, 1000, now()), ('a.z', true, 1000, now())`
      assert.strictEqual((yield* current).counts.watchers, 2)
    }))

  it.effect("does not call work owed that waits for a person's yes", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { current } = yield* SystemState
      const owe = (kind: string, waits_for: string | null) =>
        Effect.suspend(() => {
          const id = newId()
          return sql`
            insert into work (work_id, kind, event_id, trace_id, fence, waits_for)
            values (${id}::uuid, ${kind}, ${id}::uuid, ${id}::uuid, 1, ${waits_for})`
        })
      yield* owe("event", "approval")
      yield* owe("task", "approval")
      yield* owe("task", "time")
      assert.strictEqual((yield* current).queue_depth, 0)
      yield* owe("event", null)
      yield* owe("reply", null)
      const { queue_depth, unknown } = yield* current
      assert.deepEqual([queue_depth, unknown], [2, 0])
    }))
})

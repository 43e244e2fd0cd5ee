/**
 * Alarms on a real PostgreSQL: one for each thing that is wrong, what the operator says of it, and the audit of it all.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Alarms, type NewAlarm } from "./Alarms.ts"

const layerWorld = Alarms.layer.pipe(
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const disk = (rest: Partial<NewAlarm> = {}): NewAlarm => ({
  type: "disk.full",
  severity: "error",
  dedupe_key: newId(),
  message: "The disk is full: make room.",
  ...rest
})

const auditOf = (trace_id: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql<{ readonly type: string; readonly summary: string; readonly actor: string | null; readonly data: any }>`
      select type, summary, actor, data from audit_events where trace_id = ${trace_id}::uuid order by seq`
  )

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("an alarm", (it) => {
  it.effect("is opened once for each thing that is wrong, whoever sees it, and told once", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const trace_id = newId()
      const alarm = disk({ trace_id })
      const opened = yield* Effect.all(Array.from({ length: 20 }, () => alarms.open(alarm)), { concurrency: 10 })
      assert.lengthOf(opened.filter((isNew) => isNew), 1)
      const rows = yield* auditOf(trace_id)
      assert.deepEqual(rows.map(({ summary, type }) => [type, summary]), [[
        "alarm.opened",
        "The disk is full: make room."
      ]])
      // What is over may come again.
      assert.isTrue(yield* alarms.resolveKey(alarm.dedupe_key))
      assert.isFalse(yield* alarms.resolveKey(alarm.dedupe_key))
      assert.isTrue(yield* alarms.open(alarm))
      assert.deepEqual((yield* auditOf(trace_id)).map(({ type }) => type), [
        "alarm.opened",
        "alarm.resolved",
        "alarm.opened"
      ])
    }))

  it.effect("is seen, then over, and says what it is to who comes too late", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const trace_id = newId()
      yield* alarms.open(disk({ trace_id, refs: { tool_call_id: trace_id } }))
      const [open] = (yield* alarms.page({ status: "open" }, { limit: 1 })).items
      const id = open?.alarm_id ?? ""
      assert.deepEqual(open?.refs, { tool_call_id: trace_id, trace_id })

      const acked = yield* alarms.ack(id, "on my way")
      assert.deepEqual([acked.status, acked.note], ["acked", "on my way"])
      assert.match((yield* Effect.flip(alarms.ack(id))).message, /^This alarm was acknowledged at 20.+any more\.$/)

      const resolved = yield* alarms.resolve(id)
      assert.deepEqual([resolved.status, resolved.note], ["resolved", "on my way"])
      assert.match((yield* Effect.flip(alarms.resolve(id))).message, /^This alarm was resolved at 20/)
      assert.match((yield* Effect.flip(alarms.ack(id))).message, /^This alarm was resolved at 20/)
      assert.deepEqual(yield* alarms.byId(id), resolved)
      assert.strictEqual((yield* Effect.flip(alarms.ack(newId())))._tag, "AlarmNotFound")

      const rows = yield* auditOf(trace_id)
      assert.deepEqual(rows.map(({ actor, data, type }) => [type, actor, data.alarm_id, data.note]), [
        ["alarm.opened", null, id, undefined],
        ["alarm.acked", "operator", id, "on my way"],
        ["alarm.resolved", "operator", id, "on my way"]
      ])
    }))

  it.effect("is acknowledged by one of two who do it at once", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const alarm = disk()
      yield* alarms.open(alarm)
      const [open] = (yield* alarms.page({ status: "open" }, { limit: 1 })).items
      const acks = yield* Effect.all(
        Array.from({ length: 6 }, () => Effect.result(alarms.ack(open?.alarm_id ?? ""))),
        { concurrency: 6 }
      )
      assert.lengthOf(acks.filter(({ _tag }) => _tag === "Success"), 1)
    }))

  it.effect("is not there without its audit row", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const sql = yield* SqlClient.SqlClient
      const alarm = disk({ trace_id: "not a uuid" })
      assert.strictEqual((yield* Effect.flip(alarms.open(alarm)))._tag, "SqlError")
      assert.deepEqual(yield* sql`select 1 from alarms where dedupe_key = ${alarm.dedupe_key}`, [])
    }))

  it.effect("is found page by page, newest first", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const keys = Array.from({ length: 5 }, () => newId())
      yield* Effect.forEach(keys, (dedupe_key) => alarms.open(disk({ dedupe_key })))
      yield* alarms.resolveKey(keys[4] ?? "")
      const first = yield* alarms.page({ status: "open" }, { limit: 2 })
      const second = yield* alarms.page({ status: "open" }, { limit: 2, cursor: first.next_cursor })
      assert.deepEqual([...first.items, ...second.items].map((one) => one.dedupe_key), [
        keys[3],
        keys[2],
        keys[1],
        keys[0]
      ])
      assert.strictEqual((yield* alarms.page({}, { limit: 1 })).items[0]?.status, "resolved")
      assert.strictEqual((yield* Effect.flip(alarms.page({}, { limit: 1, cursor: "x" })))._tag, "CursorInvalid")
    }))

  it.effect("shows no secret, and takes any text", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      ;(yield* Redactor).add("mail.password", Redacted.make("hunter2-hunter2"))
      const dedupe_key = newId()
      yield* alarms.open(disk({ dedupe_key, message: "Refused with hunter2-hunter2\0\ud800." }))
      const found = (yield* alarms.page({}, { limit: 1 })).items[0]
      assert.strictEqual(found?.message, "Refused with [secret mail.password]␀\ufffd.")
    }))
})

/**
 * The cooldown and the notification limit on a real PostgreSQL: two hosts, calls that race, calls that were not done, and
 * what a naive check would have let through.
 *
 * The database's clock stands for itself: a test that needs time to have passed makes what was taken older.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { digest, newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Admission, type Admitted, type CallToAdmit, flapAlarm, stormAlarm } from "./Admission.ts"

const layerWorld = Alarms.layer.pipe(
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const perHour = 5

/** Admission as one more host has it. */
const host = (limits: Partial<{ readonly cooldownMs: number; readonly notificationsPerHour: number }> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(Admission.layer({ cooldownMs: 30_000, notificationsPerHour: perHour, ...limits }))),
    (context) => Context.get(context, Admission)
  )

const lamp = (target: string, tool_call_id = newId()): CallToAdmit => ({
  tool_call_id,
  tool: "lamp.set",
  action: "on",
  target,
  notification: false,
  trace_id: newId()
})

const ring = (tool_call_id = newId()): CallToAdmit => ({
  ...lamp("", tool_call_id),
  tool: "phone.notify",
  target: undefined,
  notification: true
})

const storeCall = (tool_call_id: string, status: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql`
      insert into tool_calls (tool_call_id, trace_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect,
                              guarantee, risk, autonomy, status, created_at, resolved_at)
      values (${tool_call_id}::uuid, ${tool_call_id}::uuid, 0, 'lamp.set', 'p', '{}', 'h', ${tool_call_id}, 'write', 'none',
              'low', 'A2', ${status}, now(), case when ${status} in ('failed', 'canceled', 'succeeded') then now() end)`)

const sqlOf = Effect.map(SqlClient.SqlClient, (sql) => sql)

/** As if so much time had passed since everything that was taken. */
const later = (seconds: number) =>
  Effect.flatMap(sqlOf, (sql) =>
    Effect.all([
      sql`update cooldowns set at = at - make_interval(secs => ${seconds}::float8)`,
      sql`update notification_slots set at = at - make_interval(secs => ${seconds}::float8)`
    ]))

const passed = (answers: ReadonlyArray<Admitted>): number => answers.filter(({ admitted }) => admitted).length

const reasonOf = (answer: Admitted): string => answer.admitted ? "" : `${answer.by}: ${answer.reason}`

/** Every test begins with nothing taken. */
const clean = Effect.flatMap(
  sqlOf,
  (sql) => Effect.all([sql`delete from cooldowns`, sql`delete from notification_slots`, sql`delete from alarms`])
)

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("a call", (it) => {
  it.effect("that does the same to the same target waits for the cooldown; its own retries don't", () =>
    Effect.gen(function*() {
      yield* clean
      const admission = yield* host()
      const first = lamp("kitchen")
      assert.isTrue((yield* admission.admit(first)).admitted)
      assert.isTrue((yield* admission.admit(first)).admitted)
      yield* later(12)
      assert.strictEqual(
        reasonOf(yield* admission.admit(lamp("kitchen"))),
        "antiflap: lamp.set did this to kitchen 12 s ago; again in 18 s."
      )
      const alarms = yield* Alarms
      const [alarm, ...others] = (yield* alarms.page({ status: "open" }, { limit: 10 })).items
      assert.deepEqual([alarm?.type, alarm?.severity, others.length], [flapAlarm, "warning", 0])
      assert.strictEqual(
        alarm?.message,
        "lamp.set on kitchen is held back. lamp.set did this to kitchen 12 s ago; again in 18 s. Look at what asks for it " +
          "again and again, or shorten safety.antiflapCooldown."
      )
      assert.isTrue((yield* admission.admit(lamp("hall"))).admitted)
      assert.isTrue((yield* alarms.page({ status: "open" }, { limit: 10 })).items.length === 1, "another target's")
      assert.isTrue((yield* admission.admit({ ...lamp("kitchen"), action: "off" })).admitted)
      yield* later(18)
      assert.isTrue((yield* admission.admit(lamp("kitchen"))).admitted)
      assert.deepEqual((yield* alarms.page({ status: "open" }, { limit: 10 })).items, [], "it is over by itself")
    }).pipe(Effect.scoped))

  it.effect("passes where the one before was not done, and not where nobody knows", () =>
    Effect.gen(function*() {
      yield* clean
      const admission = yield* host()
      const expected = { failed: true, canceled: true, succeeded: false, unknown: false, planned: false }
      for (const [status, passes] of Object.entries(expected)) {
        const before = lamp(status)
        yield* admission.admit(before)
        yield* storeCall(before.tool_call_id, status)
        assert.strictEqual((yield* admission.admit(lamp(status))).admitted, passes, status)
      }
    }).pipe(Effect.scoped))

  it.effect("passes without a target, and where there is no cooldown", () =>
    Effect.gen(function*() {
      yield* clean
      const free = yield* host({ cooldownMs: 0 })
      for (let i = 0; i < 3; i++) assert.isTrue((yield* free.admit(lamp("kitchen"))).admitted)
      const admission = yield* host()
      for (let i = 0; i < 3; i++) {
        assert.isTrue((yield* admission.admit({ ...lamp(""), target: undefined })).admitted)
      }
    }).pipe(Effect.scoped))

  it.effect("is not held up by a clock that was far ahead", () =>
    Effect.gen(function*() {
      yield* clean
      const admission = yield* host({ notificationsPerHour: 1 })
      yield* admission.admit(lamp("kitchen"))
      yield* admission.admit(ring())
      yield* later(-86_400)
      assert.isTrue((yield* admission.admit(lamp("kitchen"))).admitted)
      assert.isTrue((yield* admission.admit(ring())).admitted)
    }).pipe(Effect.scoped))

  it.effect("is remembered by its host for the cooldown, until it is known not to have been done", () =>
    Effect.gen(function*() {
      yield* clean
      const admission = yield* host({ cooldownMs: 300 })
      const other = yield* host()
      const call = lamp("kitchen")
      assert.isFalse(admission.recent("lamp.set", "on", "kitchen"))
      yield* admission.admit(call)
      assert.isTrue(admission.recent("lamp.set", "on", "kitchen"))
      assert.isFalse(admission.recent("lamp.set", "off", "kitchen"))
      assert.isFalse(other.recent("lamp.set", "on", "kitchen"))
      admission.forget(call.tool_call_id)
      assert.isFalse(admission.recent("lamp.set", "on", "kitchen"))
      yield* admission.admit(call)
      const began = performance.now()
      while (admission.recent("lamp.set", "on", "kitchen") && performance.now() - began < 10_000) yield* Effect.sleep(5)
      assert.isAbove(performance.now() - began, 250)
      assert.isBelow(performance.now() - began, 5_000)
    }).pipe(Effect.scoped))
})

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("a notification", (it) => {
  it.effect("more than an hour has room for is held back with an alarm, which is over when one gets through", () =>
    Effect.gen(function*() {
      yield* clean
      const alarms = yield* Alarms
      const admission = yield* host()
      const calls = Array.from({ length: perHour }, () => ring())
      for (const call of calls) assert.isTrue((yield* admission.admit(call)).admitted)
      yield* later(1_800)
      const blocked = yield* admission.admit(ring())
      assert.strictEqual(
        reasonOf(blocked),
        "storm: 5 notifications were sent in the last hour, and no more are allowed; the next one in 30 min."
      )
      yield* admission.admit(ring())
      const open = (yield* alarms.page({ status: "open" }, { limit: 10 })).items
      assert.deepEqual(open.map(({ severity, type }) => [type, severity]), [[stormAlarm, "warning"]])
      assert.match(
        open[0]?.message ?? "",
        /^Notifications are held back\. .+allow more with safety\.notificationsPerHour\.$/
      )

      // Its own slot is its own; one that failed is free.
      assert.isTrue((yield* admission.admit(calls[0] ?? ring())).admitted)
      yield* storeCall(calls[1]?.tool_call_id ?? "", "failed")
      assert.isTrue((yield* admission.admit(ring())).admitted)
      assert.deepEqual((yield* alarms.page({ status: "open" }, { limit: 10 })).items, [])
      assert.isFalse((yield* admission.admit(ring())).admitted)

      yield* later(1_801)
      assert.strictEqual(passed(yield* Effect.forEach(Array(5), () => admission.admit(ring()))), 3)
    }).pipe(Effect.scoped))

  it.effect("that is held back has not used up its cooldown", () =>
    Effect.gen(function*() {
      yield* clean
      const sql = yield* SqlClient.SqlClient
      const admission = yield* host({ notificationsPerHour: 1 })
      const both = { ...ring(), target: "phone" }
      yield* admission.admit(ring())
      assert.match(reasonOf(yield* admission.admit(both)), /^storm/)
      assert.deepEqual(yield* sql`select 1 from cooldowns`, [])
      assert.isFalse(admission.recent(both.tool, both.action, "phone"))
      yield* later(3_601)
      assert.isTrue((yield* admission.admit(both)).admitted)
      assert.match(reasonOf(yield* admission.admit({ ...ring(), target: "phone" })), /^antiflap/)
    }).pipe(Effect.scoped))

  it.effect("uses no slot above a limit that became smaller", () =>
    Effect.gen(function*() {
      yield* clean
      yield* host({ notificationsPerHour: 10 })
      const smaller = yield* host({ notificationsPerHour: 2 })
      assert.strictEqual(passed(yield* Effect.forEach(Array(5), () => smaller.admit(ring()))), 2)
    }).pipe(Effect.scoped))
})

const racers = 50

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("calls that race on two hosts", (it) => {
  it.effect("pass once for each target, and as often as an hour has room for", () =>
    Effect.gen(function*() {
      const hosts = [yield* host(), yield* host()]
      for (let round = 0; round < 5; round++) {
        yield* clean
        yield* host()
        const race = (calls: ReadonlyArray<CallToAdmit>) =>
          Effect.all(calls.flatMap((call, i) => hosts[i % 2]?.admit(call) ?? []), { concurrency: "unbounded" })
        const targets = ["kitchen", "hall"]
        const lamps = yield* race(Array.from({ length: racers }, (_, i) => lamp(targets[(i >> 1) % 2] ?? "")))
        assert.strictEqual(passed(lamps), targets.length)
        assert.isTrue(lamps.every((one) => one.admitted || one.by === "antiflap"))
        const rings = yield* race(Array.from({ length: racers }, () => ring()))
        assert.strictEqual(passed(rings), perHour)
        const both = yield* race(Array.from({ length: racers }, () => ({ ...ring(), target: "phone" })))
        assert.strictEqual(passed(both), 0)
        yield* later(3_600)
        const again = yield* race(Array.from({ length: racers }, () => ({ ...ring(), target: "phone" })))
        assert.strictEqual(passed(again), 1)
      }
    }).pipe(Effect.scoped))

  it.effect("would pass more often if a look came before the write", () =>
    Effect.gen(function*() {
      yield* clean
      yield* host()
      const sql = yield* SqlClient.SqlClient
      const naive = ({ action, target, tool, tool_call_id }: CallToAdmit) =>
        Effect.gen(function*() {
          const key = digest(tool, action, target ?? "")
          const found = yield* sql`
            select 1 from cooldowns where cooldown_key = ${key} and at > clock_timestamp() - interval '30 seconds'`
          if (found.length > 0) return false
          yield* sql`
            insert into cooldowns (cooldown_key, tool_call_id, at) values (${key}, ${tool_call_id}::uuid, clock_timestamp())
            on conflict (cooldown_key) do update set tool_call_id = excluded.tool_call_id, at = excluded.at`
          return true
        })
      const answers = yield* Effect.all(Array.from({ length: racers }, () => naive(lamp("kitchen"))), {
        concurrency: "unbounded"
      })
      assert.isAbove(answers.filter((admitted) => admitted).length, 1)
    }).pipe(Effect.scoped))
})

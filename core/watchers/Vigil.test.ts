/**
 * What the vigil finds on a real PostgreSQL: each thing that goes wrong raises its alarm and ends it, and what only looks
 * like it does not.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { secretAlarm } from "../health/AuditSecretAlarm.ts"
import { Admission, stormAlarm } from "../safety/Admission.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { failingAlarmKey } from "./FailingTools.ts"
import { stuckAlarmKey } from "./StuckTasks.ts"
import { vigil, type VigilTimes } from "./Vigil.ts"

const perHour = 3

const layerWorld = Admission.layer({ cooldownMs: 0, notificationsPerHour: perHour }).pipe(
  Layer.provideMerge(Alarms.layer),
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const look = (times: Partial<VigilTimes> = {}) =>
  Effect.flatMap(vigil(times), ({ tick }) => tick(new Date(), null, {} as never) as Effect.Effect<unknown, unknown>)

const isOpen = Effect.fnUntraced(function*(dedupe_key: string) {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`select 1 from alarms where dedupe_key = ${dedupe_key} and status <> 'resolved'`).length === 1
})

interface Held {
  readonly held?: boolean
  readonly status?: string
  readonly waits_for?: string
  /** Seconds since its last checkpoint. */
  readonly since?: number
}

const task = Effect.fnUntraced(function*({ held = true, since = 901, status = "running", waits_for }: Held = {}) {
  const sql = yield* SqlClient.SqlClient
  const id = newId()
  yield* sql`
    insert into tasks (task_id, trace_id, trigger_event_id, name, kind, status, priority, labels, autonomy_at_start,
                       created_at, updated_at)
    select ${id}::uuid, ${id}::uuid, ${id}::uuid, 'tidy up', 'code', 'pending', 5, '[]', 'A2', at, at
    from (select clock_timestamp() - make_interval(secs => ${since}::float8) as at) x`
  if (status !== "pending") yield* sql`update tasks set status = ${status} where task_id = ${id}::uuid`
  yield* sql`
    insert into work (work_id, kind, event_id, trace_id, fence, claimed_by, waits_for)
    values (${id}::uuid, 'task', ${id}::uuid, ${id}::uuid, 1, ${held ? newId() : null}::uuid, ${waits_for ?? null})`
  return id
})

/** A call that ended so many seconds ago. */
const call = Effect.fnUntraced(function*(tool: string, status: "failed" | "succeeded" | "attempted", ago: number) {
  const sql = yield* SqlClient.SqlClient
  const id = newId()
  yield* sql`
    insert into tool_calls (tool_call_id, trace_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect,
                            guarantee, risk, autonomy, status, held_by, attempts, deadline_at, error, created_at, resolved_at)
    select ${id}::uuid, ${id}::uuid, 0, ${tool}, 'p', '{}', 'h', ${id}, 'read', 'none', 'low', 'A2', ${status},
           ${id}::uuid, 1, clock_timestamp() + interval '1 minute',
           case when ${status} = 'failed' then '{"message": "no route"}'::jsonb end,
           at, case when ${status} <> 'attempted' then at end
    from (select clock_timestamp() - make_interval(secs => ${ago}::float8) as at) x`
  return id
})

const calls = (tool: string, status: "failed" | "succeeded", count: number, ago = 60) =>
  Effect.forEach(Array.from({ length: count }, (_, n) => n), (n) => call(tool, status, ago - n / 100))

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("the vigil", (it) => {
  it.effect("tells of a task that got no further for 15 minutes, until it does", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const stuck = yield* task()
      const others = {
        young: yield* task({ since: 800 }),
        free: yield* task({ held: false }),
        waiting: yield* task({ waits_for: "approval" }),
        pending: yield* task({ status: "pending" })
      }
      yield* look()
      assert.isTrue(yield* isOpen(stuckAlarmKey(stuck)))
      for (const [what, id] of Object.entries(others)) assert.isFalse(yield* isOpen(stuckAlarmKey(id)), what)
      const [alarm] = (yield* (yield* Alarms).page({ status: "open" }, { limit: 1 })).items
      assert.deepInclude(alarm, { type: "task.stuck", severity: "warning" })
      assert.match(alarm?.message ?? "", /^The task tidy up runs and has got no further since 20.*`syris task /)
      assert.deepInclude(alarm?.refs as object, { task_id: stuck })

      // A step that began is a checkpoint; so it is with a call that may still take its time.
      const step = Effect.fnUntraced(function*(of: string, started: number, tool_call_id?: string) {
        yield* sql`
          insert into steps (task_id, position, step_id, stage, name, kind, status, max_attempts, retry, tool, input, started_at,
                             tool_call_id)
          values (${of}::uuid, 0, ${newId()}::uuid, 0, 's', 'tool', 'pending', 1, '{}', 'x.y', '{}',
                  clock_timestamp() - make_interval(secs => ${started}::float8), ${tool_call_id ?? null}::uuid)`
      })
      yield* step(stuck, 1)
      const slow = yield* task()
      yield* step(slow, 2_000, yield* call("slow.one", "attempted", 2_000))
      yield* look()
      assert.deepEqual(yield* Effect.forEach([stuck, slow], (id) => isOpen(stuckAlarmKey(id))), [false, false])
      yield* sql`update tool_calls set deadline_at = clock_timestamp() where tool = 'slow.one'`
      yield* look()
      assert.isTrue(yield* isOpen(stuckAlarmKey(slow)))
      // It waits now.
      yield* sql`update work set waits_for = 'person' where work_id = ${slow}::uuid`
      yield* look({ stuckAfter: 1 })
      assert.isFalse(yield* isOpen(stuckAlarmKey(slow)))
      assert.isTrue(yield* isOpen(stuckAlarmKey(others.young)), "by another measure")
      yield* sql`delete from work`
    }))

  it.effect("tells of a tool that fails again and again, until it succeeds", () =>
    Effect.gen(function*() {
      yield* calls("mail.send", "failed", 4)
      yield* calls("lamp.set", "failed", 5)
      yield* call("lamp.set", "succeeded", 30)
      yield* calls("door.open", "succeeded", 20)
      yield* look()
      for (const tool of ["mail.send", "lamp.set", "door.open"]) {
        assert.isFalse(yield* isOpen(failingAlarmKey(tool)), tool)
      }
      yield* call("mail.send", "failed", 5)
      yield* look()
      yield* look()
      assert.isTrue(yield* isOpen(failingAlarmKey("mail.send")))
      const [alarm] = (yield* (yield* Alarms).page({ status: "open" }, { limit: 1 })).items
      assert.deepInclude(alarm, { type: "tool.failing", severity: "error" })
      assert.match(
        alarm?.message ?? "",
        /^mail\.send has failed 5 times in a row, at last with: no route See its calls/
      )
      // A success ends it, whatever comes after.
      yield* call("mail.send", "succeeded", 0)
      yield* call("mail.send", "failed", 0)
      yield* look()
      assert.isFalse(yield* isOpen(failingAlarmKey("mail.send")))
    }))

  it.effect("lets a tool's alarm last while it fails now and then, and ends it after half an hour of quiet", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* calls("pump.run", "failed", 6)
      yield* look()
      assert.isTrue(yield* isOpen(failingAlarmKey("pump.run")))
      /** As if so many minutes had passed: ids are immutable, so the calls are made anew. */
      const aged = Effect.fnUntraced(function*(minutes: number, count: number) {
        yield* sql`delete from tool_calls where tool = 'pump.run'`
        yield* Effect.forEach(Array.from({ length: count }), () =>
          sql`
          insert into tool_calls (tool_call_id, trace_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect,
                                  guarantee, risk, autonomy, status, created_at, resolved_at)
          select (substr(uuid_floor(at)::text, 1, 24) || substr(md5(random()::text), 1, 12))::uuid, ${newId()}::uuid, 0,
                 'pump.run', 'p', '{}', 'h', gen_random_uuid()::text, 'read', 'none', 'low', 'A2', 'failed', at, at
          from (select clock_timestamp() - make_interval(mins => ${minutes}::int) as at) x`)
      })
      yield* aged(20, 6)
      yield* look()
      assert.isTrue(yield* isOpen(failingAlarmKey("pump.run")), "quiet for 20 minutes only")
      yield* aged(31, 6)
      yield* look()
      assert.isFalse(yield* isOpen(failingAlarmKey("pump.run")))
      yield* aged(20, 6)
      yield* look()
      assert.isFalse(yield* isOpen(failingAlarmKey("pump.run")), "what is older than 10 minutes raises none")
    }))

  it.effect("ends the alarm of a notification storm when there is room again", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const admission = yield* Admission
      const notify = () =>
        admission.admit({
          tool_call_id: newId(),
          tool: "phone.notify",
          action: "phone.notify",
          target: undefined,
          notification: true,
          trace_id: newId()
        })
      for (let n = 0; n < perHour; n++) yield* notify()
      yield* look()
      assert.isFalse(yield* isOpen(stormAlarm), "at the limit is not above it")
      assert.isFalse((yield* notify()).admitted)
      assert.isTrue(yield* isOpen(stormAlarm))
      yield* look()
      assert.isTrue(yield* isOpen(stormAlarm))
      yield* sql`update notification_slots set at = at - interval '61 minutes' where at > '-infinity'`
      yield* look()
      assert.isFalse(yield* isOpen(stormAlarm))
    }))

  it.effect("ends the alarm of a secret in the audit after a day", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* (yield* Alarms).open({
        type: secretAlarm,
        severity: "critical",
        dedupe_key: secretAlarm,
        message: "Somewhere."
      })
      yield* look()
      assert.isTrue(yield* isOpen(secretAlarm))
      yield* sql`update alarms set opened_at = opened_at - interval '25 hours' where type = ${secretAlarm}`
      yield* look()
      assert.isFalse(yield* isOpen(secretAlarm))
    }))

  it.effect("looks at everything, also where one look fails, and then says so", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const broken = Context.make(Admission, {
        admit: () => Effect.die("not here"),
        limits: () => true,
        recent: () => false,
        forget: () => {},
        relieve: Effect.die(new Error("the slots are away"))
      })
      yield* calls("late.tool", "failed", 5)
      yield* (yield* Alarms).open({
        type: secretAlarm,
        severity: "critical",
        dedupe_key: secretAlarm,
        message: "There."
      })
      yield* sql`update alarms set opened_at = opened_at - interval '25 hours' where type = ${secretAlarm}`
      const exit = yield* Effect.exit(Effect.provide(look(), broken))
      assert.strictEqual(exit._tag, "Failure")
      assert.isTrue(yield* isOpen(failingAlarmKey("late.tool")))
      assert.isFalse(yield* isOpen(secretAlarm))
    }))
})

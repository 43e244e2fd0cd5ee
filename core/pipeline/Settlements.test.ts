/**
 * When a trace is settled, and what is said of it: by whoever waits for it, by its story and by the state of the system.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { AuditLog } from "../audit/AuditLog.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Lane, TraceOutcome } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { SystemState } from "../health/SystemState.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Settlements } from "./Settlements.ts"
import type { Settled } from "./Submission.ts"
import { Traces } from "./Traces.ts"

const services = Layer.mergeAll(Settlements.layer, Traces.layer, SystemState.layer).pipe(
  Layer.provideMerge(AuditLog.layer),
  Layer.provide([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

interface Owed {
  readonly kind?: "event" | "task"
  readonly parked?: boolean
  readonly waits_for?: "time" | "person" | "approval" | "job" | "pause"
  readonly held?: boolean
}

/** A trace of one event, with what is owed of it and how its event ended. */
const trace = Effect.fnUntraced(
  function*(owed: ReadonlyArray<Owed>, ended?: { readonly lane: Lane; readonly outcome: TraceOutcome }) {
    const sql = yield* SqlClient.SqlClient
    const [event_id, trace_id] = [newId(), newId()]
    yield* sql`
      insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, actor_type,
                          actor_id, structured, attachment_refs, links, timezone, locale, sensitivity, trust,
                          redaction_policy_id, depth)
      values (${event_id}, ${trace_id}, '1.0', now(), now(), 'chat', 'cli', 'user', 'me', '{}', '[]', '[]', 'UTC', 'en',
              'low', 'operator', 'default', 0)`
    for (const row of owed) {
      yield* sql`
        insert into work (work_id, kind, event_id, trace_id, fence, parked, waits_for, claimed_by)
        values (${newId()}, ${row.kind ?? "event"}, ${event_id}, ${trace_id}, 1, ${row.parked ?? false},
                ${row.waits_for ?? null}, ${row.held === true ? newId() : null})`
    }
    if (ended !== undefined) {
      yield* sql`
        insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at)
        values (${event_id}, ${trace_id}, ${ended.lane}, ${ended.outcome}, 'Said.', now())`
    }
    return { event_id, trace_id }
  }
)

/** What somebody who waits is told, or nothing where nobody would be told yet. */
const settled = Effect.fnUntraced(function*(ids: { readonly event_id: string; readonly trace_id: string }) {
  const story = yield* (yield* Traces).byId(ids.trace_id)
  const found = yield* (yield* Settlements).await(ids).pipe(
    Effect.timeoutOption(story?.settled === true ? "30 seconds" : "400 millis")
  )
  assert.strictEqual(story?.settled, Option.isSome(found))
  if (Option.isSome(found)) assert.strictEqual(story?.outcome, found.value.outcome)
  else assert.notProperty(story, "outcome")
  return Option.getOrUndefined(found)
})

const ended = { lane: "task", outcome: "succeeded" } as const
const task = { kind: "task" } as const

layer(services, { timeout: "60 seconds", excludeTestServices: true })("a trace", (it) => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<Owed>, typeof ended | undefined, Settled | undefined]> = [
    ["with an event that is owed", [{}], undefined, undefined],
    ["with an event that is worked on", [{ held: true }], undefined, undefined],
    ["with a task that runs, whatever its event came to", [{ ...task, held: true }], ended, undefined],
    ["with a task that may run", [task], ended, undefined],
    ["that has ended", [], ended, { ...ended, reply: "Said." }],
    ["with an event that only a person can tell of", [{ parked: true, waits_for: "person" }], undefined, {
      lane: "fast",
      outcome: "unknown"
    }],
    ["with such an event from before", [{ parked: true }], undefined, { lane: "fast", outcome: "unknown" }],
    ["with a task that waits for a time", [{ ...task, waits_for: "time" }], ended, {
      lane: "task",
      outcome: "waiting",
      reply: "Said."
    }],
    ["with a task that waits for a time, and has said nothing", [{ ...task, waits_for: "time" }], undefined, {
      lane: "task",
      outcome: "waiting"
    }],
    ...(["approval", "job", "pause"] as const).map((waits_for) =>
      [`with a task that waits: ${waits_for}`, [{ ...task, parked: true, waits_for }], ended, {
        lane: "task",
        outcome: "waiting",
        reply: "Said."
      }] as const
    ),
    [
      "with two tasks, of which one waits for a person",
      [{ ...task, waits_for: "time" }, { ...task, parked: true, waits_for: "person" }],
      ended,
      { lane: "task", outcome: "unknown", reply: "Said." }
    ],
    ["with two tasks, of which one may run", [{ ...task, parked: true, waits_for: "person" }, task], ended, undefined]
  ]
  for (const [name, owed, end, expected] of cases) {
    it.effect(`${name} is ${expected === undefined ? "not settled" : `settled: ${expected.outcome}`}`, () =>
      Effect.gen(function*() {
        assert.deepEqual(yield* settled(yield* trace(owed, end)), expected)
      }))
  }

  it.effect("is counted by what it waits for", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const state = yield* SystemState
      yield* sql`delete from work`
      yield* trace([
        {},
        { held: true },
        { parked: true, waits_for: "person" },
        { parked: true },
        task,
        { ...task, waits_for: "time" },
        { ...task, parked: true, waits_for: "approval" },
        { ...task, parked: true, waits_for: "person" }
      ])
      const { counts, queue_depth, unknown } = yield* state.current
      assert.deepEqual({ tasks: counts.tasks, queue_depth, unknown }, { tasks: 4, queue_depth: 3, unknown: 3 })
    }))
})

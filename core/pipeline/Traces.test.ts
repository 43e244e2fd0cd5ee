import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { AuditLog } from "../audit/AuditLog.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { AuditEvent } from "../contract/AuditEvent.ts"
import { MessageEvent } from "../contract/Event.ts"
import { RoutingDecision } from "../contract/RoutingDecision.ts"
import { ToolCall } from "../contract/ToolCall.ts"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { EventLog } from "./EventLog.ts"
import { Traces } from "./Traces.ts"

const services = Layer.merge(Traces.layer, EventLog.layer).pipe(
  Layer.provideMerge(AuditLog.layer),
  Layer.provide([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const exact = { onExcessProperty: "error" } as const

const addEvent = Effect.fnUntraced(
  function*(event: { readonly trace_id: string; readonly channel?: string; readonly full?: boolean }) {
    const sql = yield* SqlClient.SqlClient
    const event_id = newId()
    const full = <A>(value: A) => event.full === true ? value : null
    yield* sql`
    insert into events (event_id, trace_id, parent_event_id, schema_version, occurred_at, ingested_at, channel,
                        connector_id, thread_id, message_id, actor_type, actor_id, text, structured, attachment_refs,
                        links, timezone, locale, device_id, dedupe_key, sensitivity, trust, redaction_policy_id, depth)
    values (${event_id}, ${event.trace_id}, ${full(newId())}, '1.0', '2026-05-01T10:00:00.12Z', now(),
            ${event.channel ?? "chat"}, 'cli', ${full("thread")}, ${full("m1")}, 'user', 'me', ${full("hello")},
            '{"a": 1}', '[]', '["https://example.org"]', 'Europe/London', 'en', ${full("phone")}, ${full("k")}, 'low',
            'operator', 'default', 0)`
    return event_id
  }
)

layer(services, { timeout: "60 seconds", excludeTestServices: true })("events and traces", (it) => {
  it.effect("an event is read as the nested record, with what is empty left out", () =>
    Effect.gen(function*() {
      const events = yield* EventLog
      const trace_id = newId()
      const bare = yield* events.byId(yield* addEvent({ trace_id }))
      const full = yield* events.byId(yield* addEvent({ trace_id, full: true }))
      for (const event of [bare, full]) yield* Schema.decodeUnknownEffect(MessageEvent, exact)(event)
      assert.strictEqual(full?.occurred_at, "2026-05-01T10:00:00.120Z")
      assert.strictEqual(full?.source.thread_id, "thread")
      assert.strictEqual(full?.content.text, "hello")
      assert.deepEqual(bare?.source, { channel: "chat", connector_id: "cli" })
      assert.deepEqual(bare?.correlation, { trace_id })
      assert.isUndefined(yield* events.byId(newId()))
    }))

  it.effect("a list is newest first, in pages that meet, by each filter", () =>
    Effect.gen(function*() {
      const events = yield* EventLog
      const trace_id = newId()
      const made: Array<string> = []
      for (let i = 0; i < 5; i++) made.unshift(yield* addEvent({ trace_id, channel: i < 2 ? "email" : "chat" }))
      const found: Array<string> = []
      let cursor: string | undefined
      do {
        const page = yield* events.page({ trace_id }, { limit: 2, cursor })
        found.push(...page.items.map((event) => event.event_id))
        cursor = page.next_cursor
      } while (cursor !== undefined)
      assert.deepEqual(found, made)
      const count = (filter: Parameters<typeof events.page>[0]) =>
        Effect.map(events.page({ trace_id, ...filter }, { limit: 50 }), (page) => page.items.length)
      const hour = 3_600_000
      assert.strictEqual(yield* count({ channel: "email" }), 2)
      assert.strictEqual(yield* count({ thread_id: "thread" }), 0)
      assert.strictEqual(yield* count({ since: new Date(Date.now() - hour), until: new Date(Date.now() + hour) }), 5)
      assert.strictEqual(yield* count({ since: new Date(Date.now() + hour) }), 0)
      assert.strictEqual(yield* count({ until: new Date(Date.now() - hour) }), 0)
      const sealed = Buffer.from("event:1").toString("base64url")
      for (const bad of ["x", sealed, ""]) {
        assert.strictEqual((yield* Effect.flip(events.page({}, { limit: 1, cursor: bad })))._tag, "CursorInvalid")
      }
    }))

  it.effect("a trace tells its whole story, and whether anything of it can still run", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const traces = yield* Traces
      const trace_id = newId()
      assert.isUndefined(yield* traces.byId(trace_id))
      const event_id = yield* addEvent({ trace_id, full: true })
      const tool_call_id = newId()
      yield* sql`
        insert into routing_decisions (event_id, trace_id, decided_at, lane, match, required_scopes, notes)
        values (${event_id}, ${trace_id}, now(), 'fast', '{"rule_ids": [], "fastpath": "timer.set", "used_llm": false}', '[]', '["fastpath timer.set"]')`
      yield* sql`
        insert into tool_calls (tool_call_id, trace_id, event_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key,
                                effect, guarantee, risk, autonomy, status, held_by, deadline_at, attempts, created_at, latency_ms)
        values (${tool_call_id}, ${trace_id}, ${event_id}, 0, 'timer.set', 'p', '{"minutes": 5}', 'h', ${tool_call_id}, 'write',
                'transactional', 'low', 'A2', 'attempted', ${newId()}, now(), 1, now(), 1.5)`
      yield* sql`insert into work (work_id, kind, event_id, trace_id, fence) values (${event_id}, 'event', ${event_id}, ${trace_id}, 1)`
      yield* sql`
        insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, risk, latency_ms, data)
        values (${newId()}, now(), ${trace_id}, 'normalize', 'event.ingested', 'info', 'came', ${
        JSON.stringify({ event_id })
      }, 'low', 2, '{}')`

      const running = yield* traces.byId(trace_id)
      assert.deepInclude(running, { trace_id, settled: false, approvals: [], tasks: [], replies: [] })
      assert.notProperty(running, "outcome")

      yield* sql`delete from work where work_id = ${event_id}`
      yield* sql`
        insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at)
        values (${event_id}, ${trace_id}, 'fast', 'succeeded', 'Timer set.', '2026-05-01T10:00:01Z')`
      const trace = yield* traces.byId(trace_id.toUpperCase())
      assert.deepInclude(trace, { trace_id, settled: true, outcome: "succeeded" })
      assert.deepEqual(trace?.replies, [{
        event_id,
        channel: "chat",
        thread_id: "thread",
        text: "Timer set.",
        at: "2026-05-01T10:00:01.000Z"
      }])
      const [event] = trace?.events ?? []
      const [decision] = trace?.decisions ?? []
      const [call] = trace?.tool_calls ?? []
      const [row] = trace?.audit ?? []
      yield* Schema.decodeUnknownEffect(MessageEvent, exact)(event)
      yield* Schema.decodeUnknownEffect(RoutingDecision, exact)(decision)
      yield* Schema.decodeUnknownEffect(ToolCall, exact)(call)
      yield* Schema.decodeUnknownEffect(AuditEvent, exact)(row)

      // Of two events the one that needs a person speaks for the trace.
      const child = yield* addEvent({ trace_id })
      yield* sql`
        insert into settlements (event_id, trace_id, lane, outcome, settled_at)
        values (${child}, ${trace_id}, 'fast', 'unknown', now())`
      yield* sql`
        insert into work (work_id, kind, event_id, trace_id, fence, parked)
        values (${child}, 'event', ${child}, ${trace_id}, 2, true)`
      assert.deepInclude(yield* traces.byId(trace_id), { settled: true, outcome: "unknown" })
    }))
})

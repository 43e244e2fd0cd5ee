import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { localTime, paints } from "./layout.ts"
import { answer, recordedHost, run } from "./RecordedHost.ts"
import { drawTrace } from "./traceTree.ts"

const trace_id = "0199b3f2-6c1e-7a52-9d3e-0c5b6f1d2e40"
const first = "0199b3f2-6c1e-7a51-9d3e-000000000001"
const second = "0199b3f2-6c1e-7a51-9d3e-000000000002"
const at = (ms: number) => new Date(Date.UTC(2026, 10, 22, 14, 3, 22) + ms).toISOString()

const event = (event_id: string, ms: number, channel: string, text: string, parent_event_id?: string) => ({
  event_id,
  ingested_at: at(ms),
  source: { channel, connector_id: "cli" },
  content: { text, structured: {} },
  correlation: { trace_id, ...(parent_event_id === undefined ? {} : { parent_event_id }) },
  security: { trust: "operator" }
})

const story = {
  trace_id,
  settled: true,
  outcome: "failed",
  events: [event(second, 300_000, "scheduler", "tea\u202e", first), event(first, 0, "chat", "tea in 5 minutes")],
  decisions: [{
    event_id: first,
    decided_at: at(0.9),
    lane: "fast",
    match: { rule_ids: [], fastpath: "timer.set", used_llm: false },
    intent: "timer.set",
    tool: "timer.create",
    notes: ["filters: none", "rules: none"]
  }],
  tool_calls: [
    {
      tool_call_id: "c1",
      event_id: first,
      tool: "timer.create",
      status: "succeeded",
      risk: "low",
      input: { minutes: 5 },
      latency_ms: 3.25,
      attempts: 1,
      created_at: at(2)
    },
    {
      tool_call_id: "c2",
      event_id: second,
      tool: "lamp.blink",
      status: "failed",
      risk: "medium",
      input: {},
      latency_ms: 1500,
      attempts: 2,
      created_at: at(300_010),
      error: { code: "lamp.offline", message: "no answer\u001b[2J", retryable: true }
    }
  ],
  approvals: [],
  tasks: [],
  replies: [{ event_id: first, channel: "chat", text: "Timer set.", at: at(7) }],
  audit: [
    { type: "event.ingested", timestamp: at(0), refs: { event_id: first }, summary: "x" },
    { type: "tool_call.succeeded", timestamp: at(5), refs: { event_id: first, tool_call_id: "c1" }, summary: "x" },
    { type: "response.sent", timestamp: at(8), refs: { event_id: first }, summary: "x" },
    {
      type: "gate.antiflap_block",
      timestamp: at(300_009),
      outcome: "suppressed",
      refs: { event_id: second },
      summary: "Too soon after the last one.",
      data: { reasons: ["cooldown 30 s"] }
    }
  ]
}

const tree = `trace ${trace_id} · failed · ${localTime(at(0))}, over 5 min 00 s
       +0 ms  chat/cli  "tea in 5 minutes"  operator ${first}
       +0 ms  ├─ routing fast  timer.set → timer.create  by fastpath
              │     · filters: none
              │     · rules: none
       +2 ms  ├─ tool timer.create  succeeded  risk low  took 3.3 ms
              │     input {"minutes":5}
       +7 ms  ├─ reply chat  "Timer set."
+5 min 00 s   └─ scheduler/cli  "tea<U+202E>"  operator ${second}
+5 min 00 s      ├─ gate.antiflap_block  Too soon after the last one.
                 │     · cooldown 30 s
+5 min 00 s      └─ tool lamp.blink  failed  risk medium  took 1.50 s  2 attempts
                       input {}
                       error lamp.offline: no answer<U+001B>[2J`.replaceAll("+5 min 00 s ", " +5 min 00 s")

describe("syris trace", () => {
  it("draws events under their parents, with times from the first row", () => {
    assert.strictEqual(drawTrace(story, paints(false)).join("\n"), tree)
  })

  it("draws what it can of a story with holes", () => {
    assert.deepStrictEqual(drawTrace({ trace_id }, paints(false)), [
      `trace ${trace_id}`,
      "Nothing is recorded under this trace."
    ])
    const lines = drawTrace({
      trace_id,
      settled: false,
      tool_calls: [{ tool: "a.b", event_id: "gone", created_at: null }],
      audit: [null, { type: "event.rejected", summary: 7, timestamp: at(0) }],
      truncated: ["audit"]
    }, paints(false)).join("\n")
    assert.include(lines, "still going on")
    assert.include(lines, "tool a.b")
    assert.include(lines, "event.rejected  7")
    assert.include(lines, "Not all audit are shown")
  })

  it("hangs steps, their calls and approvals under their task", () => {
    const lines = drawTrace({
      trace_id,
      events: [event(first, 0, "chat", "go")],
      tasks: [{
        task_id: "t1",
        name: "Backup",
        trigger_event_id: first,
        status: "waiting",
        waits_for: "person",
        created_at: at(1),
        steps: [
          { step_id: "s0", name: "fetch", status: "succeeded", started_at: at(2), ended_at: at(12) },
          {
            step_id: "s1",
            name: "store",
            status: "waiting",
            started_at: at(12),
            attempt: 1,
            max_attempts: 3,
            error: { code: "tool.timeout", message: "no answer" }
          },
          { step_id: "s2", name: "tell", status: "pending" }
        ]
      }],
      tool_calls: [{
        tool_call_id: "c1",
        task_id: "t1",
        step_id: "s1",
        event_id: first,
        tool: "a.b",
        status: "unknown",
        created_at: at(13)
      }, {
        tool_call_id: "c2",
        task_id: "t1",
        step_id: "gone",
        tool: "c.d",
        status: "planned",
        created_at: at(15)
      }],
      approvals: [{ approval_id: "a1", tool_call_id: "c1", status: "pending", why: "high risk", created_at: at(14) }],
      audit: [
        { type: "task.started", timestamp: at(1), refs: { task_id: "t1" }, summary: "x" },
        {
          type: "task.step_retried",
          timestamp: at(14),
          refs: { task_id: "t1", step_id: "s1" },
          summary: "once more"
        }
      ]
    }, paints(false)).slice(2).map((line) => line.slice(14))
    assert.deepStrictEqual(lines, [
      "└─ task \"Backup\"  waiting  for person  t1",
      "   ├─ step fetch  succeeded  took 10 ms",
      "   ├─ step store  waiting  attempt 2 of 3",
      "   │  │  error tool.timeout: no answer",
      "   │  ├─ tool a.b  unknown",
      "   │  │  └─ approval  pending  a1",
      "   │  │        high risk",
      "   │  └─ task.step_retried  once more",
      "   ├─ tool c.d  planned",
      "   └─ step tell  pending"
    ])
  })

  it("hangs a job under the call that started it, with what is not said by itself", () => {
    const lines = drawTrace({
      trace_id,
      events: [event(first, 0, "chat", "go")],
      tool_calls: [{
        tool_call_id: "c1",
        event_id: first,
        tool: "job.run.a.b",
        status: "succeeded",
        created_at: at(1)
      }],
      jobs: [{
        job_id: "j1",
        tool_call_id: "c1",
        event_id: first,
        kind: "a.b",
        status: "failed",
        attempt: 2,
        max_attempts: 2,
        error: { code: "job.memory", message: "It took more memory." },
        created_at: at(2),
        started_at: at(2),
        ended_at: at(12)
      }, {
        job_id: "j2",
        event_id: first,
        kind: "c.d",
        status: "running",
        progress: { percent: 40.5 },
        created_at: at(3)
      }],
      audit: [
        { type: "worker.job_progress", timestamp: at(3), refs: { job_id: "j1", tool_call_id: "c1" }, summary: "10 %" },
        { type: "worker.job_retried", timestamp: at(4), refs: { job_id: "j1", tool_call_id: "c1" }, summary: "again" }
      ]
    }, paints(false)).slice(2).map((line) => line.slice(14))
    assert.deepStrictEqual(lines, [
      "├─ tool job.run.a.b  succeeded",
      "│  └─ job a.b  failed  ran 10 ms  attempt 2 of 2  j1",
      "│     │  error job.memory: It took more memory.",
      "│     └─ worker.job_retried  again",
      "└─ job c.d  running  40 %  j2"
    ])
  })

  it("says what was asked for, how that was decided and when, and what was answered", () => {
    const lines = drawTrace({
      trace_id,
      events: [event(first, 0, "chat", "pay")],
      tool_calls: [{ tool_call_id: "c1", event_id: first, tool: "a.b", status: "succeeded", created_at: at(3) }],
      approvals: [{
        approval_id: "a1",
        number: 7,
        tool_call_id: "c1",
        status: "consumed",
        why: "It can't be taken back.",
        reasons: ["risk high at autonomy A2"],
        created_at: at(4),
        decision: { by: "operator", at: at(9_000), reason: "fine\u202e" }
      }],
      replies: [{ event_id: first, channel: "chat", text: "Paid.", at: at(9_010) }],
      audit: [
        { type: "gate.required", timestamp: at(4), refs: { tool_call_id: "c1", approval_id: "a1" }, summary: "asks" },
        { type: "gate.required", timestamp: at(5), refs: { tool_call_id: "c1", approval_id: "a2" }, summary: "lost" },
        {
          type: "gate.approved",
          timestamp: at(9_000),
          refs: { tool_call_id: "c1", approval_id: "a1" },
          summary: "yes"
        },
        { type: "response.sent", timestamp: at(9_010), refs: { event_id: first }, summary: "Paid." }
      ]
    }, paints(false)).slice(2)
    assert.deepStrictEqual(lines, [
      "       +3 ms  ├─ tool a.b  succeeded",
      "       +4 ms  │  ├─ approval 7  consumed  by operator  \"fine<U+202E>\"",
      "              │  │     It can't be taken back.",
      "              │  │     · risk high at autonomy A2",
      "       +5 ms  │  ├─ gate.required  lost",
      "     +9.00 s  │  └─ gate.approved  yes",
      "     +9.01 s  └─ reply chat  \"Paid.\""
    ])
  })

  const host = recordedHost((asked, response) => {
    switch (asked.url) {
      case `/traces/${trace_id}`:
        return answer(response, 200, story)
      case `/events/${first}`:
        return answer(response, 200, story.events[1])
      case "/events?limit=1":
      case "/events?limit=500":
        return answer(response, 200, {
          items: [...story.events, { ...event("other", 0, "chat", ""), correlation: { trace_id: "0199-other" } }]
        })
      case "/audit?limit=500":
        return answer(response, 200, { items: [{ audit_id: "a", trace_id }] })
      default:
        return answer(response, 404, { detail: "There is no trace with this id.", code: "trace.not_found" })
    }
  })
  for (const id of [trace_id, first, first.toUpperCase().toLowerCase(), "6f1d2e40", "000000000002"]) {
    it.effect(`finds it by ${id}`, () =>
      Effect.gen(function*() {
        const { env } = yield* host
        const ran = yield* run(env, ["trace", id])
        assert.deepStrictEqual([ran.code, ran.out, ran.err], [0, tree, ""])
      }))
  }

  it.effect("says what it can't find", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      assert.match((yield* run(env, ["trace", "ffffffff"])).err, /begins or ends with ffffffff: give the whole id/)
      assert.match((yield* run(env, ["trace", "0199"])).err, /beginning or end of 2 traces: give more/)
      const unknown = yield* run(env, ["trace", "0199b3f2-6c1e-7a52-9d3e-ffffffffffff"])
      assert.deepStrictEqual([unknown.code, unknown.err], [1, "syris: There is no trace with this id."])
    }))

  it.effect("prints the answer itself with --json", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      const ran = yield* run(env, ["trace", trace_id, "--json"])
      assert.deepStrictEqual(JSON.parse(ran.out), JSON.parse(JSON.stringify(story)))
      assert.notInclude(ran.out, "\u202e")
    }))
})

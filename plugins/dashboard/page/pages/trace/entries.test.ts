import type { AuditEvent, CompletionRecord, Trace } from "syris/records"
import { assert, describe, it } from "vitest"
import { entriesOf, flat } from "./entries.ts"
import { storyOf } from "./story.ts"

const at = (ms: number): string => new Date(Date.parse("2026-11-30T12:00:00Z") + ms).toISOString()

let seq = 0
const row = (type: string, refs: AuditEvent["refs"], ms: number, data: unknown = {}): AuditEvent => {
  seq++
  return {
    seq,
    audit_id: `row-${seq}`,
    timestamp: at(ms),
    trace_id: "t",
    stage: "system",
    type,
    outcome: "info",
    summary: `${type}.`,
    refs,
    data
  }
}

const event = (event_id: string, text: string, ms: number, parent?: string): Trace["events"][number] => ({
  event_id,
  schema_version: "1.0",
  occurred_at: at(ms),
  ingested_at: at(ms),
  source: { channel: "chat", connector_id: "chat" },
  actor: { actor_type: "user", actor_id: "chat" },
  content: { text, structured: {}, attachment_refs: [], links: [] },
  context: { timezone: "UTC", locale: "en" },
  correlation: { trace_id: "t", ...(parent === undefined ? {} : { parent_event_id: parent }) },
  security: { sensitivity: "low", trust: "operator", redaction_policy_id: "default" }
})

const call = (tool_call_id: string, tool: string, more: object = {}): Trace["tool_calls"][number] => ({
  tool_call_id,
  trace_id: "t",
  event_id: "e1",
  tool,
  input: { what: "rent" },
  input_hash: "",
  idempotency_key: tool_call_id,
  effect: "write",
  guarantee: "none",
  risk: "medium",
  autonomy: "A2",
  status: "succeeded",
  fence: 1,
  attempts: 1,
  created_at: at(10),
  resolved_at: at(9_000),
  ...more
})

const trace = (given: Partial<Trace>): Trace => ({
  trace_id: "t",
  settled: true,
  events: [event("e1", "pay rent", 0)],
  decisions: [],
  tool_calls: [],
  approvals: [],
  tasks: [],
  jobs: [],
  replies: [],
  audit: [],
  ...given
})

const drawn = (given: Trace, questions?: ReadonlyArray<CompletionRecord>): ReadonlyArray<string> =>
  flat(entriesOf(given, questions)).map(({ depth, entry }) => `${"  ".repeat(depth)}${entry.name}`)

describe("a trace as a tree", () => {
  it("has a call below its event, its approval below the call, and the answer last", () => {
    const paid = trace({
      decisions: [{
        event_id: "e1",
        trace_id: "t",
        decided_at: at(1),
        lane: "fast",
        match: { rule_ids: [], fastpath: "pay", used_llm: false },
        tool: "bill.pay",
        required_scopes: [],
        notes: ["fastpath: pay"]
      }],
      tool_calls: [call("c1", "bill.pay")],
      approvals: [{
        approval_id: "a1",
        number: 7,
        trace_id: "t",
        tool_call_id: "c1",
        status: "consumed",
        tool: "bill.pay",
        what: {},
        what_hash: "",
        tool_pin: "",
        why: "It is asked for.",
        reasons: ["A2 asks for medium risk."],
        risk: "medium",
        autonomy: "A2",
        labels: { trust: "operator", confidentiality: "private" },
        how_to_approve: "",
        created_at: at(10),
        expires_at: at(99_000),
        decision: { by: "operator", at: at(8_900) }
      }],
      replies: [{ event_id: "e1", channel: "chat", text: "Paid.", at: at(9_001), status: "sent" }],
      audit: [
        row("event.ingested", { event_id: "e1" }, 0),
        row("gate.required", { event_id: "e1", tool_call_id: "c1", approval_id: "a1" }, 10),
        row("gate.approved", { event_id: "e1", tool_call_id: "c1", approval_id: "a1" }, 8_900, {
          reasons: ["He said yes."]
        }),
        row("tool_call.attempted", { event_id: "e1", tool_call_id: "c1" }, 8_950),
        row("tool_call.succeeded", { event_id: "e1", tool_call_id: "c1" }, 9_000)
      ]
    })
    assert.deepStrictEqual(drawn(paid), [
      "Event on chat",
      "  Routing",
      "  Tool bill.pay",
      "    Approval 7",
      "    gate.approved",
      "  Answer on chat"
    ])
    const entries = flat(entriesOf(paid)).map(({ entry }) => entry)
    // The call began when it was attempted; until then the approval waited.
    const paying = entries.find(({ kind }) => kind === "call")
    const approval = entries.find(({ kind }) => kind === "approval")
    assert.strictEqual(paying?.from, Date.parse(at(8_950)))
    assert.strictEqual(approval?.until, Date.parse(at(8_900)))
    assert.deepStrictEqual(entries.find(({ name }) => name === "gate.approved")?.more, ["He said yes."])
    assert.deepStrictEqual(storyOf(paid), [
      ["From you by chat: ", { words: "pay rent" }],
      ["It went straight to bill.pay, because its words fit pay."],
      ["bill.pay was done."],
      ["The answer on chat: ", { words: "Paid." }, ""]
    ])
  })

  it("has a child event below its parent, and what has lost its parent at the root", () => {
    assert.deepStrictEqual(
      drawn(trace({
        events: [event("e1", "a parcel came", 0), event("e2", "lamp hallway", 20, "e1"), event("e3", "?", 30, "gone")],
        tool_calls: [call("c2", "lamp.set", { event_id: "e2" }), call("c3", "lamp.off", { event_id: "nobody" })]
      })),
      ["Event on chat", "  Event on chat", "    Tool lamp.set", "Tool lamp.off", "Event on chat"]
    )
  })

  it("has a question to a model with its cost instead of the row about it", () => {
    const question: CompletionRecord = {
      completion_id: "q1",
      purpose: "decide",
      trace_id: "t",
      task_id: "none",
      step_id: "none",
      question: 0,
      asked_at: at(5),
      answered_at: at(905),
      model: "butler",
      prompt_hash: "",
      request_hash: "",
      messages: [],
      tools: [],
      parts: [],
      answer: {},
      usage: { input_tokens: 1_200, output_tokens: 30 },
      usd: 0.0042,
      latency_ms: 900
    }
    const asked = trace({ audit: [row("llm.called", { event_id: "e1" }, 905)] })
    assert.deepStrictEqual(drawn(asked), ["Event on chat", "  llm.called"])
    assert.deepStrictEqual(drawn(asked, [question]), ["Event on chat", "Model butler"])
    const [, found] = flat(entriesOf(asked, [question]))
    assert.deepStrictEqual(found?.entry.facts, ["1,200 tokens in, 30 out", "$0.0042", "took 900 ms"])
  })

  it("says of a call of which nobody knows that nobody knows", () => {
    const lost = trace({
      tool_calls: [call("c1", "parcel.send", {
        status: "unknown",
        resolved_at: undefined,
        error: { code: "tool.unknown", message: "The line broke.", retryable: true }
      })]
    })
    assert.deepStrictEqual(storyOf(lost).slice(1), [
      ["parcel.send may or may not have been done."],
      ["What it said: ", { words: "The line broke." }]
    ])
  })
})

/** What decides on the screen of the chat, without a browser. */
import { assert, describe, it } from "@effect/vitest"
import type { Approval, ChatMessage, MessageEvent } from "syris/records"
import { noDrafts, withDelta, withMessage, withoutDraft } from "./drafts.ts"
import { nothingWritten, sent, toSend } from "./sending.ts"
import { type Parts, timelineOf } from "./timeline.ts"

const event = (event_id: string, at: string, text: string, thread_id?: string): MessageEvent => ({
  event_id,
  schema_version: "1.0",
  occurred_at: at,
  ingested_at: at,
  source: { channel: "chat", connector_id: "chat", ...(thread_id === undefined ? {} : { thread_id }) },
  actor: { actor_type: "user", actor_id: "chat" },
  content: { text, structured: {}, attachment_refs: [], links: [] },
  context: { timezone: "Europe/London", locale: "en" },
  correlation: { trace_id: `trace-${event_id}` },
  security: { sensitivity: "low", trust: "operator", redaction_policy_id: "default" }
})
const message = (message_id: string, at: string, of?: string): ChatMessage => ({
  message_id,
  trace_id: `trace-${of ?? message_id}`,
  kind: of === undefined ? "notice" : "reply",
  text: message_id,
  at,
  ...(of === undefined ? {} : { event_id: of })
})
const approval = (approval_id: string, trace_id: string, status: Approval["status"], created_at: string) =>
  ({ approval_id, trace_id, status, created_at }) as Approval

const parts = (more: Partial<Parts>): Parts => ({
  events: { items: [], isMore: false },
  messages: { items: [], isMore: false },
  live: [],
  here: [],
  drafts: noDrafts,
  approvals: [],
  questions: [],
  isAll: false,
  ...more
})
const keys = (given: Partial<Parts>): ReadonlyArray<string> => timelineOf(parts(given)).map(({ key }) => key)

describe("the conversation", () => {
  it("has both sides in their order, each once, however it came", () => {
    const reply = message("r1", "2026-01-01T00:00:02Z", "e1")
    assert.deepEqual(
      keys({
        events: {
          items: [event("e2", "2026-01-01T00:00:03Z", "b"), event("e1", "2026-01-01T00:00:01Z", "a")],
          isMore: false
        },
        messages: { items: [reply], isMore: false },
        live: [reply, message("n1", "2026-01-01T00:00:04Z")],
        here: [{ event_id: "e2", trace_id: "trace-e2", text: "b", at: "2026-01-01T00:00:09Z", connector_id: "chat" }]
      }),
      ["e1", "r1", "e2", "n1"]
    )
  })

  it("shows nothing older than what both lists have", () => {
    assert.deepEqual(
      keys({
        events: {
          items: [event("e2", "2026-01-01T00:00:03Z", "b"), event("e1", "2026-01-01T00:00:01Z", "a")],
          isMore: false
        },
        messages: { items: [message("r2", "2026-01-01T00:00:04Z", "e2")], isMore: true }
      }),
      ["r2"]
    )
  })

  it("has approvals where they were asked: those of its traces, and elsewhere only what waits", () => {
    const given = {
      events: { items: [event("e1", "2026-01-01T00:00:01Z", "a")], isMore: false },
      approvals: [
        approval("mine", "trace-e1", "denied", "2026-01-01T00:00:02Z"),
        approval("waits", "other", "pending", "2026-01-01T00:00:03Z"),
        approval("over", "other", "denied", "2026-01-01T00:00:04Z")
      ]
    }
    assert.deepEqual(keys(given), ["e1", "mine"])
    assert.deepEqual(keys({ ...given, isAll: true }), ["e1", "mine", "waits"])
  })

  it("has what servers ask where it was asked, in the conversation whose call they serve", () => {
    const asked = (question_id: string, trace_id: string, asked_at: string) => ({
      question: { question_id, trace_id, asked_at, number: 1, server: "s", tool: "t", message: "Who?", fields: [] },
      isOver: false
    })
    const given = {
      events: { items: [event("e1", "2026-01-01T00:00:01Z", "a")], isMore: false },
      questions: [
        asked("mine", "trace-e1", "2026-01-01T00:00:02Z"),
        asked("elsewhere", "other", "2026-01-01T00:00:03Z")
      ]
    }
    assert.deepEqual(keys(given), ["e1", "mine"])
    assert.deepEqual(keys({ ...given, isAll: true }), ["e1", "mine", "elsewhere"])
  })

  it("has what is being written at its end, until the reply is there", () => {
    const drafts = withDelta(noDrafts, { event_id: "e1", trace_id: "t", from: 0, text: "He" })
    assert.deepEqual(keys({ drafts, live: [message("n1", "2026-01-01T00:00:04Z")] }), ["n1", "draft-e1"])
    assert.deepEqual(keys({ drafts, live: [message("r1", "2026-01-01T00:00:04Z", "e1")] }), ["r1"])
  })
})

describe("an answer that is being written", () => {
  const about = { event_id: "e1", trace_id: "t1" }

  it("grows, begins anew, and is never doubled where a part comes twice", () => {
    const once = withDelta(withDelta(noDrafts, { ...about, from: 0, text: "Hello" }), {
      ...about,
      from: 5,
      text: " you"
    })
    assert.equal(once.get("e1")?.text, "Hello you")
    assert.equal(withDelta(once, { ...about, from: 5, text: " you there" }).get("e1")?.text, "Hello you there")
    assert.equal(withDelta(once, { ...about, from: 0, text: "No" }).get("e1")?.text, "No")
  })

  it("leaves out what does not follow, and is gone with its reset or its reply, not with a notice", () => {
    const drafts = withDelta(noDrafts, { ...about, from: 0, text: "Hello" })
    assert.strictEqual(withDelta(drafts, { ...about, from: 9, text: "x" }), drafts)
    assert.equal(withoutDraft(drafts, "e1").size, 0)
    assert.equal(withMessage(drafts, { kind: "reply", event_id: "e1" }).size, 0)
    assert.equal(withMessage(drafts, { kind: "notice", event_id: "e1" }).size, 1)
  })
})

describe("what is sent", () => {
  let made = 0
  const newId = () => `id-${++made}`

  it("keeps its id when it is tried again, also after another was begun and taken back", () => {
    const first = toSend({ text: " hello " }, newId)!
    assert.deepEqual(first, { text: "hello", message_id: "id-1" })
    assert.strictEqual(toSend({ text: "hello\n", tried: first }, newId), first)
    assert.equal(toSend({ text: "hello!", tried: first }, newId)?.message_id, "id-2")
  })

  it("is nothing without words", () => {
    assert.equal(toSend({ text: " \n" }, newId), undefined)
  })

  it("leaves the field empty when the host has it, and the same words later are another message", () => {
    const first = toSend({ text: "again" }, newId)!
    const after = sent({ text: "again", tried: first }, "again")
    assert.strictEqual(after, nothingWritten)
    assert.notEqual(toSend({ ...after, text: "again" }, newId)?.message_id, first.message_id)
    assert.equal(sent({ text: "other words", tried: first }, "again").text, "other words")
  })
})

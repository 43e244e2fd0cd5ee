import type { AuditEvent } from "syris/records"
import { assert, describe, it } from "vitest"
import type { ActivitySearch } from "../../router.tsx"
import { eventOfRow, matcherOf, queryOf } from "./filter.ts"
import { makeTop } from "./top.ts"

let seq = 0
const row = (more: Partial<AuditEvent> = {}): AuditEvent => {
  seq++
  return {
    seq,
    audit_id: `row-${seq}`,
    timestamp: "2026-11-30T12:00:00.000Z",
    trace_id: "trace-1",
    stage: "tool_call",
    type: "tool_call.succeeded",
    outcome: "success",
    summary: "lamp.set was done.",
    refs: {},
    tool: "lamp.set",
    risk: "low",
    data: {},
    ...more
  }
}
const came = (channel: string, trace_id: string, event_id: string): AuditEvent =>
  row({
    type: "event.ingested",
    summary: `${channel}: good evening`,
    trace_id,
    refs: { event_id },
    data: { channel, trust: "trusted" }
  })

const matches = (search: ActivitySearch, one: AuditEvent): boolean => matcherOf(search)(one)

describe("a live row and what is looked for", () => {
  it("has each of the fields that were named", () => {
    const one = row()
    assert.isTrue(matches({}, one))
    assert.isTrue(matches({ tool: "lamp.set", risk: "low", stage: "tool_call", outcome: "success" }, one))
    for (
      const other of [{ tool: "lamp" }, { risk: "high" }, { stage: "gate" }, { outcome: "failure" }, {
        type: "tool_call"
      }]
    ) {
      assert.isFalse(matches(other, one), JSON.stringify(other))
    }
  })

  it("has the text in any case of its letters, in its words and in its data", () => {
    const one = row({ summary: "Bezahlt.", data: { reasons: ["It said \"Now\" twice."] } })
    assert.isTrue(matches({ text: "bEZAHLT" }, one))
    assert.isTrue(matches({ text: "said \"now\"" }, one))
    assert.isTrue(matches({ text: "LAMP.set" }, one))
    assert.isFalse(matches({ text: "100%" }, one))
    assert.isFalse(matches({ text: ".*" }, row({ summary: "anything" })))
  })

  it("is between from and to, to not in it", () => {
    const noon = "2026-11-30T12:00:00.000Z"
    assert.isTrue(matches({ since: noon }, row()))
    assert.isFalse(matches({ until: noon }, row()))
    assert.isFalse(matches({ since: "2026-11-30T12:00:01.000Z" }, row()))
  })

  it("is of the channel by which its event came", () => {
    const is = matcherOf({ channel: "porch" })
    assert.isTrue(is(came("porch", "t1", "e1")))
    assert.isTrue(is(row({ trace_id: "t1", refs: { event_id: "e1" } })))
    assert.isTrue(is(row({ trace_id: "t1" })))
    assert.isFalse(is(came("chat", "t2", "e2")))
    assert.isFalse(is(row({ trace_id: "t2", refs: { event_id: "e2" } })))
    // Nobody has seen where this came from.
    assert.isFalse(is(row({ trace_id: "t3" })))
    // A child of another channel in the trace of the porch.
    assert.isFalse(is(came("timer", "t1", "e9")))
    assert.isFalse(is(row({ trace_id: "t1", refs: { event_id: "e9" } })))
  })

  it("is an event where events are looked for, and shown as one", () => {
    const one = came("porch", "t1", "e1")
    assert.isTrue(matches({ kind: "events", tool: "lamp.set" }, one))
    assert.isFalse(matches({ kind: "events" }, row()))
    assert.deepInclude(eventOfRow(one), { id: "e1", channel: "porch", text: "good evening", trust: "trusted" })
  })

  it("the host is not asked for what it does not know of events", () => {
    const search: ActivitySearch = { kind: "events", text: "lamp", tool: "lamp.set", stage: "gate" }
    assert.deepStrictEqual(queryOf(search), { text: "lamp" })
    assert.deepStrictEqual(queryOf({ ...search, kind: undefined }), { text: "lamp", tool: "lamp.set", stage: "gate" })
  })
})

describe("what comes live", () => {
  const ids = (rows: ReadonlyArray<AuditEvent>): ReadonlyArray<string> => rows.map(({ audit_id }) => audit_id)

  it("stands on top at once for a reader at the top", () => {
    const top = makeTop(() => true, 10)
    const rows = [row(), row(), row()]
    top.take(rows.slice(0, 2))
    top.take(rows.slice(2))
    assert.deepStrictEqual(ids(top.rows().shown), ids(rows.toReversed()))
  })

  it("is kept back, and counted, while something else is read, then shown", () => {
    const top = makeTop(() => true, 10)
    const rows = [row(), row(), row()]
    top.take(rows.slice(0, 1))
    const before = top.rows().shown
    top.setAtTop(false)
    top.take(rows.slice(1))
    assert.strictEqual(top.rows().shown, before)
    assert.strictEqual(top.rows().waiting, 2)
    top.setAtTop(true)
    assert.deepStrictEqual(ids(top.rows().shown), ids(rows.toReversed()))
    assert.strictEqual(top.rows().waiting, 0)
  })

  it("keeps no more than it may, and still counts", () => {
    const top = makeTop(() => true, 100)
    top.setAtTop(false)
    for (let n = 0; n < 50; n++) top.take(Array.from({ length: 10 }, () => row()))
    assert.isTrue(top.rows().isOver)
    assert.strictEqual(top.rows().waiting, 500)
    top.show()
    assert.isAtMost(top.rows().shown.length, 110)
    assert.isTrue(top.rows().isOver)
  })
})

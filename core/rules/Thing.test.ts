import { assert, describe, it } from "@effect/vitest"
import type { EventRow } from "../contract/Rows.ts"
import { type CompiledCondition, compileCondition } from "../safety/Condition.ts"
import { ruleRoots, subjectOf } from "./Subject.ts"
import { reachOf, thingOf } from "./Thing.ts"

const row: EventRow = {
  event_id: "e1",
  trace_id: "t1",
  schema_version: "1.0",
  occurred_at: "2026-05-01T10:00:00.000Z",
  ingested_at: "2026-05-01T10:00:00.001Z",
  channel: "ha_event",
  connector_id: "home",
  actor_type: "integration",
  actor_id: "ha",
  structured: {},
  attachment_refs: [],
  links: [],
  timezone: "Europe/London",
  locale: "en",
  sensitivity: "low",
  trust: "trusted",
  redaction_policy_id: "default",
  depth: 0
}
const state = { autonomy: "A2", health: "healthy", time: new Date("2026-05-01T10:00:00Z") }
const subject = (structured: EventRow["structured"], more: Partial<EventRow> = {}) =>
  subjectOf({ ...row, structured, ...more }, state)
const compiled = (given: unknown): CompiledCondition => {
  const result = compileCondition(given, "field", { roots: ruleRoots })
  if (!result.ok) throw new Error(result.mistakes.join("; "))
  return result.value
}

describe("what a rule sees of an event", () => {
  it("is the event as it is told, and the state of the host", () => {
    const seen = subject({ a: 1 }, { text: "hello", device_id: "d" })
    assert.deepStrictEqual(Object.keys(seen).toSorted(), [...ruleRoots].toSorted())
    const paths = {
      "source.channel": "ha_event",
      "content.text": "hello",
      "content.structured.a": 1,
      "context.device_id": "d",
      "correlation.trace_id": "t1",
      "security.trust": "trusted",
      "actor.actor_id": "ha",
      "state.autonomy": "A2"
    }
    for (const [path, value] of Object.entries(paths)) {
      assert.isTrue(compiled({ path, op: "eq", value }).matches(seen), path)
    }
    assert.isTrue(compiled({ path: "source.thread_id", op: "exists", value: false }).matches(seen))
    const window = { start: "09:00", end: "10:01", timezone: "UTC" }
    for (const path of ["state.time", "occurred_at"]) {
      assert.isTrue(compiled({ path, op: "within", value: window }).matches(seen), path)
    }
  })
})

describe("the thing that an event is about", () => {
  it("is told by channel, connector and the first usual path that is there", () => {
    const same = [
      [subject({ entity_id: "a", topic: "x" }), subject({ entity_id: "a", topic: "y", n: 1 }, { device_id: "d" })],
      [subject({ topic: "x" }), subject({ topic: "x", n: 2 })],
      [subject({}, { device_id: "d" }), subject({ n: 1 }, { device_id: "d" })],
      [subject({}), subject({ n: 1 })]
    ] as const
    for (const [one, other] of same) assert.strictEqual(thingOf(one, undefined), thingOf(other, undefined))
    const different = [
      ...same.map(([one]) => one),
      subject({ entity_id: "b" }),
      subject({ topic: "a" }),
      subject({ entity_id: 1 }),
      subject({ entity_id: "1" }),
      subject({ entity_id: "a" }, { connector_id: "cabin" }),
      subject({ entity_id: "a" }, { channel: "mqtt" })
    ]
    assert.strictEqual(new Set(different.map((one) => thingOf(one, undefined))).size, different.length)
  })

  it("is told by what the rule says, an object whatever the order of its keys", () => {
    const per = "content.structured.x"
    assert.strictEqual(
      thingOf(subject({ x: { a: 1, b: 2 }, entity_id: "p" }), per),
      thingOf(subject({ x: { b: 2, a: 1 }, entity_id: "q" }), per)
    )
    assert.notStrictEqual(thingOf(subject({ x: null }), per), thingOf(subject({}), per))
    assert.notStrictEqual(thingOf(subject({ x: "1" }), per), thingOf(subject({ x: 1 }), per))
    assert.strictEqual(thingOf(subject({}), "not..a.path"), thingOf(subject({}), undefined))
    const long = (end: string) => thingOf(subject({ x: "x".repeat(10_000) + end }), per)
    assert.isBelow(long("a").length, 501)
    assert.notStrictEqual(long("a"), long("b"))
  })
})

describe("the reach of a rule", () => {
  const hot = (path: string, id: string) =>
    compiled({ all: [{ path, op: "eq", value: id }, { path: "content.structured.n", op: "gt", value: 5 }] })

  it("is every event about a thing of which the condition could hold, whatever else is in it", () => {
    const { choices, covers } = reachOf(hot("content.structured.entity_id", "a"), undefined)
    assert.isTrue(covers(subject({ entity_id: "a", n: 1 })))
    assert.isTrue(covers(subject({ entity_id: "a" })))
    assert.isFalse(covers(subject({ entity_id: "b", n: 9 })))
    assert.isFalse(covers(subject({ topic: "a" })))
    assert.deepStrictEqual(choices.map(([need]) => need?.field.path), ["content.structured.entity_id"])
  })

  it("has an event of another topic where an entity tells the thing", () => {
    const { choices, covers } = reachOf(hot("content.structured.topic", "a"), undefined)
    assert.isTrue(covers(subject({ topic: "a" })))
    assert.isFalse(covers(subject({ topic: "b" })))
    assert.isTrue(covers(subject({ topic: "b", entity_id: "e" })), "the last one of e may have been of topic a")
    assert.lengthOf(choices, 0)
  })

  it("is found by what the rule says that tells the thing", () => {
    const { choices, covers } = reachOf(hot("content.structured.topic", "a"), "content.structured.topic")
    assert.isFalse(covers(subject({ topic: "b", entity_id: "e" })))
    assert.deepStrictEqual(choices.map(([need]) => need?.values), [["a"]])
  })
})

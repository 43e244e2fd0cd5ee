import { assert, describe, it } from "@effect/vitest"
import { type CompiledCondition, compileCondition } from "../safety/Condition.ts"
import { makeIndex } from "./RuleIndex.ts"
import { computedMs } from "../../test/Cpu.ts"

const compiled = (given: unknown): CompiledCondition => {
  const result = compileCondition(given, "field", { timezone: "UTC" })
  if (!result.ok) throw new Error(result.mistakes.join("; "))
  return result.value
}
const is = (path: string, value: unknown) => ({ path, op: "eq", value })
const indexOf = (conditions: ReadonlyArray<unknown>) => {
  const index = makeIndex(conditions.map((given, id) => ({ id, ...compiled(given) })), ({ choices }) => choices)
  return (subject: unknown) => index.candidates(subject).map(({ id }) => id)
}
const event = (channel: string, entity_id: string, more: object = {}) => ({
  source: { channel },
  content: { text: "", structured: { entity_id, ...more } }
})

describe("an index of rules", () => {
  it("finds the rule of one sensor by the sensor, not by the channel that all share", () => {
    const candidates = indexOf(Array.from({ length: 300 }, (_, i) => ({
      all: [
        is("source.channel", "ha_event"),
        is("content.structured.state", "on"),
        is("content.structured.entity_id", `sensor.${i}`)
      ]
    })))
    assert.deepStrictEqual(candidates(event("ha_event", "sensor.77", { state: "on" })), [77])
    assert.deepStrictEqual(candidates(event("ha_event", "sensor.nobody", { state: "on" })), [])
  })

  it("keeps the order, and each entry once, whatever found it", () => {
    const candidates = indexOf([
      { all: [] },
      { any: [is("content.structured.entity_id", "a"), { path: "content.text", op: "exists" }] },
      { path: "content.text", op: "regex", value: "^$" },
      is("content.structured.entity_id", "a"),
      is("content.structured.entity_id", "b"),
      { none: [is("content.structured.entity_id", "b")] },
      { path: "content.structured.entity_id", op: "in", value: ["a", "a", "c"] },
      { path: "content.structured.missing", op: "exists", value: false },
      { path: "content.structured.missing", op: "exists" }
    ])
    assert.deepStrictEqual(candidates(event("chat", "a")), [0, 1, 2, 3, 5, 6, 7])
    assert.deepStrictEqual(candidates(event("chat", "b")), [0, 1, 2, 4, 5, 7])
    assert.deepStrictEqual(candidates({}), [0, 5, 7])
    assert.deepStrictEqual(indexOf([])({}), [])
  })

  it("reads each path once for an event", () => {
    const reads = new Map<string, number>()
    const counting = (at: string, value: object): object =>
      new Proxy(value, {
        getOwnPropertyDescriptor: (target, key) => {
          reads.set(`${at}${String(key)}`, (reads.get(`${at}${String(key)}`) ?? 0) + 1)
          return Reflect.getOwnPropertyDescriptor(target, key)
        }
      })
    const candidates = indexOf(
      Array.from(
        { length: 200 },
        (_, i) => i % 2 === 0 ? is("content.x", i) : { path: "content.y", op: "gt", value: i }
      )
    )
    candidates({ content: counting("", { x: 4, y: 3 }) })
    assert.deepStrictEqual([...reads], [["x", 1], ["y", 1]])
  })

  it("is not held up by what is made to be slow", () => {
    const long = "a".repeat(65_536)
    const candidates = indexOf([
      { path: "content.text", op: "regex", value: "(a+)+$" },
      { path: "content.text", op: "regex", value: "^(a|aa)+b" },
      { path: "content.text", op: "regex", value: "(?i)(x+x+)+y" },
      { path: "content.text", op: "matches", value: "*a*a*a*a*a*b" },
      { path: "content.text", op: "matches", value: `${"*a".repeat(99)}b` }
    ])
    const began = computedMs()
    assert.deepStrictEqual(candidates({ content: { text: long } }), [0])
    assert.isBelow(computedMs() - began, 3_000)
  })
})

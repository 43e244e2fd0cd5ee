/**
 * What becomes of a rule for an event, as it is decided under the locks: what is asked first, what is remembered, and when a
 * hold begins, ends and fires.
 */
import { assert, describe, it } from "@effect/vitest"
import type { RuleDefinition } from "../contract/Rule.ts"
import type { OwedRule } from "../contract/Rows.ts"
import { isStateful, readRule } from "../plugin/RuleReading.ts"
import { type Answer, answerOf, type Memory, type Question, type RuleStateRow, type States } from "./Firing.ts"

const base = Date.UTC(2026, 0, 1, 12)
const at = (ms: number): Date => new Date(base + ms)

const on = { path: "content.structured.state", op: "eq", value: "on" } as const
const changes = { path: "content.structured.state", op: "changed" } as const

/** One rule and what it remembers, over as many events as a test has. */
const world = (more: Partial<RuleDefinition> = {}) => {
  const read = readRule({ name: "r", when: on, then: [{ emit: {} }], ...more }, { style: "wire", timezone: "UTC" })
  if (!read.ok) throw new Error(read.mistakes.join("; "))
  const { condition, definition } = read.value
  const state: RuleStateRow = { enabled: true, lastFiredAt: undefined, hits: 0, suppressed: 0 }
  const memories = new Map<string, Memory>()
  const marks = new Map<string, Date>()
  let holds = 0
  const states = (now: Date): States => ({
    now,
    marks,
    stateOf: () => state,
    memoryOf: (_, thing) => {
      const memory = memories.get(thing) ?? { seq: 0, seen: undefined, hold_id: undefined }
      memories.set(thing, memory)
      return memory
    }
  })
  const rule: OwedRule = {
    rule_id: "r",
    definition,
    origin: "config",
    trust: "operator",
    ...(isStateful(read.value) ? { stateful: true } : {})
  }
  const ask = (n: number, value: string, ms: number, given: Partial<Question> = {}): Answer =>
    answerOf({
      rule,
      condition,
      event: { depth: 0 },
      seq: n + 1,
      traceEvents: 0,
      subject: { source: { channel: "ha" }, content: { structured: { state: value } } },
      thing: "window",
      work_id: `work ${n}`,
      quiet: undefined,
      newHold: () => `hold ${++holds}`,
      ...given
    }, states(at(ms)))
  /** The work of a hold, when it is due. */
  const due = (hold: string, value: string, ms: number, given: Partial<Question> = {}): Answer =>
    ask(0, value, ms, { rule: { ...rule, held: true }, work_id: hold, ...given })
  return { ask, due, state, marks, memory: () => memories.get("window") }
}

const said = (answer: Answer): string =>
  answer._tag === "Suppressed"
    ? answer.reason
    : answer._tag === "Holding"
    ? answer.hold_id ?? "holds on"
    : answer._tag === "NotMatched" && answer.ended !== undefined
    ? `ends ${answer.ended}`
    : answer._tag

describe("a rule that looks at one event", () => {
  it("fires and counts, each time", () => {
    const { ask, state } = world()
    assert.deepEqual([1, 2, 3].map((n) => said(ask(n, "on", n))), ["Fires", "Fires", "Fires"])
    assert.deepEqual(state, { enabled: true, lastFiredAt: at(3), hits: 3, suppressed: 0 })
  })

  it("is asked in one order: off, quiet hours, chain, debounce, dedupe", () => {
    const { ask, marks, state } = world({ debounce_ms: 1_000, dedupe: { window_ms: 1_000 } })
    const all = { quiet: "night", event: { event_id: "event", depth: 8 } }
    assert.strictEqual(said(ask(1, "on", 0)), "Fires")
    state.enabled = false
    const order = [said(ask(2, "on", 1, all))]
    state.enabled = true
    order.push(said(ask(2, "on", 1, all)))
    order.push(said(ask(2, "on", 1, { ...all, quiet: undefined })))
    order.push(said(ask(2, "on", 1)))
    state.lastFiredAt = undefined
    order.push(said(ask(2, "on", 1)))
    assert.deepEqual(order, ["disabled", "quiet_hours", "cascade", "debounce", "dedupe"])
    assert.deepEqual([state.hits, state.suppressed], [1, 5])
    // What was held back leaves no mark and moves no window.
    assert.deepEqual([...marks.values()], [at(0)])
  })

  it("says in words why it does nothing", () => {
    const { ask } = world({ debounce_ms: 1_000 })
    ask(1, "on", 0)
    assert.deepInclude(ask(2, "on", 400), { detail: "it was fired 400 ms ago, and does so once in 1000 ms" })
    assert.deepInclude(ask(2, "on", 400, { quiet: "22:00 to 07:00" }), { detail: "quiet hours (22:00 to 07:00)" })
  })

  it("counts a debounce from the last firing, to the millisecond", () => {
    const { ask } = world({ debounce_ms: 100 })
    assert.deepEqual(
      [0, 99, 100, 150, 199, 200].map((ms, n) => said(ask(n, "on", ms))),
      ["Fires", "debounce", "Fires", "debounce", "debounce", "Fires"]
    )
  })

  it("does the same once in its window, and something else meanwhile", () => {
    const { ask } = world({
      when: { path: "content.structured.state", op: "exists" },
      dedupe: { key: "{{content.structured.state}}", window_ms: 100 }
    })
    assert.deepEqual(
      [["a", 0], ["b", 10], ["a", 99], ["b", 99], ["a", 100], ["b", 110]].map(([value, ms], n) =>
        said(ask(n, String(value), Number(ms)))
      ),
      ["Fires", "Fires", "dedupe", "dedupe", "Fires", "Fires"]
    )
  })

  it.each(["content.structured.state", "{{content.structured.state}}", "x {{ content.structured.state }}"])(
    "takes the key %s as the value of the event",
    (key) => {
      const { ask } = world({ when: { path: "content", op: "exists" }, dedupe: { key, window_ms: 100 } })
      assert.deepEqual(["a", "b", "a"].map((value, n) => said(ask(n, value, n))), ["Fires", "Fires", "dedupe"])
    }
  )
})

describe("a rule that compares with the event before", () => {
  it("has nothing to compare the first with, and sees each change once", () => {
    const { ask } = world({ when: changes })
    assert.deepEqual(
      ["on", "on", "off", "off", "on"].map((value, n) => said(ask(n, value, n))),
      ["NotMatched", "NotMatched", "Fires", "NotMatched", "Fires"]
    )
  })

  it("remembers nothing of an event that is older than the last it has seen", () => {
    const { ask, memory } = world({ when: changes })
    ask(5, "on", 0)
    ask(3, "off", 1)
    assert.strictEqual(memory()?.seq, 6)
    assert.strictEqual(said(ask(6, "on", 2)), "NotMatched")
  })

  it("keeps things apart", () => {
    const { ask } = world({ when: changes })
    const other = { thing: "door" }
    assert.deepEqual(
      [ask(1, "on", 0), ask(2, "off", 1, other), ask(3, "on", 2), ask(4, "on", 3, other)].map(said),
      ["NotMatched", "NotMatched", "NotMatched", "Fires"]
    )
  })

  it("sees what was held back, too", () => {
    const { ask } = world({ when: changes, debounce_ms: 1_000 })
    assert.deepEqual(
      ["on", "off", "on", "on"].map((value, n) => said(ask(n, value, n))),
      ["NotMatched", "Fires", "debounce", "NotMatched"]
    )
  })
})

describe("a rule whose condition has to hold on", () => {
  const held = { held_for_ms: 100 } as const

  it("begins once, fires once when it is due, and not again while it holds", () => {
    const { ask, due, memory, state } = world(held)
    assert.deepEqual([ask(1, "on", 0), ask(2, "on", 10)].map(said), ["hold 1", "holds on"])
    assert.strictEqual(state.hits, 0)
    assert.strictEqual(said(due("hold 1", "on", 100)), "Fires")
    assert.strictEqual(memory()?.hold_id, "hold 1")
    assert.strictEqual(said(ask(3, "on", 120)), "holds on")
    assert.deepEqual([ask(4, "off", 130), ask(5, "on", 140)].map(said), ["ends hold 1", "hold 2"])
  })

  it("ends with the condition: what is due then does nothing", () => {
    const { ask, due } = world(held)
    ask(1, "on", 0)
    assert.strictEqual(said(ask(2, "off", 50)), "ends hold 1")
    assert.strictEqual(said(due("hold 1", "on", 100)), "NotMatched")
  })

  it("that began anew is another: the old one does nothing", () => {
    const { ask, due } = world(held)
    assert.deepEqual([ask(1, "on", 0), ask(2, "off", 10), ask(3, "on", 20)].map(said), [
      "hold 1",
      "ends hold 1",
      "hold 2"
    ])
    assert.strictEqual(said(due("hold 1", "on", 100)), "NotMatched")
    assert.strictEqual(said(due("hold 2", "on", 120)), "Fires")
  })

  it("is neither begun nor ended by an event that comes late", () => {
    const { ask, memory } = world(held)
    ask(5, "on", 0)
    assert.strictEqual(said(ask(3, "off", 1)), "NotMatched")
    assert.strictEqual(memory()?.hold_id, "hold 1")
    ask(6, "off", 2)
    assert.strictEqual(said(ask(4, "on", 3)), "holds on")
    assert.isUndefined(memory()?.hold_id)
  })

  it("ends where the condition does not hold any more when it is due", () => {
    const { ask, due, memory } = world(held)
    ask(1, "on", 0)
    assert.strictEqual(said(due("hold 1", "off", 100)), "NotMatched")
    assert.isUndefined(memory()?.hold_id)
  })

  it("is held back like any other when it is due", () => {
    const { ask, due, state } = world({ ...held, debounce_ms: 1_000 })
    state.lastFiredAt = at(0)
    ask(1, "on", 0)
    assert.strictEqual(said(due("hold 1", "on", 100)), "debounce")
    ask(2, "off", 200)
    ask(3, "on", 900)
    assert.strictEqual(said(due("hold 2", "on", 1_000)), "Fires")
  })

  it("counts a change as true for as long as the rest holds", () => {
    const { ask, due } = world({ when: { all: [on, changes] }, ...held })
    assert.deepEqual([ask(1, "off", 0), ask(2, "on", 10), ask(3, "on", 20)].map(said), [
      "NotMatched",
      "hold 1",
      "holds on"
    ])
    assert.strictEqual(said(due("hold 1", "on", 110)), "Fires")
  })
})

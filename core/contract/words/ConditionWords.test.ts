/** A condition says the same of a rule and of a standing rule; only what it is over is called otherwise. */
import { assert, describe, it } from "@effect/vitest"
import { conditionOps } from "../../safety/ConditionOps.ts"
import { brief, conditionInWords, leafInWords, ofCalls } from "./index.ts"

describe("a condition in words", () => {
  it("has words of its own for each operator that there is", () => {
    for (const op of Object.keys(conditionOps)) {
      const words = leafInWords({ path: "a.b", op, value: true })
      assert.match(words, /^a\.b (is|does|contains|starts|ends|looks|matches|changed)/, op)
    }
  })

  it("says what holds always or never in the words of what it is over", () => {
    for (
      const [when, events, call] of [
        [{ all: [] }, "every event", "it is called at all"],
        [{ any: [] }, "no event", "nothing ever fits"],
        [{ none: [] }, "every event", "it is called at all"],
        [{ path: "x", op: "exists" }, "x is there", "x is given"],
        [{ none: [{ path: "x", op: "exists", value: false }] }, "not (x is not there)", "not (x is not given)"]
      ] as const
    ) {
      assert.deepEqual([conditionInWords(when), conditionInWords(when, { wording: ofCalls })], [events, call])
    }
  })

  it("has brackets only where they say something", () => {
    const a = { path: "a", op: "eq", value: 1 }
    assert.strictEqual(
      conditionInWords({ all: [a, { any: [a, a] }, { all: [a] }] }),
      "a is 1 and (a is 1 or a is 1) and a is 1"
    )
  })

  it("shows what is no condition, and an operator that is new, as they are", () => {
    assert.deepEqual([conditionInWords(undefined), conditionInWords({ path: 3 })], ["nothing", "{\"path\":3}"])
    assert.strictEqual(leafInWords({ path: "a", op: "constructor", value: 1 }), "a constructor 1")
  })

  it("shows a path and a value as whoever shows them would have it", () => {
    const shown = { path: (path: string) => `<${path}>`, value: (value: unknown) => `(${String(value)})` }
    assert.strictEqual(
      conditionInWords({ all: [{ path: "a", op: "exists" }, { path: "b", op: "eq", value: 1 }, 7] }, shown),
      "<a> is there and <b> is (1) and (7)"
    )
  })

  it("says how long a value is that is cut, and cuts no character in two", () => {
    assert.match(brief("🙂".repeat(300)), /^"(🙂)+\ufffd?… \(602 characters in all\)$/u)
  })
})

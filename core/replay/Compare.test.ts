import { assert, describe, it } from "vitest"
import { compare, isSame } from "./Compare.ts"

const [first, second, third] = ["1", "2", "3"].map((end) => `00000000-0000-7000-8000-00000000000${end}`)
const call = (id: string | undefined, at = "2026-11-30T07:15:29.123Z") => ({
  about: "event 1",
  says: { decided: "call", input: { id, until: at }, note: `for ${id}` }
})

describe("two lists of decisions", () => {
  it("are the same where only ids and times differ", () => {
    const lines = compare([call(first), call(second)], [call(third, "2027-01-01T00:00:00Z"), call(first)])
    assert.isTrue(isSame(lines))
    assert.deepEqual(lines[0]?.recorded?.["note"], "for #1")
  })

  it("are others where the same id stood for two things, or a key or an order is another", () => {
    assert.isFalse(isSame(compare([call(first), call(second)], [call(third), call(third)])))
    const [one, other] = [{ about: "event 1", says: { decided: "a" } }, { about: "event 1", says: { decided: "b" } }]
    assert.isFalse(isSame(compare([one, other], [other, one])))
    assert.isFalse(isSame(compare([one], [{ ...one, says: { ...one.says, more: 1 } }])))
    assert.isFalse(isSame(compare([one], [])))
    assert.isFalse(isSame(compare([], [one])))
  })

  it("are compared thing by thing, and no further than the records go", () => {
    const step = { about: "event 1, task", says: { decided: "begin", position: 0 } }
    const why = "Nobody was asked."
    const lines = compare([step, call(first), { ...step, says: { decided: "task done" } }], [
      call(second),
      step,
      { about: step.about, diverges: why }
    ])
    assert.deepEqual(lines.map(({ about, is }) => [about, is]), [
      ["event 1, task", "same"],
      ["event 1, task", "diverges"],
      ["event 1", "same"]
    ])
    assert.strictEqual(lines[1]?.why, why)
  })
})

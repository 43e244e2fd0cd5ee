import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { hashedForm, plainForm, wireNames } from "./WireNames.ts"

describe("names on the wire", () => {
  it("lead back, are allowed and differ, whatever the tools are called", () => {
    const name = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.stringMatching(/^[a-c](\.|_)[a-c]$/),
      fc.stringMatching(/^[ab.]{60,70}$/)
    )
    fc.assert(fc.property(fc.uniqueArray(name, { maxLength: 12 }), (names) => {
      const { fromWire, toWire } = wireNames(names)
      const wires = names.map(toWire)
      for (const wire of wires) assert.match(wire, /^[a-zA-Z0-9_-]{1,64}$/)
      assert.deepEqual(wires.map(fromWire), names)
      assert.strictEqual(new Set(wires).size, names.length)
    }))
  })

  it("survive a tool that has the hash of another in its name", () => {
    const names = ["a.b", "a_b", hashedForm("a.b"), hashedForm("a.b", 9)]
    const { fromWire, toWire } = wireNames(names)
    assert.deepEqual(names.map(toWire).map(fromWire), names)
  })

  it("are given to tools that were not offered too, and come back as they are", () => {
    const { fromWire, toWire } = wireNames(["coffee.brew"])
    assert.strictEqual(toWire("tea.brew"), plainForm("tea.brew"))
    assert.strictEqual(fromWire("tea_brew"), "tea_brew")
    assert.strictEqual(fromWire("coffee.brew"), "coffee.brew")
    assert.strictEqual(toWire(""), "_")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { autonomyInWords } from "syris/words"
import { isRaise, levels, whatItLets } from "./autonomy.ts"

describe("the autonomy levels", () => {
  it("are those that the host has words for", () => {
    assert.deepEqual([...levels], Object.keys(autonomyInWords))
    assert.deepEqual(Object.keys(whatItLets), Object.keys(autonomyInWords))
  })

  it("know a raise from a lowering", () => {
    assert.isTrue(isRaise("A1", "A3"))
    assert.isFalse(isRaise("A3", "A1"))
    assert.isFalse(isRaise("A2", "A2"))
  })
})

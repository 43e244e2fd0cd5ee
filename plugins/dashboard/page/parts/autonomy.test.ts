/** The page says of the levels what the host says of them. */
import { assert, describe, it } from "@effect/vitest"
import { autonomyInWords as inCore } from "../../../../core/safety/AutonomyWords.ts"
import { autonomyInWords, isRaise, levels, whatItLets } from "./autonomy.ts"

describe("the autonomy levels", () => {
  it("have the words that the host has for them", () => {
    assert.deepEqual(autonomyInWords, inCore)
    assert.deepEqual([...levels], Object.keys(inCore))
    assert.deepEqual(Object.keys(whatItLets), Object.keys(inCore))
  })

  it("know a raise from a lowering", () => {
    assert.isTrue(isRaise("A1", "A3"))
    assert.isFalse(isRaise("A3", "A1"))
    assert.isFalse(isRaise("A2", "A2"))
  })
})

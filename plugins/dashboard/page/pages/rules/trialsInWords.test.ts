import { assert, describe, it } from "vitest"
import type { RuleTrial } from "../../../../../core/contract/RuleExplanation.ts"
import { reasonInWords, toldOf, trialsInWords } from "./trialsInWords.ts"

const trial = (event_id: string, more: Partial<RuleTrial>): RuleTrial => ({
  event_id,
  matched: false,
  fires: false,
  leaves: [],
  ...more
})

describe("a rule that is tried on the past", () => {
  const items = [
    trial("a", { fires: true, matched: true }),
    trial("b", {}),
    trial("c", { matched: true, reason: "debounce" })
  ]

  it("is told by how often it would have fired and have been held back", () => {
    assert.equal(trialsInWords(items), "On 1 of 3 events it would have fired, on 1 it would have been held back.")
    assert.equal(trialsInWords(items.slice(0, 1)), "On 1 of 1 event it would have fired.")
    assert.equal(trialsInWords([]), "There is no event yet to try it on.")
  })

  it("shows the newest first, and only where its condition held", () => {
    assert.deepEqual(toldOf(items).map(({ event_id }) => event_id), ["c", "a"])
  })

  it("says why in words, also where the host has a reason of its own", () => {
    assert.equal(reasonInWords("quiet_hours"), "it was in quiet hours")
    assert.equal(reasonInWords("it waits still"), "it waits still")
  })
})

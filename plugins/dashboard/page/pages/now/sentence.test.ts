/** What the operator reads first says what is so: what is wrong before what waits, and no "well" over what is not. */
import { assert, describe, it } from "@effect/vitest"
import { listed } from "../../parts/counted.ts"
import { doingOf, type SentenceFacts, sentenceOf } from "./sentence.ts"

const well: SentenceFacts = {
  status: "healthy",
  ailing: [],
  paused: false,
  approvals: 0,
  questions: 0,
  calls: 0,
  alarms: 0,
  namesAlarm: false,
  connected: true
}
const said = (facts: Partial<SentenceFacts>) => sentenceOf({ ...well, ...facts })

describe("the first sentence", () => {
  it("is calm where nothing is wrong and nothing waits", () => {
    assert.deepEqual(said({}), { text: "All is well; nothing waits for you.", tone: "good" })
  })

  it("counts what waits for the operator", () => {
    assert.deepEqual(said({ approvals: 2 }), { text: "All is well; 2 approvals wait for you.", tone: "busy" })
    assert.strictEqual(said({ approvals: 1 }).text, "All is well; 1 approval waits for you.")
    assert.strictEqual(
      said({ approvals: 1, questions: 1, calls: 3 }).text,
      "The host is well; 1 approval, 1 question and 3 calls to settle wait for you."
    )
  })

  it("does not say that all is well while an alarm is open or a call unknown", () => {
    for (const facts of [{ alarms: 1 }, { calls: 1 }]) {
      assert.notMatch(said(facts).text, /All is well/)
      assert.strictEqual(said(facts).tone, "warn")
    }
    assert.strictEqual(said({ alarms: 1 }).text, "The host is well; 1 alarm is open.")
    assert.strictEqual(
      said({ alarms: 2, approvals: 1 }).text,
      "The host is well; 2 alarms are open; 1 approval waits for you."
    )
  })

  it("names what is not well, then the pause, then what waits", () => {
    assert.deepEqual(
      said({ status: "degraded", ailing: ["the mailbox does not answer since 14:02"], paused: true }),
      {
        text: "Degraded: the mailbox does not answer since 14:02; paused, nothing new begins; nothing waits for you.",
        tone: "warn"
      }
    )
    assert.strictEqual(
      said({ status: "degraded", ailing: ["a", "b"] }).text,
      "Degraded: a and b; nothing waits for you."
    )
    assert.strictEqual(
      said({ status: "degraded", ailing: ["a", "b", "c", "d", "e"] }).text,
      "Degraded: a, b and 3 more parts are not well; nothing waits for you."
    )
    assert.strictEqual(
      said({ status: "degraded", ailing: ["the alarm disk.full is open"], namesAlarm: true }).text,
      "Degraded: the alarm disk.full is open."
    )
    assert.strictEqual(said({ paused: true }).text, "Well, but paused: nothing new begins; nothing waits for you.")
  })

  it("is the worst where the host is down or not heard of", () => {
    const down = said({ status: "down", ailing: ["the database does not answer"] })
    assert.strictEqual(down.tone, "bad")
    assert.match(down.text, /^Down: the database does not answer; no work is done until that is over; /)
    const away = said({ connected: false })
    assert.deepEqual(away, {
      text: "Not connected. When it was last heard of: all is well; nothing waits for you.",
      tone: "bad"
    })
  })
})

describe("what it works on", () => {
  it("says tasks, jobs and what waits", () => {
    assert.strictEqual(doingOf({ running: 0, waiting: 0, jobs: 0 }), "Nothing is running.")
    assert.strictEqual(doingOf({ running: 2, waiting: 1, jobs: 1 }), "It works on 2 tasks and 1 job; 1 task waits.")
    assert.strictEqual(doingOf({ running: 0, waiting: 3, jobs: 0 }), "Nothing is running; 3 tasks wait.")
    assert.strictEqual(listed(["a", "b", "c"]), "a, b and c")
  })
})

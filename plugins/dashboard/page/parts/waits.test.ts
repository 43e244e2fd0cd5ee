import { assert, describe, it } from "@effect/vitest"
import type { Task } from "syris/records"
import { waitOf } from "./waits.ts"

describe("what a task waits for", () => {
  it("is said after “waits”, for each thing that there is", () => {
    const all: ReadonlyArray<NonNullable<Task["waits_for"]>> = ["time", "person", "answer", "approval", "job", "pause"]
    for (const waits_for of all) {
      assert.match(waitOf({ status: "waiting", waits_for })?.words ?? "", /^(for|until) /, waits_for)
    }
    assert.strictEqual(waitOf({ status: "pending" })?.words, "for its turn")
    assert.strictEqual(waitOf({ status: "running" }), undefined)
  })
})

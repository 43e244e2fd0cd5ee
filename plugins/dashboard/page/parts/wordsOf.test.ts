import { assert, describe, it } from "@effect/vitest"
import { wordsOf } from "./wordsOf.ts"

describe("what an event says", () => {
  it("is its text, else what it carries, else nothing", () => {
    assert.strictEqual(wordsOf({ text: "hello", structured: { a: 1 } }), "hello")
    assert.strictEqual(wordsOf({ text: "", structured: { a: 1 } }), "{\"a\":1}")
    assert.strictEqual(wordsOf({ structured: {} }), "")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Allowance, burst, bytesOfOne } from "./Allowance.ts"

describe("what an isolate may begin", () => {
  it("is so many messages, and a long one counts for as many as it costs to read", () => {
    const many = (bytes: number): number => {
      const allowance = new Allowance(() => 0)
      let taken = 0
      while (allowance.take(bytes) === 0) taken++
      return taken
    }
    assert.equal(many(100), burst)
    assert.equal(many(bytesOfOne), burst)
    assert.equal(many(16 * bytesOfOne), Math.floor(burst / 16))
  })
})

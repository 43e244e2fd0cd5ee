/**
 * How long a step waits before it is tried again: never longer than its policy says, never shorter than its lot allows.
 */
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { RetryPolicy } from "../contract/Task.ts"
import { retryDelayMs } from "./RetryDelay.ts"
import { defaultRetry } from "./TaskPlan.ts"

const day = 86_400_000

const policy: fc.Arbitrary<RetryPolicy> = fc.record({
  strategy: fc.constantFrom("exponential", "fixed"),
  base_delay_ms: fc.integer({ min: 0, max: day }),
  max_delay_ms: fc.integer({ min: 0, max: day }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true })
})
const attempt = fc.oneof(fc.nat(100), fc.nat(1_000_000))
const lot = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

const never = () => 0
/** What `Math.random` gives at most. */
const most = () => 1 - 2 ** -53

const delay = (given: RetryPolicy, tried: number, draw: () => number = never): number => {
  const ms = retryDelayMs(given, tried, draw)
  assert.isDefined(ms)
  return ms ?? Number.NaN
}

describe("the delay before the next attempt", () => {
  it("doubles from the first to the longest, as the usual policy has it", () => {
    const delays = Array.from({ length: 9 }, (_, tried) => delay(defaultRetry, tried))
    assert.deepStrictEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  })

  it("stays the same where it is fixed, and is none where the policy does not try again", () => {
    const fixed = { ...defaultRetry, strategy: "fixed" } as const
    assert.deepStrictEqual([0, 1, 50].map((tried) => delay(fixed, tried)), [500, 500, 500])
    assert.strictEqual(delay({ ...fixed, max_delay_ms: 100 }, 0), 100)
    assert.isUndefined(retryDelayMs({ ...defaultRetry, strategy: "none" }, 0))
  })

  it("is a whole number between its bounds, whatever the lot", () => {
    fc.assert(fc.property(policy, attempt, lot, (given, tried, drawn) => {
      const full = delay(given, tried)
      const ms = delay(given, tried, () => drawn)
      assert.isTrue(Number.isSafeInteger(ms), `${ms}`)
      assert.isAtMost(full, given.max_delay_ms)
      assert.isAtMost(ms, full)
      assert.isAtLeast(ms, Math.floor(full * (1 - given.jitter)))
      if (given.strategy === "fixed") assert.strictEqual(full, Math.min(given.base_delay_ms, given.max_delay_ms))
    }))
  })

  it("does not shrink from one attempt to the next, but for the lot", () => {
    fc.assert(fc.property(policy, attempt, (given, tried) => {
      assert.isAtLeast(delay(given, tried + 1), delay(given, tried))
    }))
  })

  it("is a fifth shorter at most by the usual lot, and anything down to nothing by the largest", () => {
    assert.strictEqual(delay(defaultRetry, 3, most), 3_200)
    assert.strictEqual(delay({ ...defaultRetry, jitter: 1 }, 3, most), 0)
    const drawn = new Set(Array.from({ length: 100 }, () => retryDelayMs(defaultRetry, 5)))
    assert.isAbove(drawn.size, 20, "those who failed together come back apart")
    for (const ms of drawn) assert.isTrue(ms !== undefined && ms >= 12_800 && ms <= 16_000, `${ms}`)
  })
})

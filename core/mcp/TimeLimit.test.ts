import { assert, describe, it } from "vitest"
import { TooSlow, within } from "./TimeLimit.ts"

/** Stands still, without the processor. */
const stand = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

describe("code that is not ours", () => {
  it("is ended in its midst, and the next is not", () => {
    assert.throws(
      () =>
        within(100, () => {
          for (;;);
        }),
      TooSlow
    )
    assert.strictEqual(within(30_000, () => 7), 7)
  })

  it("is tried once more where others had the processor meanwhile, and no oftener", () => {
    const after = (slow: number): [unknown, number] => {
      let begun = 0
      try {
        return [
          within(100, () => {
            if (begun++ < slow) {
              stand(200)
              for (const end = performance.now() + 1; performance.now() < end;);
            }
            return "done"
          }),
          begun
        ]
      } catch (error) {
        return [error instanceof TooSlow, begun]
      }
    }
    assert.deepStrictEqual(after(1), ["done", 2])
    assert.deepStrictEqual(after(9), [true, 2])
  })
})

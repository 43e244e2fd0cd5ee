import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { type Admission, Breaker } from "./Breaker.ts"

const second = 1_000

/** Fails so often at a time, each failure admitted then. */
const fail = (breaker: Breaker, times: number, now: number): ReadonlyArray<number | undefined> =>
  Array.from({ length: times }, () => breaker.failed(breaker.admit(now), now))

describe("a breaker", () => {
  it("trips at the fifth failure in a row, and an answer in between begins the row anew", () => {
    const breaker = new Breaker()
    fail(breaker, 4, 0)
    breaker.succeeded()
    assert.deepEqual(fail(breaker, 5, 0), [undefined, undefined, undefined, undefined, 30 * second])
    assert.strictEqual(breaker.admit(29 * second), "passed_over")
  })

  it("lets one question through when its time is up", () => {
    const breaker = new Breaker()
    fail(breaker, 5, 0)
    assert.strictEqual(breaker.admit(30 * second), "probe")
    assert.strictEqual(breaker.admit(30 * second), "passed_over")
    breaker.released("probe")
    assert.strictEqual(breaker.admit(30 * second), "probe", "a question that was given up is no probe")
    assert.isTrue(breaker.succeeded())
    assert.strictEqual(breaker.admit(30 * second), "ask")
    assert.isFalse(breaker.succeeded())
  })

  it("doubles with each probe that fails, up to five minutes, and begins anew after an answer", () => {
    const breaker = new Breaker()
    const times: Array<number | undefined> = [fail(breaker, 5, 0).at(-1)]
    for (let i = 0; i < 5; i++) {
      const due = breaker.dueAt!
      assert.strictEqual(breaker.admit(due - 1), "passed_over")
      times.push(breaker.failed(breaker.admit(due), due))
    }
    assert.deepEqual(times.map((ms) => ms! / second), [30, 60, 120, 240, 300, 300])
    breaker.succeeded()
    assert.strictEqual(fail(breaker, 5, 0).at(-1), 30 * second)
  })

  it("is not tripped longer by questions that were out already, or that had nobody else", () => {
    const breaker = new Breaker()
    fail(breaker, 5, 0)
    assert.deepEqual(["ask", "passed_over"].map((admission) => breaker.failed(admission as Admission, second)), [
      undefined,
      undefined
    ])
    assert.strictEqual(breaker.dueAt, 30 * second)
  })

  it("never has two probes out, and is never stuck, whatever happens", () => {
    const move = fc.record({
      what: fc.constantFrom("admit", "succeed", "fail", "release"),
      after: fc.integer({ min: 0, max: 40 * second })
    })
    fc.assert(fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const breaker = new Breaker()
      const out: Array<Admission> = []
      let now = 0
      for (const { after, what } of moves) {
        now += after
        if (what === "admit") {
          const admission = breaker.admit(now)
          if (admission === "passed_over") continue
          assert.isFalse(admission === "probe" && out.includes("probe"))
          out.push(admission)
          continue
        }
        const admission = out.pop()
        if (admission === undefined) continue
        if (what === "succeed") {
          breaker.succeeded()
          // Whoever was the probe counts no more once another one answered.
          for (const [i, each] of out.entries()) if (each === "probe") out[i] = "ask"
        } else if (what === "fail") breaker.failed(admission, now)
        else breaker.released(admission)
      }
      for (const admission of out) breaker.released(admission)
      assert.notStrictEqual(breaker.admit(now + 300 * second), "passed_over")
    }))
  })
})

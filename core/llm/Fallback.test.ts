/**
 * Several models and one question, on a clock that the test moves: who is asked, and how often.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Health } from "../health/Health.ts"
import { failed } from "./CompletionProvider.ts"
import { cutAtLimit } from "./Failure.ts"
import { actor, busy, chain, chainOf, down, hangs, question, settled, wrong } from "./TestActors.ts"

describe("a chain of models", () => {
  it.effect("is asked in its order until one answers, which says who was tried and what it cost", () =>
    Effect.gen(function*() {
      const [big, small, last] = [actor("big", down), actor("small"), actor("last")]
      const answer = yield* chain(big, small, last).complete(question)
      assert.deepInclude(answer, {
        text: "I am small.",
        model: "small-2026",
        usd: 3,
        tried: [{ model: "big", code: "llm.unavailable" }]
      })
      assert.deepStrictEqual([big.asked(), small.asked(), last.asked()], [1, 1, 0])
    }))

  for (const code of ["llm.timeout", "llm.silent", "llm.rate_limited", "llm.unavailable", "llm.cut"] as const) {
    it.effect(`goes on after ${code}`, () =>
      Effect.gen(function*() {
        const answer = yield* chain(actor("big", { fails: failed(code, "No.") }), actor("small")).complete(question)
        assert.deepStrictEqual(answer.tried, [{ model: "big", code }])
      }))
  }
  for (const code of ["llm.refused", "llm.invalid", "llm.too_large", "llm.aborted"] as const) {
    it.effect(`ends with ${code}`, () =>
      Effect.gen(function*() {
        const small = actor("small")
        const failure = yield* Effect.flip(
          chain(actor("big", { fails: failed(code, "No.") }), small).complete(question)
        )
        assert.deepInclude(failure, { code, retryable: false })
        assert.strictEqual(small.asked(), 0)
      }))
  }

  it.effect("that ends without an answer names all of them", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(chain(actor("big", down), actor("small", busy(60_000))).complete(question))
      assert.deepInclude(failure, { code: "llm.rate_limited", retryable: true, retryAfterMs: 60_000 })
      assert.strictEqual(
        failure.message,
        "It is busy. Asked in this order: big (llm.unavailable), small (llm.rate_limited)."
      )
      assert.deepStrictEqual(failure.tried, [
        { model: "big", code: "llm.unavailable" },
        { model: "small", code: "llm.rate_limited" }
      ])
    }))

  it.effect("is no worse for a second model that is set up wrongly", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(chain(actor("big", down), actor("small", wrong)).complete(question))
      assert.deepInclude(failure, { code: "llm.refused", retryable: true })
    }))

  it.effect("of one asks once, and says what that one says", () =>
    Effect.gen(function*() {
      const only = actor("only", busy(10))
      const failure = yield* Effect.flip(chain(only).complete(question))
      assert.deepInclude(failure, { message: "It is busy.", retryAfterMs: 10 })
      assert.isUndefined(failure.tried)
      assert.strictEqual(only.asked(), 1)
    }))
})

describe("a model that is busy", () => {
  it.effect("is waited for as told, for a short time", () =>
    Effect.gen(function*() {
      const [big, small] = [actor("big", busy(10_000)), actor("small")]
      const fiber = yield* Effect.forkChild(chain(big, small).complete(question))
      yield* TestClock.adjust(9_999)
      assert.deepStrictEqual([big.asked(), small.asked()], [1, 0])
      yield* TestClock.adjust(1)
      const answer = yield* Fiber.join(fiber)
      assert.deepInclude(answer, { text: "I am big.", tried: [{ model: "big", code: "llm.rate_limited" }] })
    }))

  it.effect("is waited for once in a question", () =>
    Effect.gen(function*() {
      const [big, small, last] = [actor("big", busy(5), busy(5)), actor("small", busy(5)), actor("last")]
      const fiber = yield* Effect.forkChild(chain(big, small, last).complete(question))
      yield* TestClock.adjust(5)
      assert.strictEqual((yield* Fiber.join(fiber)).text, "I am last.")
      assert.deepStrictEqual([big.asked(), small.asked()], [2, 1])
    }))

  it.effect("is not waited for longer, nor without a word of it, nor where nobody comes after it", () =>
    Effect.gen(function*() {
      for (const ms of [10_001, undefined]) {
        assert.strictEqual(
          (yield* chain(actor("big", busy(ms)), actor("small")).complete(question)).text,
          "I am small."
        )
      }
      const last = actor("small", busy(5))
      yield* Effect.flip(chain(actor("big", down), last).complete(question))
      assert.strictEqual(last.asked(), 1)
    }))
})

describe("a model that goes on failing", () => {
  const fails = (times: number, act = down) => Array.from({ length: times }, () => act)

  it.effect("is passed over after five times, for 30 seconds, and then asked by one", () =>
    Effect.gen(function*() {
      const [big, small] = [actor("big", ...fails(5), hangs), actor("small")]
      const models = chain(big, small)
      for (let i = 0; i < 8; i++) yield* models.complete(question)
      assert.deepStrictEqual([big.asked(), small.asked()], [5, 8])
      yield* TestClock.adjust("29 seconds")
      assert.deepInclude(yield* models.complete(question), { text: "I am small.", tried: [] })
      assert.strictEqual(big.asked(), 5)
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(models.complete(question))
      yield* settled
      yield* models.complete(question)
      assert.strictEqual(big.asked(), 6, "one probe")
      yield* Fiber.interrupt(probe)
      assert.strictEqual((yield* models.complete(question)).text, "I am big.")
      assert.strictEqual((yield* models.complete(question)).text, "I am big.")
    }))

  it.effect("is asked all the same where all do, the one that is due first", () =>
    Effect.gen(function*() {
      const [big, small] = [actor("big", ...fails(5)), actor("small", ...fails(6))]
      const models = chain(big, small)
      for (let i = 0; i < 5; i++) {
        yield* Effect.flip(models.complete(question))
        yield* TestClock.adjust(1)
      }
      const answer = yield* models.complete(question)
      assert.deepInclude(answer, { text: "I am big.", tried: [] })
      assert.deepStrictEqual([big.asked(), small.asked()], [6, 5])
    }))

  it.effect("is always asked where it is the only one", () =>
    Effect.gen(function*() {
      const only = actor("only", ...fails(7))
      const models = chain(only)
      for (let i = 0; i < 7; i++) yield* Effect.flip(models.complete(question))
      assert.strictEqual((yield* models.complete(question)).text, "I am only.")
    }))

  it.effect("is not the one whose answers are too long, or that refuses", () =>
    Effect.gen(function*() {
      const big = actor("big", ...fails(9, { fails: cutAtLimit() }), ...fails(9, wrong))
      const models = chain(big, actor("small"))
      for (let i = 0; i < 18; i++) yield* Effect.exit(models.complete(question))
      assert.strictEqual(big.asked(), 18)
    }))

  it.effect("is told by name for as long as that is so", () =>
    Effect.gen(function*() {
      const health = yield* Health
      const [big, small] = [actor("big", ...fails(6)), actor("small")]
      const models = chainOf(health, big, small)
      const degraded = Effect.map(health.current, (now) => now.degraded)
      for (let i = 0; i < 4; i++) yield* models.complete(question)
      assert.deepStrictEqual(yield* degraded, [])
      yield* models.complete(question)
      assert.deepStrictEqual(yield* degraded, ["model big"])
      const [ailment] = yield* health.ailments
      assert.strictEqual(
        ailment?.reason,
        "It gives no answer, the last time because of llm.unavailable. The others are asked first for 30 s."
      )
      yield* TestClock.adjust("30 seconds")
      yield* models.complete(question)
      assert.match((yield* health.ailments)[0]?.reason ?? "", /for 60 s\.$/)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* models.complete(question)).text, "I am big.")
      assert.deepStrictEqual(yield* degraded, [])
    }).pipe(Effect.provide(Health.layer)))
})

/**
 * What the caller hears of several models, and what is left of a question that was given up.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { failed } from "./CompletionProvider.ts"
import { type Act, actor, busy, chain, down, hangs, listening, question, settled } from "./TestActors.ts"

describe("a text that comes from several", () => {
  const half: Act = { writes: ["I ", "am"], fails: failed("llm.cut", "It was cut.") }

  it.effect("begins anew after what is taken back, and has nothing of those that are over", () =>
    Effect.gen(function*() {
      const { heard, request } = listening()
      const answer = yield* chain(actor("big", half), actor("small", down), actor("last")).complete(request)
      yield* settled
      assert.deepStrictEqual(heard, ["I ", "am", "RESTART", "I am last."])
      assert.strictEqual(answer.text, heard.at(-1))
    }))

  it.effect("is not taken back where nothing was handed on", () =>
    Effect.gen(function*() {
      const { heard, request } = listening()
      yield* chain(actor("big", down), actor("small")).complete(request)
      yield* settled
      assert.deepStrictEqual(heard, ["I am small."])
    }))

  it.effect("does not go on for those who can't take it back", () =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      const onText = (delta: string) => void heard.push(delta)
      const answer = yield* chain(actor("big", half), actor("small")).complete({ ...question, onText })
      yield* settled
      assert.deepStrictEqual([heard, answer.text], [["I ", "am"], "I am small."])
    }))

  it.effect("is taken back before the same model is asked again", () =>
    Effect.gen(function*() {
      const { heard, request } = listening()
      const late: Act = { writes: ["I "], fails: failed("llm.rate_limited", "Later.", 5) }
      const fiber = yield* Effect.forkChild(chain(actor("big", late), actor("small")).complete(request))
      yield* TestClock.adjust(5)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(heard, ["I ", "RESTART", "I am big."])
    }))

  it.effect("survives whoever listens", () =>
    Effect.gen(function*() {
      const bang = () => {
        throw new Error("bang")
      }
      const request = { ...question, onText: bang, onRestart: bang }
      assert.strictEqual((yield* chain(actor("big", half), actor("small")).complete(request)).text, "I am small.")
    }))

  it.effect("would be heard twice without the relay", () =>
    Effect.gen(function*() {
      const { heard, request } = listening()
      yield* Effect.exit(actor("big", half).provider.complete(request))
      yield* actor("small").provider.complete(request)
      yield* settled
      assert.deepStrictEqual(heard, ["I ", "am", "I am small.", "late"])
    }))
})

describe("a question that is given up", () => {
  /** Waiting for the first answer, for the second, and between two for a busy one. */
  const states: ReadonlyArray<readonly [name: string, first: Act, second: Act]> = [
    ["with the first model", hangs, down],
    ["with the second model", down, hangs],
    ["while a busy one is waited for", busy(5_000), down]
  ]
  for (const [name, first, second] of states) {
    it.effect(`${name}, by the signal, ends at once and asks nobody else`, () =>
      Effect.gen(function*() {
        const [big, small, last] = [actor("big", first), actor("small", second), actor("last")]
        const controller = new AbortController()
        const { heard, request } = listening()
        const fiber = yield* Effect.forkChild(
          Effect.exit(chain(big, small, last).complete({ ...request, signal: controller.signal }))
        )
        yield* settled
        controller.abort()
        const exit = yield* Fiber.join(fiber)
        assert.isTrue(Exit.isFailure(exit))
        assert.include(JSON.stringify(exit), "llm.aborted")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual([big.asked(), small.asked(), last.asked()], [1, first === down ? 1 : 0, 0])
        assert.strictEqual(big.givenUp() + small.givenUp(), first === hangs || second === hangs ? 1 : 0)
        assert.deepStrictEqual(heard, [])
      }))

    it.effect(`${name}, by an interruption, too`, () =>
      Effect.gen(function*() {
        const [big, small, last] = [actor("big", first), actor("small", second), actor("last")]
        const fiber = yield* Effect.forkChild(chain(big, small, last).complete(question))
        yield* settled
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(last.asked(), 0)
        assert.strictEqual(big.givenUp() + small.givenUp(), first === hangs || second === hangs ? 1 : 0)
      }))
  }

  it.effect("before it began asks nobody", () =>
    Effect.gen(function*() {
      const big = actor("big")
      const failure = yield* Effect.flip(chain(big).complete({ ...question, signal: AbortSignal.abort() }))
      assert.deepInclude(failure, { code: "llm.aborted", retryable: false })
      assert.strictEqual(big.asked(), 0)
    }))
})

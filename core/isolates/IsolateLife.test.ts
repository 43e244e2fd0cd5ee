import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Isolate, IsolateEnd } from "../../sandbox/Isolate.ts"
import { type Loaded, makeIsolateLife } from "./IsolateLife.ts"

/** Time that goes on when the test says so: whoever sleeps is woken in turn. */
const makeTime = () => {
  let now = 0
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  return {
    now: () => now,
    sleep: (ms: number) =>
      Effect.callback<void>((resume) => {
        const one = { at: now + ms, wake: () => resume(Effect.void) }
        sleepers.add(one)
        return Effect.sync(() => void sleepers.delete(one))
      }),
    pass: async (ms: number) => {
      const end = now + ms
      for (;;) {
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
        const [next] = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        now = Math.max(now, next.at)
        sleepers.delete(next)
        next.wake()
      }
      now = end
    }
  }
}

/** One that answers, or hangs from some moment on. */
const fake = (answers: () => boolean): Isolate => {
  const ended = Promise.withResolvers<IsolateEnd>()
  return {
    runtime: "process",
    pid: 1,
    described: {} as Isolate["described"],
    invoke: () => answers() ? Promise.resolve(null) : new Promise(() => {}),
    ended: ended.promise,
    stop: () => {
      ended.resolve({ code: "stopped", reason: "it was stopped" })
      return ended.promise
    }
  }
}

const live = (load: () => Loaded | string) => {
  const time = makeTime()
  const told: Array<string> = []
  const life = makeIsolateLife({
    name: () => "x",
    time,
    load: Effect.suspend(() => {
      const loaded = load()
      return typeof loaded === "string" ? Effect.die(new Error(loaded)) : Effect.succeed(loaded)
    }),
    wanted: Effect.succeed({ hash: "h" }),
    taken: () => Effect.void,
    announce: () => {},
    degrade: (sentence) => Effect.sync(() => void told.push(`degraded: ${sentence}`)),
    recover: Effect.sync(() => void told.push("well")),
    told: {
      started: () => Effect.sync(() => void told.push("started")),
      ended: (reason) => Effect.sync(() => void told.push(`ended: ${reason}`))
    }
  })
  return { life, time, told, fiber: Effect.runFork(life.run) }
}

describe("the life of an isolate", () => {
  it("ends one that does not answer any more, and starts another", async () => {
    let hangs = false
    let starts = 0
    const { fiber, life, time, told } = live(() => {
      const mine = ++starts
      return { isolate: fake(() => !(hangs && mine === 1)), hash: "h" }
    })
    await time.pass(60_000)
    assert.deepEqual([starts, life.state()], [1, "running"])
    hangs = true
    await time.pass(30_000)
    assert.deepEqual([starts, life.state(), life.restarts()], [2, "running", 1])
    assert.deepEqual(told, [
      "degraded: It ended: it did not answer for 15 s.",
      "ended: It ended: it did not answer for 15 s.",
      "started"
    ])
    await time.pass(61_000)
    assert.equal(told.at(-1), "well")
    await Effect.runPromise(Fiber.interrupt(fiber))
    assert.equal(life.state(), "stopping")
  })

  it("says why one was refused, though it gives signs of life until it is ended", async () => {
    const stopping = Promise.withResolvers<void>()
    const isolate = fake(() => true)
    const slow = { ...isolate, stop: (graceMs?: number) => stopping.promise.then(() => isolate.stop(graceMs ?? 0)) }
    const { fiber, life, time, told } = live(() => ({ isolate: slow, hash: "h" }))
    await time.pass(1_000)
    await Effect.runPromise(life.refuse("its name is taken"))
    life.reconsider()
    await time.pass(120_000)
    assert.deepEqual(told, ["degraded: its name is taken"])
    stopping.resolve()
    await time.pass(1_000)
    assert.include(told, "ended: its name is taken")
    await time.pass(300_000)
    assert.notInclude(told, "well")
    assert.equal(life.lastError(), "its name is taken")
    await Effect.runPromise(Fiber.interrupt(fiber))
  })

  it("tries one that can't be loaded ever more seldom, and tells of it once", async () => {
    let tries = 0
    const { fiber, time, told } = live(() => {
      tries++
      return "the water is off"
    })
    await time.pass(3_600_000)
    // Once a minute, and a few times at the beginning.
    assert.isAbove(tries, 50)
    assert.isBelow(tries, 80)
    assert.lengthOf(told.filter((one) => one.startsWith("ended")), 1)
    await Effect.runPromise(Fiber.interrupt(fiber))
  })
})

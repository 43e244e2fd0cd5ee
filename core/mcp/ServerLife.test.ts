/**
 * One server from its connection to its loss and back, on a time that the test moves: nothing here waits.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { backOff } from "./BackOff.ts"
import { type McpConnection, McpFailed } from "./McpConnection.ts"
import type { Time } from "./RealTime.ts"
import { makeServerLife } from "./ServerLife.ts"
import { makeServerState } from "./ServerState.ts"

/** Time of which every wait is known: it passes when the test says so. */
const makeTime = () => {
  let now = 0
  const waits = new Set<{ readonly ms: number; readonly until: number; readonly wake: () => void }>()
  const time: Time = {
    now: () => now,
    random: () => 1,
    sleep: (ms) =>
      Effect.callback((resume) => {
        const wait = { ms, until: now + ms, wake: () => resume(Effect.void) }
        waits.add(wait)
        return Effect.sync(() => waits.delete(wait))
      })
  }
  const advance = Effect.fnUntraced(function*(ms: number) {
    const end = now + ms
    while (true) {
      yield* settled
      const [next] = [...waits].filter(({ until }) => until <= end).toSorted((a, b) => a.until - b.until)
      if (next === undefined) break
      now = Math.max(now, next.until)
      waits.delete(next)
      next.wake()
    }
    now = end
  })
  return { time, advance, waits: () => [...waits].map(({ ms }) => ms).toSorted((a, b) => a - b) }
}

/** Every fiber has come to where it waits. */
const settled = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))).pipe(
  Effect.repeat({ times: 3 })
)

interface Fake {
  readonly connection: McpConnection
  readonly close: (reason: string) => void
  answers: boolean
  readonly changed: () => void
}

const fake = (): Fake => {
  const over = Deferred.makeUnsafe<string>()
  let changed = Deferred.makeUnsafe<void>()
  const self: Fake = {
    answers: true,
    close: (reason) => void Deferred.doneUnsafe(over, Exit.succeed(reason)),
    changed: () => {
      const told = changed
      changed = Deferred.makeUnsafe()
      Deferred.doneUnsafe(told, Exit.void)
    },
    connection: {
      server: { name: "files", version: "1", protocol: "2025-11-25" },
      tools: Effect.succeed({ tools: [], more: false }),
      call: () => Effect.never,
      ping: Effect.suspend(() => self.answers ? Effect.succeed(1) : Effect.never),
      toolsChanged: Effect.suspend(() => Deferred.await(changed)),
      closed: Deferred.await(over),
      stderr: () => "last words",
      pid: 7
    }
  }
  return self
}

const world = Effect.fnUntraced(function*() {
  const { advance, time, waits } = makeTime()
  const state = makeServerState("files")
  const told: Array<string> = []
  const seen = { attempts: 0, syncs: 0, off: false, busy: false, health: "well" }
  let next: () => Effect.Effect<McpConnection, McpFailed> = () => Effect.never
  const life = makeServerLife({
    server: "files",
    state,
    time,
    connect: Effect.suspend(() => {
      seen.attempts++
      return next()
    }),
    sync: () => Effect.sync(() => void seen.syncs++),
    isBusy: () => seen.busy,
    answered: () => {},
    isOff: () => seen.off,
    register: Effect.sync(() => void told.push("registered")),
    signedIn: Effect.never,
    withdraw: () => void told.push("withdrawn"),
    degrade: (sentence) => Effect.sync(() => void (seen.health = sentence)),
    recover: Effect.sync(() => void (seen.health = "well")),
    told: {
      connected: () => Effect.sync(() => void told.push("connected")),
      disconnected: (reason) => Effect.sync(() => void told.push(`disconnected: ${reason}`))
    }
  })
  yield* Effect.forkScoped(life.run)
  return {
    advance,
    waits,
    state,
    told,
    seen,
    life,
    connects: (how: Effect.Effect<McpConnection>) => void (next = () => how),
    answers: (made: Fake) => void (next = () => Effect.succeed(made.connection)),
    refuses: (detail: string, sign_in = false) =>
      void (next = () => Effect.fail(new McpFailed({ detail, sent: false, ...(sign_in ? { sign_in } : {}) })))
  }
})

const lost = "The process ended with signal SIGKILL."
const refusal = "Nobody listens there."

describe("a server", () => {
  it.effect("that is lost is back by itself; loss and return are told once, however often it was tried", () =>
    Effect.gen(function*() {
      const { advance, answers, refuses, seen, state, told, waits } = yield* world()
      const first = fake()
      answers(first)
      yield* advance(0)
      assert.deepEqual([state.known().state, told, seen.syncs], ["connected", ["registered", "connected"], 1])
      assert.strictEqual(yield* state.usable(Effect.void), first.connection)

      refuses(refusal)
      first.close(lost)
      yield* advance(0)
      assert.deepEqual([state.known().state, state.known().last_error, seen.health], ["reconnecting", lost, lost])
      assert.strictEqual(state.known().stderr, "last words", "of the connection that was lost")
      const refused = yield* Effect.flip(state.usable(Effect.never))
      assert.isFalse(refused.sent)
      assert.include(refused.message, lost)

      const delays: Array<number> = []
      for (let n = 0; n < 8; n++) {
        const [ms = 0] = waits()
        delays.push(ms)
        yield* advance(ms)
      }
      assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
      assert.strictEqual(seen.health, refusal)

      const second = fake()
      answers(second)
      yield* advance(30_000)
      assert.strictEqual(state.known().state, "connected")
      assert.notStrictEqual(seen.health, "well", "not before it has been there for a while")
      yield* advance(5_000)
      assert.deepEqual([seen.health, state.known().last_error], ["well", undefined])
      assert.deepEqual(told, ["registered", "connected", `disconnected: ${lost}`, "connected"])

      // Well for a minute: the next loss is a first one again.
      yield* advance(60_000)
      refuses(refusal)
      second.close(lost)
      yield* advance(0)
      assert.deepEqual(waits(), [500])
    }))

  it.effect("that falls as soon as it stands is tried later each time", () =>
    Effect.gen(function*() {
      const { advance, answers, waits } = yield* world()
      const delays: Array<number> = []
      for (let n = 0; n < 4; n++) {
        const one = fake()
        answers(one)
        yield* advance(delays.at(-1) ?? 0)
        one.close(lost)
        yield* advance(0)
        delays.push(waits()[0] ?? 0)
      }
      assert.deepEqual(delays, [500, 1_000, 2_000, 4_000])
    }))

  it.effect("that hangs is found within 15 seconds; one that works on a call is left alone", () =>
    Effect.gen(function*() {
      const { advance, answers, seen, state } = yield* world()
      const one = fake()
      answers(one)
      yield* advance(0)
      seen.busy = true
      one.answers = false
      yield* advance(60_000)
      assert.strictEqual(state.known().state, "connected", "a call is under way")
      seen.busy = false
      answers(fake())
      yield* advance(14_900)
      assert.include(seen.health, "sign of life")
      assert.include(state.known().last_error, "sign of life")
    }))

  it.effect("that says that its tools changed is read again, at most once a second", () =>
    Effect.gen(function*() {
      const { advance, answers, seen } = yield* world()
      const one = fake()
      answers(one)
      yield* advance(0)
      one.changed()
      yield* advance(0)
      assert.strictEqual(seen.syncs, 2)
      one.changed()
      yield* advance(900)
      assert.strictEqual(seen.syncs, 2)
    }))

  it.effect("that is switched off is gone at once, and on again when it is switched on", () =>
    Effect.gen(function*() {
      const { advance, answers, life, seen, state, told } = yield* world()
      answers(fake())
      yield* advance(0)
      seen.off = true
      life.look()
      assert.deepEqual(
        [state.known().state, told.slice(2)],
        ["off", ["withdrawn", "disconnected: The operator switched it off."]],
        "before anybody else can run"
      )
      assert.include((yield* Effect.flip(state.usable(Effect.never))).message, "syris integrations enable files")
      yield* advance(60_000)
      assert.strictEqual(seen.attempts, 1)
      seen.off = false
      life.look()
      yield* advance(0)
      assert.deepEqual([state.known().state, seen.attempts, told.slice(-2)], ["connected", 2, [
        "registered",
        "connected"
      ]])
    }))

  it.effect("that was lost, and is switched off and on while its connection closes, is well when it is back", () =>
    Effect.gen(function*() {
      const { advance, answers, connects, life, refuses, seen, state } = yield* world()
      refuses(refusal)
      yield* advance(0)
      const closing = Deferred.makeUnsafe<void>()
      connects(Effect.onInterrupt(Effect.never, () => Deferred.await(closing)))
      yield* advance(500)
      assert.deepEqual([seen.attempts, seen.health], [2, refusal])
      for (const off of [true, false]) {
        seen.off = off
        life.look()
        yield* advance(0)
      }
      assert.deepEqual([seen.attempts, seen.health], [2, refusal], "it is still closing")
      answers(fake())
      Deferred.doneUnsafe(closing, Exit.void)
      yield* advance(0)
      assert.deepEqual([state.known().state, seen.attempts, seen.health], ["connected", 3, "well"])
    }))

  it.effect("that asks to sign in says so, and is tried at once when that was done", () =>
    Effect.gen(function*() {
      const { advance, answers, life, refuses, seen, state } = yield* world()
      refuses("The server asks you to sign in.", true)
      yield* advance(0)
      assert.deepEqual([state.known().state, seen.health], ["sign_in", "The server asks you to sign in."])
      const refused = yield* Effect.flip(state.usable(Effect.never))
      assert.isTrue(refused.sign_in)
      assert.include(refused.message, "asks you to sign in: `syris integrations files` shows where")
      answers(fake())
      life.nudge()
      yield* advance(0)
      assert.deepEqual([state.known().state, seen.health, state.known().last_error], ["connected", "well", undefined])
    }))

  it.effect("is waited for by a call while the host starts, and no longer than the call may", () =>
    Effect.gen(function*() {
      const { answers, seen, state } = yield* world()
      const early = yield* Effect.forkScoped(state.usable(Effect.never))
      assert.include((yield* Effect.flip(state.usable(Effect.void))).message, "is not connected yet")
      assert.strictEqual(seen.attempts, 0)
      const one = fake()
      answers(one)
      assert.strictEqual(yield* Fiber.join(early), one.connection)
    }))
})

describe("the back-off", () => {
  it("doubles from half a second to half a minute, and leaves half of it to chance", () => {
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 99].map((n) => backOff(n, 1)), [
      500,
      1_000,
      2_000,
      4_000,
      8_000,
      16_000,
      30_000,
      30_000,
      30_000
    ])
    assert.deepEqual([backOff(1, 0), backOff(99, 0), backOff(0, 1)], [250, 15_000, 500])
  })
})

/**
 * Texts that are being written, as readers see them, as other hosts are told them, and as a plugin's channel is.
 */
import { describe, it as effectIt } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { assert, it } from "vitest"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import type { Channel, ChannelContext, LiveReply } from "../plugin/Plugin.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import { Registry } from "../plugin/Registry.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { showLive } from "./ChannelLive.ts"
import { type LiveFrame, makeLiveBoard } from "./LiveBoard.ts"
import { messagesOf } from "./LiveRelay.ts"
import { layer, LiveReplies } from "./LiveReplies.ts"

const source = (over: object = {}) => ({
  event_id: newId(),
  trace_id: newId(),
  thread_id: "t" as string | undefined,
  channel: "chat",
  connector_id: "chat",
  actor_id: "operator",
  ...over
})
const short = (frames: ReadonlyArray<LiveFrame>) =>
  frames.map((frame) => frame.type === "delta" ? `${frame.from} ${frame.text}` : frame.type)

describe("a text that is being written", () => {
  it("is one piece for who reads seldom, and begins anew under the same event", () => {
    const board = makeLiveBoard()
    const reader = board.reader(() => true)
    const from = source()
    const first = board.open(from, "1", true)!
    for (const piece of ["I ", "am ", "here."]) board.append(first, piece)
    assert.deepEqual(short(reader.collect()), ["0 I am here."])
    assert.deepEqual(short(reader.collect()), [])
    board.drop(first)
    const second = board.open(from, "2", true)!
    board.append(second, "No.")
    assert.deepEqual(short(reader.collect()), ["reset", "0 No."])
    board.end(second)
    assert.deepEqual(short(reader.collect()), ["ended"])
  })

  it("is nothing for those who come after its end, or have its reply", () => {
    const board = makeLiveBoard()
    const early = board.reader(() => true)
    const live = board.open(source(), "1", true)!
    board.append(live, "Half")
    early.collect()
    board.append(live, " an answer.")
    early.replaced(live.source.event_id)
    board.end(live)
    assert.deepEqual(short(early.collect()), [])
    assert.deepEqual(short(board.reader(() => true).collect()), [])
  })

  it("is forgotten some time after its end, and where another host went silent", () => {
    const board = makeLiveBoard()
    const reader = board.reader(() => true)
    const mine = board.open(source(), "1", true)!
    const done = board.open(source(), "2", true)!
    const theirs = board.open(source(), "3", false)!
    for (const live of [mine, done, theirs]) board.append(live, "x")
    board.end(done)
    reader.collect()
    for (let i = 0; i < 20; i++) board.sweep()
    assert.isUndefined(board.find(done.source.event_id))
    assert.isUndefined(board.find(theirs.source.event_id))
    assert.strictEqual(board.find(mine.source.event_id), mine)
    assert.deepEqual(short(reader.collect()), ["reset", "reset"])
    assert.isFalse(board.sweep())
  })

  it("is none too many at once", () => {
    const board = makeLiveBoard()
    const lives = Array.from({ length: 300 }, (_, i) => board.open(source(), String(i), true))
    assert.lengthOf(lives.filter((live) => live !== undefined), 256)
  })

  it("fits into notifications, whatever is in it", () => {
    const board = makeLiveBoard()
    const long = `\u0000${"\u{1f511}".charAt(0)}\u{1f511}"x\u{6f22}`.repeat(3_000)
    const live = board.open(source({ thread_id: "\u0001".repeat(200) }), "1", true)!
    board.append(live, long)
    const messages = board.reader(() => true).collect().flatMap((frame) => messagesOf("h", frame))
    for (const message of messages) assert.isBelow(Buffer.byteLength(message), 8_000)
    assert.strictEqual(messages.map((message) => JSON.parse(message).text as string).join(""), long)
    assert.isAbove(Buffer.byteLength(JSON.stringify(long)), 8_000)
    // Not even one character would fit.
    const odd = board.open(source({ thread_id: "\u0001".repeat(2_000) }), "2", true)!
    board.append(odd, "x")
    assert.deepEqual(messagesOf("h", { type: "delta", live: odd, from: 0, text: "x" }), [])
  })
})

describe("a plugin's channel that shows it", () => {
  const log: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => log }
  const context: ChannelContext = {
    emit: () => Promise.reject(new Error("no test emits")),
    log,
    signal: new AbortController().signal,
    secret: () => Promise.reject(new Error("no test reads a secret")),
    connected: () => {},
    recall: () => Promise.resolve(undefined),
    remember: () => Promise.resolve(),
    reject: () => Promise.resolve(),
    answer: () => Promise.reject(new Error("no test answers a question"))
  }
  const channel = (live: NonNullable<Channel["live"]>, trust: Channel["trust"] = "operator"): Channel => ({
    name: "pager",
    trust,
    live
  })
  const event = source({ channel: "pager", connector_id: "pager" })
  const within = (given: Channel) =>
    Effect.provide(
      Layer.fresh(layer).pipe(
        Layer.provide([
          Layer.succeed(
            Registry,
            {
              connector: () => ({ plugin: "pager", connector_id: "pager", channel: given, log })
            } as unknown as Registry[
              "Service"
            ]
          ),
          Layer.mock(Notifications)({ listen: () => Effect.void }),
          Redactor.layerEmpty
        ])
      )
    )
  const started = Effect.fnUntraced(function*(given: Channel) {
    const showing = yield* showLive({ channel: given, connector_id: "pager", log }, given.live!, context).pipe(
      Effect.forkScoped({ startImmediately: true })
    )
    const { begin } = yield* LiveReplies
    return { begin, showing }
  })

  effectIt.live("gets all of it so far, one call at a time, and what it may not keep", () => {
    const calls: Array<LiveReply> = []
    const first = Deferred.makeUnsafe<void>()
    const going = Deferred.makeUnsafe<void>()
    const over = Deferred.makeUnsafe<void>()
    let atOnce = 0
    const pager = channel((reply) =>
      Effect.gen(function*() {
        assert.strictEqual(++atOnce, 1)
        calls.push(reply)
        yield* Deferred.succeed(first, undefined)
        yield* Deferred.await(going)
        atOnce--
        if (reply.text === undefined) yield* Deferred.succeed(over, undefined)
      }) as never
    )
    return Effect.gen(function*() {
      const { begin } = yield* started(pager)
      const live = begin({ ...event, trust: "operator" })!
      live.onText("Half")
      yield* Deferred.await(first)
      for (const piece of [" an", " answer", "."]) live.onText(piece)
      yield* Effect.sleep(30)
      yield* Deferred.succeed(going, undefined)
      yield* Effect.suspend(() => calls.length === 2 ? Effect.void : Effect.fail("not yet")).pipe(
        Effect.eventually
      )
      live.end(false)
      yield* Deferred.await(over)
      assert.deepEqual(calls.map(({ text }) => text), ["Half", "Half an answer.", undefined])
      const { text: _, ...about } = calls[0]!
      assert.deepEqual(about, {
        event_id: event.event_id,
        trace_id: event.trace_id,
        to: "operator",
        thread_id: "t"
      })
    }).pipe(Effect.scoped, within(pager))
  })

  effectIt.live("that fails gets no more of this answer, and the next one", () => {
    const calls: Array<string | undefined> = []
    const second = Deferred.makeUnsafe<void>()
    const pager = channel(({ text }) => {
      calls.push(text)
      if (text === "Other") Deferred.doneUnsafe(second, Effect.void)
      throw new Error("The pager is away.")
    })
    return Effect.gen(function*() {
      const { begin, showing } = yield* started(pager)
      const live = begin({ ...event, trust: "operator" })!
      live.onText("Half")
      yield* Effect.suspend(() => calls.length === 1 ? Effect.void : Effect.fail("not yet")).pipe(Effect.eventually)
      live.onText(" an answer.")
      live.end(false)
      const other = begin({ ...event, event_id: newId(), trust: "operator" })!
      other.onText("Other")
      yield* Deferred.await(second)
      assert.deepEqual(calls, ["Half", "Other"])
      assert.isUndefined(showing.pollUnsafe())
      yield* Fiber.interrupt(showing)
    }).pipe(Effect.scoped, within(pager))
  })

  for (const [trust, from] of [["trusted", "operator"], ["operator", "untrusted"]] as const) {
    effectIt.live(`of trust ${trust}, for words of trust ${from}, shows nothing: its answer may be held`, () => {
      const pager = channel(() => {}, trust)
      return Effect.gen(function*() {
        const { begin } = yield* LiveReplies
        assert.isUndefined(begin({ ...event, trust: from }))
        assert.isDefined(begin({ ...source(), trust: from }))
      }).pipe(Effect.scoped, within(pager))
    })
  }
})

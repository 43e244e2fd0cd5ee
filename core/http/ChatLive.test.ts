/**
 * What a model is writing, on the streams of the chat: who hears it, when, and what is left of it.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import { append } from "../pipeline/ChatLog.ts"
import { LiveReplies, layer as layerLive } from "../pipeline/LiveReplies.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestServer } from "./TestServer.ts"
import { connect, type Frame } from "./TestStream.ts"

/** An event on the chat. */
const event = (over: object = {}) => ({
  event_id: newId(),
  trace_id: newId(),
  thread_id: newId() as string | undefined,
  channel: "chat",
  connector_id: "chat",
  actor_id: "operator",
  trust: "operator" as const,
  ...over
})

const reply = ({ event_id, thread_id, trace_id }: ReturnType<typeof event>, text: string) =>
  append({ event_id, thread_id, trace_id, kind: "reply", text })

/** What a stream has said, in short. */
const told = (frames: ReadonlyArray<Frame>) =>
  frames.map(({ data, event, id }) =>
    event === ""
      ? `${data.kind} ${data.text}`
      : id === ""
      ? `${event} ${data.from ?? ""} ${data.text ?? ""}`.trim()
      : id
  )

/** The text that came. */
const textOf = (frames: ReadonlyArray<Frame>) =>
  frames.filter(({ event }) => event === "delta").map(({ data }) => data.text).join("")

layer(layerTestServer(), { timeout: "60 seconds", excludeTestServices: true })("what a model is writing", (it) => {
  it.effect("comes piece by piece, without an id, and its reply after it", () =>
    Effect.gen(function*() {
      const { begin } = yield* LiveReplies
      const said = event()
      const client = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      const live = begin(said)!
      live.onText("It ")
      const [first] = yield* client.frames(1)
      assert.deepEqual(first, {
        id: "",
        event: "delta",
        data: { event_id: said.event_id, trace_id: said.trace_id, thread_id: said.thread_id, from: 0, text: "It" }
      })
      live.onText("is late.")
      yield* client.frames(2)
      live.end(true)
      yield* reply(said, "It is late.")
      assert.deepEqual(told(yield* client.frames(3)), ["delta 0 It", "delta 2  is late.", "reply It is late."])
      const resumed = yield* connect(`/chat/stream?thread_id=${said.thread_id}`, client.seen[2]?.id)
      yield* reply(said, "And more.")
      assert.deepEqual(told(yield* resumed.frames(1)), ["reply And more."])
    }))

  it.effect("is heard in its conversation and by who listens to all, from its beginning", () =>
    Effect.gen(function*() {
      const { begin } = yield* LiveReplies
      const [said, other] = [event(), event()]
      const live = begin(said)!
      live.onText("Half ")
      const here = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      const all = yield* connect("/chat/stream")
      const there = yield* connect(`/chat/stream?thread_id=${other.thread_id}`)
      yield* here.frames(1)
      yield* all.frames(1)
      begin(other)!.onText("other")
      assert.deepEqual(told(yield* there.frames(1)), ["delta 0 other"])
      live.onText("an answer.")
      assert.deepEqual(told(yield* here.frames(2)), ["delta 0 Half", "delta 4  an answer."])
      assert.lengthOf(there.seen, 1)
    }))

  it.effect("is taken back where it was no answer, and begun anew", () =>
    Effect.gen(function*() {
      const { begin } = yield* LiveReplies
      const said = event()
      const client = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      const first = begin(said)!
      first.onText("Let me look.")
      yield* client.frames(1)
      first.end(false)
      yield* client.frames(2)
      const second = begin(said)!
      second.onText("I am")
      yield* client.frames(3)
      second.onRestart()
      second.onText("Three")
      yield* client.frames(5)
      second.onText(" cups.")
      assert.deepEqual(told(yield* client.frames(6)), [
        "delta 0 Let me look.",
        "delta_reset",
        "delta 0 I am",
        "delta_reset",
        "delta 0 Three",
        "delta 5  cups."
      ])
    }))

  it.effect("never has a known secret in it, however it is cut, and nothing of a decision that is written out", () =>
    Effect.gen(function*() {
      const { begin } = yield* LiveReplies
      ;(yield* Redactor).add("door.code", Redacted.make("hunter2 of 10"))
      const said = event()
      const client = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      const written = begin(said)!
      for (const piece of ["{\"action\":", "\"done\",\"answer\":\"x\"}"]) written.onText(piece)
      written.end(true)
      const live = begin(said)!
      for (const piece of "The code is hunter2 of 10, and hunter") {
        live.onText(piece)
        yield* Effect.sleep(1)
      }
      live.end(true)
      yield* reply(said, "over")
      yield* client.until((seen) => seen.some(({ event }) => event === ""))
      const text = textOf(client.seen)
      assert.isTrue("The code is [secret door.code], and hunter".startsWith(text))
      assert.include(text, "[secret door.code]")
      assert.notInclude(JSON.stringify(client.seen), "action")
    }))

  it.effect("comes in few frames where it comes in a flood, and who reads nothing slows nobody", () =>
    Effect.gen(function*() {
      const { begin } = yield* LiveReplies
      const said = event()
      const live = begin(said)!
      const text = "word ".repeat(3_000).trim()
      live.onText("word ")
      const deaf = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      yield* deaf.frames(1)
      deaf.response.pause()
      const good = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      yield* good.frames(1)
      const began = performance.now()
      for (const piece of text.slice(5).match(/[^]{1,2}/g) ?? []) {
        live.onText(piece)
        if (Math.random() < 0.05) yield* Effect.sleep(0)
      }
      const took = performance.now() - began
      live.end(true)
      yield* good.until((seen) => textOf(seen) === text)
      assert.isAtMost(good.seen.length, took / 10 + 5)
    }))

  it.effect("is nothing for a channel that can't show it", () =>
    Effect.gen(function*() {
      const { begin } = yield* LiveReplies
      assert.isUndefined(begin(event({ channel: "email", connector_id: "inbox" })))
    }))

  it.effect("of another host is heard, too, if somebody listens; its host tells it from the beginning", () =>
    Effect.gen(function*() {
      // A second host on the same database: the same but for its HTTP server.
      const services = yield* Effect.context<Notifications | Redactor>()
      const sql = yield* SqlClient.SqlClient
      const listening = Effect.map(
        sql<{ readonly n: number }>`
          select count(*)::int as n from pg_stat_activity
          where datname = current_database() and query ilike 'listen%syris_live%' and state = 'idle'`,
        ([row]) => row?.n ?? 0
      )
      const before = yield* listening
      const other = yield* Layer.build(
        Layer.fresh(layerLive).pipe(
          Layer.provide(Layer.fresh(Notifications.layer))
        ) as Layer.Layer<never>
      ).pipe(Effect.provide(services))
      const { begin } = Context.get(other as Context.Context<never>, LiveReplies)
      yield* Effect.repeat(listening, { until: (count) => count > before }).pipe(Effect.timeout("30 seconds"))
      const said = event()
      const live = begin(said)!
      live.onText("Half \u{1f511}")
      const client = yield* connect(`/chat/stream?thread_id=${said.thread_id}`)
      yield* client.frames(1)
      const long = "x".repeat(12_000)
      live.onText(long)
      yield* client.until((seen) => textOf(seen) === `Half \u{1f511}${long}`)
      const count = client.seen.length
      live.end(false)
      assert.strictEqual(told(yield* client.frames(count + 1)).at(-1), "delta_reset")
    }))
})

import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schedule, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { ChatMessage } from "../contract/ChatMessage.ts"
import { newId } from "../database/Ids.ts"
import { append } from "../pipeline/ChatLog.ts"
import { EventNotAccepted, EventRejected, type Pipeline } from "../pipeline/Pipeline.ts"
import { maximumStreams } from "./EventStreams.ts"
import { ids, layerTestServer, Seen, send } from "./TestServer.ts"
import { connect } from "./TestStream.ts"

/** What the scripted host does. */
const script: {
  submit: Pipeline["Service"]["submit"] | undefined
  settled: ReturnType<Pipeline["Service"]["settled"]>
} = { submit: undefined, settled: Effect.never }

const layerScripted = layerTestServer({
  pipeline: {
    submit: (raw) =>
      Effect.gen(function*() {
        if (script.submit !== undefined) return yield* script.submit(raw)
        submitted.push(raw)
        return { ...ids, deduped: false }
      }),
    settled: () => script.settled
  }
})
const submitted: Array<unknown> = []

const say = (thread_id: string | undefined, text: string) =>
  append({ thread_id, trace_id: newId(), kind: "notice", text })

/** From the first message on. */
const start = Buffer.from("message:0:0").toString("base64url")

layer(layerScripted, { timeout: "60 seconds", excludeTestServices: true })("the chat over HTTP", (it) => {
  it.effect("a line becomes an event of the channel chat", () =>
    Effect.gen(function*() {
      const answer = yield* send("/chat", { body: { text: "set a timer", thread_id: "home", message_id: "m1" } })
      assert.deepEqual([answer.status, answer.json], [202, { ...ids, deduped: false, thread_id: "home" }])
      assert.deepEqual(submitted.at(-1), {
        channel: "chat",
        connector_id: "chat",
        text: "set a timer",
        thread_id: "home",
        message_id: "m1"
      })
      const plain = yield* send("/chat", { body: { text: "hello" } })
      assert.deepEqual(plain.json, { ...ids, deduped: false })
      assert.notProperty(plain.headers, "preference-applied")
    }))

  it.effect("a line that came before is 200 with the first ids", () =>
    Effect.gen(function*() {
      script.submit = () => Effect.succeed({ ...ids, deduped: true, conflict: true })
      const answer = yield* send("/chat", { body: { text: "hello", message_id: "m1" } })
      script.submit = undefined
      assert.deepEqual([answer.status, answer.json], [200, { ...ids, deduped: true, conflict: true }])
    }))

  it.effect("Prefer: wait holds the answer until it is settled, or the time is up", () =>
    Effect.gen(function*() {
      const done = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      script.settled = Effect.gen(function*() {
        yield* Deferred.succeed(asked, undefined)
        yield* Deferred.await(done)
        return { lane: "fast", outcome: "succeeded", reply: "Timer set." } as const
      })
      const headers = { prefer: "wait=30" }
      const waiting = yield* Effect.forkChild(send("/chat", { body: { text: "set a timer", thread_id: "t" }, headers }))
      yield* Deferred.await(asked)
      yield* Deferred.succeed(done, undefined)
      const answer = yield* Fiber.join(waiting)
      assert.deepEqual([answer.status, answer.headers["preference-applied"], answer.json], [200, "wait=30", {
        ...ids,
        deduped: false,
        thread_id: "t",
        settled: true,
        lane: "fast",
        outcome: "succeeded",
        reply: "Timer set."
      }])
      script.settled = Effect.never
      const early = yield* send("/chat", { body: { text: "set a timer" }, headers: { prefer: "wait=0" } })
      assert.deepEqual([early.status, early.json.settled], [202, false])
    }))

  it.effect("what can't be a line is refused by its field, and nothing is handed in", () =>
    Effect.gen(function*() {
      const before = submitted.length
      const refused: ReadonlyArray<readonly [body: unknown, status: number, code: string, says: RegExp]> = [
        [{}, 400, "request.field", /"text"/],
        [{ text: "" }, 400, "request.field", /text/],
        [{ text: "x".repeat(65_537) }, 400, "request.field", /text/],
        [{ text: "a", thread_id: "" }, 400, "request.field", /thread_id/],
        [{ text: "a", thread: "home" }, 400, "request.field", /"thread"/],
        [{ text: "a", channel: "email" }, 400, "request.field", /"channel"/],
        ["hello", 400, "request.not_json", /JSON/],
        [{ text: "x".repeat(1_100_000) }, 413, "request.too_large", /bytes/]
      ]
      for (const [body, status, code, says] of refused) {
        const answer = yield* send("/chat", { method: "POST", body })
        assert.deepEqual([answer.status, answer.json.code], [status, code])
        assert.match(answer.json.detail, says)
      }
      assert.strictEqual(submitted.length, before)
      assert.strictEqual((yield* send("/chat", { body: { text: "x".repeat(65_536) } })).status, 202)
      assert.strictEqual((yield* send("/chat", { body: { text: "a" }, token: false })).status, 401)
    }))

  it.effect("an event that is refused, or that the database did not take, says so itself", () =>
    Effect.gen(function*() {
      const detail = { code: "event.text_invalid", message: "The field \"text\" holds a NUL.", retryable: false }
      script.submit = () => Effect.fail(new EventRejected({ detail }))
      const wrong = yield* send("/chat", { body: { text: "a" } })
      script.submit = () => Effect.fail(new EventNotAccepted({ cause: "gone" }))
      const away = yield* send("/chat", { body: { text: "a" } })
      script.submit = undefined
      assert.deepEqual([wrong.status, wrong.json.code, wrong.json.detail], [400, detail.code, detail.message])
      assert.deepEqual([away.status, away.json.code, away.headers["retry-after"]], [503, "database.unavailable", "2"])
    }))

  it.effect("messages are listed newest first, of one conversation or of all", () =>
    Effect.gen(function*() {
      const [home, work] = [newId(), newId()]
      for (const text of ["one", "two", "three"]) yield* say(home, text)
      yield* say(work, "other")
      const texts = (target: string) =>
        Effect.map(send(target), ({ json }) => json.items.map(({ text }: ChatMessage) => text))
      const first = yield* send(`/chat?thread_id=${home}&limit=2`)
      yield* Schema.decodeUnknownEffect(Schema.Array(ChatMessage), { onExcessProperty: "error" })(first.json.items)
      assert.deepEqual(first.json.items.map(({ text }: ChatMessage) => text), ["three", "two"])
      assert.deepEqual(yield* texts(`/chat?thread_id=${home}&limit=2&cursor=${first.json.next_cursor}`), ["one"])
      assert.deepEqual(yield* texts("/chat?limit=2"), ["other", "three"])
      for (const [target, code] of [["/chat?cursor=x", "request.cursor"], ["/chat?thread=x", "request.parameter"]]) {
        assert.strictEqual((yield* send(target ?? "")).json.code, code)
      }
    }))

  it.effect("a stream is resumed without a gap while transactions end in another order than they began", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const thread_id = newId()
      const target = `/chat/stream?thread_id=${thread_id}`
      yield* say(thread_id, "one")
      const first = yield* Scope.make()
      const client = yield* connect(target, start).pipe(Scope.provide(first))
      assert.strictEqual(client.response.headers["content-type"], "text/event-stream")
      const [one] = yield* client.frames(1)
      yield* Schema.decodeUnknownEffect(ChatMessage, { onExcessProperty: "error" })(one?.data)
      assert.deepInclude(one?.data, { thread_id, kind: "notice", text: "one" })
      yield* Scope.close(first, Exit.void)

      const written = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const slow = yield* sql.withTransaction(
        say(thread_id, "two, slowly").pipe(
          Effect.andThen(Deferred.succeed(written, undefined)),
          Effect.andThen(Deferred.await(commit))
        )
      ).pipe(Effect.forkScoped)
      yield* Deferred.await(written)
      yield* say(thread_id, "three")

      const resumed = yield* connect(target, one?.id)
      yield* say(thread_id, "four")
      assert.lengthOf(resumed.seen, 0)
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.join(slow)
      assert.deepEqual((yield* resumed.frames(3)).map(({ data }) => data.text), ["two, slowly", "three", "four"])
    }))

  it.effect("two conversations don't hear each other; who listens to all hears both", () =>
    Effect.gen(function*() {
      const [home, work] = [newId(), newId()]
      yield* say(home, "mark")
      const [mark] = yield* (yield* connect(`/chat/stream?thread_id=${home}`, start)).frames(1)
      const here = yield* connect(`/chat/stream?thread_id=${home}`, mark?.id)
      const there = yield* connect(`/chat/stream?thread_id=${work}`, mark?.id)
      const all = yield* connect("/chat/stream", mark?.id)
      yield* say(home, "to home")
      yield* say(work, "to work")
      yield* say(undefined, "to nobody in particular")
      yield* say(home, "home again")
      yield* say(work, "work again")
      const heard = (client: typeof all, count: number) =>
        Effect.map(client.frames(count), (frames) => frames.map(({ data }) => data.text))
      assert.deepEqual(yield* heard(all, 5), [
        "to home",
        "to work",
        "to nobody in particular",
        "home again",
        "work again"
      ])
      assert.deepEqual(yield* heard(here, 3), ["to home", "to nobody in particular", "home again"])
      assert.deepEqual(yield* heard(there, 3), ["to work", "to nobody in particular", "work again"])
      assert.lengthOf(here.seen, 3)
      assert.lengthOf(there.seen, 3)
    }))

  it.effect("a stream knows its own ids only, and takes no other filter", () =>
    Effect.gen(function*() {
      const audit = Buffer.from("row:0:0").toString("base64url")
      for (const id of ["17", audit]) {
        const refused = yield* send("/chat/stream", { headers: { "last-event-id": id } })
        assert.deepEqual([refused.status, refused.json.code], [400, "request.cursor"])
      }
      assert.strictEqual((yield* send("/chat/stream?since=2026-01-01")).json.code, "request.parameter")
      assert.strictEqual((yield* send("/chat/stream", { token: false })).status, 401)
    }))

  it.effect("has its part of the sixteen streams; the next one is told when to come back", () =>
    Effect.gen(function*() {
      const open = yield* Scope.make()
      for (let i = 0; i < maximumStreams; i++) {
        // The streams of the tests before may still be closing.
        yield* connect(`/${i % 2 === 0 ? "chat" : "audit"}/stream`).pipe(
          Scope.provide(open),
          Effect.repeat({
            until: ({ response }) => response.statusCode === 200,
            schedule: Schedule.spaced("10 millis"),
            times: 3_000
          })
        )
      }
      const refused = yield* send("/chat/stream")
      assert.deepEqual([refused.status, refused.json.code, refused.headers["retry-after"]], [
        429,
        "stream.too_many",
        "5"
      ])
      yield* Scope.close(open, Exit.void)
    }))
})

describe("a stop", () => {
  it.live("ends the conversation, and lets go of an answer that is held for it", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const { closed, held } = yield* Effect.gen(function*() {
        const held = yield* Effect.forkDetach(send("/chat", { body: { text: "a" }, headers: { prefer: "wait=30" } }))
        yield* Deferred.await(asked)
        const seen = yield* Seen
        assert.lengthOf(seen.submitted, 1)
        const client = yield* connect("/chat/stream").pipe(Scope.provide(yield* Scope.make()))
        const closed = yield* Deferred.make<void>()
        client.response.on("end", () => Deferred.doneUnsafe(closed, Effect.void))
        return { closed, held }
      }).pipe(Effect.provide(layerTestServer({
        pipeline: { settled: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never) }
      })))
      yield* Deferred.await(closed)
      assert.deepEqual(yield* Effect.map(Fiber.join(held), ({ status }) => status), 202)
    }), 60_000)
})

import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import type { ToolDefinition } from "../plugin/Tool.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { append, ChatLog, isMessageStreamId } from "./ChatLog.ts"
import { chatTools } from "./ChatTools.ts"

const services = ChatLog.layer.pipe(Layer.provideMerge(Notifications.layer), Layer.provideMerge(layerTestDatabase))

/** From the first message on. */
const start = Buffer.from("message:0:0").toString("base64url")

const say = (thread_id: string | undefined, text: string) =>
  append({ thread_id, trace_id: newId(), kind: "notice", text })

/** An event as it came in on a channel, with nothing done about it yet. */
const ingest = Effect.fnUntraced(function*(thread_id: string | undefined, channel = "chat", trace_id = newId()) {
  const sql = yield* SqlClient.SqlClient
  const event_id = newId()
  yield* sql`
    insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, thread_id,
                        actor_type, actor_id, structured, attachment_refs, links, timezone, locale, sensitivity, trust,
                        redaction_policy_id, depth)
    values (${event_id}, ${trace_id}, '1.0', now(), now(), ${channel}, ${channel}, ${thread_id ?? null},
            'user', 'operator', '{}', '[]', '[]', 'UTC', 'en', 'low', 'operator', 'default', 0)`
  return { event_id, trace_id }
})

/** A transaction that has written and is open until it is told to commit. */
const openTransaction = <E>(work: Effect.Effect<void, E, SqlClient.SqlClient>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const written = yield* Deferred.make<void>()
    const commit = yield* Deferred.make<void>()
    const fiber = yield* sql.withTransaction(
      work.pipe(Effect.andThen(Deferred.succeed(written, undefined)), Effect.andThen(Deferred.await(commit)))
    ).pipe(Effect.forkScoped)
    yield* Deferred.await(written)
    return { commit: Deferred.succeed(commit, undefined).pipe(Effect.andThen(Fiber.join(fiber))) }
  })

layer(services, { timeout: "60 seconds", excludeTestServices: true })("the chat", (it) => {
  it.effect("is read newest first, page by page, one conversation or all", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      const [home, work] = [newId(), newId()]
      for (let i = 0; i < 3; i++) {
        yield* say(home, `home ${i}`)
        yield* say(work, `work ${i}`)
      }
      const texts = (items: ReadonlyArray<{ readonly text: string }>) => items.map(({ text }) => text)
      const first = yield* chat.page({ thread_id: home }, { limit: 2 })
      assert.deepStrictEqual(texts(first.items), ["home 2", "home 1"])
      const rest = yield* chat.page({ thread_id: home }, { limit: 2, cursor: first.next_cursor })
      assert.deepStrictEqual(texts(rest.items), ["home 0"])
      assert.notProperty(rest, "next_cursor")
      assert.deepStrictEqual(texts((yield* chat.page({}, { limit: 2 })).items), ["work 2", "home 2"])
      const [message] = first.items
      assert.deepInclude(message, { thread_id: home, kind: "notice" })
      assert.match(message?.at ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      for (const key of ["event_id", "seq", "commit"]) assert.notProperty(message, key)
    }))

  it.effect("refuses a cursor that it did not give out", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      for (const cursor of ["", "x", Buffer.from("row:1:2").toString("base64url")]) {
        assert.isFalse(isMessageStreamId(cursor))
        assert.strictEqual((yield* Effect.flip(chat.page({}, { limit: 1, cursor })))._tag, "CursorInvalid")
        assert.strictEqual(
          (yield* Effect.flip(Stream.runDrain(Stream.unwrap(chat.stream({}, cursor)))))._tag,
          "CursorInvalid"
        )
      }
    }))

  it.effect("a stream misses nothing when a lower number is committed after a higher one, or resumed in between", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      const sql = yield* SqlClient.SqlClient
      const thread_id = newId()
      const slow = yield* openTransaction(say(thread_id, "slow"))
      yield* say(thread_id, "quick")

      // Red control: a reader that goes by `seq` alone shows "quick", and its next read is past "slow" for ever.
      const bySeq = (after: bigint) =>
        sql<{ readonly seq: bigint; readonly text: string }>`
        select seq, text from chat_messages where thread_id = ${thread_id} and seq > ${after} order by seq`
      const seen = yield* bySeq(0n)
      assert.deepStrictEqual(seen.map(({ text }) => text), ["quick"])

      const live = yield* Stream.unwrap(chat.stream({ thread_id }, start)).pipe(
        Stream.take(2),
        Stream.runCollect,
        Effect.forkScoped
      )
      const early = yield* Stream.unwrap(chat.stream({ thread_id }, start)).pipe(
        Stream.runHead,
        Effect.timeoutOption("300 millis")
      )
      assert.strictEqual(early._tag, "None")
      yield* slow.commit
      assert.deepStrictEqual(yield* bySeq(seen[0]?.seq ?? 0n), [])
      const messages = yield* Fiber.join(live)
      assert.deepStrictEqual(messages.map(({ message }) => message.text), ["slow", "quick"])
      const again = yield* Stream.unwrap(chat.stream({ thread_id }, messages[0]?.id)).pipe(Stream.runHead)
      assert.strictEqual(again._tag === "Some" ? again.value.message.text : "", "quick")
    }))

  it.effect("the answer to a chat event is said with its settlement, and asks before it answers", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      const sql = yield* SqlClient.SqlClient
      const thread_id = newId()
      const { event_id, trace_id } = yield* ingest(thread_id)
      yield* sql`
        insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at, answer_by)
        values (${event_id}, ${trace_id}, 'fast', 'waiting', 'May I?', now(), 'chat')`
      yield* sql`update settlements set outcome = 'succeeded', reply = 'Done.' where event_id = ${event_id}`
      // A statement that was sent again says nothing again.
      yield* sql`update settlements set reply = reply, settled_at = settled_at where event_id = ${event_id}`
      const { items } = yield* chat.page({ thread_id }, { limit: 5 })
      assert.deepStrictEqual(
        items.map((one) => [one.kind, one.text, one.event_id, one.trace_id]),
        [["reply", "Done.", event_id, trace_id], ["notice", "May I?", event_id, trace_id]]
      )
    }))

  it.effect("wakes a stream that listens, whoever commits", () =>
    Effect.gen(function*() {
      const notifications = yield* Notifications
      const heard = yield* Deferred.make<void>()
      yield* notifications.listen("syris_chat", () => Deferred.doneUnsafe(heard, Effect.void))
      // The connection that listens opens by itself: says something until it has heard.
      yield* say(undefined, "hello").pipe(
        Effect.andThen(Effect.sleep("20 millis")),
        Effect.forever,
        Effect.raceFirst(Deferred.await(heard)),
        Effect.timeout("30 seconds")
      )
    }))

  it.effect("chat.send says it in the conversation that its trace began in, unless it names another", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      const { tools = [] } = chatTools.spec.setup(undefined as never) as { tools?: ReadonlyArray<ToolDefinition> }
      const run = (input: unknown, traceId: string) =>
        tools[0]?.run(input, { traceId } as never) as Effect.Effect<unknown, unknown, SqlClient.SqlClient>
      const thread_id = newId()
      const { trace_id } = yield* ingest(thread_id)
      yield* ingest("another", "chat", trace_id)
      assert.deepStrictEqual(yield* run({ text: "here" }, trace_id), { message: "Said." })
      yield* run({ text: "there", thread_id: `${thread_id}-2` }, trace_id)
      // A mail has threads of its own, which are no conversations of the chat.
      const mail = yield* ingest(thread_id, "email")
      yield* run({ text: "nowhere" }, mail.trace_id)
      const told = (yield* chat.page({}, { limit: 3 })).items
      assert.deepStrictEqual(
        told.map((one) => [one.text, one.thread_id, one.trace_id, one.kind]),
        [
          ["nowhere", undefined, mail.trace_id, "notice"],
          ["there", `${thread_id}-2`, trace_id, "notice"],
          ["here", thread_id, trace_id, "notice"]
        ]
      )
    }))

  it.effect("what a call that is rolled back said is never heard", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      const sql = yield* SqlClient.SqlClient
      const thread_id = newId()
      const last = Effect.map(chat.page({ thread_id }, { limit: 1 }), ({ items }) => items[0]?.text)
      yield* Effect.flip(sql.withTransaction(Effect.andThen(say(thread_id, "no"), Effect.fail("rolled back"))))
      assert.notStrictEqual(yield* last, "no")
      yield* sql.withTransaction(say(thread_id, "no"))
      assert.strictEqual(yield* last, "no")
    }))

  it.effect("a question that belongs to no conversation is heard in each, an answer only by who listens to all", () =>
    Effect.gen(function*() {
      const chat = yield* ChatLog
      const [answer, question] = [newId(), newId()]
      yield* append({ thread_id: undefined, trace_id: newId(), kind: "notice", text: question })
      yield* append({ thread_id: undefined, trace_id: newId(), kind: "reply", text: answer })
      const heard = (filter: { readonly thread_id?: string }) =>
        Effect.map(chat.page(filter, { limit: 2 }), ({ items }) => items.map(({ text }) => text))
      assert.strictEqual((yield* heard({ thread_id: newId() }))[0], question)
      assert.deepStrictEqual(yield* heard({}), [answer, question])
    }))
})

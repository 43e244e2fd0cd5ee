/** A long thread is told in fewer words: after the answer, on record, and never for a stranger. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { Trust } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { completionFailed } from "../plugin/Completion.ts"
import { answerOf, facts as bareFacts, hostOf } from "../llm/TestCompletions.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { Registry } from "../plugin/Registry.ts"
import { readConfiguration, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Compaction } from "./Compaction.ts"

const model = { provider: "openai", baseURL: "http://127.0.0.1:1/v1", model: "m", context: { tokens: 4_000 } }

const hostWith = (
  answer: Parameters<typeof hostOf>[1],
  answered: Effect.Effect<void> = Effect.void
) => {
  const host = hostOf(model, answer)
  host.redaction.add("bank.pin", Redacted.make("hunter22"))
  const layer = Compaction.layer.pipe(
    Layer.provide([
      host.layer,
      Layer.succeed(Redactor, Redactor.of(host.redaction)),
      Layer.succeed(Registry, { tool: () => undefined } as unknown as Registry["Service"]),
      Layer.effect(Settings, Effect.orDie(readConfiguration({ llm: model }, "test"))),
      Layer.succeed(Settlements, { await: () => answered } as unknown as Settlements["Service"])
    ]),
    Layer.fresh
  )
  return { asked: host.asked, layer }
}

/** So many events of a thread, and the event that is asked about. */
const threadOf = Effect.fnUntraced(function*(thread_id: string, count: number, trust: Trust = "operator") {
  const sql = yield* SqlClient.SqlClient
  const ids = Array.from({ length: count }, () => newId())
  yield* sql`
    insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, thread_id,
                        actor_type, actor_id, text, structured, attachment_refs, links, timezone, locale, sensitivity, trust,
                        redaction_policy_id, depth)
    select id, id, '1.0', now(), now(), 'chat', 'chat', ${thread_id}, 'user', 'me', 'promise ' || n || ' of ' || ${trust}::text || ' about the hunter22',
           '{}', '[]', '[]', 'UTC', 'en', 'low', ${trust}, 'default', 0
    from unnest(${ids}::uuid[]) with ordinality as t(id, n)`
  return { ids, own: newId() }
})

const compact = Effect.fnUntraced(function*(thread_id: string, own: string, trust: Trust = "operator", left_out = 9) {
  const service = yield* Compaction
  const event = {
    event_id: own,
    trace_id: own,
    thread_id,
    channel: "chat",
    connector_id: "chat",
    actor_id: "me",
    trust,
    depth: 0,
    timezone: "UTC"
  }
  const facts = { ...bareFacts, thread_id, trust, thread: { lines: [], left_out } }
  yield* service.compact(facts, { event, task: { task_id: own } as never }, { step_id: newId() })
})

const stored = (thread_id: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql<{ readonly text: string; readonly trust: Trust; readonly events: number; readonly until_event_id: string }>`
      select text, trust, events, until_event_id from thread_summaries where thread_id = ${thread_id} order by until_event_id`
  )

layer(layerTestDatabase)("a thread that is too long", (it) => {
  it.effect("is told in fewer words, each time from the words before and what was said since", () =>
    Effect.gen(function*() {
      const host = hostWith((_, count) => Effect.succeed(answerOf(`Summary ${count}.`)))
      const { ids, own } = yield* threadOf("kitchen", 40)
      yield* compact("kitchen", own).pipe(Effect.provide(host.layer))
      const [first] = yield* stored("kitchen")
      assert.deepInclude(first, { text: "Summary 1.", trust: "operator" })
      assert.strictEqual(first?.until_event_id, ids[(first?.events ?? 0) - 1])
      // The newest stay as they are.
      assert.isBelow(first?.events ?? 0, 40)
      const question = JSON.stringify(host.asked[0]?.messages)
      assert.match(question, /Never lose: promises/)
      assert.match(question, /<<<[0-9a-f]{12}.*promise 1 of operator about the \[secret .*[0-9a-f]{12}>>>/)
      assert.notInclude(question, "hunter22")
      assert.notInclude(question, "promise 40 ")
      assert.deepStrictEqual(host.asked[0]?.tools, [])

      const { own: later } = yield* threadOf("kitchen", 40, "trusted")
      yield* compact("kitchen", later).pipe(Effect.provide(host.layer))
      const [, second] = yield* stored("kitchen")
      assert.deepInclude(second, { text: "Summary 2.", trust: "trusted" })
      assert.isAbove(second?.events ?? 0, first?.events ?? 0)
      assert.include(JSON.stringify(host.asked[1]?.messages), "Summary 1.")
      assert.notInclude(JSON.stringify(host.asked[1]?.messages), "promise 1 of operator")
    }))

  it.effect("waits for the answer", () =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<void>()
      const host = hostWith(() => Effect.succeed(answerOf("Short.")), Deferred.await(answered))
      const { own } = yield* threadOf("waiting", 40)
      const fiber = yield* compact("waiting", own).pipe(
        Effect.provide(host.layer),
        Effect.forkChild({ startImmediately: true })
      )
      assert.strictEqual(host.asked.length, 0)
      yield* Deferred.succeed(answered, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual(host.asked.length, 1)
    }))

  it.effect("costs nothing where it fits, and nothing for a stranger", () =>
    Effect.gen(function*() {
      const host = hostWith(() => Effect.succeed(answerOf("Short.")))
      const { own } = yield* threadOf("stranger", 40, "untrusted")
      yield* compact("stranger", own, "untrusted").pipe(Effect.provide(host.layer))
      yield* compact("stranger", own, "operator", 0).pipe(Effect.provide(host.layer))
      assert.strictEqual(host.asked.length, 0)
      // The control: it is asked for, and tells of strangers.
      yield* compact("stranger", own, "operator").pipe(Effect.provide(host.layer))
      assert.strictEqual(host.asked.length, 1)
      assert.deepStrictEqual((yield* stored("stranger")).map(({ trust }) => trust), ["untrusted"])
    }))

  it.effect("stays as it is where no model answers, and the next answer tries again", () =>
    Effect.gen(function*() {
      const host = hostWith((_, count) =>
        count === 1
          ? Effect.fail(completionFailed("llm.unavailable", "away"))
          : Effect.succeed(answerOf(count === 2 ? " " : "At last."))
      )
      const { own } = yield* threadOf("away", 40)
      for (const expected of [[], [], ["At last."]]) {
        yield* compact("away", own).pipe(Effect.provide(host.layer))
        assert.deepStrictEqual((yield* stored("away")).map(({ text }) => text), expected)
      }
    }))
})

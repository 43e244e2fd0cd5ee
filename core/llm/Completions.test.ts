/**
 * Questions to models that are on record: stored before they are asked, paid for once, free of secrets, and within budgets
 * whoever asks at the same time.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import type { LlmConfiguration } from "../plugin/Configuration.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { failed } from "./CompletionProvider.ts"
import { type CompletionQuestion, Completions, type StoredRequest } from "./Completions.ts"
import { requestHash } from "./RequestHash.ts"
import { answerOf, hostOf, questionOf } from "./TestCompletions.ts"

const ask = (question: CompletionQuestion) => Completions.use((completions) => completions.ask(question))
const rowsOf = (trace_id: string) =>
  SqlClient.SqlClient.use((sql) =>
    sql<any>`select * from completions where trace_id = ${trace_id}::uuid order by completion_id`
  )

layer(layerTestDatabase, { timeout: "60 seconds" })("a question on record", (it) => {
  it.effect("is stored before it is asked, and settled with its answer", () =>
    Effect.gen(function*() {
      const question = questionOf()
      let before: ReadonlyArray<any> = []
      const sql = yield* SqlClient.SqlClient
      const host = hostOf(
        { price: { inputPerMillion: 1_000, outputPerMillion: 2_000 } },
        () =>
          rowsOf(question.trace_id).pipe(
            Effect.provideService(SqlClient.SqlClient, sql),
            Effect.orDie,
            Effect.map((rows) => {
              before = rows
              return answerOf("Here.", { usd: 0.11 })
            })
          )
      )
      const answered = yield* ask(question).pipe(Effect.provide(host.layer))
      assert.deepInclude(answered, { text: "Here.", repeated: false, usd: 0.11 })
      assert.deepInclude(before[0], {
        input_tokens: 1_000,
        output_tokens: 1_500,
        usd: 4,
        answered_at: null,
        model: "m"
      })
      const [row, ...more] = yield* rowsOf(question.trace_id)
      assert.deepEqual(more, [])
      assert.deepInclude(row, {
        input_tokens: 90,
        output_tokens: 10,
        usd: 0.11,
        model: "m",
        prompt_hash: "p",
        error: null
      })
      assert.strictEqual(row.completion_id, answered.completion_id)
      assert.deepInclude(row.answer, { text: "Here.", model: "m-2026", finish: "stop" })
      assert.strictEqual(row.request_hash, requestHash(row.request as StoredRequest))
      assert.strictEqual(row.request_hash, answered.request_hash)
      assert.deepEqual(row.request.messages, host.asked[0]?.messages)
    }))

  it.effect("is answered from its row after a crash, failures too", () =>
    Effect.gen(function*() {
      const question = questionOf()
      const first = hostOf({}, () => Effect.succeed(answerOf("Here.")))
      const next = hostOf({}, () => Effect.die("nobody is asked again"))
      const answered = yield* ask(question).pipe(Effect.provide(first.layer))
      let heard = ""
      const again = yield* ask({ ...question, onText: (text) => heard += text }).pipe(Effect.provide(next.layer))
      assert.deepEqual(again, { ...answered, repeated: true })
      assert.strictEqual(heard, "Here.")
      assert.deepEqual(next.asked, [])
      // The next question of the step is another one.
      const other = yield* Effect.exit(ask({ ...question, question: 1 }).pipe(Effect.provide(next.layer)))
      assert.strictEqual(other._tag, "Failure")
      assert.strictEqual(next.asked.length, 1)

      const busy = questionOf()
      const limited = hostOf({}, () => Effect.fail(failed("llm.rate_limited", "Too many.", 3_000)))
      const refused = yield* Effect.flip(ask(busy).pipe(Effect.provide(limited.layer)))
      const told = yield* Effect.flip(ask(busy).pipe(Effect.provide(next.layer)))
      assert.deepEqual(told, refused)
      assert.deepInclude(told, { code: "llm.rate_limited", retryAfterMs: 3_000, retryable: true })
      assert.deepInclude((yield* rowsOf(busy.trace_id))[0], { input_tokens: 0, output_tokens: 0 })
    }))

  it.effect("is asked anew where its host died in between, and what was reserved stays so", () =>
    Effect.gen(function*() {
      const question = questionOf()
      const dies = hostOf({}, () => Effect.interrupt)
      yield* Effect.exit(ask(question).pipe(Effect.provide(dies.layer)))
      const next = hostOf({}, () => Effect.succeed(answerOf("Here.")))
      assert.deepInclude(yield* ask(question).pipe(Effect.provide(next.layer)), { text: "Here.", repeated: false })
      const rows = yield* rowsOf(question.trace_id)
      assert.deepEqual(
        rows.map(({ answer, input_tokens, output_tokens }) => [answer?.text, input_tokens, output_tokens]),
        [
          [undefined, 1_000, 1_500],
          ["Here.", 90, 10]
        ]
      )
      assert.notStrictEqual(rows[0].host_id, rows[1].host_id)
      // One that was given up by its host is no answer either.
      const aborted = questionOf()
      const stops = hostOf({}, () => Effect.fail(failed("llm.aborted", "The host stops.")))
      yield* Effect.flip(ask(aborted).pipe(Effect.provide(stops.layer)))
      assert.deepInclude(yield* ask(aborted).pipe(Effect.provide(next.layer)), { text: "Here.", repeated: false })
    }))

  it.effect("has one answer, though a host that was taken for dead has one too", () =>
    Effect.gen(function*() {
      const question = questionOf()
      const slow = yield* Deferred.make<void>()
      const thinks = yield* Deferred.make<void>()
      const frozen = hostOf({}, () =>
        Deferred.succeed(thinks, undefined).pipe(
          Effect.andThen(Deferred.await(slow)),
          Effect.as(answerOf("The second.", { usd: 1 }))
        ))
      const fiber = yield* Effect.forkChild(ask(question).pipe(Effect.provide(frozen.layer)))
      yield* Deferred.await(thinks)
      const quick = hostOf({}, () => Effect.succeed(answerOf("The first.")))
      yield* ask(question).pipe(Effect.provide(quick.layer))
      yield* Deferred.succeed(slow, undefined)
      assert.deepInclude(yield* Fiber.join(fiber), { text: "The first.", repeated: true })
      const rows = yield* rowsOf(question.trace_id)
      assert.deepEqual(rows.map(({ answer, error, usd }) => [answer?.text, error?.code, usd]), [
        [undefined, "llm.aborted", 1],
        ["The first.", undefined, null]
      ])
    }))

  it.effect("has no secret in it, and who asked goes on with what is stored", () =>
    Effect.gen(function*() {
      const escaped = Buffer.from("hunter22").toString("hex").replaceAll(/../g, (byte) => `\\u00${byte}`)
      const question = questionOf({
        bundle: {
          ...questionOf().bundle,
          messages: [{ role: "user", content: "My word is hunter22, and \0 is nothing." }]
        },
        facts: { ...questionOf().facts, intent: "hunter22" }
      })
      const host = hostOf({}, () =>
        Effect.succeed(answerOf(`{"action":"done","answer":"${escaped}"}`, {
          calls: [{ id: "1", tool: "say", arguments: `{"text":"${escaped}","more":"hunter22"}` }]
        })))
      host.redaction.add("my.word", Redacted.make("hunter22"))
      const answered = yield* ask(question).pipe(Effect.provide(host.layer))
      assert.strictEqual(answered.text, "{\"action\":\"done\",\"answer\":\"[secret my.word]\"}")
      assert.strictEqual(
        answered.calls[0]?.arguments,
        "{\"text\":\"[secret my.word]\",\"more\":\"[secret my.word]\"}"
      )
      assert.deepEqual(host.asked[0]?.messages, [
        { role: "user", content: "My word is [secret my.word], and \u{fffd} is nothing." }
      ])
      const [row] = yield* rowsOf(question.trace_id)
      assert.notMatch(JSON.stringify(row), /hunter22|\\\\u0068/)
      assert.strictEqual(row.request_hash, requestHash(row.request as StoredRequest))
      assert.deepEqual(yield* ask(question).pipe(Effect.provide(host.layer)), { ...answered, repeated: true })
    }))
})

layer(layerTestDatabase, { timeout: "60 seconds" })("a budget", (it) => {
  const price = { inputPerMillion: 1_000, outputPerMillion: 1_000 }
  const answers = () => Effect.succeed(answerOf("Here.", { usage: { input_tokens: 2_000, output_tokens: 0 }, usd: 2 }))
  const clean = SqlClient.SqlClient.use((sql) => sql`delete from completions`)

  it.effect("holds for a trace, a task, a day, and a model: nobody is asked where it has no room", () =>
    Effect.gen(function*() {
      const question = questionOf()
      const { task_id, trace_id } = question
      const cases = [
        ["perTraceTokens", { perTraceTokens: 4_000 }, { trace_id }],
        ["perTaskTokens", { perTaskTokens: 4_000 }, { task_id }],
        ["perTaskUsd", { perTaskUsd: 4 }, { task_id }],
        ["perDayTokens", { perDayTokens: 4_000 }, {}],
        ["perDayUsd", { perDayUsd: 4 }, {}],
        ["models.m.perDayTokens", { models: { m: { perDayTokens: 4_000 } } }, {}],
        ["models.m.perDayUsd", { models: { m: { perDayUsd: 4 } } }, {}]
      ] as const
      for (const [budget, settings, same] of cases) {
        yield* clean
        const host = hostOf({ price, budget: settings }, answers)
        yield* ask(question).pipe(Effect.provide(host.layer))
        // 2 000 are used, and 2 500 may be: more than what is left, until the budget is larger.
        const next = questionOf(same)
        const reached = yield* Effect.flip(ask(next).pipe(Effect.provide(host.layer)))
        if (reached._tag !== "BudgetReached") return assert.fail(`${budget}: ${reached.message}`)
        assert.strictEqual(reached.budget, `llm.budget.${budget}`)
        assert.match(reached.message, /2,000 of 4,000 tokens are used|\$2\.00 of \$4\.00 are used/)
        assert.match(reached.message, /the next question may take (2,500 tokens|\$2\.50)$/)
        assert.strictEqual(host.asked.length, 1, budget)
        assert.strictEqual((yield* rowsOf(next.trace_id)).length, next.trace_id === trace_id ? 1 : 0)
        // A yes of the operator goes over it; a budget of one trace or task is nothing to another.
        yield* ask({ ...next, allowed: true }).pipe(Effect.provide(host.layer))
        if (reached.scope !== "day") yield* ask(questionOf()).pipe(Effect.provide(host.layer))
        assert.strictEqual(reached.until !== undefined, reached.scope === "day")
      }
    }))

  it.effect("of a day is there again on the next, by the operator's clock", () =>
    Effect.gen(function*() {
      yield* clean
      const host = hostOf({ budget: { perDayTokens: 4_000 } }, answers, "Pacific/Auckland")
      const clock = yield* Clock.Clock
      const askAt = (time: string) =>
        ask(questionOf()).pipe(Effect.provideService(Clock.Clock, {
          currentTimeMillis: Effect.succeed(Date.parse(time)),
          currentTimeMillisUnsafe: () => Date.parse(time),
          currentTimeNanos: clock.currentTimeNanos,
          currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
          monotonicTimeNanos: clock.monotonicTimeNanos,
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
          sleep: (duration) => clock.sleep(duration)
        }))
      yield* Effect.gen(function*() {
        yield* askAt("2026-07-01T11:30:00Z")
        const reached = yield* Effect.flip(askAt("2026-07-01T11:59:59Z"))
        assert.deepInclude(reached, { budget: "llm.budget.perDayTokens", until: "2026-07-01T12:00:00.000Z" })
        yield* askAt("2026-07-01T12:00:00Z")
      }).pipe(Effect.provide(host.layer))
    }))

  it.effect("that is used up leads to the cheapest model with room in its own, or to none", () =>
    Effect.gen(function*() {
      yield* clean
      const cheap = { inputPerMillion: 1, outputPerMillion: 1 }
      const free = { inputPerMillion: 0, outputPerMillion: 0 }
      const host = hostOf({
        price,
        fallback: [{ model: "cheap", price: cheap }, { model: "free", price: free }],
        budget: { perDayUsd: 4, atLimit: "cheaper", models: { free: { perDayTokens: 4_000 } } }
      }, ({ models }) =>
        Effect.succeed(answerOf("Here.", {
          configured: models?.[0] ?? "m",
          usage: { input_tokens: 2_000, output_tokens: 0 },
          usd: models === undefined ? 2 : 0
        })))
      yield* Effect.gen(function*() {
        for (let i = 0; i < 4; i++) yield* ask(questionOf())
        assert.deepEqual(host.asked.map(({ models }) => models), [undefined, ["free"], ["cheap"], ["cheap"]])
        const spent = yield* Completions.use((completions) => completions.spent)
        assert.isUndefined(spent)
      }).pipe(Effect.provide(host.layer))

      const own = hostOf({
        price,
        fallback: [{ model: "cheap", price: cheap }],
        budget: { models: { m: { perDayUsd: 3 }, cheap: { perDayTokens: 3_000 } }, atLimit: "cheaper" }
      }, ({ models }) =>
        Effect.succeed(answerOf("Here.", {
          configured: models?.[0] ?? "m",
          usage: { input_tokens: 2_000, output_tokens: 0 },
          usd: 2
        })))
      yield* clean
      yield* Effect.gen(function*() {
        yield* ask(questionOf())
        yield* ask(questionOf())
        const reached = yield* Effect.flip(ask(questionOf()))
        assert.deepInclude(reached, { budget: "llm.budget.models.m.perDayUsd" })
        assert.deepInclude(yield* Completions.use((completions) => completions.spent), {
          budget: "llm.budget.models.m.perDayUsd"
        })
      }).pipe(Effect.provide(own.layer))
    }))

  it.effect("of a model that is asked later leaves that model out", () =>
    Effect.gen(function*() {
      yield* clean
      const host = hostOf({
        fallback: ["second", "third"],
        budget: { models: { second: { perDayTokens: 4_000 } } }
      }, (_, count) =>
        Effect.succeed(
          answerOf("Here.", {
            configured: count === 1 ? "second" : "m",
            usage: { input_tokens: 2_000, output_tokens: 0 }
          })
        ))
      yield* Effect.gen(function*() {
        yield* ask(questionOf())
        yield* ask(questionOf())
        assert.deepEqual(
          host.asked.map(({ models }) => models),
          [undefined, ["m", "third"]]
        )
      }).pipe(Effect.provide(host.layer))
    }))
})

describe("hosts that ask at the same time", () => {
  /** As much as was reserved. */
  const all = { input_tokens: 1_000, output_tokens: 1_500 }
  /** Five hosts want the last of a budget that has room for one of them. Answers how many were asked. */
  const race = Effect.fnUntraced(function*(same: Partial<CompletionQuestion>, llm: Partial<LlmConfiguration>) {
    const sql = yield* SqlClient.SqlClient
    const hosts = Array.from({ length: 5 }, () => hostOf(llm, () => Effect.succeed(answerOf("Here.", { usage: all }))))
    // Readers go on, writers wait: whoever read what is used before this ends has read the same.
    const held = yield* Deferred.make<void>()
    const release = yield* Deferred.make<void>()
    const holder = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
      yield* sql`lock table completions in share mode`
      yield* Deferred.succeed(held, undefined)
      yield* Deferred.await(release)
    })))
    yield* Deferred.await(held)
    const asked = yield* Effect.forkChild(Effect.forEach(
      hosts,
      ({ layer }) => Effect.exit(ask(questionOf(same)).pipe(Effect.provide(layer))),
      { concurrency: "unbounded" }
    ))
    yield* Effect.repeat(
      sql<{ readonly waiting: number }>`
        select count(*)::int as waiting from pg_locks l join pg_database d on d.oid = l.database
        where not l.granted and d.datname = current_database()`,
      { until: ([row]) => row?.waiting === hosts.length }
    )
    yield* Deferred.succeed(release, undefined)
    yield* Fiber.join(holder)
    yield* Fiber.join(asked)
    return hosts.reduce((sum, host) => sum + host.asked.length, 0)
  })
  const races = Effect.gen(function*() {
    const day = yield* race({}, { budget: { perDayTokens: 3_000 } })
    const trace = yield* race({ trace_id: newId() }, { budget: { perTraceTokens: 3_000 } })
    return [day, trace]
  })

  it.live("never both take the last of it", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* races, [1, 1])
    }).pipe(Effect.provide(Layer.fresh(layerTestDatabase)), Effect.scoped), 60_000)

  it.live("would, if none waited for the other", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [made] = yield* sql<{ readonly source: string }>`
        select pg_get_functiondef('reserve_completion'::regproc) as source`
      const without = made!.source.replaceAll(/perform pg_advisory_xact_lock\(.*\);/g, "null;")
      assert.notStrictEqual(without, made!.source)
      yield* sql.unsafe(without)
      assert.deepEqual(yield* races, [5, 5])
    }).pipe(Effect.provide(Layer.fresh(layerTestDatabase)), Effect.scoped), 60_000)
})

describe("a database that is away", () => {
  it.live("means that nobody is asked", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const host = hostOf({}, () => Effect.succeed(answerOf("Here.")))
      yield* sql`alter table completions rename to elsewhere`
      const failure = yield* Effect.flip(ask(questionOf()).pipe(Effect.provide(host.layer)))
      assert.strictEqual(failure._tag, "SqlError")
      assert.deepEqual(host.asked, [])
    }).pipe(Effect.provide(Layer.fresh(layerTestDatabase)), Effect.scoped), 60_000)
})

/**
 * A server asks the operator in the midst of a call: nothing without leave; else a numbered question in its own words, answered
 * once by what it asks for, and gone with its call. The same over both revisions of the protocol.
 */
import { assert, describe, layer } from "@effect/vitest"
import { inputRequired } from "@modelcontextprotocol/server"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Questions } from "./Questions.ts"
import { type Asks, connected, layerAsking, nextQuestion, openQuestion, serverOf } from "./TestAsking.ts"

const who = (message = "Who are you?") =>
  inputRequired.elicit({
    message,
    requestedSchema: {
      type: "object",
      properties: {
        name: { type: "string", description: "As in your passport", minLength: 2 },
        age: { type: "integer", minimum: 1, maximum: 120 },
        drink: { type: "string", oneOf: [{ const: "t", title: "Tea" }, { const: "c", title: "Coffee" }], default: "c" }
      },
      required: ["name", "age"]
    }
  })

const asks: Asks = {
  enrol: ({ message }) => ({ who: who(message as string | undefined) }),
  twice: () => ({ first: who("First?"), second: who("Second?") }),
  often: () => Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`q${i}`, who(`Question ${i}?`)])),
  link: () => ({ page: inputRequired.elicitUrl({ message: "Open this", url: "https://example.org/pay" }) })
}

const word = { by: "operator", at: new Date(0) }
const inTransaction = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  SqlClient.SqlClient.use((sql) => sql.withTransaction(self))
const answer = (number: number, text: string) =>
  inTransaction(Questions.use((questions) => questions.answer({ number }, { text }, word)))
const noticesOf = (trace_id: string) =>
  SqlClient.SqlClient.use((sql) =>
    Effect.map(
      sql<{ readonly text: string }>`select text from chat_messages where trace_id = ${trace_id}::uuid order by seq`,
      (rows) => rows.map(({ text }) => text)
    )
  )
const auditOf = (trace_id: string) =>
  SqlClient.SqlClient.use((sql) =>
    sql<{ readonly type: string; readonly data: Record<string, unknown> }>`
      select type, data from audit_events where trace_id = ${trace_id}::uuid order by seq`
  )

/** The row that says that a question is withdrawn, as soon as it is there. */
const withdrawal = Effect.fnUntraced(function*(trace_id: string) {
  for (;;) {
    const found = (yield* auditOf(trace_id)).find(({ type }) => type === "mcp.question_withdrawn")
    if (found !== undefined) return found
  }
})

const asking = layerAsking()

layer(asking.layer.pipe(Layer.provideMerge(layerTestDatabase)), { timeout: "60 seconds" })(
  "a server's question",
  (it) => {
    describe.each(["legacy", "modern"] as const)("over the %s revision", (era) => {
      it.effect("is shown in its words, answered as it asks, and told in the audit", () =>
        Effect.gen(function*() {
          const runs: Array<string> = []
          const { call } = yield* connected({ elicitation: true }, serverOf(asks, runs), era)
          const trace_id = newId()
          const under = yield* Effect.forkChild(
            Effect.promise(() => call("enrol", { trace_id }, { message: "Who are you?\n> Question 9: \u202Esay yes" }))
          )
          const { number } = yield* nextQuestion(trace_id)
          const [notice = ""] = yield* noticesOf(trace_id)
          assert.match(notice, new RegExp(`^Question ${number}, from the server asker while its tool enrol runs`))
          assert.include(notice, "\n> Who are you?\n> > Question 9: <U+202E>say yes\n")
          assert.include(notice, "> name (text, at least 2 characters, needed): As in your passport")
          assert.include(notice, "> drink (one of t (Tea), c (Coffee)) Without an answer: \"c\".")
          assert.include(notice, `"answer ${number} name=… age=… drink=…" or "decline ${number}"`)
          assert.match(notice, /never type a password/)

          const mistake = (text: string) => Effect.map(Effect.flip(answer(number, text)), (error) => error.message)
          assert.strictEqual(yield* mistake("name=Bob"), "age is missing, and is needed.")
          assert.strictEqual(yield* mistake("name=Bob age=old"), "age is a whole number.")
          assert.strictEqual(yield* mistake("name=Bob age=400"), "age can be at most 120.")
          assert.strictEqual(yield* mistake("name=Bob age=4 drink=milk"), "drink is one of t (Tea), c (Coffee).")
          assert.strictEqual(
            yield* mistake("{\"name\": \"Bob\", \"age\": 4, \"admin\": true}"),
            "admin is not asked for: name, age, drink are."
          )
          assert.match(yield* mistake("Bob, four"), /^Write name=value for each field/)
          assert.match(yield* mistake("name=hunter22 age=4"), /holds the value of a secret of this host/)
          assert.deepEqual((yield* Questions).open().map((one) => one.number), [number])

          yield* answer(number, "name=\"Bob B.\" age=4 drink=tea")
          const back = JSON.parse(yield* Fiber.join(under)) as unknown
          assert.deepEqual(back, { who: { action: "accept", content: { name: "Bob B.", age: 4, drink: "t" } } })
          assert.match((yield* Effect.flip(answer(number, "name=Eve age=4"))).message, /^No question \d+ is open/)
          assert.deepEqual((yield* auditOf(trace_id)).map(({ data, type }) => [type, data["number"], data["action"]]), [
            ["mcp.question_asked", number, undefined],
            ["operator.question_answered", number, "accept"]
          ])
          // The protocol's way: what did not complete is sent again with the answer, once; the older revision never sends it twice.
          assert.deepEqual(runs, era === "modern" ? ["enrol", "enrol"] : runs)
        }))

      it.effect("is withdrawn with its call, and one of them is asked at a time", () =>
        Effect.gen(function*() {
          const { call } = yield* connected({ elicitation: true }, serverOf(asks), era)
          const stop = new AbortController()
          const trace_id = newId()
          const under = yield* Effect.forkChild(
            Effect.promise(() => call("twice", { trace_id, signal: stop.signal }).catch(() => "gone"))
          )
          const first = yield* nextQuestion(trace_id)
          yield* answer(first.number, "name=Bob age=4")
          const second = yield* nextQuestion(trace_id)
          assert.deepEqual([first.message, second.message], ["First?", "Second?"])
          assert.deepEqual((yield* Questions).open().map(({ number }) => number), [second.number])
          stop.abort()
          assert.strictEqual(yield* Fiber.join(under), "gone")
          assert.match(
            (yield* Effect.flip(answer(second.number, "name=Bob age=4"))).message,
            /^No question \d+ is open/
          )
          const said = yield* withdrawal(trace_id)
          assert.deepInclude(said.data, { number: second.number, question_id: second.question_id })
        }))

      it.effect("is not asked without leave, nor by an address, nor more than ten times in a call", () =>
        Effect.gen(function*() {
          const refused = (tool: string, given: { readonly elicitation: boolean }) =>
            Effect.gen(function*() {
              const trace_id = newId()
              const { call } = yield* connected(given, serverOf(asks), era)
              const said = yield* Effect.promise(() =>
                call(tool, { trace_id }).then((text) => ["answered", text], (error) => ["refused", String(error)])
              )
              assert.deepEqual(yield* noticesOf(trace_id), [], tool)
              return said
            })
          for (const [tool, elicitation] of [["enrol", false], ["link", false], ["link", true]] as const) {
            const [how, text] = yield* refused(tool, { elicitation })
            assert.notInclude(text ?? "", "\"accept\"", how)
          }
          const trace_id = newId()
          const { call } = yield* connected({ elicitation: true }, serverOf(asks), era)
          const under = yield* Effect.forkChild(Effect.promise(() => call("often", { trace_id }).catch(String)))
          const heard = yield* Effect.forkChild(Effect.gen(function*() {
            for (;;) yield* Effect.ignore(answer((yield* nextQuestion(trace_id)).number, "name=Bob age=4"))
          }))
          const text = yield* Fiber.join(under)
          yield* Fiber.interrupt(heard)
          assert.isAtMost((yield* noticesOf(trace_id)).filter((one) => /^Question \d+, from/.test(one)).length, 10)
          assert.notInclude(text, "q10\":{\"action\":\"accept\"")
        }))
    })

    it.effect("is neither asked outside of a call nor for a trace that can't be told", () =>
      Effect.gen(function*() {
        const { call } = yield* connected({ elicitation: true }, serverOf(asks))
        const [one, other] = [newId(), newId()]
        // The red control of the first test: with two calls under way nobody knows whose question it is.
        const both = yield* Effect.promise(() =>
          Promise.all([one, other].map((trace_id) => call("enrol", { trace_id }).catch(String)))
        )
        assert.match(both.join(" "), /while one tool call of one trace is under way/)
        assert.deepEqual([...(yield* noticesOf(one)), ...(yield* noticesOf(other))], [])
        const open = (yield* Questions).open().filter(({ trace_id }) => trace_id === one || trace_id === other)
        assert.deepEqual(open, [])
      }))

    it.effect("is open before anybody can read of it, and not where it could not be shown", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const { call } = yield* connected({ elicitation: true }, serverOf(asks))
        const ask = (trace_id: string) =>
          Effect.forkChild(Effect.promise(() => call("enrol", { trace_id }).catch(String)))
        const [shown, failed] = [newId(), newId()]
        // The commit waits at its very end for this test, and of one trace it is refused.
        yield* sql.unsafe(`
          create function stand() returns trigger language plpgsql as $$ begin
            if new.trace_id = '${failed}' then raise 'no room'; end if;
            perform pg_advisory_xact_lock(4711);
            return null;
          end $$`)
        yield* sql.unsafe(`
          create constraint trigger stand after insert on chat_messages initially deferred
            for each row execute function stand()`)
        const [number, under] = yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`select pg_advisory_xact_lock(4711)`
          const under = yield* ask(shown)
          const { number } = yield* openQuestion(shown)
          assert.deepEqual(yield* noticesOf(shown), [])
          return [number, under] as const
        }))
        yield* answer(number, "name=Bob age=4")
        assert.include(yield* Fiber.join(under), "accept")
        assert.match(yield* Fiber.join(yield* ask(failed)), /The operator can't be asked now/)
        assert.strictEqual((yield* openQuestion(failed)).trace_id, failed)
        assert.deepEqual((yield* Questions).open(), [])
        yield* sql.unsafe("drop function stand() cascade")
      }))

    it.effect("leaves nothing open behind", () =>
      Effect.gen(function*() {
        assert.deepEqual((yield* Questions).open(), [])
      }))
  }
)

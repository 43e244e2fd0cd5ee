/** What goes into a model's context: what fits, the trusted first, and never more than there is room for. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Audit, toRow } from "../audit/Audit.ts"
import type { Trust } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { makeRedaction, Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { tokensOf } from "../llm/Tokens.ts"
import { Memories } from "./Memories.ts"
import { vectorOf } from "./Words.ts"

const secret = "correct-horse-battery-staple"
const redaction = makeRedaction(undefined, () => {})
redaction.add("bank.pin", Redacted.make(secret))

const layerMemories = Memories.layer.pipe(
  Layer.provide([Layer.mock(Audit)({ row: toRow }), Layer.succeed(Redactor, Redactor.of(redaction))]),
  Layer.provideMerge(layerTestDatabase)
)

const remember = Effect.fnUntraced(function*(texts: ReadonlyArray<string>, trust: Trust = "operator") {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into memories (memory_id, text, words, labels, event_id, trace_id, tool_call_id, channel, actor_id, tags, created_at)
    select id, text, words::tsvector, jsonb_build_object('trust', ${trust}::text, 'confidentiality', 'public'),
           id, id, id, 'chat', 'chat', '{}', now()
    from unnest(${texts.map(() => newId())}::uuid[], ${texts}::text[], ${texts.map((text) => vectorOf(text))}::text[])
         as t(id, text, words)`
})

const relevant = (text: string, bounds: Parameters<Memories["Service"]["relevant"]>[1]) =>
  Effect.map(Memories.use((memories) => memories.relevant(text, bounds)), ({ left_out, memories }) => ({
    texts: memories.map((one) => one.text),
    tokens: memories.reduce((sum, one) => sum + one.tokens, 0),
    left_out
  }))

const empty = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from memories`)

layer(layerMemories)("what is relevant", (it) => {
  it.effect("is what fits, the trusted before what strangers said, and free of secrets", () =>
    Effect.gen(function*() {
      yield* remember(["Anna is my sister", "the bins go out on Monday", `the pin of Anna's card is ${secret}`])
      yield* remember(["Anna Anna Anna said to open the door"], "untrusted")
      const found = yield* relevant("When is Anna's birthday? Anna is my sister.", { limit: 10, tokens: 1_000 })
      assert.strictEqual(found.texts[0], "Anna is my sister")
      assert.notInclude(JSON.stringify(found), secret)
      assert.notInclude(found.texts, "the bins go out on Monday")
      const all = yield* relevant("Anna", { limit: 10, tokens: 1_000 })
      assert.deepStrictEqual(all.texts, [
        "the pin of Anna's card is [secret bank.pin]",
        "Anna is my sister",
        "Anna Anna Anna said to open the door"
      ])
      assert.deepStrictEqual(yield* relevant("Anna", { limit: 1, tokens: 1_000 }), {
        texts: all.texts.slice(0, 1),
        tokens: tokensOf(all.texts[0]!),
        left_out: 2
      })
      const [row] = yield* (yield* SqlClient.SqlClient)`select sum(recalled)::int as recalled from memories`
      assert.deepStrictEqual(row, { recalled: 0 })
      yield* empty
    }))

  it.effect("is not buried by what strangers had remembered, however much it is", () =>
    Effect.gen(function*() {
      yield* remember(["the spare key is under the blue stone", "the cellar is locked"])
      const question = { text: "where is the spare key of the house", bounds: { limit: 10, tokens: 1_000 } }
      const before = yield* relevant(question.text, question.bounds)
      assert.deepStrictEqual(before.texts, ["the spare key is under the blue stone"])
      yield* remember(
        Array.from({ length: 300 }, (_, i) => `where is the spare key of the house? It is in hole ${i}`),
        "untrusted"
      )
      const found = yield* relevant(question.text, question.bounds)
      assert.strictEqual(found.texts[0], "the spare key is under the blue stone")
      assert.match(found.texts[1]!, /hole 299$/, "and they are found, too")
      const [page] = yield* Memories.use((memories) =>
        memories.page({ query: question.text, trust: "operator" }, { limit: 5 })
      ).pipe(Effect.map(({ items }) => items))
      assert.strictEqual(page?.text, "the spare key is under the blue stone")
      yield* empty
    }))

  it.effect("leaves out what is too long, and takes a shorter one instead", () =>
    Effect.gen(function*() {
      yield* remember(["the cat", `the cat ${"purrs ".repeat(600)}`, "猫 the cat"])
      const found = yield* relevant("the cat", { limit: 10, tokens: 10 })
      assert.deepStrictEqual(found, { texts: ["猫 the cat", "the cat"], tokens: 7, left_out: 1 })
      const counted = yield* relevant("the cat", { limit: 10, tokens: 2, count: () => 1 })
      assert.strictEqual(counted.texts.length, 2)
      assert.deepStrictEqual(yield* relevant("the cat", { limit: 10, tokens: 0 }), {
        texts: [],
        tokens: 0,
        left_out: 3
      })
      yield* empty
    }))

  it.effect("takes any text there is, and answers soon of 10 000 memories", () =>
    Effect.gen(function*() {
      const nouns = Array.from({ length: 400 }, (_, i) => `noun${i.toString(36)}`)
      const pick = (i: number) => nouns[(i * 7_919) % nouns.length]!
      yield* remember(Array.from(
        { length: 10_000 },
        (_, i) =>
          `the ${pick(i)} of my ${pick(i * 3 + 1)} is in the ${pick(i * 5 + 2)} and it was said that the ${
            pick(i * 11 + 3)
          } is not what it was (${i})`
      ))
      yield* remember(["the spare key is under the blue stone"])
      const text = `where is the spare key? ${
        "it is not in the house and not of my garden, and what was it that you said ".repeat(300)
      }`
      const timed = Effect.fnUntraced(function*(question: string) {
        const began = performance.now()
        const found = yield* relevant(question, { limit: 10, tokens: 500 })
        return { ...found, took: performance.now() - began }
      })
      const { took, ...found } = yield* timed(text)
      assert.strictEqual(found.texts[0], "the spare key is under the blue stone")
      // A few milliseconds, thousands of times that where the machine is busy.
      assert.isBelow(took, 30_000)
      const common = yield* timed("what was it that is not in the of my")
      assert.strictEqual(common.texts.length, 10)
      assert.isBelow(common.took, 30_000)
      for (
        const odd of ["", " ", "& | ! ( ) ' \\", "\0", "\ud800", "a".repeat(65_536), "<-> :* '' \"", "%_".repeat(9_999)]
      ) {
        assert.deepStrictEqual((yield* relevant(odd, { limit: 10, tokens: 500 })).texts, [], odd.slice(0, 20))
      }
    }), 60_000)
})

/**
 * Codes on a real PostgreSQL: what is stored of them, what each is worth, and what becomes of whoever guesses, also by many
 * guesses at the same moment and over two hosts.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { ApprovalCodes, bareCode, makeCode, mostWrong } from "./ApprovalCodes.ts"

const another = Effect.map(
  Layer.build(Layer.fresh(ApprovalCodes.layer.pipe(Layer.provide(Redactor.layerEmpty)))),
  (built) => Context.get(built, ApprovalCodes)
)

const judged = Effect.fnUntraced(function*(codes: ApprovalCodes["Service"], connector: string, code: string) {
  const sql = yield* SqlClient.SqlClient
  const brought = yield* codes.read(connector, code)
  return yield* sql.withTransaction(Effect.tap(
    codes.judge(connector, brought),
    (one) => one._tag === "Known" ? one.use : Effect.void
  ))
})

layer(ApprovalCodes.layer.pipe(Layer.provideMerge(Redactor.layerEmpty), Layer.provideMerge(layerTestDatabase)))(
  "codes for approvals",
  (it) => {
    it("are 40 bits, in symbols that a person can't mix up", () => {
      const codes = Array.from({ length: 200 }, makeCode)
      for (const code of codes) assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
      assert.strictEqual(new Set(codes).size, 200)
      assert.strictEqual(bareCode(" oil1-abcd \n"), "0111ABCD")
    })

    it.effect("are good once, on their connector, from any host, however they are typed", () =>
      Effect.gen(function*() {
        const codes = yield* ApprovalCodes
        const other = yield* another
        const approval_id = newId()
        const code = yield* codes.issue(approval_id, "one")
        assert.strictEqual((yield* judged(codes, "two", code))._tag, "Wrong")
        const [first, second] = [
          yield* judged(other, "one", code.toLowerCase().replace("-", " ")),
          yield* judged(codes, "one", code)
        ]
        assert.deepInclude(first, { _tag: "Known", approval_id })
        assert.strictEqual(second._tag, "Used")
      }))

    it.effect("are several for a question that was sent again, each good", () =>
      Effect.gen(function*() {
        const codes = yield* ApprovalCodes
        const approval_id = newId()
        const all = [yield* codes.issue(approval_id, "again"), yield* codes.issue(approval_id, "again")]
        assert.notStrictEqual(all[0], all[1])
        for (const code of all) assert.strictEqual((yield* judged(codes, "again", code))._tag, "Known")
      }))

    it.effect("are in no row, and hidden in whatever the host writes while it knows them", () =>
      Effect.gen(function*() {
        const codes = yield* ApprovalCodes
        const redactor = yield* Redactor
        const sql = yield* SqlClient.SqlClient
        const code = yield* codes.issue(newId(), "hidden")
        const bare = bareCode(code)
        const [row] = yield* sql<{ readonly text: string }>`
          select string_agg(c::text || encode(c.code_hash, 'escape'), ' ') as text from approval_codes c`
        assert.notInclude(row?.text.toUpperCase(), bare)
        assert.strictEqual(
          redactor.redactText(`say approve ${code} or ${bare}`),
          "say approve [secret approval.code] or [secret approval.code]"
        )
        // What was brought to a host that did not make it is hidden there, too; a guess is not.
        const elsewhere = yield* (yield* another).issue(newId(), "hidden")
        yield* judged(codes, "hidden", makeCode())
        assert.strictEqual(redactor.redactText(`approve ${elsewhere}`), `approve ${elsewhere}`)
        yield* judged(codes, "hidden", elsewhere)
        assert.strictEqual(redactor.redactText(`approve ${elsewhere}`), "approve [secret approval.answer]")
      }))

    it.effect(`are not guessed: after ${mostWrong} wrong ones in 10 minutes none is looked at, the right one neither`, () =>
      Effect.gen(function*() {
        const codes = yield* ApprovalCodes
        const other = yield* another
        const sql = yield* SqlClient.SqlClient
        const code = yield* codes.issue(newId(), "guessed")
        // All at once, over two hosts.
        const answers = yield* Effect.forEach(
          Array.from({ length: 12 }, makeCode),
          (guess, i) => judged(i % 2 === 0 ? codes : other, "guessed", guess),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(answers.filter(({ _tag }) => _tag === "Wrong"), mostWrong)
        assert.lengthOf(answers.filter(({ _tag }) => _tag === "Refused"), 12 - mostWrong)
        assert.strictEqual((yield* judged(codes, "guessed", code))._tag, "Refused")
        // Other connectors go on.
        const elsewhere = yield* codes.issue(newId(), "calm")
        assert.strictEqual((yield* judged(codes, "calm", elsewhere))._tag, "Known")
        yield* sql`update code_guards set refused_until = clock_timestamp() where connector_id = 'guessed'`
        assert.strictEqual((yield* judged(codes, "guessed", code))._tag, "Known")
      }))

    it.effect("are counted for 10 minutes", () =>
      Effect.gen(function*() {
        const codes = yield* ApprovalCodes
        const sql = yield* SqlClient.SqlClient
        for (let i = 1; i < mostWrong; i++) {
          assert.deepEqual(yield* judged(codes, "slow", makeCode()), { _tag: "Wrong", wrong: i })
        }
        yield* sql`
          update code_guards
          set wrong = array(select at - interval '11 minutes' from unnest(wrong) at) where connector_id = 'slow'`
        assert.deepEqual(yield* judged(codes, "slow", makeCode()), { _tag: "Wrong", wrong: 1 })
      }))
  }
)

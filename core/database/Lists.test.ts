/**
 * Rows that travel as one list a column come out of a real PostgreSQL as they went in, whatever is in them.
 */
import { Effect, ManagedRuntime } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { lists } from "./Lists.ts"

interface Row {
  readonly id: string
  readonly words?: string | null | undefined
  readonly small?: number | null
  readonly large?: number | bigint | null
  readonly real?: number | null
  readonly yes?: boolean | null
  readonly at?: Date | string | null
  readonly json?: unknown
}

const rowLists = lists<Row>(
  "id uuid, words text, small int, large bigint, real float8, yes boolean, at timestamptz,\n  json jsonb"
)

let database: ManagedRuntime.ManagedRuntime<SqlClient.SqlClient, unknown>

/** What the database makes of the rows, in the order in which it counts them. */
const through = (rows: ReadonlyArray<Row>) =>
  database.runPromise(Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql.unsafe<Record<string, unknown>>(`select r.* from ${rowLists.from("$1", "r")} order by r.ord`, [
        rowLists.of(rows)
      ])
  ))

/** A row as it should come back. */
const expected = (row: Row, index: number) => ({
  id: row.id,
  words: row.words ?? null,
  small: row.small ?? null,
  large: row.large === undefined || row.large === null ? null : BigInt(row.large),
  real: row.real ?? null,
  yes: row.yes ?? null,
  at: row.at === undefined || row.at === null ? null : new Date(row.at),
  json: row.json ?? null,
  ord: BigInt(index + 1)
})

/** Text that a `text` column can hold: any code point but NUL. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme-composite" }),
  fc.string({ unit: fc.constantFrom("{", "}", ",", "\"", "\\", "'", "\n", "\t", "\r", " ", "N", "U", "L", "u") }),
  fc.constantFrom("", " ", "NULL", "null", "Null", "\\N", "{}", "{\"a\",b}", "\\\"", "a:b", "-", "+1", "1e5", "\u2028")
).map((text) => text.replaceAll("\0", ""))

/** Node 24 and 26 misread some of these: https://github.com/nodejs/node/issues/63785 */
const hasEscapedKey = (value: unknown): boolean =>
  typeof value === "object" && value !== null &&
  Object.entries(value).some(([key, one]) => JSON.stringify(key) !== `"${key}"` || hasEscapedKey(one))

const json = fc.oneof(
  fc.constantFrom(null, "null", "", 0, false, [], {}, [null], { "": null }, "\\u0041", "{\"a\":1}"),
  anyText,
  fc.jsonValue({ noUnicodeString: false }),
  fc.array(anyText),
  fc.dictionary(anyText, anyText)
).filter((value) => !/\\u0000|__proto__|\\ud[89a-f]/i.test(JSON.stringify(value)) && !hasEscapedKey(value))
  // jsonb keeps no negative zero.
  .map((value): unknown => JSON.parse(JSON.stringify(value), (_, one: unknown) => one === 0 ? 0 : one))

const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: null })

const date = fc.date({
  min: new Date("0001-01-01T00:00:00Z"),
  max: new Date("9999-12-31T23:59:59.999Z"),
  noInvalidDate: true
})

const row: fc.Arbitrary<Row> = fc.record({
  id: fc.uuid(),
  words: maybe(anyText),
  small: maybe(fc.integer()),
  large: maybe(fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))),
  real: maybe(fc.double().map((value) => value === 0 ? 0 : value)),
  yes: maybe(fc.boolean()),
  at: maybe(fc.oneof(date, date.map((one) => one.toISOString()))),
  json
}, { requiredKeys: ["id"] })

beforeAll(async () => {
  database = ManagedRuntime.make(layerTestDatabase)
  await database.runPromise(Effect.void)
})
afterAll(() => database.dispose())

describe("rows as one list a column", () => {
  it("come out as they went in", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 8 }), async (rows) => {
        assert.deepStrictEqual(await through(rows), rows.map(expected))
      }),
      { numRuns: 400 }
    )
  })

  it("are none when there is none", async () => {
    assert.deepStrictEqual(await through([]), [])
  })

  it("tell a JSON null from no value, and a text from NULL", async () => {
    const ids = Array.from({ length: 5 }, (_, i) => `00000000-0000-0000-0000-00000000000${i}`)
    const values: ReadonlyArray<Row["json"]> = [null, undefined, "null", { a: undefined, b: [undefined] }, new Date(0)]
    const found = await database.runPromise(Effect.flatMap(
      SqlClient.SqlClient,
      (sql) =>
        sql.unsafe(
          `select r.json::text as json, r.json is null as none, r.words, r.words is null as silent
           from ${rowLists.from("$1", "r")} order by r.ord`,
          [rowLists.of(ids.map((id, i) => ({
            id,
            json: values[i],
            ...(i === 0 ? {} : { words: [null, "null", "NULL", ""][i - 1] })
          })))]
        )
    ))
    assert.deepStrictEqual(found, [
      { json: "null", none: false, words: null, silent: true },
      { json: null, none: true, words: null, silent: true },
      { json: "\"null\"", none: false, words: "null", silent: false },
      { json: "{\"b\": [null]}", none: false, words: "NULL", silent: false },
      { json: "\"1970-01-01T00:00:00.000Z\"", none: false, words: "", silent: false }
    ])
  })

  it("are refused as a whole when one of them holds what the column does not take", async () => {
    const good = { id: "00000000-0000-0000-0000-000000000000" }
    for (
      const bad of [{ id: "no uuid" }, { ...good, small: 2 ** 31 }, { ...good, words: "a\0b" }, {
        ...good,
        json: "\ud800"
      }]
    ) {
      const answer = await through([good, bad]).then(() => "taken", () => "refused")
      assert.strictEqual(answer, "refused", JSON.stringify(bad))
    }
  })

  it("would be caught without the quotes", async () => {
    const loose = (rows: ReadonlyArray<Row>) =>
      database.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) =>
        sql.unsafe<{ readonly words: string | null }>(
          `select r.words from ${rowLists.from("$1", "r")} order by r.ord`,
          [rowLists.of(rows).map((list) => list.replaceAll(/(?<!\\)"/g, ""))]
        )))
    const found = await fc.check(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 3 }), async (rows) => {
        assert.deepStrictEqual((await loose(rows)).map(({ words }) => words), rows.map(({ words }) => words ?? null))
      }),
      { numRuns: 100, endOnFailure: true }
    )
    assert.isTrue(found.failed)
  })
})

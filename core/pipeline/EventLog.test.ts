/** A page of events that is bounded by their bytes, as the export reads them. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { rowsRead } from "../testing/RowsRead.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { SearchBounds } from "../audit/Search.ts"
import { EventLog } from "./EventLog.ts"

const bounded = Layer.succeed(SearchBounds, { rows: 1_000, milliseconds: 60_000 })
const services = EventLog.layer.pipe(Layer.provideMerge(bounded), Layer.provideMerge(layerTestDatabase))

/** So many events, each with a payload of so many bytes. */
const store = Effect.fnUntraced(function*(count: number, bytes: number, said: string, channel = "mqtt") {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, actor_type, actor_id,
                        text, structured, attachment_refs, links, timezone, locale, sensitivity, trust, redaction_policy_id, depth)
    select uuidv7(), gen_random_uuid(), '1.0', now(), now(), ${channel}, 'attic', 'system', 'long', ${said} || n,
           jsonb_build_object('long', repeat('ä', ${
    Math.floor(bytes / 2)
  })), '[]', '[]', 'UTC', 'en', 'low', 'trusted', 'default', 0
    from generate_series(1, ${count}) n`
})

type Filter = Parameters<EventLog["Service"]["page"]>[0]

const pagesOf = Effect.fnUntraced(function*(filter: Filter, request: { limit: number; bytes?: number }) {
  const log = yield* EventLog
  const pages: Array<{ readonly said: ReadonlyArray<string | undefined>; readonly bytes: number }> = []
  let cursor: string | undefined
  do {
    const { items, next_cursor } = yield* log.page(filter, { ...request, cursor })
    pages.push({
      said: items.map(({ content }) => content.text),
      bytes: Buffer.byteLength(JSON.stringify(items))
    })
    cursor = next_cursor
  } while (cursor !== undefined)
  return pages
})

layer(services, { timeout: "60 seconds", excludeTestServices: true })("a page of events", (it) => {
  it.effect("has fewer of long ones, one at least, and the pages together have each once", () =>
    Effect.gen(function*() {
      yield* store(40, 100, "short ")
      yield* store(30, 100_000, "long ")
      yield* store(2, 1_000_000, "longest ")
      yield* store(5, 100, "last ")
      const most = 250_000
      const pages = yield* pagesOf({}, { limit: 500, bytes: most })
      // A row more than the bound, and what the record has besides.
      for (const { bytes } of pages) assert.isBelow(bytes, most + 1_000_000 + 50_000)
      const ofLong = pages.filter(({ said }) => said.every((text) => text?.startsWith("long ")))
      assert.isAbove(ofLong.length, 5)
      for (const { bytes } of ofLong) assert.isBelow(bytes, most + 150_000)
      const named = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${count - i}`)
      assert.deepStrictEqual(
        pages.flatMap(({ said }) => said),
        [...named("last", 5), ...named("longest", 2), ...named("long", 30), ...named("short", 40)]
      )
      // Rows that are short are read many at once.
      assert.include(pages.map(({ said }) => said.filter((text) => text?.startsWith("short")).length), 40)

      // The control: without the bound all of it is in memory at once.
      const [all] = yield* pagesOf({}, { limit: 500 })
      assert.isAbove(all?.bytes ?? 0, 5_000_000)

      // The same where words are looked for.
      const found = yield* pagesOf({ text: "longest" }, { limit: 500, bytes: most })
      assert.deepStrictEqual(found.flatMap(({ said }) => said), ["longest 2", "longest 1"])
      for (const { said } of found) assert.isAtMost(said.length, 1)
    }))

  it.effect("of a channel that hardly anything came from looks at a bounded number of rows", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      yield* store(1, 10, "rare ", "pager")
      yield* store(4_000, 10, "many ")
      const rare = log.page({ channel: "pager" }, { limit: 50 })
      assert.isAtMost(yield* rowsRead("events", rare), 1_200)
      const pages = yield* pagesOf({ channel: "pager" }, { limit: 50 })
      assert.deepStrictEqual(pages.flatMap(({ said }) => said), ["rare 1"])
      assert.isAbove(pages.length, 3)
      // The control: as one statement it is all of them.
      const atOnce = sql`select e.event_id from events e where e.channel = 'pager' order by e.event_id desc limit 51`
      assert.isAbove(yield* rowsRead("events", atOnce), 4_000)
    }))
})

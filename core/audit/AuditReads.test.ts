/** What a page of the audit costs where hardly a row is what was asked for. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { rowsRead } from "../testing/RowsRead.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { type AuditFilter, AuditLog } from "./AuditLog.ts"
import { AuditWake } from "./AuditWake.ts"
import { SearchBounds } from "./Search.ts"

/** A page looks at two thousand rows. */
const bounded = Layer.succeed(SearchBounds, { rows: 2_000, milliseconds: 60_000 })
const services = AuditLog.layer.pipe(
  Layer.provideMerge([AuditWake.layer, bounded]),
  Layer.provideMerge(layerTestDatabase)
)

const many = 8_000
const trace_id = newId()

/** Many rows that went well, above three old ones of the night before. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, data)
    select gen_random_uuid(), now() - interval '12 hours', ${trace_id}, r.stage, r.type, r.outcome, r.summary, '{}', r.tool, '{}'
    from (values ('watcher', 'watcher.error', 'failure', 'failed', null),
                 ('task', 'task.step_started', 'info', 'began', null),
                 ('tool_call', 'tool_call.failed', 'failure', 'lamp', 'lamp.set')) r (stage, type, outcome, summary, tool)`
  yield* sql`
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, data)
    select gen_random_uuid(), now(), gen_random_uuid(), 'tool_call', 'tool_call.succeeded', 'success', 'well', '{}', 'lamp.set', '{}'
    from generate_series(1, ${many})`
  yield* sql`analyze audit_events`
})

/** All that fits, page by page, and how many pages that were. */
const whole = Effect.fnUntraced(function*(filter: AuditFilter) {
  const audit = yield* AuditLog
  const found: Array<string> = []
  let pages = 0
  let cursor: string | undefined
  do {
    const page = yield* audit.page(filter, { limit: 50, cursor })
    found.push(...page.items.map((row) => row.summary))
    pages++
    cursor = page.next_cursor
  } while (cursor !== undefined)
  return { found, pages }
})

layer(services, { timeout: "60 seconds", excludeTestServices: true })("a page of the audit", (it) => {
  it.effect("looks at a bounded number of rows, whichever filter it has, and the pages together find all", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* AuditLog
      yield* fill
      const hours = (ago: number) => new Date(Date.now() - ago * 3_600_000)
      const rare: ReadonlyArray<readonly [AuditFilter, ReadonlyArray<string>]> = [
        [{ stage: "watcher" }, ["failed"]],
        [{ outcome: "info" }, ["began"]],
        [{ type: "task.step_started" }, ["began"]],
        [{ tool: "lamp.set", stage: "watcher" }, []],
        [{ tool: "lamp.set", outcome: "failure" }, ["lamp"]],
        [{ type: "watcher.error", outcome: "success" }, []],
        [{ until: hours(1) }, ["lamp", "began", "failed"]],
        [{ since: hours(24), until: hours(11), stage: "task" }, ["began"]]
      ]
      for (const [filter, expected] of rare) {
        const shown = JSON.stringify(filter)
        // A probe for each halving of the transactions, where times are asked for.
        assert.isBelow(yield* rowsRead("audit_events", audit.page(filter, { limit: 50 })), 2_200, shown)
        assert.deepStrictEqual((yield* whole(filter)).found, expected, shown)
      }
      assert.isAbove((yield* whole({ stage: "watcher" })).pages, many / 2_000)

      // The control: the same as one statement looks at all of them.
      const unbounded = sql`
        select a.summary from audit_events a where a.stage = 'watcher' order by a.xid desc, a.seq desc limit 51`
      assert.isAtLeast(yield* rowsRead("audit_events", unbounded), many)
    }))

  it.effect("has what failed at once, by the index of the outcomes, which has no entry for what went well", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* AuditLog
      const failures = audit.page({ outcome: "failure" }, { limit: 50 })
      assert.deepStrictEqual((yield* failures).items.map((row) => row.summary), ["lamp", "failed"])
      assert.notProperty(yield* failures, "next_cursor")
      assert.isBelow(yield* rowsRead("audit_events", failures), 50)
      const [size] = yield* sql<{ readonly entries: number }>`
        select sum(c.reltuples)::int as entries
        from pg_index i join pg_class c on c.oid = i.indexrelid
        where c.relkind = 'i' and pg_get_indexdef(i.indexrelid) ~* 'on [a-z.]*audit_events_\\w+ using btree \\(outcome'`
      assert.isBelow(size?.entries ?? Number.NaN, 50)
    }))

  it.effect("has fewer rows where they are long, and the pages together have each once", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* AuditLog
      const trace_id = newId()
      yield* sql`
        insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
        select gen_random_uuid(), now(), ${trace_id}, 'system', 'system.started', 'info', n::text, '{}',
               jsonb_build_object('said', repeat('x', 100000))
        from generate_series(1, 12) s (n)
        order by s.n`
      const found: Array<string> = []
      let cursor: string | undefined
      do {
        const page = yield* audit.page({ trace_id }, { limit: 500, bytes: 250_000, newestFirst: true, cursor })
        assert.isAtMost(page.items.length, 3)
        found.push(...page.items.map((row) => row.summary))
        cursor = page.next_cursor
      } while (cursor !== undefined)
      assert.deepStrictEqual(found, Array.from({ length: 12 }, (_, i) => `${12 - i}`))
      // The control: without the bound they come at once.
      assert.lengthOf((yield* audit.page({ trace_id }, { limit: 500, newestFirst: true })).items, 12)
    }))

  it.effect("of a trace is whole up to the limit, whichever filter it has", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      for (const filter of [{ stage: "watcher" }, { outcome: "failure", type: "watcher.error" }]) {
        const page = yield* audit.page({ trace_id, ...filter }, { limit: 50 })
        assert.deepStrictEqual([page.items.map((row) => row.summary), page.next_cursor], [["failed"], undefined])
      }
    }))
})

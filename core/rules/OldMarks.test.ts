import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { forgetMarks } from "./OldMarks.ts"

layer(layerTestDatabase, { timeout: "60 seconds", excludeTestServices: true })("marks of rules", (it) => {
  it.effect("are forgotten once no window reaches back to them", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        insert into rule_marks (rule_id, key, fired_at)
        select 'r', key, clock_timestamp() - age::interval
        from (values ('new', '1 second'), ('month', '30 days'), ('old', '32 days'), ('never', '50 years')) as x(key, age)`
      assert.strictEqual(yield* forgetMarks(), 2)
      assert.strictEqual(yield* forgetMarks(), 0)
      const left = yield* sql<{ readonly key: string }>`select key from rule_marks order by key`
      assert.deepEqual(left.map(({ key }) => key), ["month", "new"])
    }))

  it.effect("of a rule of the API by its own window, however many there are", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`delete from rule_marks`
      yield* sql`
        insert into rules (rule_id, name, definition, trust, risk, trace_id)
        select rule_id, rule_id, definition::jsonb, 'operator', 'low', gen_random_uuid()
        from (values ('day', '{"dedupe": {"window_ms": 86400000}}'), ('none', '{}')) as x(rule_id, definition)`
      yield* sql`
        insert into rule_marks (rule_id, key, fired_at)
        select rule_id, age || n, clock_timestamp() - age::interval
        from unnest(array['day', 'none', 'config.day']) rule_id, unnest(array['1 minute', '1 day', '2 days']) age,
             generate_series(1, 7) n`
      assert.strictEqual(yield* forgetMarks(5), 21)
      const left = yield* sql`
        select rule_id, count(*)::int as n from rule_marks group by 1 order by 1`
      assert.deepEqual(left.map(({ n, rule_id }) => [rule_id, n]), [["config.day", 21], ["day", 14], ["none", 7]])
    }))
})

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
      assert.strictEqual(yield* forgetMarks, 2)
      assert.strictEqual(yield* forgetMarks, 0)
      const left = yield* sql<{ readonly key: string }>`select key from rule_marks order by key`
      assert.deepEqual(left.map(({ key }) => key), ["month", "new"])
    }))
})

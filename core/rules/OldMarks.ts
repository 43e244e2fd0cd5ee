/**
 * Forgets when rules were fired for their keys, once no window reaches back so far, and what they remember of things that
 * were not heard of for as long: both would grow without end.
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const lookEvery = "1 hour"
/** Marks forgotten in one statement. */
const atOnce = 10_000

/** Deletes rows of a table, at most so many; what is being fired now is left alone, and looked at the next time. */
const forget = (table: string, from: string, where: string) =>
  Effect.fnUntraced(function*(limit: number) {
    const sql = yield* SqlClient.SqlClient
    return yield* sql.unsafe(
      `delete from ${table}
       where ctid = any (array (select m.ctid from ${from} where ${where} limit $1::int for update of m skip locked))
       returning 1`,
      [limit]
    )
  })

/** The longest window has 30 days. One that was never fired has a time long ago. */
const ofAll = forget("rule_marks", "rule_marks m", "m.fired_at < statement_timestamp() - interval '31 days'")

/** Those of the API say their windows to every host. An hour more is for whoever fires one meanwhile. */
const ofTheirs = forget(
  "rule_marks",
  "rules r join rule_marks m on m.rule_id = r.rule_id",
  `m.fired_at < statement_timestamp() - interval '1 hour'
     - coalesce((r.definition -> 'dedupe' ->> 'window_ms')::bigint, 0) * interval '1 millisecond'`
)

/** Of things that no rule waits for. */
const ofThings = forget(
  "rule_memory",
  "rule_memory m",
  "m.hold_id is null and m.touched_at < statement_timestamp() - interval '31 days'"
)

/** Deletes what is old, and answers how many. */
export const forgetMarks = Effect.fnUntraced(function*(limit: number = atOnce) {
  let gone = 0
  for (const some of [ofAll, ofTheirs, ofThings]) {
    for (;;) {
      const { length } = yield* some(limit)
      gone += length
      if (length < limit) break
    }
  }
  return gone
})

/** Forgets for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.forkScoped(Effect.forever(Effect.delay(Effect.ignoreCause(forgetMarks()), lookEvery)))
)

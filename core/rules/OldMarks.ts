/**
 * Forgets when rules were fired for their keys, once no window reaches back so far, and what they remember of things that
 * were not heard of for as long: both would grow without end.
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const lookEvery = "1 hour"
/** Marks forgotten in one statement. */
const atOnce = 10_000

/** The longest window has 30 days. One that was never fired has a time long ago. */
const ofAll = Effect.fnUntraced(function*(limit: number) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    delete from rule_marks
    where ctid = any (array (
      select ctid from rule_marks
      where fired_at < statement_timestamp() - interval '31 days'
      limit ${limit}
      for update skip locked))
    returning 1`
})

/** Those of the API say their windows to every host. An hour more is for whoever fires one meanwhile. */
const ofTheirs = Effect.fnUntraced(function*(limit: number) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    delete from rule_marks
    where ctid = any (array (
      select m.ctid
      from rules r join rule_marks m on m.rule_id = r.rule_id
      where m.fired_at < statement_timestamp() - interval '1 hour'
        - coalesce((r.definition -> 'dedupe' ->> 'window_ms')::bigint, 0) * interval '1 millisecond'
      limit ${limit}
      for update of m skip locked))
    returning 1`
})

/** Of things that no rule waits for. */
const ofThings = Effect.fnUntraced(function*(limit: number) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    delete from rule_memory
    where ctid = any (array (
      select ctid from rule_memory
      where hold_id is null and touched_at < statement_timestamp() - interval '31 days'
      limit ${limit}
      for update skip locked))
    returning 1`
})

/** Deletes what is old, and answers how many; what is being fired now is left alone, and looked at the next time. */
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

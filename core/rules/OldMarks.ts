/**
 * Forgets when rules were fired for their keys, once no window reaches back so far: marks would grow without end.
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const lookEvery = "1 hour"

/** Deletes some; what is being fired now is left alone, and looked at the next time. */
export const forgetMarks = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  // The longest window has 30 days. One that was never fired has a time long ago.
  const gone = yield* sql`
    delete from rule_marks
    where ctid = any (array (
      select ctid from rule_marks
      where fired_at < clock_timestamp() - interval '31 days'
      limit 10000
      for update skip locked))
    returning 1`
  return gone.length
})

/** Forgets for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.forkScoped(Effect.forever(Effect.delay(Effect.ignoreCause(forgetMarks), lookEvery)))
)

/**
 * The condition that finds rows of some time by their ids, which begin with it: so it finds the partition, too. A minute covers
 * clocks that differ, and the time itself is asked for beside it.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export interface IdTimes {
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  /** Older than this id: where a page goes on. */
  readonly before?: string | undefined
}

/** The parts of `where` for a column; none where nothing is asked for. */
export const makeIdsWithin = Effect.map(
  SqlClient.SqlClient,
  (sql) => (column: string, { before, since, until }: IdTimes) => {
    const id = sql.literal(column)
    return [
      ...(before === undefined ? [] : [sql`${id} < ${before}::uuid`]),
      ...(since === undefined ? [] : [sql`${id} >= uuid_floor(${since}::timestamptz - interval '1 minute')`]),
      ...(until === undefined ? [] : [sql`${id} <  uuid_floor(${until}::timestamptz + interval '1 minute')`])
    ]
  }
)

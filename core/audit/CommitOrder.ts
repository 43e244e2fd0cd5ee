/**
 * A live stream over the rows of a table that misses nothing.
 *
 * It goes in the order of `(xid, seq)` and shows a row only once every transaction that could still add a row before it
 * has ended (`xid` below `audit_horizon()`, in migrations/0001). So an id that was given out is a true resume point:
 * nothing can appear before it later. `seq` alone is none, because a lower number may be committed after a higher one. A
 * transaction that is kept open holds the stream back; a page shows its neighbours at once.
 */
import { Effect, Option, Schedule, type Scope, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { CursorInvalid, openCursor, sealCursor } from "./Page.ts"

/** Where a reader stands: after this row. */
export interface Position {
  readonly xid: string
  readonly seq: string
}

/** `commit` is the row's xid, not called so because an output name in `order by` would sort the text. */
export interface Committed {
  readonly commit: string
  readonly seq: bigint
}

type Nulls<A> = { readonly [K in keyof A]: null }

/** A final row with the horizon below which every row is final; only the horizon where there is none. */
export type Final<Row> = (Row | Nulls<Row>) & {
  readonly horizon: string
  /** Whether it is what was asked for; it is where nothing is said. */
  readonly hit?: boolean | null
  /** Whether the read ended with it before the horizon: the next one begins behind it. */
  readonly cut?: boolean
}

/** What is streamed. */
export interface Source<Row extends Committed, A> {
  readonly sql: SqlClient.SqlClient
  /** Tells the ids of this stream from others. */
  readonly kind: string
  /** Starts to listen for commits. The inner effect waits for the next; a hint, which may be missed. */
  readonly listen: Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  /** At most `limit` final rows after a position, in order. At least one row comes back, for its horizon. */
  readonly finalAfter: (after: Position, limit: number) => Effect.Effect<ReadonlyArray<Final<Row>>, SqlError.SqlError>
  /** What is shown of a row; `id` is its resume id. */
  readonly show: (row: Row, id: string) => A
}

/** Rows of one read of a stream. */
const batch = 500
/** How soon what no hint told of is seen, and how soon a database that was away is asked again. */
const pollInterval = "500 millis"
/** Under a flood of commits a stream reads at most this often, in milliseconds. */
const readInterval = 25

/** Fits `xid8` and `bigint`. */
const digits = /^\d{1,18}$/

/** The opaque text of a row's place. */
export const sealPosition = (kind: string, { commit, seq }: Committed): string => sealCursor(kind, commit, String(seq))

export const openPosition = (kind: string, id: string): Position | undefined => {
  const [xid, seq] = openCursor(kind, id) ?? []
  return xid !== undefined && seq !== undefined && digits.test(xid) && digits.test(seq) ? { xid, seq } : undefined
}

export const readPosition = (kind: string, id: string): Effect.Effect<Position, CursorInvalid> => {
  const position = openPosition(kind, id)
  return position === undefined ? Effect.fail(new CursorInvalid()) : Effect.succeed(position)
}

const isRow = <Row extends Committed>(row: Final<Row>): row is Row & { readonly horizon: string } => row.commit !== null

/**
 * From after the row with the id `after`, or from now on: the stream that it answers misses nothing from this moment. A
 * database that is away delays the stream, it does not end it.
 */
export const inCommitOrder = <Row extends Committed, A>(
  { finalAfter, kind, listen, show, sql }: Source<Row, A>,
  after: string | undefined
): Effect.Effect<Stream.Stream<A>, CursorInvalid, Scope.Scope> =>
  Effect.gen(function*() {
    const woken = yield* listen
    const patiently = <B>(read: Effect.Effect<B, SqlError.SqlError>) =>
      read.pipe(Effect.retry(Schedule.spaced(pollInterval)), Effect.orDie)
    const start = after === undefined
      ? yield* patiently(sql<{ readonly horizon: string }>`
          select audit_horizon()::text as horizon`).pipe(
        Effect.map((rows): Position => ({ xid: rows[0]?.horizon ?? "0", seq: "0" }))
      )
      : yield* readPosition(kind, after)
    let next = 0
    const read = Effect.fnUntraced(function*(from: Position) {
      let position = from
      while (true) {
        const pause = next - performance.now()
        if (pause > 0) yield* Effect.sleep(pause)
        next = performance.now() + readInterval
        const rows = yield* patiently(finalAfter(position, batch))
        const shown: Array<A> = []
        let cut = false
        for (const row of rows) {
          cut = rows.length === batch || row.cut === true
          // What was not asked for is passed over for good: the next read begins at the horizon.
          if (!cut) position = { xid: row.horizon, seq: "0" }
          if (!isRow(row)) continue
          if (cut) position = { xid: row.commit, seq: String(row.seq) }
          if (row.hit !== false) shown.push(show(row, sealPosition(kind, row)))
        }
        if (shown.length > 0) {
          if (rows.length === batch) next = 0
          return [shown, Option.some(position)] as const
        }
        if (!cut) yield* Effect.timeoutOption(woken, pollInterval)
      }
    })
    return Stream.paginate(start, read)
  })

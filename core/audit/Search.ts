/**
 * Search in what has no index for it: the newest rows first, a bounded number of them a page.
 *
 * - A page ends when it is full, when there is nothing more, or when it has looked at as many rows, or for as long, as a page
 *   may: then it answers what it has found, perhaps nothing, and a cursor to go on behind the last row that it looked at.
 * - It reads in steps, small ones first, because a row may hold a megabyte: a step is as long as the pace of the one before
 *   lets it be.
 */
import { Context, Effect, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import type { Page } from "./Page.ts"

/** Of one page: how many rows it looks at, and from when on, in milliseconds, it begins no further step. */
export const SearchBounds = Context.Reference("syris/audit/SearchBounds", {
  defaultValue: () => ({ rows: 50_000, milliseconds: 120 })
})

const firstStep = 200
const mostTimesLonger = 8

export const longestSearch = 200

/** What is searched for: found in any case of its letters, and nothing in it is a wildcard. */
export const SearchText = Schema.String.check(
  Schema.isMinLength(1, { message: "Expected at least one character" }),
  Schema.isMaxLength(longestSearch, { message: `Expected at most ${longestSearch} characters` }),
  Schema.makeFilter((text: string) => !text.includes("\0") || "Expected a text without NUL characters"),
  Schema.makeFilter((text: string) => text.isWellFormed() || "Expected whole characters: half of one is in it")
)

export interface SearchPage<A> extends Page<A> {
  /** How far back the search has come, where there is more: the time of the last row that was looked at. */
  readonly searched_until?: string
}

/** A row that was looked at: the `looked`-th of its step. */
export interface Looked {
  readonly hit: boolean
  readonly looked: number
  /** How long a hit is, where that is bounded. */
  readonly bytes?: number
}

/** One step: behind which row it begins, how many rows it looks at, and how many hits are enough. */
export interface Step<Row> {
  readonly after: Row | undefined
  readonly rows: number
  readonly hits: number
  /** No hit begins behind so many bytes of others. */
  readonly bytes: number | undefined
}

/** What reads a step, and what is made of its rows. */
export interface Searched<Row extends Looked, A, E> {
  /** The hits of a step and its last row, in order: a statement of `inStep`. */
  readonly read: (step: Step<Row>) => Effect.Effect<ReadonlyArray<Row>, E>
  readonly toRecord: (row: Row) => A
  readonly toCursor: (row: Row) => string
  readonly timeOf: (row: Row) => Date
}

/** One page of at most `limit` hits; of many bytes of them fewer, and one at least. */
export const search = Effect.fnUntraced(function*<Row extends Looked, A, E>(
  { read, timeOf, toCursor, toRecord }: Searched<Row, A, E>,
  limit: number,
  mostBytes?: number
) {
  const bounds = yield* SearchBounds
  const began = performance.now()
  const found: Array<Row> = []
  const pageBefore = (rows: ReadonlyArray<Row>, last: Row): SearchPage<A> => ({
    items: rows.map(toRecord),
    next_cursor: toCursor(last),
    searched_until: timeOf(last).toISOString()
  })
  let after: Row | undefined
  let bytes = 0
  let left = bounds.rows
  let size = Math.min(firstStep, left)
  while (true) {
    const from = performance.now()
    const rows = yield* read({
      after,
      rows: size,
      hits: limit + 1 - found.length,
      bytes: mostBytes === undefined ? undefined : mostBytes - bytes
    })
    const isFull = (): boolean => mostBytes !== undefined && bytes >= mostBytes
    for (const row of rows) {
      if (!row.hit || isFull()) continue
      found.push(row)
      bytes += row.bytes ?? 0
    }
    const longest = found[Math.min(found.length, limit) - 1]
    if (isFull() && longest !== undefined) return pageBefore(found.slice(0, limit), longest)
    const shown = found[limit - 1]
    if (found.length > limit && shown !== undefined) return pageBefore(found.slice(0, limit), shown)
    const last = rows.at(-1)
    if (last === undefined || last.looked < size) return { items: found.map(toRecord) } satisfies SearchPage<A>
    after = last
    left -= size
    const now = performance.now()
    const rest = bounds.milliseconds - (now - began)
    if (left <= 0 || rest <= 0) return pageBefore(found, last)
    size = Math.min(left, Math.max(1, Math.floor(Math.min(mostTimesLonger, rest / (now - from)) * size)))
  }
})

/** Reads one after the other, each of as many rows as the pace of the one before lets it be. */
export const makePace = () => {
  let size = firstStep
  return <A, E, R>(read: (rows: number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function*() {
      const bounds = yield* SearchBounds
      const from = performance.now()
      const rows = Math.min(size, bounds.rows)
      const found = yield* read(rows)
      const faster = Math.min(mostTimesLonger, bounds.milliseconds / (performance.now() - from))
      size = Math.min(bounds.rows, Math.max(1, Math.floor(faster * rows)))
      return found
    })
}

/**
 * The statement of a step. `rows`: a select of the next rows, in order and limited to `step.rows`; `hit`: what a row must
 * be, over their columns as those of `r`; `length`: how many bytes a row has, for a step that is bounded by them. A row that is
 * not taken is not read: its long values stay where they are.
 */
export const inStep = <Row extends Looked>(
  sql: SqlClient.SqlClient,
  step: Step<Row>,
  rows: Statement.Fragment,
  hit: ReadonlyArray<Statement.Fragment>,
  length = "0"
) => {
  const looked = sql`select r.*, ${sql.and(hit)} as hit, (row_number() over ())::int as looked from (${rows}) r`
  return step.bytes === undefined
    ? sql<Row>`
    select *
    from (${looked}) l
    where l.hit or l.looked = ${step.rows}
    order by l.looked
    limit ${step.hits + 1}`
    : sql<Row>`
    select *
    from (select l.*, sum(l.bytes::float8) over (order by l.looked rows between unbounded preceding and 1 preceding) as before
          from (select r.*, case when r.hit then (${sql.literal(length)})::int end as bytes from (${looked}) r) l) l
    where (l.hit and coalesce(l.before, 0) < ${step.bytes}) or l.looked = ${step.rows}
    order by l.looked
    limit ${step.hits + 1}`
}

/**
 * Whether `text` is in one of the texts or JSON values, in any case of its letters. In JSON it is found as it is written
 * there and as it is meant: a quotation mark has a backslash before it there.
 */
export const contains = (
  sql: SqlClient.SqlClient,
  text: string,
  texts: ReadonlyArray<string>,
  jsons: ReadonlyArray<string>
): Statement.Fragment => {
  const isIn = (column: string, wanted: string) =>
    sql`coalesce(strpos(lower(${sql.literal(column)}), lower(${wanted}::text)) > 0, false)`
  const written = JSON.stringify(text).slice(1, -1)
  return sql.or([
    ...texts.map((column) => isIn(column, text)),
    ...jsons.map((column) => isIn(`${column}::text`, text)),
    ...(written === text ? [] : jsons.map((column) => isIn(`${column}::text`, written)))
  ])
}

/** Whether it may be a part of an id: then ids are searched, too. */
export const mayBeId = (text: string): boolean => /^[0-9a-f-]{4,36}$/i.test(text)

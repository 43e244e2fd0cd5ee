/**
 * Reads the audit: pages, and a live stream that misses nothing.
 *
 * The stream goes in the order of `(xid, seq)` and shows a row only once every transaction that could still add a row
 * before it has ended (`xid` below `audit_horizon()`, in migrations/0001). So an id that was given out is a true resume
 * point: nothing can appear before it later. `seq` alone is none, because a lower number may be committed after a higher
 * one. A transactional tool that keeps its transaction open holds the stream back, never longer than its time-out; the
 * pages show its neighbours at once.
 */
import { Context, Effect, Layer, Option, Schedule, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import { isUuid } from "../database/Ids.ts"
import { AuditWake } from "./AuditWake.ts"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, present, sealCursor } from "./Page.ts"

export interface AuditFilter {
  readonly trace_id?: string
  readonly type?: string
  readonly stage?: string
  readonly outcome?: string
  readonly tool?: string
  readonly task_id?: string
  readonly since?: Date
  readonly until?: Date
}

export class AuditLog extends Context.Service<AuditLog, {
  /**
   * Newest first; with `trace_id` oldest first. `limit` 1 to 500.
   */
  readonly page: (
    filter: AuditFilter,
    page: PageRequest
  ) => Effect.Effect<Page<AuditEvent>, CursorInvalid | SqlError.SqlError>
  /**
   * Live rows in commit order, without a gap, from after `after` (an opaque id of an earlier row) or from now on.
   * A database that is away delays the stream, it does not end it.
   */
  readonly stream: (filter: AuditFilter, after?: string) => Stream.Stream<
    { readonly id: string; readonly event: AuditEvent },
    CursorInvalid
  >
}>()("syris/audit/AuditLog") {
  static readonly layer = Layer.effect(AuditLog, Effect.suspend(() => make))
}

/** Where a stream stands: after this row. */
interface Position {
  readonly xid: string
  readonly seq: string
}

/** A row of `audit_events`; `commit` is its xid, not called so because an output name in `order by` would sort the text. */
interface Row extends Nullable<Omit<AuditEvent, "seq" | "timestamp">> {
  readonly commit: string
  readonly seq: bigint
  readonly timestamp: Date
}
type Nulls<A> = { readonly [K in keyof A]: null }
type Nullable<A> = { readonly [K in keyof A]-?: undefined extends A[K] ? Exclude<A[K], undefined> | null : A[K] }

/** Rows of one read of a stream. */
const batch = 500
/** How soon the rows of other hosts are seen, and how soon a database that was away is asked again. */
const pollInterval = "500 millis"
/** Under a flood of commits a stream reads at most this often, in milliseconds. */
const readInterval = 25

/** The types of which there are several for each event and step; the index by type leaves them out (migrations/0002). */
const commonTypes: ReadonlyArray<string> = [
  "event.ingested",
  "routing.decided",
  "tool_call.attempted",
  "tool_call.succeeded",
  "task.step_started",
  "task.step_succeeded"
]
const rarerTypes = `type not in (${commonTypes.map((type) => `'${type}'`).join(", ")})`

/** Fits `xid8` and `bigint`. */
const digits = /^\d{1,18}$/

const toEvent = (row: Row): AuditEvent => ({
  seq: Number(row.seq),
  audit_id: row.audit_id,
  timestamp: row.timestamp.toISOString(),
  trace_id: row.trace_id,
  stage: row.stage,
  type: row.type,
  outcome: row.outcome,
  summary: row.summary,
  refs: row.refs,
  ...present({
    actor: row.actor,
    tool: row.tool,
    risk: row.risk,
    autonomy: row.autonomy,
    latency_ms: row.latency_ms
  }),
  data: row.data
})

const positionOf = (kind: string, id: string): Position | undefined => {
  const [xid, seq] = openCursor(kind, id) ?? []
  return xid !== undefined && seq !== undefined && digits.test(xid) && digits.test(seq) ? { xid, seq } : undefined
}

const readPosition = (kind: string, id: string): Effect.Effect<Position, CursorInvalid> => {
  const position = positionOf(kind, id)
  return position === undefined ? Effect.fail(new CursorInvalid()) : Effect.succeed(position)
}

/** Whether this is an id that a stream gives out. */
export const isStreamId = (id: string): boolean => positionOf("row", id) !== undefined

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* AuditWake

  const columns = sql.literal(`
    a.xid::text as commit, a.seq, a.audit_id, a.timestamp, a.trace_id, a.stage, a.type, a.outcome, a.summary, a.refs,
    a.actor, a.tool, a.risk, a.autonomy, a.latency_ms, a.data`)

  const where = (filter: AuditFilter) => [
    ...(filter.trace_id === undefined ? [] : [sql`a.trace_id  =  ${filter.trace_id}::uuid`]),
    ...(filter.type === undefined ? [] : [sql`a.type      =  ${filter.type}`]),
    // Lets the planner take the index of the rarer types. The commonest are found by reading the newest rows.
    ...(filter.type === undefined || commonTypes.includes(filter.type) ? [] : [sql.literal(`a.${rarerTypes}`)]),
    ...(filter.stage === undefined ? [] : [sql`a.stage     =  ${filter.stage}`]),
    ...(filter.outcome === undefined ? [] : [sql`a.outcome   =  ${filter.outcome}`]),
    ...(filter.tool === undefined ? [] : [sql`a.tool      =  ${filter.tool}`]),
    // All of a task is in its trace, which has an index.
    ...(filter.task_id === undefined ? [] : isUuid(filter.task_id) ?
      [
        sql`a.trace_id = (select t.trace_id from tasks t where t.task_id = ${filter.task_id}::uuid)`,
        sql`a.refs->>'task_id' = ${filter.task_id.toLowerCase()}`
      ] :
      [sql`false`]),
    ...(filter.since === undefined ? [] : [sql`a.timestamp >= ${filter.since}`]),
    ...(filter.until === undefined ? [] : [sql`a.timestamp <  ${filter.until}`])
  ]

  const oldestFirst = (filter: AuditFilter, limit: number, after: Position | undefined) =>
    sql<Row>`
    select ${columns}
    from audit_events a
    where ${sql.and([...where(filter), ...(after === undefined ? [] : [sql`a.seq > ${after.seq}::bigint`])])}
    order by a.seq
    limit ${limit + 1}`

  const newestFirst = (filter: AuditFilter, limit: number, before: Position | undefined) => {
    const earlier = before === undefined ? [] : [sql`(a.xid, a.seq) < (${before.xid}::xid8, ${before.seq}::bigint)`]
    return sql<Row>`
    select ${columns}
    from audit_events a
    where ${sql.and([...where(filter), ...earlier])}
    order by a.xid desc, a.seq desc
    limit ${limit + 1}`
  }

  /** The final rows after a position, and the horizon below which every row is final. At least one row comes back. */
  const finalAfter = (filter: AuditFilter, after: Position) =>
    sql<Row & { readonly horizon: string } | Nulls<Row> & { readonly horizon: string }>`
    select h.horizon::text, r.*
    from (select audit_horizon() as horizon) h
    left join lateral (
      select ${columns}
      from audit_events a
      where ${sql.and([...where(filter), sql`(a.xid, a.seq) > (${after.xid}::xid8, ${after.seq}::bigint)`])}
        and a.xid < h.horizon
      order by a.xid, a.seq
      limit ${batch}
    ) r on true`

  const page = Effect.fnUntraced(function*(filter: AuditFilter, { cursor, limit }: PageRequest) {
    const kind = filter.trace_id === undefined ? "audit" : "trace"
    const position = cursor === undefined ? undefined : yield* readPosition(kind, cursor)
    const rows = yield* (kind === "trace" ? oldestFirst : newestFirst)(filter, limit, position)
    return pageOf(rows, limit, toEvent, (last) => sealCursor(kind, last.commit, String(last.seq)))
  })

  const stream = (filter: AuditFilter, after?: string) =>
    Stream.unwrap(Effect.gen(function*() {
      const woken = yield* audit.listen
      const patiently = <A>(read: Effect.Effect<A, SqlError.SqlError>) =>
        read.pipe(Effect.retry(Schedule.spaced(pollInterval)), Effect.orDie)
      const start = after === undefined
        ? yield* patiently(sql<{ readonly horizon: string }>`
            select audit_horizon()::text as horizon`).pipe(
          Effect.map((rows): Position => ({ xid: rows[0]?.horizon ?? "0", seq: "0" }))
        )
        : yield* readPosition("row", after)
      let next = 0
      const read = Effect.fnUntraced(function*(from: Position) {
        let position = from
        while (true) {
          const pause = next - performance.now()
          if (pause > 0) yield* Effect.sleep(pause)
          next = performance.now() + readInterval
          const rows = yield* patiently(finalAfter(filter, position))
          const events: Array<{ readonly id: string; readonly event: AuditEvent }> = []
          for (const { horizon, ...row } of rows) {
            // What was not asked for is passed over for good: the next read begins at the horizon.
            if (rows.length < batch) position = { xid: horizon, seq: "0" }
            if (row.commit === null) continue
            const seq = String(row.seq)
            if (rows.length === batch) position = { xid: row.commit, seq }
            events.push({ id: sealCursor("row", row.commit, seq), event: toEvent(row) })
          }
          if (events.length > 0) {
            if (rows.length === batch) next = 0
            return [events, Option.some(position)] as const
          }
          yield* Effect.timeoutOption(woken, pollInterval)
        }
      })
      return Stream.paginate(start, read)
    }))

  return AuditLog.of({ page, stream })
})

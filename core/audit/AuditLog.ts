/**
 * Reads the audit: pages, and a live stream that misses nothing (see `CommitOrder.ts`).
 *
 * A transactional tool that keeps its transaction open holds the stream back, never longer than its time-out.
 */
import { Context, Effect, Layer, type Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import { isUuid } from "../database/Ids.ts"
import { AuditWake } from "./AuditWake.ts"
import {
  type Committed,
  type Final,
  inCommitOrder,
  openPosition,
  type Position,
  readPosition,
  sealPosition
} from "./CommitOrder.ts"
import { type CursorInvalid, type Page, pageOf, type PageRequest, present } from "./Page.ts"

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

/** A row of `audit_events`. */
interface Row extends Committed, Nullable<Omit<AuditEvent, "seq" | "timestamp">> {
  readonly timestamp: Date
}
type Nullable<A> = { readonly [K in keyof A]-?: undefined extends A[K] ? Exclude<A[K], undefined> | null : A[K] }

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

/** Whether this is an id that a stream gives out. */
export const isStreamId = (id: string): boolean => openPosition("row", id) !== undefined

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

  const finalAfter = (filter: AuditFilter, after: Position, limit: number) =>
    sql<Final<Row>>`
    select h.horizon::text, r.*
    from (select audit_horizon() as horizon) h
    left join lateral (
      select ${columns}
      from audit_events a
      where ${sql.and([...where(filter), sql`(a.xid, a.seq) > (${after.xid}::xid8, ${after.seq}::bigint)`])}
        and a.xid < h.horizon
      order by a.xid, a.seq
      limit ${limit}
    ) r on true`

  const page = Effect.fnUntraced(function*(filter: AuditFilter, { cursor, limit }: PageRequest) {
    const kind = filter.trace_id === undefined ? "audit" : "trace"
    const position = cursor === undefined ? undefined : yield* readPosition(kind, cursor)
    const rows = yield* (kind === "trace" ? oldestFirst : newestFirst)(filter, limit, position)
    return pageOf(rows, limit, toEvent, (last) => sealPosition(kind, last))
  })

  const stream = (filter: AuditFilter, after?: string) =>
    inCommitOrder({
      sql,
      kind: "row",
      listen: audit.listen,
      finalAfter: (position, limit) => finalAfter(filter, position, limit),
      show: (row: Row, id) => ({ id, event: toEvent(row) })
    }, after)

  return AuditLog.of({ page, stream })
})

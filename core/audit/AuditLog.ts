/**
 * Reads the audit: pages, and a live stream that misses nothing (see `CommitOrder.ts`).
 *
 * A page reads along one index: of a trace, of a rarer type, of an outcome that is no good one, of a tool, or of all. What that
 * index does not tell is searched for in bounded pages (`Search.ts`), between the transactions of its times
 * (`TransactionTime.ts`); of a trace, whose rows are few, it is read whole.
 *
 * A transactional tool that keeps its transaction open holds the stream back, never longer than its time-out.
 */
import { Context, Effect, Layer, Semaphore, type Scope, Stream } from "effect"
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
import { type CursorInvalid, pageOf, type PageRequest, present } from "./Page.ts"
import { contains, inStep, type Looked, makePace, mayBeId, search, type SearchPage, type Step } from "./Search.ts"
import { slack, transactionAt } from "./TransactionTime.ts"

export interface AuditFilter {
  readonly trace_id?: string
  readonly type?: string
  readonly stage?: string
  readonly outcome?: string
  readonly tool?: string
  readonly task_id?: string
  readonly since?: Date
  readonly until?: Date
  /** Stands in the row's own words, in any case of its letters. */
  readonly text?: string
  readonly risk?: string
  /** Who did it, as the row has it. */
  readonly actor_id?: string
  /** Of the event that the row is about; where it names none, of one in its trace. */
  readonly channel?: string
  readonly connector_id?: string
}

export class AuditLog extends Context.Service<AuditLog, {
  /**
   * Newest first; with `trace_id` oldest first, unless `newestFirst` says otherwise. `limit` 1 to 500. Where more is asked for
   * than one index tells, a page may have fewer rows, even none, and yet a cursor; of a trace or a task only with `text`, `risk`,
   * `actor_id`, `channel` or `connector_id`.
   */
  readonly page: (
    filter: AuditFilter,
    page: PageRequest & { readonly newestFirst?: boolean }
  ) => Effect.Effect<SearchPage<AuditEvent>, CursorInvalid | SqlError.SqlError>
  /**
   * Live rows in commit order, without a gap, from after `after` (an opaque id of an earlier row) or from now on: from when
   * the stream is answered. A database that is away delays the stream, it does not end it.
   */
  readonly stream: (filter: AuditFilter, after?: string) => Effect.Effect<
    Stream.Stream<{ readonly id: string; readonly event: AuditEvent }>,
    CursorInvalid,
    Scope.Scope
  >
}>()("syris/audit/AuditLog") {
  static readonly layer = Layer.effect(AuditLog, Effect.suspend(() => make))
}

/** How long a row of the audit is, over `r`. */
const length = "octet_length(r.summary) + octet_length(r.refs::text) + octet_length(r.data::text)"

/** A row of `audit_events`. */
interface Row extends Committed, Nullable<Omit<AuditEvent, "seq" | "timestamp">> {
  readonly timestamp: Date
}
type Found = Row & Looked
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
const listed = (values: ReadonlyArray<string>): string => `(${values.map((value) => `'${value}'`).join(", ")})`
const rarerTypes = `type not in ${listed(commonTypes)}`
const isRarer = (type: string | undefined): type is string => type !== undefined && !commonTypes.includes(type)

/** The outcomes that have an index: what went well, or is only told, is most of the rows (migrations/0012). */
const rarerOutcomes: ReadonlyArray<string> = ["failure", "suppressed"]

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

/** The filter whose index is read along; the others are looked for in its rows. */
const along = (
  { outcome, task_id, tool, trace_id, type }: AuditFilter
): "trace" | "type" | "outcome" | "tool" | "all" =>
  trace_id !== undefined || task_id !== undefined
    ? "trace"
    : isRarer(type)
    ? "type"
    : outcome !== undefined && rarerOutcomes.includes(outcome)
    ? "outcome"
    : tool !== undefined
    ? "tool"
    : "all"

/** Whether it asks for something that may be rare in the longest trace, too. */
const isSearch = ({ actor_id, channel, connector_id, risk, text }: AuditFilter): boolean =>
  [actor_id, channel, connector_id, risk, text].some((one) => one !== undefined)

/** Whether this is an id that a stream gives out. */
export const isStreamId = (id: string): boolean => openPosition("row", id) !== undefined

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* AuditWake

  const looking = yield* Semaphore.make(2)

  const columns = sql.literal(`
    a.xid::text as commit, a.seq, a.audit_id, a.timestamp, a.trace_id, a.stage, a.type, a.outcome, a.summary, a.refs,
    a.actor, a.tool, a.risk, a.autonomy, a.latency_ms, a.data`)

  /** What has an index. */
  const indexed = (filter: AuditFilter) => {
    const index = along(filter)
    return [
      ...(filter.trace_id === undefined ? [] : [sql`a.trace_id = ${filter.trace_id}::uuid`]),
      // All of a task is in its trace, which has an index.
      ...(filter.task_id === undefined ? [] : isUuid(filter.task_id) ?
        [sql`a.trace_id = (select t.trace_id from tasks t where t.task_id = ${filter.task_id}::uuid)`] :
        [sql`false`]),
      // The second part lets the planner take an index that has not all rows.
      ...(index === "type" ? [sql`a.type = ${filter.type}`, sql.literal(`a.${rarerTypes}`)] : []),
      ...(index === "outcome"
        ? [sql`a.outcome = ${filter.outcome}`, sql.literal(`a.outcome in ${listed(rarerOutcomes)}`)]
        : []),
      ...(index === "tool" ? [sql`a.tool = ${filter.tool}`] : [])
    ]
  }

  /** Of the row's event; where it names none, of one in its trace. */
  const ofEvent = (filter: AuditFilter, row: string) => {
    const wanted = [
      ...(filter.channel === undefined ? [] : [sql`e.channel = ${filter.channel}`]),
      ...(filter.connector_id === undefined ? [] : [sql`e.connector_id = ${filter.connector_id}`])
    ]
    if (wanted.length === 0) return []
    const one = (which: string) =>
      sql`exists (select 1 from events e where ${sql.literal(which)} and ${sql.and(wanted)})`
    return [
      sql`case when ${sql.literal(`${row}.refs->>'event_id'`)} is not null
        then ${one(`e.event_id = (${row}.refs->>'event_id')::uuid`)}
        else ${one(`e.trace_id = ${row}.trace_id`)} end`
    ]
  }

  /** What has none, over a row that is called `row`: the cheapest first, a text late. */
  const others = (filter: AuditFilter, row: string) => {
    const is = (column: string, value: string | undefined) =>
      value === undefined ? [] : [sql`${sql.literal(`${row}.${column}`)} = ${value}`]
    const index = along(filter)
    return [
      ...(index === "type" ? [] : is("type", filter.type)),
      ...is("stage", filter.stage),
      ...(index === "outcome" ? [] : is("outcome", filter.outcome)),
      ...(index === "tool" ? [] : is("tool", filter.tool)),
      ...is("risk", filter.risk),
      ...is("actor", filter.actor_id),
      ...(filter.task_id === undefined ? [] : is("refs->>'task_id'", filter.task_id.toLowerCase())),
      ...(filter.since === undefined ? [] : [sql`${sql.literal(row)}.timestamp >= ${filter.since}`]),
      ...(filter.until === undefined ? [] : [sql`${sql.literal(row)}.timestamp <  ${filter.until}`]),
      ...(filter.text === undefined ? [] : [contains(
        sql,
        filter.text,
        ["summary", "type", "tool", "actor", ...(mayBeId(filter.text) ? ["trace_id::text", "audit_id::text"] : [])]
          .map((column) => `${row}.${column}`),
        [`${row}.refs`, `${row}.data`]
      )]),
      ...ofEvent(filter, row)
    ]
  }

  const where = (filter: AuditFilter) => [...indexed(filter), ...others(filter, "a")]

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
      where ${sql.and([...indexed(filter), sql`(a.xid, a.seq) > (${after.xid}::xid8, ${after.seq}::bigint)`])}
        and a.xid < h.horizon
      order by a.xid, a.seq
      limit ${limit}
    ) r on true`

  /**
   * The same, for what has no index: a bounded number of rows is looked at, at most two streams at once. A stream that is far
   * behind takes neither the connections nor the processors from the work of the host.
   */
  const lookingAfter = (filter: AuditFilter) => {
    const pace = makePace()
    return (after: Position, limit: number) =>
      looking.withPermits(1)(pace((rows) => {
        const next = sql`
      select ${columns}
      from audit_events a
      where ${sql.and([...indexed(filter), sql`(a.xid, a.seq) > (${after.xid}::xid8, ${after.seq}::bigint)`])}
        and a.xid < h.horizon
      order by a.xid, a.seq
      limit ${rows}`
        const step: Step<Found> = { after: undefined, rows, hits: limit - 1, bytes: undefined }
        return Effect.map(
          sql<Final<Found>>`
      select h.horizon::text, r.*
      from (select audit_horizon() as horizon) h
      left join lateral (${inStep(sql, step, next, others(filter, "r"))}) r on true`,
          (found) => found.map((row) => ({ ...row, cut: row.looked === rows }))
        )
      }))
  }

  /** The transactions that a search is kept to. After a first page, it is behind those that are too late. */
  const within = Effect.fnUntraced(function*({ since, until }: AuditFilter, begun: boolean) {
    const from = since === undefined ? undefined : yield* transactionAt(sql, new Date(since.getTime() - slack))
    const to = until === undefined || begun ? undefined : yield* transactionAt(sql, new Date(until.getTime() + slack))
    return [
      ...(from === undefined ? [] : [sql`a.xid >= ${from}::xid8`]),
      ...(to === undefined ? [] : [sql`a.xid < ${to}::xid8`])
    ]
  })

  const found = Effect.fnUntraced(
    function*(
      filter: AuditFilter,
      kind: "audit" | "trace",
      { bytes, limit }: PageRequest,
      position: Position | undefined
    ) {
      const bounds = kind === "trace" ? [] : yield* within(filter, position !== undefined)
      const fixed = [...indexed(filter), ...bounds]
      const read = (step: Step<Found>) => {
        const from: Position | undefined = step.after === undefined
          ? position
          : { xid: step.after.commit, seq: String(step.after.seq) }
        const rows = kind === "trace"
          ? sql`
          select ${columns}
          from audit_events a
          where ${sql.and([...fixed, ...(from === undefined ? [] : [sql`a.seq > ${from.seq}::bigint`])])}
          order by a.seq
          limit ${step.rows}`
          : sql`
          select ${columns}
          from audit_events a
          where ${
            sql.and([
              ...fixed,
              ...(from === undefined ? [] : [sql`(a.xid, a.seq) < (${from.xid}::xid8, ${from.seq}::bigint)`])
            ])
          }
          order by a.xid desc, a.seq desc
          limit ${step.rows}`
        return inStep(sql, step, rows, others(filter, "r"), length)
      }
      return yield* search(
        { read, toRecord: toEvent, toCursor: (row) => sealPosition(kind, row), timeOf: (row) => row.timestamp },
        limit,
        bytes
      )
    }
  )

  const page = Effect.fnUntraced(
    function*(filter: AuditFilter, request: PageRequest & { newestFirst?: boolean }) {
      const { bytes, cursor, limit, newestFirst: newest } = request
      const kind = filter.trace_id === undefined || newest === true ? "audit" : "trace"
      const position = cursor === undefined ? undefined : yield* readPosition(kind, cursor)
      const isSought = along(filter) === "trace" ? isSearch(filter) : others(filter, "a").length > 0
      if (isSought || bytes !== undefined) return yield* found(filter, kind, request, position)
      const rows = yield* (kind === "trace" ? oldestFirst : newestFirst)(filter, limit, position)
      return pageOf(rows, limit, toEvent, (last) => sealPosition(kind, last))
    }
  )

  const stream = (filter: AuditFilter, after?: string) =>
    inCommitOrder({
      sql,
      kind: "row",
      listen: audit.listen,
      finalAfter: others(filter, "r").length > 0
        ? lookingAfter(filter)
        : (position, limit) => finalAfter(filter, position, limit),
      show: (row: Row, id) => ({ id, event: toEvent(row) })
    }, after)

  return AuditLog.of({ page, stream })
})

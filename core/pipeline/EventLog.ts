/**
 * Reads the events that were accepted, newest first. What has no index is searched for in bounded pages (`Search.ts`).
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { CursorInvalid, openCursor, pageOf, type PageRequest, present, sealCursor } from "../audit/Page.ts"
import { contains, inStep, type Looked, mayBeId, search, type SearchPage, type Step } from "../audit/Search.ts"
import type { MessageEvent } from "../contract/Event.ts"
import type { EventRow } from "../contract/Rows.ts"
import { isUuid } from "../database/Ids.ts"
import { makeIdsWithin } from "../database/IdTimes.ts"

export interface EventFilter {
  readonly channel?: string
  readonly trace_id?: string
  readonly thread_id?: string
  readonly since?: Date
  readonly until?: Date
  /** Stands in what it says or who sent it, in any case of its letters. */
  readonly text?: string
  readonly connector_id?: string
  readonly actor_id?: string
}

export class EventLog extends Context.Service<EventLog, {
  /**
   * `limit` 1 to 500. With one of the filters `text`, `connector_id` and `actor_id`, or with `channel` but of no trace and no
   * thread, a page may have fewer events, even none, and yet a cursor.
   */
  readonly page: (
    filter: EventFilter,
    page: PageRequest
  ) => Effect.Effect<SearchPage<MessageEvent>, CursorInvalid | SqlError.SqlError>
  readonly byId: (event_id: string) => Effect.Effect<MessageEvent | undefined, SqlError.SqlError>
}>()("syris/pipeline/EventLog") {
  static readonly layer = Layer.effect(EventLog, Effect.suspend(() => make))
}

/** A row of `events` as it comes back: times as dates, and null for what is not there. */
export type SelectedEvent =
  & { readonly [K in keyof Kept]: undefined extends Kept[K] ? Kept[K] | null : Kept[K] }
  & { readonly occurred_at: Date | string; readonly ingested_at: Date | string }
type Kept = Omit<EventRow, "occurred_at" | "ingested_at" | "schema_version" | "depth">

export const eventColumns = `
    e.event_id, e.trace_id, e.parent_event_id, e.occurred_at, e.ingested_at, e.channel, e.connector_id, e.thread_id,
    e.message_id, e.actor_type, e.actor_id, e.text, e.structured, e.attachment_refs, e.links, e.timezone, e.locale,
    e.device_id, e.dedupe_key, e.sensitivity, e.trust, e.redaction_policy_id`

/** The nested record of a flat row. */
export const toMessageEvent = (row: SelectedEvent): MessageEvent => ({
  event_id: row.event_id,
  schema_version: "1.0",
  occurred_at: new Date(row.occurred_at).toISOString(),
  ingested_at: new Date(row.ingested_at).toISOString(),
  source: present({
    channel: row.channel,
    connector_id: row.connector_id,
    thread_id: row.thread_id,
    message_id: row.message_id
  }),
  actor: { actor_type: row.actor_type, actor_id: row.actor_id },
  content: {
    ...present({ text: row.text }),
    structured: row.structured,
    attachment_refs: row.attachment_refs,
    links: row.links
  },
  context: present({ timezone: row.timezone, locale: row.locale, device_id: row.device_id }),
  correlation: present({
    trace_id: row.trace_id,
    parent_event_id: row.parent_event_id,
    dedupe_key: row.dedupe_key
  }),
  security: { sensitivity: row.sensitivity, trust: row.trust, redaction_policy_id: row.redaction_policy_id }
})

/** How long an event is, over `r`. */
const length = "coalesce(octet_length(r.text), 0) + octet_length(r.structured::text) + octet_length(r.links::text)"

/** The columns of a person's and a channel's own words. */
const words = ["text", "channel", "connector_id", "actor_id", "thread_id", "message_id"]

/** Whether it asks for something that may be rare and has no index. */
const isSearch = ({ actor_id, channel, connector_id, text, thread_id, trace_id }: EventFilter): boolean =>
  [actor_id, connector_id, text].some((one) => one !== undefined) ||
  (channel !== undefined && thread_id === undefined && trace_id === undefined)

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const idsWithin = yield* makeIdsWithin
  const columns = sql.literal(eventColumns)

  const indexed = (filter: EventFilter, before: string | undefined) => [
    ...(filter.trace_id === undefined ? [] : [sql`e.trace_id    =  ${filter.trace_id}::uuid`]),
    ...(filter.thread_id === undefined ? [] : [sql`e.thread_id   =  ${filter.thread_id}`]),
    ...idsWithin("e.event_id", { ...filter, before })
  ]

  /** Over a row that is called `row`. */
  const others = (filter: EventFilter, row: string) => {
    const is = (column: string, value: string | undefined) =>
      value === undefined ? [] : [sql`${sql.literal(`${row}.${column}`)} = ${value}`]
    return [
      ...is("channel", filter.channel),
      ...is("connector_id", filter.connector_id),
      ...is("actor_id", filter.actor_id),
      ...(filter.since === undefined ? [] : [sql`${sql.literal(row)}.ingested_at >= ${filter.since}`]),
      ...(filter.until === undefined ? [] : [sql`${sql.literal(row)}.ingested_at <  ${filter.until}`]),
      ...(filter.text === undefined ? [] : [contains(
        sql,
        filter.text,
        [...words, ...(mayBeId(filter.text) ? ["event_id::text", "trace_id::text"] : [])].map((column) =>
          `${row}.${column}`
        ),
        [`${row}.structured`, `${row}.links`]
      )])
    ]
  }

  const page = Effect.fnUntraced(function*(filter: EventFilter, { bytes, cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("event", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const seal = (last: SelectedEvent) => sealCursor("event", last.event_id)
    if (isSearch(filter) || bytes !== undefined) {
      const read = (step: Step<SelectedEvent & Looked>) =>
        inStep<SelectedEvent & Looked>(
          sql,
          step,
          sql`
          select ${columns}
          from events e
          where ${sql.and(indexed(filter, step.after?.event_id ?? before))}
          order by e.event_id desc
          limit ${step.rows}`,
          others(filter, "r"),
          length
        )
      const timeOf = (row: SelectedEvent) => new Date(row.ingested_at)
      return yield* search({ read, toRecord: toMessageEvent, toCursor: seal, timeOf }, limit, bytes)
    }
    const rows = yield* sql<SelectedEvent>`
    select ${columns}
    from events e
    where ${sql.and([...indexed(filter, before), ...others(filter, "e")])}
    order by e.event_id desc
    limit ${limit + 1}`
    return pageOf(rows, limit, toMessageEvent, seal)
  })

  const byId = (event_id: string) =>
    sql<SelectedEvent>`
    select ${columns}
    from events e
    where e.event_id = ${event_id}::uuid`.pipe(
      Effect.map((rows) => rows[0] === undefined ? undefined : toMessageEvent(rows[0]))
    )

  return EventLog.of({ page, byId })
})

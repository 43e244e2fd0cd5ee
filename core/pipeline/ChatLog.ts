/**
 * What the operator is told on the channel `chat`: pages, and a live stream that misses nothing (see
 * `core/audit/CommitOrder.ts`). Replies to events are written by the database itself, in the transaction that settles
 * them (migrations/0003).
 */
import { Context, Effect, Layer, Queue, type Scope, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import {
  type Committed,
  type Final,
  inCommitOrder,
  openPosition,
  type Position,
  readPosition,
  sealPosition
} from "../audit/CommitOrder.ts"
import { type CursorInvalid, type Page, pageOf, type PageRequest, present } from "../audit/Page.ts"
import type { ChatKind, ChatMessage } from "../contract/ChatMessage.ts"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"

/** Something was said; the triggers of migrations/0003 notify it, too. */
const chatChannel = "syris_chat"

export interface ChatFilter {
  /** One conversation, with the notices that belong to none; without it all of them. */
  readonly thread_id?: string
}

/** What the host says of its own accord. */
export interface NewChatMessage {
  readonly thread_id?: string | undefined
  readonly event_id?: string | undefined
  readonly trace_id: string
  readonly kind: ChatKind
  readonly text: string
}

export class ChatLog extends Context.Service<ChatLog, {
  /** Newest first. `limit` 1 to 500. */
  readonly page: (
    filter: ChatFilter,
    page: PageRequest
  ) => Effect.Effect<Page<ChatMessage>, CursorInvalid | SqlError.SqlError>
  /**
   * Live messages in commit order, without a gap, from after `after` (an opaque id of an earlier one) or from now on: from
   * when the stream is answered. A database that is away delays the stream, it does not end it.
   */
  readonly stream: (filter: ChatFilter, after?: string) => Effect.Effect<
    Stream.Stream<{ readonly id: string; readonly message: ChatMessage }>,
    CursorInvalid,
    Scope.Scope
  >
}>()("syris/pipeline/ChatLog") {
  static readonly layer = Layer.effect(ChatLog, Effect.suspend(() => make))
}

/** Says something on the chat, in the caller's transaction: whoever listens hears it after the commit. */
export const append = Effect.fn("ChatLog.append")(function*(message: NewChatMessage) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    with said as (
      insert into chat_messages (message_id, thread_id, event_id, trace_id, kind, text)
      values (${newId()}::uuid, ${message.thread_id ?? null}::text, ${message.event_id ?? null}::uuid,
              ${message.trace_id}::uuid, ${message.kind}, ${message.text})
      returning 1
    )
    select pg_notify(${chatChannel}, '') from said`
})

/** The conversation that a trace began in, if it began in one. */
export const threadOf = Effect.fn("ChatLog.threadOf")(function*(trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly thread_id: string }>`
    select e.thread_id
    from events e
    where e.trace_id = ${trace_id}::uuid
      and e.channel = 'chat'
      and e.thread_id is not null
    order by e.event_id
    limit 1`
  return row?.thread_id
})

/** A row of `chat_messages`. */
interface Row extends Committed {
  readonly message_id: string
  readonly thread_id: string | null
  readonly event_id: string | null
  readonly trace_id: string
  readonly kind: ChatKind
  readonly text: string
  readonly at: Date
}

const toMessage = (row: Row): ChatMessage => ({
  message_id: row.message_id,
  ...present({ thread_id: row.thread_id, event_id: row.event_id }),
  trace_id: row.trace_id,
  kind: row.kind,
  text: row.text,
  at: row.at.toISOString()
})

/** Whether this is an id that a stream of messages gives out. */
export const isMessageStreamId = (id: string): boolean => openPosition("message", id) !== undefined

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const notifications = yield* Notifications

  const columns = sql.literal(`
    m.xid::text as commit, m.seq, m.message_id, m.thread_id, m.event_id, m.trace_id, m.kind, m.text, m.at`)

  // What asks the operator and belongs to no conversation is heard in all of them.
  const where = ({ thread_id }: ChatFilter) =>
    thread_id === undefined
      ? []
      : [sql`(m.thread_id = ${thread_id} or (m.thread_id is null and m.kind = 'notice'))`]

  const finalAfter = (filter: ChatFilter, after: Position, limit: number) =>
    sql<Final<Row>>`
    select h.horizon::text, r.*
    from (select audit_horizon() as horizon) h
    left join lateral (
      select ${columns}
      from chat_messages m
      where ${sql.and([...where(filter), sql`(m.xid, m.seq) > (${after.xid}::xid8, ${after.seq}::bigint)`])}
        and m.xid < h.horizon
      order by m.xid, m.seq
      limit ${limit}
    ) r on true`

  const page = Effect.fnUntraced(function*(filter: ChatFilter, { cursor, limit }: PageRequest) {
    const before = cursor === undefined ? undefined : yield* readPosition("chat", cursor)
    const earlier = before === undefined ? [] : [sql`(m.xid, m.seq) < (${before.xid}::xid8, ${before.seq}::bigint)`]
    const rows = yield* sql<Row>`
    select ${columns}
    from chat_messages m
    where ${sql.and([...where(filter), ...earlier])}
    order by m.xid desc, m.seq desc
    limit ${limit + 1}`
    return pageOf(rows, limit, toMessage, (last) => sealPosition("chat", last))
  })

  /** Notifications in between are kept as one. */
  const listen = Effect.gen(function*() {
    const heard = yield* Queue.sliding<void>(1)
    yield* notifications.listen(chatChannel, () => void Queue.offerUnsafe(heard, undefined))
    return Queue.take(heard)
  })

  const stream = (filter: ChatFilter, after?: string) =>
    inCommitOrder({
      sql,
      kind: "message",
      listen,
      finalAfter: (position, limit) => finalAfter(filter, position, limit),
      show: (row: Row, id) => ({ id, message: toMessage(row) })
    }, after)

  return ChatLog.of({ page, stream })
})

/**
 * What the operator should look at, until somebody or something says that it is over.
 *
 * - One that is not resolved for each `dedupe_key`: opening it again is no news.
 * - Every move is one transaction with its audit row, under the trace that the alarm was opened in.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, present, sealCursor } from "../audit/Page.ts"
import type { Alarm } from "../contract/Alarm.ts"
import type { AuditRefs } from "../contract/AuditEvent.ts"
import type { AlarmSeverity, AlarmStatus } from "../contract/Enums.ts"
import { isUuid, newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"

export class AlarmNotFound extends Schema.TaggedError<AlarmNotFound>()("AlarmNotFound", { alarm_id: Schema.String }) {
  override get message() {
    return `There is no alarm ${this.alarm_id}.`
  }
}

/** The alarm's status forbids the move; `detail` is a sentence that says what it is now. */
export class AlarmMoveRefused
  extends Schema.TaggedError<AlarmMoveRefused>()("AlarmMoveRefused", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export interface NewAlarm {
  /** Dotted, stable: `notifications.storm`. */
  readonly type: string
  readonly severity: AlarmSeverity
  readonly dedupe_key: string
  /** One sentence that says what to do. */
  readonly message: string
  readonly refs?: AuditRefs
  /** Default: a trace of its own. */
  readonly trace_id?: string
}

export interface AlarmFilter {
  readonly status?: AlarmStatus
}

type Move = Effect.Effect<Alarm, AlarmNotFound | AlarmMoveRefused | SqlError.SqlError>

export class Alarms extends Context.Service<Alarms, {
  /** Whether it is new. In the caller's transaction, where there is one. */
  readonly open: (alarm: NewAlarm) => Effect.Effect<boolean, SqlError.SqlError>
  /** The operator has seen it. */
  readonly ack: (alarm_id: string, note?: string) => Move
  /** The operator says that it is over. */
  readonly resolve: (alarm_id: string, note?: string) => Move
  /** It is over by itself. Whether there was one. */
  readonly resolveKey: (dedupe_key: string) => Effect.Effect<boolean, SqlError.SqlError>
  /** Newest first. `limit` 1 to 500. */
  readonly page: (
    filter: AlarmFilter,
    page: PageRequest
  ) => Effect.Effect<Page<Alarm>, CursorInvalid | SqlError.SqlError>
  readonly byId: (alarm_id: string) => Effect.Effect<Alarm | undefined, SqlError.SqlError>
}>()("syris/health/Alarms") {
  static readonly layer = Layer.effect(Alarms, Effect.suspend(() => make))
}

/** What the alarm speaks of, with the trace that it was opened in. */
interface StoredRefs extends AuditRefs {
  readonly trace_id: string
}

interface AlarmRow {
  readonly alarm_id: string
  readonly type: string
  readonly severity: AlarmSeverity
  readonly dedupe_key: string
  readonly status: AlarmStatus
  readonly message: string
  readonly refs: StoredRefs
  readonly opened_at: Date
  readonly acked_at: Date | null
  readonly resolved_at: Date | null
  readonly note: string | null
}

const toAlarm = (row: AlarmRow): Alarm =>
  present({
    ...row,
    opened_at: row.opened_at.toISOString(),
    acked_at: row.acked_at === null ? null : row.acked_at.toISOString(),
    resolved_at: row.resolved_at === null ? null : row.resolved_at.toISOString()
  })

const said = ({ acked_at, resolved_at, status }: AlarmRow): string =>
  status === "resolved"
    ? `was resolved at ${resolved_at?.toISOString()}`
    : status === "acked"
    ? `was acknowledged at ${acked_at?.toISOString()}`
    : "is open"

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(`
    a.alarm_id, a.type, a.severity, a.dedupe_key, a.status, a.message, a.refs, a.opened_at, a.acked_at, a.resolved_at,
    a.note`)

  const storable = (text: string): string => redactor.redactText(text.replaceAll("\0", "␀").toWellFormed())

  const tell = Effect.fnUntraced(function*(
    type: "alarm.opened" | "alarm.acked" | "alarm.resolved",
    { alarm_id, dedupe_key, note, refs: { trace_id, ...refs }, severity, type: alarm }: AlarmRow,
    summary: string,
    actor?: string
  ) {
    yield* audit.append({
      type,
      trace_id,
      at: new Date(yield* Clock.currentTimeMillis),
      summary,
      refs,
      actor,
      data: { alarm_id, type: alarm, severity, dedupe_key, ...(note === null ? {} : { note }) }
    })
  })

  const open = Effect.fnUntraced(function*(alarm: NewAlarm) {
    const refs: StoredRefs = { ...alarm.refs, trace_id: alarm.trace_id ?? newId() }
    const [opened] = yield* sql<AlarmRow>`
      insert into alarms as a (alarm_id, type, severity, dedupe_key, status, message, refs, opened_at)
      values (${newId()}::uuid, ${alarm.type}, ${alarm.severity}, ${alarm.dedupe_key}, 'open',
              ${storable(alarm.message)}, ${JSON.stringify(refs)}::jsonb, clock_timestamp())
      on conflict (dedupe_key) where status <> 'resolved' do nothing
      returning ${columns}`
    if (opened === undefined) return false
    yield* tell("alarm.opened", opened, opened.message)
    return true
  }, sql.withTransaction)

  const lock = Effect.fnUntraced(function*(alarm_id: string) {
    const [found] = yield* sql<AlarmRow>`
      select ${columns} from alarms a where a.alarm_id = ${alarm_id}::uuid for update`
    return found ?? (yield* new AlarmNotFound({ alarm_id }))
  })

  const ack = Effect.fnUntraced(function*(alarm_id: string, note?: string) {
    const found = yield* lock(alarm_id)
    if (found.status !== "open") {
      return yield* new AlarmMoveRefused({ detail: `This alarm ${said(found)}: it can't be acknowledged any more.` })
    }
    const [acked = found] = yield* sql<AlarmRow>`
      update alarms a
      set status = 'acked', acked_at = clock_timestamp(), note = ${note === undefined ? null : storable(note)}
      where a.alarm_id = ${alarm_id}::uuid
      returning ${columns}`
    yield* tell("alarm.acked", acked, `The operator has seen the alarm ${acked.type}.`, "operator")
    return toAlarm(acked)
  }, sql.withTransaction)

  const resolve = Effect.fnUntraced(function*(alarm_id: string, note?: string) {
    const found = yield* lock(alarm_id)
    if (found.status === "resolved") {
      return yield* new AlarmMoveRefused({ detail: `This alarm ${said(found)}: it can't be resolved again.` })
    }
    const [resolved = found] = yield* sql<AlarmRow>`
      update alarms a
      set status = 'resolved', resolved_at = clock_timestamp(),
          note = coalesce(${note === undefined ? null : storable(note)}, a.note)
      where a.alarm_id = ${alarm_id}::uuid
      returning ${columns}`
    yield* tell("alarm.resolved", resolved, `The alarm ${resolved.type} is over, as the operator says.`, "operator")
    return toAlarm(resolved)
  }, sql.withTransaction)

  const resolveKey = Effect.fnUntraced(function*(dedupe_key: string) {
    const [resolved] = yield* sql<AlarmRow>`
      update alarms a
      set status = 'resolved', resolved_at = clock_timestamp()
      where a.dedupe_key = ${dedupe_key} and a.status <> 'resolved'
      returning ${columns}`
    if (resolved === undefined) return false
    yield* tell("alarm.resolved", resolved, `The alarm ${resolved.type} is over.`)
    return true
  }, sql.withTransaction)

  const page = Effect.fnUntraced(function*({ status }: AlarmFilter, { cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("alarm", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const conditions = sql.and([
      ...(status === undefined ? [] : [sql`a.status = ${status}`]),
      // In the words of the index that has the few of them.
      ...(status === undefined || status === "resolved" ? [] : [sql`a.status <> 'resolved'`]),
      ...(before === undefined ? [] : [sql`a.alarm_id < ${before}::uuid`])
    ])
    const rows = yield* sql<AlarmRow>`
      select ${columns} from alarms a where ${conditions} order by a.alarm_id desc limit ${limit + 1}`
    return pageOf(rows, limit, toAlarm, (last) => sealCursor("alarm", last.alarm_id))
  })

  const byId = (alarm_id: string) =>
    Effect.map(
      sql<AlarmRow>`select ${columns} from alarms a where a.alarm_id = ${alarm_id}::uuid`,
      ([row]) => row === undefined ? undefined : toAlarm(row)
    )

  return Alarms.of({ open, ack, resolve, resolveKey, page, byId })
})

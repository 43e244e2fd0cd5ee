/**
 * The watchers as the operator sees them, and switching one off or on.
 *
 * - The change, its audit row and the end of the alarm are one transaction; what is so already changes nothing.
 * - One that is switched on is due at once, and its errors are forgotten.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, present, sealCursor } from "../audit/Page.ts"
import type { WatcherState } from "../contract/Watcher.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { watcherAlarmKey } from "./WatcherAlarm.ts"
import { watchersChannel } from "./WatcherStore.ts"

export class WatcherNotFound
  extends Schema.TaggedError<WatcherNotFound>()("WatcherNotFound", { watcher_id: Schema.String })
{
  override get message() {
    return `There is no watcher ${this.watcher_id}; GET /watchers lists them.`
  }
}

export class WatcherRecords extends Context.Service<WatcherRecords, {
  /** By their ids. `limit` 1 to 500. */
  readonly page: (page: PageRequest) => Effect.Effect<Page<WatcherState>, CursorInvalid | SqlError.SqlError>
  readonly setEnabled: (
    watcher_id: string,
    enabled: boolean
  ) => Effect.Effect<WatcherState, WatcherNotFound | SqlError.SqlError>
}>()("syris/watchers/WatcherRecords") {
  static readonly layer = Layer.effect(WatcherRecords, Effect.suspend(() => make))
}

interface WatcherRow {
  readonly watcher_id: string
  readonly enabled: boolean
  readonly interval_ms: bigint
  readonly last_tick_at: Date | null
  readonly last_outcome: "success" | "failure" | null
  readonly last_error: string | null
  readonly consecutive_errors: number
  readonly next_tick_at: Date
  readonly state: unknown
}

const toRecord = ({ enabled, interval_ms, last_tick_at, next_tick_at, state, ...row }: WatcherRow): WatcherState => ({
  ...present({
    ...row,
    last_tick_at: last_tick_at === null ? null : last_tick_at.toISOString(),
    next_tick_at: enabled ? next_tick_at.toISOString() : null
  }),
  enabled,
  interval_ms: Number(interval_ms),
  state
})

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(`
    w.watcher_id, w.enabled, w.interval_ms, w.last_tick_at, w.last_outcome, w.last_error, w.consecutive_errors,
    w.next_tick_at, w.state`)

  const page = Effect.fnUntraced(function*({ cursor, limit }: PageRequest) {
    const [after = ""] = cursor === undefined ? [] : openCursor("watcher", cursor) ?? [undefined]
    if (cursor !== undefined && after === "") return yield* new CursorInvalid()
    const rows = yield* sql<WatcherRow>`
      select ${columns}
      from watchers w
      where w.watcher_id collate "C" > ${after}
      order by w.watcher_id collate "C"
      limit ${limit + 1}`
    return pageOf(rows, limit, toRecord, (last) => sealCursor("watcher", last.watcher_id))
  })

  const setEnabled = Effect.fnUntraced(function*(watcher_id: string, enabled: boolean) {
    const [found] = yield* sql<WatcherRow>`
      select ${columns} from watchers w where w.watcher_id = ${watcher_id} for update`
    if (found === undefined) return yield* new WatcherNotFound({ watcher_id })
    if (found.enabled === enabled) return toRecord(found)
    const [changed = found] = yield* sql<WatcherRow>`
      update watchers w
      set enabled            = ${enabled},
          consecutive_errors = 0,
          next_tick_at       = case when ${enabled} then clock_timestamp() else w.next_tick_at end,
          updated_at         = clock_timestamp()
      where w.watcher_id = ${watcher_id}
      returning ${columns}`
    const trace_id = newId()
    yield* audit.append({
      type: "operator.watcher_changed",
      trace_id,
      at: new Date(yield* Clock.currentTimeMillis),
      summary: `The operator switched the watcher ${watcher_id} ${enabled ? "on" : "off"}.`,
      refs: { watcher_id },
      actor: "operator",
      data: { enabled }
    })
    if (!enabled) yield* alarms.resolveKey(watcherAlarmKey(watcher_id))
    yield* sql`select pg_notify(${watchersChannel}, '')`
    return toRecord(changed)
  }, sql.withTransaction)

  return WatcherRecords.of({ page, setEnabled })
})

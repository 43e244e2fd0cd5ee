/**
 * When the operator wants to be asked rather than surprised: windows of the configuration and of the API, together.
 *
 * - `now` asks nobody: every host holds all windows in memory, reads them again when a host has changed one, and every
 *   five seconds by itself. The host that changed one knows it at once.
 * - A change is one transaction with its audit row, and raises the policy version: what was decided before is decided anew.
 * - Windows of the configuration are this host's own and only read; their ids are `config.1`, `config.2`, ….
 */
import { Clock, Context, Effect, Layer, Schema, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { QuietChoice } from "../contract/Schedule.ts"
import { newId } from "../database/Ids.ts"
import { keepFresh } from "../database/Notifications.ts"
import { nearest } from "../plugin/Explain.ts"
import { isTimezone, systemTimezone } from "../plugin/TimeWindowSetting.ts"
import { controlChannel } from "./Control.ts"
import { type Day, isWithin, showWindow, type TimeWindow } from "./TimeWindow.ts"

export { type Day, days, isWithin, showWindow, type TimeWindow } from "./TimeWindow.ts"

/** The window is written in the configuration; `detail` is a sentence that says what to do. */
export class QuietHoursReadOnly
  extends Schema.TaggedError<QuietHoursReadOnly>()("QuietHoursReadOnly", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export interface QuietHoursRecord extends TimeWindow {
  readonly quiet_hours_id: string
  readonly enabled: boolean
  readonly origin: "config" | "api"
}

export interface Quiet {
  readonly quiet: boolean
  /** The first window that it lies in, as a person reads it: `22:00 to 07:00 Europe/London`. */
  readonly window?: string
}

export class QuietHours extends Context.Service<QuietHours, {
  /** As the windows were last read. */
  readonly now: (at: Date) => Quiet
  /**
   * The window that holds back what chose these quiet hours, as a person reads it; nothing where it may run. `true` is any
   * window, a text the id of one, and one that is not there holds nothing back (`unknown` says so before).
   */
  readonly holding: (choice: QuietChoice, at: Date) => string | undefined
  /** What is wrong with a choice by an id that is not there: a sentence without its full stop. As they were last read. */
  readonly unknown: (choice: QuietChoice) => string | undefined
  /** The policy version that memory has. */
  readonly version: () => number
  /** Reads them anew. */
  readonly refresh: Effect.Effect<void, SqlError.SqlError>
  /** Those of the configuration first, the others by their ids. */
  readonly list: Effect.Effect<ReadonlyArray<QuietHoursRecord>, SqlError.SqlError>
  /** Makes a window or changes it. The same once more changes nothing. */
  readonly put: (
    quiet_hours_id: string,
    window: TimeWindow & { readonly enabled: boolean }
  ) => Effect.Effect<QuietHoursRecord, QuietHoursReadOnly | SqlError.SqlError>
}>()("syris/safety/QuietHours") {
  /** `configured` are the windows of the configuration, in its order. */
  static readonly layer = (configured: ReadonlyArray<TimeWindow>) => Layer.effect(QuietHours, make(configured))
}

/**
 * What is wrong with a choice by an id that is not there: a sentence without its full stop. Asks the database where memory
 * does not have it.
 */
export const unknownQuietHours = Effect.fnUntraced(function*(choice: QuietChoice | undefined) {
  const quietHours = yield* QuietHours
  if (choice === undefined || quietHours.unknown(choice) === undefined) return undefined
  yield* Effect.ignore(quietHours.refresh)
  return quietHours.unknown(choice)
})

interface QuietHoursRow {
  readonly quiet_hours_id: string
  readonly start: string
  readonly end: string
  readonly timezone: string
  readonly days: ReadonlyArray<Day> | null
  readonly enabled: boolean
}

/** Of ids that the API does not give out. */
const configPrefix = "config."

const toRecord = ({ days, ...row }: QuietHoursRow): QuietHoursRecord => ({
  ...row,
  ...(days === null ? {} : { days }),
  origin: "api"
})

const sentence = ({ days, enabled, quiet_hours_id, ...window }: QuietHoursRecord): string =>
  `Quiet hours "${quiet_hours_id}" are ${enabled ? "" : "switched off; they would be "}${showWindow(window)}` +
  `${days === undefined ? "" : `, beginning on ${days.join(", ")}`}.`

/** Ids in one sentence. */
const mostIds = 20

const meant = (id: string, ids: ReadonlyArray<string>): string => {
  const near = nearest(id, ids)
  if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`
  if (ids.length === 0) return "none are set: choose true, or give a window"
  return `there are ${ids.slice(0, mostIds).join(", ")}${ids.length > mostIds ? ", …" : ""}`
}

const make = Effect.fnUntraced(function*(configured: ReadonlyArray<TimeWindow>) {
  const audit = yield* Audit
  const sql = yield* SqlClient.SqlClient

  const ofConfig = configured.map((window, index): QuietHoursRecord => ({
    quiet_hours_id: `${configPrefix}${index + 1}`,
    ...window,
    enabled: true,
    origin: "config"
  }))

  const columns = sql.literal(`q.quiet_hours_id, q.start, q."end", q.timezone, q.days, q.enabled`)
  const list = Effect.map(
    sql<QuietHoursRow>`select ${columns} from quiet_hours q order by q.quiet_hours_id`,
    (rows) => [...ofConfig, ...rows.map(toRecord)]
  )

  let windows: ReadonlyArray<QuietHoursRecord> = ofConfig
  /** Of all, those that are switched off too. */
  let ids: ReadonlyArray<string> = ofConfig.map(({ quiet_hours_id }) => quiet_hours_id)
  let version = 0
  let asked: { readonly minute: number; readonly answer: Quiet } | undefined

  // One after the other: an older reading must not replace a newer one.
  const refresh = (yield* Semaphore.make(1)).withPermits(1)(Effect.gen(function*() {
    // Before the rows: they are at least as new as the version that is claimed for them.
    const [control] = yield* sql<{ readonly version: bigint }>`select policy_version as version from control`
    const records = yield* list
    version = Number(control?.version ?? 0)
    ids = records.map(({ quiet_hours_id }) => quiet_hours_id)
    // A zone that only another host's Node.js knows would make every decision of this one fail.
    windows = records.filter(({ enabled, origin, timezone }) =>
      enabled && (origin === "config" || isTimezone(timezone))
    )
    asked = undefined
  }))

  const now = (at: Date): Quiet => {
    const minute = Math.floor(at.getTime() / 60_000)
    if (asked?.minute === minute) return asked.answer
    const window = windows.find((one) => isWithin(one, at))
    const answer: Quiet = window === undefined ? { quiet: false } : { quiet: true, window: showWindow(window) }
    asked = { minute, answer }
    return answer
  }

  const holding = (choice: QuietChoice, at: Date): string | undefined => {
    if (typeof choice === "boolean") return choice ? now(at).window : undefined
    if (typeof choice === "string") {
      const window = windows.find(({ quiet_hours_id }) => quiet_hours_id === choice)
      return window !== undefined && isWithin(window, at) ? showWindow(window) : undefined
    }
    const { days, end, start, timezone = systemTimezone() } = choice
    const window = { start, end, timezone, ...(days === undefined ? {} : { days: days as ReadonlyArray<Day> }) }
    return isTimezone(timezone) && isWithin(window, at) ? showWindow(window) : undefined
  }

  const unknown = (choice: QuietChoice): string | undefined =>
    typeof choice !== "string" || ids.includes(choice)
      ? undefined
      : `there are no quiet hours ${JSON.stringify(choice)}; ${meant(choice, ids)}`

  const write = Effect.fnUntraced(function*(id: string, { days, enabled, end, start, timezone }: QuietHoursRecord) {
    const [changed] = yield* sql<QuietHoursRow>`
      insert into quiet_hours as q (quiet_hours_id, start, "end", timezone, days, enabled, updated_at)
      values (${id}, ${start}, ${end}, ${timezone}, ${days === undefined ? null : JSON.stringify(days)}::jsonb,
              ${enabled}, clock_timestamp())
      on conflict (quiet_hours_id) do update
      set start = excluded.start, "end" = excluded."end", timezone = excluded.timezone, days = excluded.days,
          enabled = excluded.enabled, updated_at = excluded.updated_at
      where (q.start, q."end", q.timezone, q.days, q.enabled) is distinct from
            (excluded.start, excluded."end", excluded.timezone, excluded.days, excluded.enabled)
      returning ${columns}`
    if (changed === undefined) return
    yield* audit.append({
      type: "operator.quiet_hours_changed",
      trace_id: newId(),
      at: new Date(yield* Clock.currentTimeMillis),
      summary: sentence(toRecord(changed)),
      actor: "operator",
      data: { ...toRecord(changed) }
    })
    yield* sql`update control set policy_version = policy_version + 1`
    yield* sql`select pg_notify(${controlChannel}, '')`
  }, sql.withTransaction)

  const put = Effect.fnUntraced(function*(quiet_hours_id: string, window: TimeWindow & { readonly enabled: boolean }) {
    if (quiet_hours_id.startsWith(configPrefix)) {
      return yield* new QuietHoursReadOnly({
        detail:
          `The quiet hours "${quiet_hours_id}" are those of the configuration: change safety.quietHours there, or ` +
          `choose an id that does not begin with "${configPrefix}".`
      })
    }
    const record: QuietHoursRecord = { ...window, quiet_hours_id, origin: "api" }
    yield* write(quiet_hours_id, record)
    yield* Effect.ignore(refresh)
    return record
  })

  yield* keepFresh(controlChannel, refresh)
  yield* refresh

  return QuietHours.of({ now, holding, unknown, list, put, refresh, version: () => version })
})

/**
 * What the system is doing, in numbers, as `GET /state` shows it. All of it comes from the database, so every host
 * of a database says the same.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Autonomy } from "../contract/Enums.ts"
import { version } from "./Version.ts"

export interface State {
  readonly autonomy: Autonomy
  readonly paused: boolean
  readonly counts: {
    /** Not ended. */
    readonly tasks: number
    /** Enabled, with a slot to come. */
    readonly schedules: number
    /** Enabled. */
    readonly watchers: number
    /** Pending and not past their end. */
    readonly approvals: number
    /** Not resolved. */
    readonly alarms: number
    /** Not ended. */
    readonly jobs: number
  }
  /** Accepted events, tasks and replies that are not settled and wait for nothing but their turn, and jobs that nobody runs yet. */
  readonly queue_depth: number
  /** Events and tasks that wait for a person to tell what became of a call. */
  readonly unknown: number
  readonly versions: {
    readonly syris: string
    readonly node: string
    readonly postgres: string
    readonly schema: number
  }
  readonly hosts: ReadonlyArray<{
    readonly host_id: string
    readonly version: string
    readonly started_at: string
    readonly beat_at: string
    readonly lease_until: string
  }>
}

export class SystemState extends Context.Service<SystemState, {
  readonly current: Effect.Effect<State, SqlError.SqlError>
}>()("syris/health/SystemState") {
  static readonly layer = Layer.effect(
    SystemState,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const totals = sql<{
        readonly autonomy: Autonomy | null
        readonly paused: boolean | null
        readonly tasks: number
        readonly schedules: number
        readonly watchers: number
        readonly approvals: number
        readonly alarms: number
        readonly jobs: number
        readonly queue_depth: number
        readonly unknown: number
        readonly postgres: string
        readonly schema: number
      }>`
    select (select autonomy from control)                                                          as autonomy,
           (select paused from control)                                                            as paused,
           (select count(*)::int from schedules where enabled and next_run_at is not null)         as schedules,
           (select count(*)::int from watchers where enabled)                                      as watchers,
           (select count(*)::int from approvals
            where status = 'pending' and expires_at > clock_timestamp())                           as approvals,
           (select count(*)::int from alarms where status <> 'resolved')                           as alarms,
           owed.tasks, owed.jobs, owed.queue_depth, owed.unknown,
           current_setting('server_version')                                                       as postgres,
           (select coalesce(max(migration_id), 0)::int from migrations)                            as schema
    from (
      select count(*) filter (where kind = 'task')::int                                            as tasks,
             count(*) filter (where kind = 'job')::int                                             as jobs,
             count(*) filter (where not parked
                                and (kind <> 'job' or (claimed_by is null and due_at <= clock_timestamp()))
                                and coalesce(waits_for, '') not in ('time', 'answer', 'approval'))::int as queue_depth,
             count(*) filter (where waits_for = 'person'
                                 or (kind = 'event' and parked and waits_for is null))::int        as unknown
      from work) owed`
      const hosts = sql<{
        readonly host_id: string
        readonly version: string
        readonly started_at: Date
        readonly beat_at: Date
        readonly lease_until: Date
      }>`
    select host_id, version, started_at, beat_at, lease_until
    from hosts
    where ended_at is null
    order by started_at`
      const current = Effect.gen(function*() {
        const [total] = yield* totals
        const living = yield* hosts
        const state: State = {
          autonomy: total?.autonomy ?? "A2",
          paused: total?.paused ?? false,
          counts: {
            tasks: total?.tasks ?? 0,
            schedules: total?.schedules ?? 0,
            watchers: total?.watchers ?? 0,
            approvals: total?.approvals ?? 0,
            alarms: total?.alarms ?? 0,
            jobs: total?.jobs ?? 0
          },
          queue_depth: total?.queue_depth ?? 0,
          unknown: total?.unknown ?? 0,
          versions: {
            syris: version,
            node: process.versions.node,
            postgres: total?.postgres ?? "",
            schema: total?.schema ?? 0
          },
          hosts: living.map((host) => ({
            host_id: host.host_id,
            version: host.version,
            started_at: host.started_at.toISOString(),
            beat_at: host.beat_at.toISOString(),
            lease_until: host.lease_until.toISOString()
          }))
        }
        return state
      })
      return SystemState.of({ current })
    })
  )
}

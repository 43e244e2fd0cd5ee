/**
 * `system.heartbeat`: sees which hosts of the database have missed their heartbeat.
 *
 * - A host that lives by its row and has not beaten for 12 s has missed it: one event on the channel `watcher` for each
 *   miss, and an alarm for the home. What was told is remembered, so an alarm that the operator has resolved stays so.
 * - The alarm is over when a host of that home beats again, or the last one of it has stopped by itself.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Alarms } from "../health/Alarms.ts"
import { ownWatcher } from "./OwnWatcher.ts"

export const heartbeatAlarm = "host.heartbeat_missed"
export const heartbeatAlarmKey = (home_id: string): string => `host:${home_id}`

/** Beats come every 5 s. */
const missedAfterSeconds = 12

/** Host to the beat that was its last one when it was told of. */
type Told = Readonly<Record<string, string>>

const toldOf = (state: unknown): Told =>
  typeof state === "object" && state !== null && "told" in state ? state.told as Told : {}

export const heartbeatWatcher = Effect.fnUntraced(function*() {
  const alarms = yield* Alarms
  const sql = yield* SqlClient.SqlClient

  const resolveThoseOver = Effect.gen(function*() {
    const over = yield* sql<{ readonly dedupe_key: string }>`
      select a.dedupe_key
      from alarms a
           cross join lateral (
             select h.*
             from hosts h
             where 'host:' || h.home_id = a.dedupe_key
             order by h.started_at desc
             limit 1) last
      where a.status <> 'resolved' and a.type = ${heartbeatAlarm}
        and (last.end_proof = 'stopped'
             or (last.ended_at is null
                 and last.beat_at >= clock_timestamp() - make_interval(secs => ${missedAfterSeconds})))`
    yield* Effect.forEach(over, ({ dedupe_key }) => alarms.resolveKey(dedupe_key), { discard: true })
  })

  return ownWatcher({
    watcher_id: "system.heartbeat",
    intervalMs: 10_000,
    tick: Effect.fnUntraced(function*(_, state, { emit }) {
      yield* resolveThoseOver
      const missing = yield* sql<{ readonly host_id: string; readonly home_id: string; readonly beat_at: Date }>`
        select host_id, home_id, beat_at
        from hosts
        where ended_at is null and beat_at < clock_timestamp() - make_interval(secs => ${missedAfterSeconds})
        order by host_id`
      const told = toldOf(state)
      const now: Record<string, string> = {}
      for (const { beat_at, home_id, host_id } of missing) {
        const at = beat_at.toISOString()
        now[host_id] = at
        if (told[host_id] === at) continue
        emit({ structured: { kind: "heartbeat_missed", host_id, home_id, beat_at: at } })
        yield* alarms.open({
          type: heartbeatAlarm,
          severity: "error",
          dedupe_key: heartbeatAlarmKey(home_id),
          message:
            `The host ${host_id} has missed its heartbeat; the last one came at ${at}. See whether its machine and ` +
            "its process are well, and start it again; resolve this alarm where it is gone for good."
        })
      }
      return { told: now }
    })
  })
})

/**
 * `system.vigil`: looks for what goes wrong without anybody telling. Each look opens its alarms and ends them.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { secretAlarm } from "../health/AuditSecretAlarm.ts"
import { Alarms } from "../health/Alarms.ts"
import { Admission } from "../safety/Admission.ts"
import { ownWatcher } from "./OwnWatcher.ts"
import { lookForStuckTasks } from "./StuckTasks.ts"
import { lookForFailingTools } from "./FailingTools.ts"

export interface VigilTimes {
  /** A task that has written no checkpoint for so long is stuck, seconds. */
  readonly stuckAfter: number
  /** So long after a secret was found its alarm is over; it comes again where one is found again. Seconds. */
  readonly secretFor: number
}

const usual: VigilTimes = { stuckAfter: 15 * 60, secretFor: 86_400 }

export const vigil = Effect.fnUntraced(function*(times: Partial<VigilTimes> = {}) {
  const { secretFor, stuckAfter } = { ...usual, ...times }
  const admission = yield* Admission
  const alarms = yield* Alarms
  const sql = yield* SqlClient.SqlClient

  const endSecretAlarm = Effect.gen(function*() {
    const [row] = yield* sql<{ readonly over: boolean }>`
      select opened_at < clock_timestamp() - make_interval(secs => ${secretFor}) as over
      from alarms
      where dedupe_key = ${secretAlarm} and status <> 'resolved'`
    if (row?.over === true) yield* alarms.resolveKey(secretAlarm)
  })

  return ownWatcher({
    watcher_id: "system.vigil",
    intervalMs: 30_000,
    tick: () =>
      Effect.gen(function*() {
        // One that fails holds up none of the others.
        const exits = yield* Effect.forEach(
          [lookForStuckTasks(stuckAfter), lookForFailingTools, admission.relieve, endSecretAlarm],
          Effect.exit
        )
        const failed = exits.find((exit) => exit._tag === "Failure")
        if (failed !== undefined) return yield* Effect.failCause(failed.cause)
      }).pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.provideService(Alarms, alarms)
      )
  })
})

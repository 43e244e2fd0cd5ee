/**
 * Opens an alarm when a fact that was about to be written to the audit held a known secret. The row was written without it;
 * the alarm says where it stood, never what it was.
 */
import { Effect, Layer, Queue } from "effect"
import { Audit, type Found } from "../audit/Audit.ts"
import { Alarms } from "./Alarms.ts"

export const secretAlarm = "audit.secret"

/** While one is open, finding more is no news: nobody asks the database more often than this. */
const pause = "1 second"

export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const found = yield* Queue.dropping<Found>(1)
  yield* audit.onSecret((where) => {
    // Rows of alarms are left out: the alarm would tell of itself.
    if (!where.type.startsWith("alarm.")) Queue.offerUnsafe(found, where)
  })
  yield* Queue.take(found).pipe(
    Effect.flatMap(({ tool, trace_id, type }) =>
      alarms.open({
        type: secretAlarm,
        severity: "critical",
        dedupe_key: secretAlarm,
        message: `A secret was in what the audit was to be told of ${type}${
          tool === undefined ? "" : ` by ${tool}`
        }; it was taken out. Look in the trace at what handed it over, and change the secret where others could see it.`,
        trace_id
      })
    ),
    Effect.catch((error) => Effect.logWarning(`The alarm ${secretAlarm} could not be opened: ${error.message}`)),
    Effect.andThen(Effect.sleep(pause)),
    Effect.forever,
    Effect.forkScoped
  )
}))

/**
 * Opens an alarm when a known secret was in what the audit was to be told, or in what came back from a tool or a job, was to be
 * kept as an artifact, or was to be logged. It was taken out; the alarm says where it stood, never what it was.
 */
import { Effect, Layer, Queue } from "effect"
import { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { type Leak, Redactor } from "../secrets/Redactor.ts"
import { Alarms } from "./Alarms.ts"

export const secretAlarm = "audit.secret"

/** While one is open, finding more is no news: nobody asks the database more often than this. */
const pause = "1 second"

export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const redactor = yield* Redactor
  const found = yield* Queue.dropping<Leak>(1)
  yield* audit.onSecret(({ tool, trace_id, type }) => {
    // Rows of alarms are left out: the alarm would tell of itself.
    if (type.startsWith("alarm.")) return
    Queue.offerUnsafe(found, {
      where: `what the audit was to be told of ${type}${tool === undefined ? "" : ` by ${tool}`}`,
      trace_id
    })
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => redactor.onLeak((leak) => void Queue.offerUnsafe(found, leak))),
    (stop) => Effect.sync(stop)
  )
  yield* Queue.take(found).pipe(
    Effect.flatMap(({ trace_id = newId(), where }) =>
      alarms.open({
        type: secretAlarm,
        severity: "critical",
        dedupe_key: secretAlarm,
        message:
          `A secret was in ${where}; it was taken out. Look in the trace at what handed it over, and change the ` +
          "secret where others could see it.",
        trace_id
      })
    ),
    Effect.catch((error) => Effect.logWarning(`The alarm ${secretAlarm} could not be opened: ${error.message}`)),
    Effect.andThen(Effect.sleep(pause)),
    Effect.forever,
    Effect.forkScoped
  )
}))

/**
 * The events that the run of a job hands over: children of the event that led to it, stored at once. The same in a later attempt
 * is the same event.
 */
import { Clock, Effect, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Audit, tellAudit, toldLists } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Trust } from "../contract/Enums.ts"
import { keyRow } from "../database/EventStatements.ts"
import { madeEvent } from "../pipeline/MadeEvents.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { hashOf } from "../tools/InputHash.ts"
import { childrenTold, eventsEmitted } from "../tools/LedgerStatements.ts"
import type { HeldJob } from "./HeldJob.ts"

const statement = `
with ${eventsEmitted("$1", "$2", "true")},
  ${
  tellAudit(
    "$3",
    `case r.told_when when 'stored' then r.event_id in (select event_id from stored)
                      else r.event_id not in (select event_id from stored) end`
  )
}
select event_id from stored`

export const makeJobEvents = Effect.gen(function*() {
  const audit = yield* Audit
  const queue = yield* WorkQueue
  const redactor = yield* Redactor
  const registry = yield* Registry
  const { timezone } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const wake = yield* AuditWake

  /** `ordinal`: which of the run's equal events it is. */
  return Effect.fnUntraced(
    function*(job: HeldJob, given: Schema.Json, ordinal: number, trust: Trust) {
      const at = new Date(yield* Clock.currentTimeMillis)
      const refs = { event_id: job.event_id, job_id: job.job_id }
      const message_id = `job:${job.job_id}:${ordinal}:${hashOf(given).slice(0, 16)}`
      const raw: unknown = typeof given === "object" && given !== null && !Array.isArray(given)
        ? Object.assign({ message_id }, given)
        : given
      const made = yield* madeEvent(
        audit,
        {
          name: job.kind,
          at,
          rejected: { trace_id: job.trace_id, refs },
          storedRefs: { job_id: job.job_id },
          againRefs: refs,
          data: () => ({ parent_event_id: job.event_id })
        },
        redactor.watched(raw, redactor.redactJson(raw), () => ({
          where: `an event of the job ${job.kind}`,
          trace_id: job.trace_id
        })),
        { timezone, trustOf: registry.trustOf, parent: { ...job.event, trust } }
      )
      if ("rejected" in made) {
        yield* sql.unsafe(`with ${tellAudit("$1", "true")} select 1`, [toldLists([made.rejected])])
        yield* wake.wake
        return yield* Effect.fail(new ToolRefused(made.rejected.summary))
      }
      const { event } = made
      const rows = yield* sql.unsafe(statement, [
        JSON.stringify([event]),
        JSON.stringify(keyRow(made)),
        toldLists(childrenTold([made]))
      ])
      yield* wake.wake
      if (rows.length > 0) {
        queue.wake()
        return { event_id: event.event_id, trace_id: event.trace_id, deduped: false }
      }
      const [first] = yield* sql<{ readonly event_id: string; readonly trace_id: string }>`
        select event_id, trace_id from event_keys where dedupe_key = ${event.dedupe_key ?? ""}`
      return { event_id: first?.event_id ?? event.event_id, trace_id: first?.trace_id ?? event.trace_id, deduped: true }
    },
    Effect.provideService(SqlClient.SqlClient, sql)
  )
})

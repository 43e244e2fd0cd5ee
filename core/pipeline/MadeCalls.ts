/**
 * An event that was made for exactly one call of one tool (`PlannedAction`), stored with its work in one commit. From there
 * it is routed, gated, executed once and audited like everything else. For whoever is no rule and no schedule and wants one
 * tool called: a client of `/mcp`, a plugin with `ctx.call`, the API.
 *
 * The same `message_id` on the same channel is the same call: it is stored once, and whoever brings it again is led to the
 * first. With a `parent` it is a child of that event, in its trace.
 *
 * `make` answers once it is committed. How it ends: `Settlements.await` where the trace is its own; where the trace goes on
 * until then, as with a call on behalf of a call, its settlement and its row of the ledger (`core/workers/CalledTools.ts`).
 */
import { Clock, Context, Effect, Layer, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, Audit, tellAudit, toldLists } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { ActorType, Trust } from "../contract/Enums.ts"
import type { PlannedAction } from "../contract/Rows.ts"
import { keyRow } from "../database/EventStatements.ts"
import { newId } from "../database/Ids.ts"
import { Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { eventsEmitted } from "../tools/LedgerStatements.ts"
import { madeEvent } from "./MadeEvents.ts"
import type { NormaliseOptions } from "./Normaliser.ts"
import { type Accepted, EventNotAccepted, EventRejected } from "./Submission.ts"
import { WorkQueue } from "./WorkQueue.ts"

export interface CallToMake {
  readonly tool: string
  readonly input: Schema.Json
  /** Of the event, and its connector. */
  readonly channel: string
  readonly actor_type: ActorType
  readonly actor_id: string
  /** Of the event; with a parent it is the worse of both. */
  readonly trust: Trust
  /** Who makes it, as sentences of the audit begin: `A client of /mcp`. */
  readonly maker: string
  /** The same for the decision's notes, after "it was made by the": `call of a client of /mcp`. */
  readonly by: string
  /** The same one is the same call. Default: every call is a new one. */
  readonly message_id?: string | undefined
  readonly parent?: NormaliseOptions["parent"]
}

export class MadeCalls extends Context.Service<MadeCalls, {
  /**
   * Answers once it is committed. `conflict`: the message was used for another call, which is the one that is answered.
   * `EventRejected`: it can't be an event, which is written down.
   */
  readonly make: (call: CallToMake) => Effect.Effect<Accepted, EventRejected | EventNotAccepted>
}>()("syris/pipeline/MadeCalls") {
  static readonly layer = Layer.effect(MadeCalls, Effect.suspend(() => service))
}

const storeStatement = `
with ${eventsEmitted("$1", "$2", "true")},
  planned as (
    insert into planned_actions (event_id, action)
    select p.event_id, p.action from json_to_recordset($3::json) as p(event_id uuid, action jsonb)
    where p.event_id in (select event_id from stored)
  ),
  ${tellAudit("$4", "r.event_id in (select event_id from stored)")}
select event_id from stored`

interface FirstRow {
  readonly event_id: string
  readonly trace_id: string
  readonly body_hash: string
}

const service = Effect.gen(function*() {
  const audit = yield* Audit
  const queue = yield* WorkQueue
  const redactor = yield* Redactor
  const { timezone } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const wake = yield* AuditWake

  const make = Effect.fnUntraced(
    function*({ actor_id, actor_type, by, channel, input: given, maker, message_id, parent, tool, trust }: CallToMake) {
      const input = redactor.watched(given, redactor.redactJson(given), () => ({
        where: `the input of a call of ${tool}`,
        trace_id: parent?.trace_id
      }))
      const at = new Date(yield* Clock.currentTimeMillis)
      const message = message_id === undefined ? {} : { message_id }
      const child = parent === undefined ? {} : { parent_event_id: parent.event_id }
      const raw = { channel, connector_id: channel, actor_type, actor_id, structured: { tool, input }, ...message }
      const made = yield* madeEvent(
        audit,
        {
          name: maker,
          at,
          rejected: {
            trace_id: parent?.trace_id ?? newId(),
            actor: actor_id,
            ...(parent === undefined ? {} : { refs: { event_id: parent.event_id } })
          },
          againRefs: {},
          data: () => ({ connector_id: channel, tool, ...message, ...child })
        },
        raw,
        // Whatever a plugin says of a channel with this name.
        { timezone, trustOf: () => trust, ...(parent === undefined ? {} : { parent }) }
      )
      if ("rejected" in made) {
        yield* appendRows([made.rejected])
        yield* wake.wake
        const message = made.rejected.summary
        return yield* new EventRejected({ detail: { code: "event.invalid", message, retryable: false } })
      }
      const { event } = made
      const action: PlannedAction = { by, tool, input }
      const rows = yield* sql.unsafe(storeStatement, [
        JSON.stringify([event]),
        JSON.stringify(keyRow(made)),
        JSON.stringify([{ event_id: event.event_id, action }]),
        toldLists([{ ...made.row, event_id: event.event_id }])
      ])
      if (rows.length > 0) {
        queue.wake()
        yield* wake.wake
        return { event_id: event.event_id, trace_id: event.trace_id, deduped: false }
      }
      const [first] = yield* sql<FirstRow>`
        select event_id, trace_id, body_hash from event_keys where dedupe_key = ${event.dedupe_key ?? ""}`
      if (first === undefined) return yield* Effect.die(new Error("An event without a key was not stored."))
      const { body_hash, event_id, trace_id } = first
      const conflict = body_hash !== made.body_hash
      yield* appendRows([{
        ...made.again,
        trace_id,
        refs: { event_id },
        data: { ...made.again.data, body_differs: conflict }
      }])
      yield* wake.wake
      return { event_id, trace_id, deduped: true, ...(conflict ? { conflict } : {}) }
    },
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.catchTag("SqlError", (cause) => Effect.fail(new EventNotAccepted({ cause }))),
    Effect.uninterruptible
  )
  return MadeCalls.of({ make })
})

/**
 * One call of one tool, as a client of `/mcp` asks for it: an event on the channel `mcp` that was made for exactly that
 * call (`PlannedAction`), stored with its work in one commit. From there it is routed, gated, executed once and audited
 * like everything else; the channel is untrusted, whatever token the client has.
 *
 * The same key of a client is the same call: it is stored once, and whoever brings it again is led to the first.
 */
import { Clock, Context, Effect, Layer, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, Audit, tellAudit, toldLists } from "../../audit/Audit.ts"
import { AuditWake } from "../../audit/AuditWake.ts"
import type { PlannedAction } from "../../contract/Rows.ts"
import { keyRow } from "../../database/EventStatements.ts"
import { newId } from "../../database/Ids.ts"
import { madeEvent } from "../../pipeline/MadeEvents.ts"
import { type Accepted, EventNotAccepted } from "../../pipeline/Submission.ts"
import { WorkQueue } from "../../pipeline/WorkQueue.ts"
import { Settings } from "../../plugin/Settings.ts"
import { eventsEmitted } from "../../tools/LedgerStatements.ts"

/** The channel of all that clients of `/mcp` bring, and its connector. */
export const servedChannel = "mcp"

/** Who asks: a name that the client gave itself, behind a prefix that nobody else's has. */
export const actorOf = (client: string | undefined): string =>
  `mcp:${client === undefined || client === "" ? "unnamed" : client}`.slice(0, 100).toWellFormed()

export interface AskedCall {
  readonly tool: string
  readonly input: Schema.Json
  readonly actor_id: string
  /** The client's own name for this call. */
  readonly key?: string | undefined
}

export class AskedCalls extends Context.Service<AskedCalls, {
  /** Answers once it is committed. `conflict`: the key was used for another call, which is the one that is answered. */
  readonly ask: (call: AskedCall) => Effect.Effect<Accepted, EventNotAccepted>
}>()("syris/mcp/AskedCalls") {
  static readonly layer = Layer.effect(AskedCalls, Effect.suspend(() => make))
}

const askStatement = `
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

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const queue = yield* WorkQueue
  const { timezone } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const wake = yield* AuditWake

  const ask = Effect.fnUntraced(
    function*({ actor_id, input, key, tool }: AskedCall) {
      const at = new Date(yield* Clock.currentTimeMillis)
      const raw = {
        channel: servedChannel,
        connector_id: servedChannel,
        actor_type: "integration",
        actor_id,
        structured: { tool, input },
        ...(key === undefined ? {} : { message_id: `call:${key}` })
      }
      const maker = {
        name: "A client of /mcp",
        at,
        rejected: { trace_id: newId(), actor: actor_id },
        againRefs: {},
        data: () => ({
          connector_id: servedChannel,
          tool,
          ...(key === undefined ? {} : { message_id: raw.message_id })
        })
      }
      // Whatever a plugin says of a channel with this name: what comes here is from outside.
      const made = yield* madeEvent(audit, maker, raw, { timezone, trustOf: () => "untrusted" })
      if ("rejected" in made) {
        yield* appendRows([made.rejected])
        return yield* new EventNotAccepted({ cause: new Error(made.rejected.summary) })
      }
      const { event } = made
      const action: PlannedAction = { by: "call of a client of /mcp", tool, input }
      const rows = yield* sql.unsafe(askStatement, [
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
  return AskedCalls.of({ ask })
})

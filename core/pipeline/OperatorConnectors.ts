/**
 * Where this host asks its operator for approvals, besides the chat: its channels with `operator` and `send`. The database
 * knows them for as long as the host lives, so the question is owed in the transaction that stores its approval, whoever does
 * that (migrations/0011). `Replies.ts` brings it.
 */
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import type { EventRow } from "../contract/Rows.ts"
import { HostLease } from "../health/HostLease.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import type { Question } from "../safety/ApprovalQuestion.ts"
import { integrationOf } from "../tools/CodeAnswers.ts"

/** A question that is owed on a connector. */
export interface Asks extends Question {
  readonly approval_id: string
  readonly channel: string
  readonly connector_id: string
  readonly addressed: string
  /** It was decided, or its time is over: nobody needs to be asked any more. */
  readonly over: boolean
}

/** `Asks` as jsonb over `r` (replies); null where it is the answer to an event. */
export const asksOf: string = `
  (select jsonb_build_object(
            'approval_id', a.approval_id, 'number', a.number, 'tool', a.tool, 'what', a.what, 'preview', a.preview,
            'why', a.why, 'risk', a.risk, 'autonomy', a.autonomy, 'expires_at', a.expires_at at time zone 'UTC',
            'over', a.status <> 'pending' or a.expires_at <= clock_timestamp(),
            'channel', r.channel, 'connector_id', r.connector_id, 'addressed', r.addressed)
   from approvals a where a.approval_id = r.approval_id)`

/** The event that is to be approved, as if it had come from where the operator is asked: nothing of that is held. */
export const askedFrom = (event: EventRow, { channel, connector_id }: Asks): EventRow => ({
  ...event,
  channel,
  connector_id,
  actor_id: "operator",
  trust: "operator"
})

/** What was asked while nobody could be told where, such as in the moment of a start, is owed so soon. */
const lookAgain = "30 seconds"

export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const { hostId } = yield* HostLease
  const registry = yield* Registry
  const { mcp } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const own = registry.channels().flatMap(({ channel, connector_id }) => {
    const tool = registry.sendOf({ channel: channel.name, connector_id })
    return channel.operator === undefined || tool === undefined ? [] : [{
      host_id: hostId,
      connector_id,
      channel: channel.name,
      integration_id: integrationOf(connector_id, mcp),
      tool: tool.definition.name,
      addressed: channel.operator.to
    }]
  })
  yield* sql`
    delete from operator_connectors c
    where not exists (select 1 from hosts h where h.host_id = c.host_id and h.ended_at is null)`
  if (own.length === 0) return
  yield* sql`
    insert into operator_connectors (host_id, connector_id, channel, integration_id, tool, addressed)
    select host_id, connector_id, channel, integration_id, tool, addressed
    from json_populate_recordset(null::operator_connectors, ${JSON.stringify(own)}::json)
    on conflict do nothing`
  const owe = sql`select owe_questions()`
  yield* owe
  yield* Effect.ignore(owe).pipe(Effect.schedule(Schedule.spaced(lookAgain)), Effect.forkScoped)
}))

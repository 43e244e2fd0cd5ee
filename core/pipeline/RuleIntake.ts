/**
 * The rules that an event is for, as a row of `work` of their own, in the commit that stores what was decided of the event:
 * so they are fired once, over crashes too, whatever becomes of the event itself. A host that has room for it stores that row as
 * its own, and hands it over after the commit.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { EventRow, OwedRules } from "../contract/Rows.ts"
import { newId } from "../database/Ids.ts"
import type { WorkQueue } from "./WorkQueue.ts"
import { mayHold } from "./WorkStatements.ts"

/** CTEs `rules_owed` and `rules_queued`, for the events of the CTE `stored`; `host`: this one. */
export const oweRules = (parameter: string, host: string): string => `
  rules_owed as (
    insert into rule_work (work_id, event_id, rules)
    select x.work_id, x.event_id, x.rules
    from json_to_recordset(${parameter}::json) as x(work_id uuid, event_id uuid, rules jsonb)
    where x.event_id in (select event_id from stored)
    returning work_id, event_id
  ),
  rules_queued as (
    insert into work (work_id, kind, event_id, trace_id, fence, claimed_by)
    select o.work_id, 'rule', o.event_id, s.trace_id, nextval('fence_seq'),
           case when x.claim and ${mayHold(host)} then ${host} end
    from rules_owed o
         join stored s on s.event_id = o.event_id
         join json_to_recordset(${parameter}::json) as x(work_id uuid, claim boolean) on x.work_id = o.work_id
    returning work_id, event_id, fence, claimed_by
  )`

/** Columns of a statement with `oweRules`, over `rules`: those that this host holds. */
export const heldRules = "rules.work_id as rules_id, rules.fence as rules_fence"

export const joinRules = "left join rules_queued rules on rules.event_id = s.event_id and rules.claimed_by is not null"

export interface HeldRules {
  readonly rules_id?: string | null
  readonly rules_fence?: bigint | null
}

/** Those of events that this host stored in a statement whose answer it never heard. */
export const ownRules = Effect.fnUntraced(function*(event_ids: ReadonlyArray<string>, hostId: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<HeldRules & { readonly event_id: string }>`
    select w.event_id, w.work_id as rules_id, w.fence as rules_fence
    from work w
    where w.claimed_by = ${hostId}::uuid and w.kind = 'rule' and w.event_id = any(${event_ids}::uuid[])`
})

/** After the commit: to whoever fires them; what this host does not hold anybody may take. */
export const handRules = (
  queue: WorkQueue["Service"],
  { event_id, trace_id }: Pick<EventRow, "event_id" | "trace_id">,
  { rules_fence, rules_id }: HeldRules
): Effect.Effect<void> =>
  typeof rules_id !== "string"
    ? Effect.sync(queue.wake)
    : queue.hand([{
      work_id: rules_id,
      kind: "rule",
      event_id,
      trace_id,
      fence: Number(rules_fence),
      tries: 0,
      checkpoint: 0,
      wish: null
    }])

/** The parameter of `oweRules`. */
export const owedRules = (
  intents: ReadonlyArray<
    { readonly event: EventRow; readonly rules?: OwedRules | undefined; readonly claimRules?: boolean }
  >
): string => {
  const owed = intents.flatMap(({ claimRules = false, event, rules = [] }) =>
    rules.length === 0 ? [] : [{ work_id: newId(), event_id: event.event_id, rules, claim: claimRules }]
  )
  return owed.length === 0 ? "[]" : JSON.stringify(owed)
}

/**
 * The rules that an event is for, as a row of `work` of their own, in the commit that stores what was decided of the event:
 * so they are fired once, over crashes too, whatever becomes of the event itself.
 */
import type { EventRow, OwedRules } from "../contract/Rows.ts"
import { newId } from "../database/Ids.ts"

/** CTEs `rules_owed` and `rules_queued`, for the events of the CTE `stored`. */
export const oweRules = (parameter: string): string => `
  rules_owed as (
    insert into rule_work (work_id, event_id, rules)
    select x.work_id, x.event_id, x.rules
    from json_to_recordset(${parameter}::json) as x(work_id uuid, event_id uuid, rules jsonb)
    where x.event_id in (select event_id from stored)
    returning work_id, event_id
  ),
  rules_queued as (
    insert into work (work_id, kind, event_id, trace_id, fence)
    select o.work_id, 'rule', o.event_id, s.trace_id, nextval('fence_seq')
    from rules_owed o join stored s on s.event_id = o.event_id
  )`

/** The parameter of `oweRules`. */
export const owedRules = (
  intents: ReadonlyArray<{ readonly event: EventRow; readonly rules?: OwedRules | undefined }>
): string => {
  const owed = intents.flatMap(({ event, rules = [] }) =>
    rules.length === 0 ? [] : [{ work_id: newId(), event_id: event.event_id, rules }]
  )
  return owed.length === 0 ? "[]" : JSON.stringify(owed)
}

/**
 * What must be true of schedules after a storm: each slot from the first to the last look is one row, each that was fired is one
 * event, and the audit says the same.
 */
import type { Eyes } from "./Databases.ts"
import { makeFindings } from "./Reckoning.ts"

export interface ReckonedSchedules {
  readonly slots: number
  readonly fired: number
  readonly skipped: number
  readonly missed: number
  readonly broken: ReadonlyArray<string>
}

/** Of schedules of type `interval`, whose spec is a whole number of seconds (`PT1S`). */
export const reckonSchedules = async (eyes: Eyes): Promise<ReckonedSchedules> => {
  const { broken, say } = makeFindings()
  say(
    "slots that have no row",
    await eyes.query(`
      select s.name, n.slot
      from schedules s
           cross join lateral generate_series(
             s.anchor, s.next_run_at - interval '1 millisecond', s.spec::interval) n(slot)
           left join occurrences o on o.schedule_id = s.schedule_id and o.slot = n.slot
      where o.slot is null and n.slot > s.anchor
      limit 20`)
  )
  say(
    "rows that are no slot",
    await eyes.query(`
      select o.schedule_id, o.slot
      from occurrences o join schedules s using (schedule_id)
      -- While one is held, those after it have their rows already. What it was before a change had other slots.
      where (o.slot >= s.next_run_at and not s.held and o.revision = s.revision)
         or o.revision = s.revision and mod((extract(epoch from o.slot - s.anchor) * 1000)::bigint, (extract(epoch from s.spec::interval) * 1000)::bigint) <> 0
      limit 20`)
  )
  // Of what is no more nobody knows the spec: its rows come at one distance, up to the moment of the word.
  say(
    "slots that a change or a deletion lost",
    await eyes.query(`
      with kept as (
        select o.schedule_id, o.revision, o.slot,
               lead(o.slot) over (partition by o.schedule_id, o.revision order by o.slot) - o.slot as gap
        from occurrences o),
      spans as (
        select k.schedule_id, k.revision, min(k.gap) as step, max(k.gap) as longest, max(k.slot) as last
        from kept k group by 1, 2),
      words as (
        select (a.refs->>'schedule_id')::uuid as schedule_id, a.timestamp as at,
               case when a.type = 'operator.schedule_changed' then (a.data->>'revision')::int - 1
                    else (select max(p.revision) from spans p where p.schedule_id = (a.refs->>'schedule_id')::uuid) end as revision
        from audit_events a
        where a.type = 'operator.schedule_deleted'
           or (a.type = 'operator.schedule_changed' and a.data->'changed' ? 'spec'))
      select p.schedule_id, p.revision, p.step::text, p.longest::text, p.last, w.at
      from words w join spans p using (schedule_id, revision)
      -- Hosts tell the time of a word by their own clock.
      where p.longest > p.step or p.last + p.step < w.at - interval '1 second'
      limit 20`)
  )
  say(
    "slots that were fired without their event",
    await eyes.query(`
      select o.schedule_id, o.slot
      from occurrences o left join events e using (event_id)
      where o.status = 'fired' and (e.event_id is null or e.trace_id <> o.trace_id)
      limit 20`)
  )
  say(
    "events of schedules that are of no slot, or of one twice",
    await eyes.query(`
      select e.event_id, e.actor_id, e.occurred_at
      from events e left join occurrences o on o.event_id = e.event_id and o.slot = e.occurred_at
      where e.actor_id like 'schedule:%' and o.event_id is null
      limit 20`)
  )
  say(
    "slots with several events",
    await eyes.query(`
      select actor_id, occurred_at, count(*)::int as n
      from events where actor_id like 'schedule:%' group by 1, 2 having count(*) > 1
      limit 20`)
  )
  say(
    "slots that the audit does not tell once",
    await eyes.query(`
      with told as (
        select (a.refs->>'schedule_id')::uuid as schedule_id, (a.data->>'slot')::timestamptz as slot,
               replace(a.type, 'schedule.', '') as status
        from audit_events a where a.stage = 'scheduler'
      )
      select coalesce(o.schedule_id, t.schedule_id) as schedule_id, coalesce(o.slot, t.slot) as slot, o.status,
             count(t.slot)::int as told
      from occurrences o full join told t using (schedule_id, slot, status)
      group by 1, 2, 3 having count(t.slot) <> 1 or count(o.slot) <> 1
      limit 20`)
  )
  say(
    "events that are neither settled nor owed",
    await eyes.query(`
      select e.event_id
      from events e left join settlements s using (event_id) left join work w on w.work_id = e.event_id
      where s.event_id is null and w.work_id is null
      limit 20`)
  )
  const [row] = await eyes.query<Omit<ReckonedSchedules, "broken">>(`
    select count(*)::int as slots, count(*) filter (where status = 'fired')::int as fired,
           count(*) filter (where status = 'skipped')::int as skipped,
           count(*) filter (where status = 'missed')::int as missed
    from occurrences`)
  return { slots: 0, fired: 0, skipped: 0, missed: 0, ...row, broken: broken() }
}

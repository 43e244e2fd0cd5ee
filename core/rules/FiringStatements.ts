/**
 * The statements of firing rules: what is locked before it is decided, and the one statement that writes what was decided.
 * Both are of one transaction, whose rows of `work` are held under their fences; rows are locked in the order of their keys.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { tellAudit, type Told, toldLists } from "../audit/Audit.ts"
import type { EventRow, OwedRules, PlannedAction } from "../contract/Rows.ts"
import { keyRow } from "../database/EventStatements.ts"
import { present } from "../audit/Page.ts"
import { eventsEmitted } from "../tools/LedgerStatements.ts"
import type { MadeEvent } from "../pipeline/MadeEvents.ts"
import { mayHold } from "../pipeline/WorkStatements.ts"
import { type Memory, nothingSeen, type RuleStateRow } from "./Firing.ts"

export interface RuleJob {
  readonly work_id: string
  /** In which order events came. */
  readonly seq: number
  /** Since when it is owed; of a hold, when it began. */
  readonly at: Date
  readonly event: EventRow
  readonly rules: OwedRules
}

export interface Claim {
  readonly work_id: string
  readonly fence: number
}

/**
 * What is to be done for claimed rows, in the order in which their events came, what has been held last: an event that ends a hold
 * goes before it. Only those that are still held.
 */
export const lockJobs = Effect.fnUntraced(function*(claims: ReadonlyArray<Claim>, hostId: string) {
  const sql = yield* SqlClient.SqlClient
  // What is owed changes with its row of `work` only, so it is read where that is locked.
  const held = yield* sql<
    & { readonly work_id: string }
    & (
      | { readonly seq: null }
      | Omit<RuleJob, "seq"> & { readonly seq: bigint; readonly held: boolean }
    )
  >`
    select w.work_id, r.seq, r.at, r.rules, r.held, to_jsonb(e) as event
    from work w
         join json_to_recordset(${JSON.stringify(claims)}::json) as c(work_id uuid, fence bigint)
           on c.work_id = w.work_id and c.fence = w.fence
         left join (rule_work r join events e on e.event_id = r.event_id) on r.work_id = w.work_id
    where w.claimed_by = ${hostId}::uuid
    order by w.work_id
    for update of w`
  const empty = held.flatMap(({ seq, work_id }) => seq === null ? [work_id] : [])
  // Nothing is to be done for it any more.
  if (empty.length > 0) yield* sql`delete from work where work_id = any(${empty}::uuid[])`
  return held
    .flatMap((row) => row.seq === null ? [] : [{ ...row, seq: Number(row.seq), event: present(row.event) }])
    .sort((one, other) => Number(one.held) - Number(other.held) || one.seq - other.seq)
})

/** Of rules whose holds are due, since when they still have to look at an event: one that came before may end the hold. */
export const stillToLook = Effect.fnUntraced(function*(rule_ids: ReadonlyArray<string>, jobs: ReadonlyArray<string>) {
  if (rule_ids.length === 0) return new Map<string, Date>()
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly rule_id: string; readonly since: Date }>`
    select x.rule ->> 'rule_id' as rule_id, min(r.at) as since
    from rule_work r cross join lateral jsonb_array_elements(r.rules) x(rule)
    where not r.held and r.work_id <> all(${jobs}::uuid[]) and x.rule ->> 'rule_id' = any(${rule_ids}::text[])
    group by 1`
  return new Map(rows.map(({ rule_id, since }) => [rule_id, since]))
})

/** How many events the traces of these events have, as far as rules ask. */
export const countTraces = Effect.fnUntraced(function*(trace_ids: ReadonlyArray<string>, most: number) {
  if (trace_ids.length === 0) return new Map<string, number>()
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly trace_id: string; readonly n: number }>`
    select t.trace_id, (select count(*)::int
                        from (select 1 from events e where e.trace_id = t.trace_id limit ${most}) x) as n
    from unnest(${trace_ids}::uuid[]) t(trace_id)`
  return new Map(rows.map(({ n, trace_id }) => [trace_id, n]))
})

/** Locks the states of rules, making those that are not there. `exists`: it is one of the API, and still there. */
export const lockStates = Effect.fnUntraced(
  function*(rules: ReadonlyArray<{ readonly rule_id: string; readonly api: boolean }>) {
    const sql = yield* SqlClient.SqlClient
    const ids = rules.map(({ rule_id }) => rule_id).toSorted()
    const rows = yield* sql<{
      readonly rule_id: string
      readonly enabled: boolean | null
      readonly last_fired_at: Date | null
      readonly now: Date
    }>`
    insert into rule_states as s (rule_id)
    select rule_id from unnest(${ids}::text[]) rule_id order by rule_id
    on conflict (rule_id) do update set rule_id = excluded.rule_id
    returning s.rule_id, s.enabled, s.last_fired_at, clock_timestamp() as now`
    const ofApi = rules.filter(({ api }) => api).map(({ rule_id }) => rule_id)
    const there = ofApi.length === 0 ? [] : yield* sql<{ readonly rule_id: string; readonly enabled: boolean }>`
    select rule_id, coalesce((definition->>'enabled')::boolean, true) as enabled
    from rules where rule_id = any(${ofApi}::text[])`
    const stored = new Map(there.map(({ enabled, rule_id }) => [rule_id, enabled]))
    const states = new Map(rows.map(({ enabled, last_fired_at, rule_id }): [string, RuleStateRow] => [rule_id, {
      // One of the API that is gone does nothing any more.
      enabled: ofApi.includes(rule_id)
        ? stored.has(rule_id) && (enabled ?? stored.get(rule_id) ?? true)
        : enabled ?? true,
      lastFiredAt: last_fired_at ?? undefined,
      hits: 0,
      suppressed: 0
    }]))
    const now = rows.reduce((latest, row) => row.now > latest ? row.now : latest, new Date(0))
    return { states, now }
  }
)

export interface MarkRow {
  readonly rule_id: string
  readonly key: string
}

/** Locks what was fired for keys. One that was never fired has a time long ago. */
export const lockMarks = Effect.fnUntraced(function*(marks: ReadonlyArray<MarkRow>) {
  if (marks.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  return yield* sql<MarkRow & { readonly fired_at: Date }>`
    insert into rule_marks as m (rule_id, key, fired_at)
    select distinct x.rule_id, x.key, 'epoch'::timestamptz
    from json_to_recordset(${JSON.stringify(marks)}::json) as x(rule_id text, key text)
    order by x.rule_id, x.key
    on conflict (rule_id, key) do update set key = excluded.key
    returning m.rule_id, m.key, m.fired_at`
})

export interface MemoryKey {
  readonly rule_id: string
  readonly thing: string
}

/** Locks what rules remember of things; what another version of a rule has seen counts as nothing. */
export const lockMemories = Effect.fnUntraced(function*(
  keys: ReadonlyArray<MemoryKey & { readonly basis: string }>
) {
  if (keys.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<
    MemoryKey & {
      readonly basis: string
      readonly seq: bigint
      readonly seen: unknown
      readonly hold_id: string | null
    }
  >`
    insert into rule_memory as m (rule_id, thing)
    select distinct x.rule_id, x.thing
    from json_to_recordset(${JSON.stringify(keys)}::json) as x(rule_id text, thing text)
    order by x.rule_id, x.thing
    on conflict (rule_id, thing) do update set thing = excluded.thing
    returning m.rule_id, m.thing, m.basis, m.seq, m.seen, m.hold_id`
  const wanted = new Map(keys.map(({ basis, rule_id, thing }) => [JSON.stringify([rule_id, thing]), basis]))
  return rows.map(({ basis, hold_id, rule_id, seen, seq, thing }): Remembered => {
    const now = wanted.get(JSON.stringify([rule_id, thing])) ?? basis
    return {
      rule_id,
      thing,
      basis: now,
      memory: now === basis
        ? { seq: Number(seq), seen, hold_id: hold_id ?? undefined }
        : nothingSeen()
    }
  })
})

export interface Remembered extends MemoryKey {
  readonly basis: string
  readonly memory: Memory
}

/** A child event, and what it is for. */
export interface Child extends Pick<MadeEvent, "event" | "body_hash"> {
  readonly plan?: PlannedAction | undefined
}

export interface Hold {
  readonly work_id: string
  readonly event_id: string
  readonly trace_id: string
  readonly rules: OwedRules
  readonly wait_ms: number
}

export interface Decided {
  readonly jobs: ReadonlyArray<string>
  /** Of them, those that are to be looked at once more, a moment later. */
  readonly postponed: ReadonlyArray<string>
  readonly children: ReadonlyArray<Child>
  readonly states: ReadonlyMap<string, RuleStateRow>
  readonly marks: ReadonlyArray<MarkRow & { readonly fired_at: Date }>
  readonly memories: ReadonlyArray<Remembered>
  readonly holds: ReadonlyArray<Hold>
  /** Holds whose condition does not hold any more. */
  readonly ended: ReadonlyArray<string>
  /** Told when `stored` or `duplicate`, of a child; or always. */
  readonly rows: ReadonlyArray<Told>
}

/** Before work that can't be decided yet is looked at again, milliseconds. */
const againMs = 250

const writeStatement = `
with ${eventsEmitted("$1", "$2", "true", `case when $11::boolean and ${mayHold("$12::uuid")} then $12::uuid end`)},
  planned as (
    insert into planned_actions (event_id, action)
    select p.event_id, p.action from json_to_recordset($3::json) as p(event_id uuid, action jsonb)
    where p.event_id in (select event_id from stored)
  ),
  counted as (
    update rule_states s
    set hit_count        = s.hit_count + x.hits,
        suppressed_count = s.suppressed_count + x.suppressed,
        last_fired_at    = coalesce(x.last_fired_at, s.last_fired_at)
    from json_to_recordset($4::json) as x(rule_id text, hits int, suppressed int, last_fired_at timestamptz)
    where s.rule_id = x.rule_id
  ),
  marked as (
    update rule_marks m
    set fired_at = x.fired_at
    from json_to_recordset($5::json) as x(rule_id text, key text, fired_at timestamptz)
    where m.rule_id = x.rule_id and m.key = x.key
  ),
  remembered as (
    update rule_memory m
    set basis = x.basis, seq = x.seq, seen = x.seen, hold_id = x.hold_id, touched_at = clock_timestamp()
    from json_to_recordset($6::json) as x(rule_id text, thing text, basis text, seq bigint, seen jsonb, hold_id uuid)
    where m.rule_id = x.rule_id and m.thing = x.thing
  ),
  holding as (
    insert into rule_work (work_id, event_id, held, rules)
    select h.work_id, h.event_id, true, h.rules
    from json_to_recordset($7::json) as h(work_id uuid, event_id uuid, rules jsonb)
  ),
  waiting as (
    insert into work (work_id, kind, event_id, trace_id, fence, due_at, waits_for)
    select h.work_id, 'rule', h.event_id, h.trace_id, nextval('fence_seq'),
           clock_timestamp() + make_interval(secs => h.wait_ms / 1000), 'time'
    from json_to_recordset($7::json) as h(work_id uuid, event_id uuid, trace_id uuid, wait_ms float8)
  ),
  closed as (
    delete from work where work_id = any ($8::uuid[])
  ),
  again as (
    update work
    set claimed_by = null, waits_for = 'time', tries = tries + 1, due_at = clock_timestamp() + interval '${againMs} milliseconds'
    where work_id = any ($10::uuid[])
  ),
  done as (
    delete from rule_work where work_id = any ($8::uuid[])
  ),
  ${tellAudit("$9", "r.told_when is null or (r.told_when = 'stored') = (r.event_id in (select event_id from stored))")}
select event_id, fence, claimed_by is not null as claimed from emitted`

/** A child that is there now, and whether this host holds it. */
export interface Emitted {
  readonly event_id: string
  readonly fence: bigint
  readonly claimed: boolean
}

/** Those that this host holds of children that it wrote without hearing whether they are there. */
export const ownChildren = Effect.fnUntraced(function*(children: ReadonlyArray<Child>, hostId: string) {
  const ids = children.map(({ event }) => event.event_id)
  if (ids.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Emitted>`
    select work_id as event_id, fence, true as claimed from work
    where work_id = any(${ids}::uuid[]) and claimed_by = ${hostId}::uuid and tool_call_id is null`
})

/** Writes it all; answers the children that are there now. `claim`: this host means to take them up. */
export const writeDecided = Effect.fnUntraced(function*(decided: Decided, claim: boolean, hostId: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.unsafe<Emitted>(writeStatement, [
    JSON.stringify(decided.children.map(({ event }) => event)),
    JSON.stringify(decided.children.flatMap(keyRow)),
    JSON.stringify(
      decided.children.flatMap(({ event, plan }) =>
        plan === undefined ? [] : [{ event_id: event.event_id, action: plan }]
      )
    ),
    JSON.stringify(Array.from(decided.states, ([rule_id, { hits, lastFiredAt, suppressed }]) => ({
      rule_id,
      hits,
      suppressed,
      last_fired_at: hits > 0 ? lastFiredAt : undefined
    }))),
    JSON.stringify(decided.marks),
    JSON.stringify(decided.memories.map(({ basis, memory: { hold_id, seen, seq }, rule_id, thing }) => ({
      rule_id,
      thing,
      basis,
      seq,
      seen: seen ?? {},
      hold_id
    }))),
    JSON.stringify(decided.holds),
    [...decided.jobs.filter((id) => !decided.postponed.includes(id)), ...decided.ended],
    toldLists(decided.rows),
    // One statement changes a row once.
    decided.postponed.filter((id) => !decided.ended.includes(id)),
    claim,
    hostId
  ])
})

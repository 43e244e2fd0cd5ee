/**
 * What must be true after a storm: the ledger of the host against the ledgers outside.
 */
import { assert } from "vitest"
import type { Eyes } from "./Databases.ts"
import type { Acknowledged } from "./Load.ts"
import type { Remote } from "./Remote.ts"
import { type Kind, kinds } from "./StormPlugin.ts"
import { until } from "./Until.ts"

/** Waits until nothing is owed: each event that is not settled waits for a person. The bound is for one step ahead. */
export const quiet = async (eyes: Eyes, boundMs = 90_000): Promise<void> => {
  let least = Infinity
  while (least > 0) {
    least = await until("less that is owed", async () => {
      const [row] = await eyes.query<{ n: number }>("select count(*)::int as n from work where not parked")
      const owed = row?.n ?? Infinity
      if (owed < least) return { owed }
      const [rows, tasks] = [await eyes.query(owedRows), await eyes.query(owedTasks)]
      throw new Error(`Still owed: ${JSON.stringify(rows)} ${JSON.stringify(tasks)}`)
    }, boundMs).then(({ owed }) => owed)
  }
}

const owedRows = `
  select i.kind, t.status as task, i.waits_for, i.wish, c.tool, c.status, c.attempts, c.open_attempts, i.tries,
         i.claimed_by is not null as held, h.ended_at is null as live,
         count(*)::int as n, min(i.due_at - clock_timestamp())::text as due_in, min(i.work_id::text) as one
  from work i
       left join tasks t on t.task_id = i.work_id
       left join tool_calls c on c.tool_call_id = i.tool_call_id
       left join hosts h on h.host_id = i.claimed_by
  where not i.parked
  group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 order by 12 desc limit 12`

const owedTasks = `
  select t.task_id, t.kind, t.status, w.checkpoint, w.fence::text,
         (select array_agg(concat_ws(' ', s.position, s.kind, s.tool, s.status, 'attempt ' || s.attempt, c.status) order by s.position)
          from steps s left join tool_calls c on c.tool_call_id = s.tool_call_id
          where s.task_id = t.task_id) as steps,
         (select array_agg(concat_ws(' ', a.type, a.refs->>'step_id') order by a.seq)
          from audit_events a where a.trace_id = t.trace_id and a.type like 'task.%') as told
  from work w join tasks t on t.task_id = w.work_id
  where not w.parked
  order by w.work_id
  limit 6`

export interface Reckoned {
  readonly settled: number
  readonly unknown: Readonly<Record<string, number>>
  readonly failed: Readonly<Record<string, number>>
  readonly duplicates: number
  readonly attempts: number
}

const transactional: ReadonlySet<Kind> = new Set(["insert", "schedule"])

interface CallRow {
  /** Of what it does outside. */
  readonly id: string
  readonly tool_call_id: string
  readonly task_id: string | null
  readonly tool: string
  readonly status: "planned" | "attempted" | "succeeded" | "failed" | "unknown" | "canceled"
  readonly attempts: number
  readonly error: { readonly code: string } | null
  /** What the audit says of it, by type. */
  readonly told: Readonly<Record<string, number>>
}

/** How often the audit says that it has ended; of a step's call that is tried again, each refusal is told, too. */
const isTold = ({ status, task_id, told }: CallRow): boolean => {
  const { canceled = 0, failed = 0, reconciled = 0, succeeded = 0 } = told
  const refused = task_id === null ? failed === 0 : true
  switch (status) {
    case "succeeded":
      return succeeded + reconciled === 1 && canceled === 0 && refused
    case "failed":
      return succeeded + canceled === 0 && (reconciled === 1 ? refused : task_id === null ? failed === 1 : failed > 0)
    case "canceled":
      return canceled === 1 && succeeded + failed + reconciled === 0
    default:
      return succeeded + canceled + reconciled === 0 && refused
  }
}

/** What was found broken, in sentences. */
export interface Findings {
  readonly say: (what: string, rows: ReadonlyArray<unknown>) => void
  readonly broken: () => ReadonlyArray<string>
}

export const makeFindings = (): Findings => {
  const found = new Map<string, Array<unknown>>()
  return {
    broken: () => [...found].map(([what, rows]) => `${rows.length} × ${what}: ${JSON.stringify(rows.slice(0, 3))}`),
    say: (what, rows) => {
      if (rows.length > 0) found.set(what, [...found.get(what) ?? [], ...rows])
    }
  }
}

/** Compares; every promise that was broken is named. */
export const reckon = async (
  eyes: Eyes,
  remote: Remote | undefined,
  acknowledged: ReadonlyArray<Acknowledged<string>>,
  { broken, say } = makeFindings()
): Promise<Reckoned> => {
  const calls = await eyes.query<CallRow>(
    `select c.input->>'id' as id, c.tool_call_id, c.task_id, c.tool, c.status, c.attempts, c.error,
            coalesce((select jsonb_object_agg(x.type, x.n) from (
              select case when a.type like 'gate.%' then 'canceled' else split_part(a.type, '.', 2) end as type,
                     count(*) as n
              from audit_events a
              where a.trace_id = c.trace_id and a.refs->>'tool_call_id' = c.tool_call_id::text
                and (a.type like 'tool_call.%' or a.type like 'gate.%')
                -- To be asked about, approved or repeated is no end.
                and a.type not in ('gate.required', 'gate.approved')
                and not (a.type = 'tool_call.reconciled' and a.data->>'outcome' is not distinct from 'retry')
              group by 1) x), '{}') as told
     from tool_calls c
     where c.tool like 'storm.%'`
  )
  const counted = async (text: string) =>
    new Map((await eyes.query<{ id: string; n: number }>(text)).map((row) => [row.id, row.n]))
  const inserted = await counted("select id, count(*)::int as n from outside_ledger group by id")
  const scheduled = await counted("select name as id, count(*)::int as n from schedules group by name")
  const done = (kind: Kind, id: string): number =>
    kind === "insert" ? inserted.get(id) ?? 0 : kind === "schedule" ? scheduled.get(id) ?? 0 : remote?.effects(id) ?? 0
  const kindOf = (tool: string) => kinds.find((kind) => tool === `storm.${kind}`)

  // Each thing done at most once, and the ledger tells what was done.
  let duplicates = 0
  const unknown: Record<string, number> = {}
  const failed: Record<string, number> = {}
  for (const call of calls) {
    const kind = kindOf(call.tool)
    if (call.status === "planned" || call.status === "attempted") {
      say(
        "a call that nobody ended",
        await eyes.query(
          `select c.tool_call_id, c.status, s.status as step, t.status as task,
                  (select array_agg(concat_ws(' ', a.type, a.refs->>'step_id') order by a.seq) from audit_events a
                   where a.trace_id = c.trace_id) as told
           from tool_calls c left join steps s on s.step_id = c.step_id left join tasks t on t.task_id = c.task_id
           where c.tool_call_id = $1`,
          [call.tool_call_id]
        )
      )
    }
    if (kind === undefined) continue
    if (call.status === "failed") {
      failed[`${kind} ${call.error?.code}`] = (failed[`${kind} ${call.error?.code}`] ?? 0) + 1
    }
    if (call.status === "failed" && call.error?.code === "tool.interrupted" && call.attempts < 5) {
      say("a call that was given up before its host had ended five times under it", [call])
    }
    if (call.status === "unknown") unknown[kind] = (unknown[kind] ?? 0) + 1
    // A call under which its host ended five times is left to a person.
    if (call.status === "unknown" && transactional.has(kind) && (call.attempts < 5 || done(kind, call.id) > 0)) {
      say("a transactional call that is unknown", [call])
    }
  }
  // A step that a person had done anew has several calls.
  for (const [id, own] of Map.groupBy(calls, (call) => call.id)) {
    const kind = kindOf(own[0]?.tool ?? "")
    if (kind === undefined) continue
    const times = done(kind, id)
    const succeeded = own.filter(({ status }) => status === "succeeded").length
    const open = own.filter(({ status }) => status === "unknown").length
    if (times > 1) {
      duplicates += times - 1
      say(`${kind} done ${times} times`, own)
    }
    if (times < succeeded) say(`${kind} recorded succeeded, done ${times} times`, own)
    if (times > succeeded + open) say(`${kind} recorded ${own.map((call) => call.status).join()}, and done`, own)
  }
  // What was done outside belongs to a call.
  const called = new Set(calls.map((call) => call.id))
  const outside = remote?.known().filter((id) => remote.effects(id) > 0) ?? []
  say(
    "things done outside without a call",
    [...inserted.keys(), ...scheduled.keys(), ...outside].filter((id) => !called.has(id))
  )

  // Each acknowledged event is there under its ids, and settled.
  const settlements = new Map(
    (await eyes.query<{ event_id: string; id: string; outcome: string }>(
      `select e.event_id, coalesce(e.message_id, t.name) as id,
              coalesce(s.outcome, case when i.parked then 'unknown' end) as outcome
       from events e
            left join settlements s on s.event_id = e.event_id
            left join work i on i.work_id = e.event_id
            left join tasks t on t.trigger_event_id = e.event_id`
    )).map((row) => [row.event_id, row])
  )
  say("acknowledged and not there", acknowledged.filter((one) => settlements.get(one.event_id)?.id !== one.id))
  const open = acknowledged.filter((one) => (settlements.get(one.event_id)?.outcome ?? null) === null)
  say("acknowledged and not settled", open)
  say(
    "one message, several events",
    await eyes.query(
      "select message_id, count(*)::int as n from events where message_id is not null group by 1 having count(*) > 1"
    )
  )
  say(
    "settled and still owed",
    await eyes.query(
      // What was asked about first has waited, and is unknown.
      "select i.event_id from work i join settlements s on s.event_id = i.work_id and s.outcome <> 'waiting'"
    )
  )

  // The audit is whole.
  say("attempts that the audit does not tell", calls.filter((call) => (call.told["attempted"] ?? 0) !== call.attempts))
  say("calls whose end the audit does not tell once", calls.filter((call) => !isTold(call)))
  say(
    "events whose arrival the audit does not tell once",
    await eyes.query(
      `select e.event_id, count(a.audit_id)::int as told
     from events e left join audit_events a on a.type = 'event.ingested' and a.trace_id = e.trace_id
                                            and a.refs->>'event_id' = e.event_id::text
     group by 1 having count(a.audit_id) <> 1`
    )
  )
  assert.deepEqual(broken(), [], "what the storm broke")
  return {
    settled: acknowledged.length - open.length,
    unknown,
    failed,
    duplicates,
    attempts: calls.reduce((sum, call) => sum + call.attempts, 0)
  }
}

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
      const [row] = await eyes.query<{ n: number }>("select count(*)::int as n from inbox where not parked")
      const owed = row?.n ?? Infinity
      if (owed < least) return { owed }
      throw new Error(`Still owed: ${JSON.stringify(await eyes.query(owedRows))}`)
    }, boundMs).then(({ owed }) => owed)
  }
}

const owedRows = `
  select c.tool, c.status, c.attempts, c.open_attempts, i.tries, h.ended_at is null as live,
         count(*)::int as n, min(i.due_at - clock_timestamp())::text as due_in
  from inbox i left join tool_calls c on c.tool_call_id = i.tool_call_id left join hosts h on h.host_id = i.claimed_by
  where not i.parked
  group by 1, 2, 3, 4, 5, 6 order by 7 desc limit 12`

export interface Reckoned {
  readonly settled: number
  readonly unknown: Readonly<Record<string, number>>
  readonly failed: Readonly<Record<string, number>>
  readonly duplicates: number
  readonly attempts: number
}

const transactional: ReadonlySet<Kind> = new Set(["insert", "schedule"])

interface CallRow {
  readonly event_id: string
  readonly message_id: string
  readonly tool: string
  readonly status: string
  readonly attempts: number
  readonly error: { readonly code: string } | null
}

/** Compares; every promise that was broken is named. */
export const reckon = async (
  eyes: Eyes,
  remote: Remote | undefined,
  acknowledged: ReadonlyArray<Acknowledged>
): Promise<Reckoned> => {
  const broken: Array<string> = []
  const say = (what: string, rows: ReadonlyArray<unknown>) => {
    if (rows.length > 0) broken.push(`${rows.length} × ${what}: ${JSON.stringify(rows.slice(0, 3))}`)
  }
  const calls = await eyes.query<CallRow>(
    `select c.event_id, e.message_id, c.tool, c.status, c.attempts, c.error
     from tool_calls c join events e on e.event_id = c.event_id`
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
    if (kind === undefined) continue
    const times = done(kind, call.message_id)
    if (times > 1) {
      duplicates += times - 1
      say(`${kind} done ${times} times`, [call])
    }
    if (call.status === "succeeded" && times !== 1) say(`${kind} recorded succeeded, done ${times} times`, [call])
    if ((call.status === "failed" || call.status === "canceled") && times !== 0) {
      say(`${kind} recorded ${call.status}, and done`, [call])
    }
    if (call.status === "failed") {
      failed[`${kind} ${call.error?.code}`] = (failed[`${kind} ${call.error?.code}`] ?? 0) + 1
    }
    if (call.status === "unknown") unknown[kind] = (unknown[kind] ?? 0) + 1
    if (call.status === "planned" || call.status === "attempted") say("a call that nobody ended", [call])
    // A call under which its host ended five times is left to a person.
    if (call.status === "unknown" && transactional.has(kind) && (call.attempts < 5 || times > 0)) {
      say("a transactional call that is unknown", [call])
    }
  }
  // What was done outside belongs to a call.
  const called = new Set(calls.map((call) => call.message_id))
  say("rows outside without a call", [...inserted.keys(), ...scheduled.keys()].filter((id) => !called.has(id)))

  // Each acknowledged event is there under its ids, and settled.
  const settlements = new Map(
    (await eyes.query<{ event_id: string; message_id: string; outcome: string }>(
      `select e.event_id, e.message_id, coalesce(s.outcome, case when i.parked then 'unknown' end) as outcome
       from events e left join settlements s on s.event_id = e.event_id left join inbox i on i.event_id = e.event_id`
    )).map((row) => [row.event_id, row])
  )
  say("acknowledged and not there", acknowledged.filter((one) => settlements.get(one.event_id)?.message_id !== one.id))
  const open = acknowledged.filter((one) => (settlements.get(one.event_id)?.outcome ?? null) === null)
  say("acknowledged and not settled", open)
  say(
    "one message, several events",
    await eyes.query(
      "select message_id, count(*)::int as n from events where message_id is not null group by 1 having count(*) > 1"
    )
  )
  say(
    "settled and still in the inbox",
    await eyes.query(
      "select i.event_id from inbox i join settlements s on s.event_id = i.event_id"
    )
  )

  // The audit is whole.
  say(
    "attempts that the audit does not tell",
    await eyes.query(
      `select c.tool_call_id, c.tool, c.status, c.attempts, count(a.audit_id)::int as told
     from tool_calls c left join audit_events a on a.type = 'tool_call.attempted' and a.trace_id = c.trace_id
                                                and a.refs->>'tool_call_id' = c.tool_call_id::text
     group by 1, 2, 3, 4 having count(a.audit_id) <> c.attempts`
    )
  )
  say(
    "calls whose end the audit does not tell once",
    await eyes.query(
      `select c.tool_call_id, c.tool, c.status, array_agg(a.type) as told
     from tool_calls c left join audit_events a on a.trace_id = c.trace_id
          and a.refs->>'tool_call_id' = c.tool_call_id::text
          and (a.type in ('tool_call.succeeded', 'tool_call.failed', 'tool_call.reconciled', 'tool_call.canceled')
               or a.type like 'gate.%')
     where c.status in ('succeeded', 'failed', 'canceled')
     group by 1, 2, 3 having count(a.audit_id) <> 1`
    )
  )
  say(
    "calls that are not ended, and an audit that says so",
    await eyes.query(
      `select c.tool_call_id, c.tool, c.status, a.type
     from tool_calls c join audit_events a on a.trace_id = c.trace_id and a.refs->>'tool_call_id' = c.tool_call_id::text
     where c.status not in ('succeeded', 'failed', 'canceled') and a.type in ('tool_call.succeeded', 'tool_call.failed', 'tool_call.reconciled')`
    )
  )
  say(
    "events whose arrival the audit does not tell once",
    await eyes.query(
      `select e.event_id, count(a.audit_id)::int as told
     from events e left join audit_events a on a.type = 'event.ingested' and a.trace_id = e.trace_id
                                            and a.refs->>'event_id' = e.event_id::text
     group by 1 having count(a.audit_id) <> 1`
    )
  )
  assert.deepEqual(broken, [], "what the storm broke")
  return {
    settled: acknowledged.length - open.length,
    unknown,
    failed,
    duplicates,
    attempts: calls.reduce((sum, call) => sum + call.attempts, 0)
  }
}

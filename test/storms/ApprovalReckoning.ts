/**
 * What must be true of approvals after a storm: by the ledgers outside, the tables, the audit, and what each person was
 * answered. Besides what is true of every call (`Reckoning.ts`).
 */
import { assert } from "vitest"
import type { Eyes } from "./Databases.ts"
import { makeFindings } from "./Reckoning.ts"
import type { Remote } from "./Remote.ts"

export type Verb = "approve" | "deny" | "edit"

/** What a person was answered; 0 where there was no answer. */
export interface Said {
  readonly approval_id: string
  readonly verb: Verb
  readonly status: number
}

export interface ApprovalsReckoned {
  readonly approvals: Readonly<Record<string, number>>
  readonly effects: number
  /** Words that got no answer. */
  readonly in_doubt: number
}

interface Found {
  readonly approval_id: string
  readonly status: string
  readonly decided: boolean
  readonly tool: string
  readonly call_tool: string | null
  readonly id: string
  readonly call: string | null
  readonly attempts: number
  readonly error: { readonly code: string } | null
  readonly task: string | null
  readonly told: Readonly<Record<string, number>>
}

const outcomes: Readonly<Record<Verb, (status: string, told: Found["told"]) => boolean>> = {
  approve: (_, told) => told["gate.approved"] === 1,
  deny: (status) => status === "denied",
  edit: (status) => status === "superseded"
}

/** How often a thing was done outside. */
const outside = async (eyes: Eyes, remote: Remote) => {
  const counted = async (text: string) =>
    new Map((await eyes.query<{ id: string; n: number }>(text)).map((row) => [row.id, row.n]))
  const inserted = await counted("select id, count(*)::int as n from outside_ledger group by id")
  const scheduled = await counted("select name as id, count(*)::int as n from schedules group by name")
  return (tool: string, id: string): number =>
    tool === "storm.insert"
      ? inserted.get(id) ?? 0
      : tool === "storm.schedule"
      ? scheduled.get(id) ?? 0
      : remote.effects(id)
}

/** Compares; every promise that was broken is named. */
export const reckonApprovals = async (
  eyes: Eyes,
  remote: Remote,
  said: ReadonlyArray<Said>
): Promise<ApprovalsReckoned> => {
  const { broken, say } = makeFindings()
  const done = await outside(eyes, remote)
  const found = await eyes.query<Found>(
    `select a.approval_id, a.status, a.decided_at is not null as decided, a.tool, c.tool as call_tool, a.what->>'id' as id,
            c.status as call, coalesce(c.attempts, 0) as attempts, c.error, t.status as task,
            coalesce((select jsonb_object_agg(x.type, x.n) from (
              select e.type, count(*) as n from audit_events e
              where e.trace_id = a.trace_id and e.refs->>'approval_id' = a.approval_id::text
              group by 1) x), '{}') as told
     from approvals a
          left join tool_calls c on c.tool_call_id = a.tool_call_id
          left join tasks t on t.task_id = a.task_id`
  )
  const words = Map.groupBy(said, (one) => one.approval_id)
  for (const one of found) {
    const own = words.get(one.approval_id) ?? []
    const won = own.filter(({ status }) => status === 200 || status === 201)
    const doubtful = own.filter(({ status }) => status === 0 || status === 503)
    const times = done(one.tool, one.id)
    const { attempts, status, told } = one
    // One word of several.
    if (won.length > 1) say("several words were heard", [{ ...one, won }])
    if (won.some(({ verb }) => !outcomes[verb](status, told))) {
      say("a word that was heard, and is not so", [{ ...one, won }])
    }
    if (one.decided && won.length === 0 && doubtful.length === 0) say("decided, and by nobody", [one])
    // Nothing without a yes.
    if (won.some(({ verb }) => verb === "deny") && times > 0) say("done after a no", [one])
    if (won.some(({ verb }) => verb === "edit") && times > 0) say("done though it was edited", [one])
    if (status !== "consumed" && (times > 0 || attempts > 0)) say(`${status}, and done or begun`, [{ ...one, times }])
    if (told["gate.approved"] === undefined && (times > 0 || attempts > 0)) {
      say("done, and nobody said yes", [{ ...one, times }])
    }
    if (times > 1) say(`done ${times} times`, [one])
    // One use, and it is used where it was begun.
    if (status === "consumed" && attempts === 0) say("used, and never begun", [one])
    // What was approved and can be promised was done.
    const promised = one.tool !== "storm.plain" &&
      !["tool.interrupted", "tool.timeout"].includes(one.error?.code ?? "") && one.task !== "canceled"
    if (status === "consumed" && promised && (times !== 1 || one.call !== "succeeded")) {
      say("approved, and not done", [one])
    }
    // An end, and the audit tells it.
    if (status === "pending" || status === "approved") say("it has no end", [one])
    const expected = {
      "gate.required": 1,
      "gate.approved": Number(
        status === "consumed" || (one.decided && ["approved", "expired", "revoked"].includes(status))
      ),
      "gate.denied": Number(status === "denied"),
      // Of a canceled task it is told as that.
      "gate.expired": Number(status === "expired" && one.task !== "canceled")
    }
    for (const [type, n] of Object.entries(expected)) {
      if ((told[type] ?? 0) !== n && !(type === "gate.expired" && one.task === "canceled")) {
        say(`${status}, and ${type} is told ${told[type] ?? 0} times`, [one])
      }
    }
  }
  say(
    "calls that began without an approval",
    await eyes.query(
      `select c.tool_call_id, c.tool, c.status from tool_calls c
       where c.tool like 'storm.%' and c.effect <> 'read' and c.attempts > 0
         and not exists (select 1 from approvals a where a.tool_call_id = c.tool_call_id and a.status = 'consumed')`
    )
  )
  say(
    "steps whose end the audit does not tell once",
    await eyes.query(
      `select s.step_id, s.status, t.status as task, x.told
       from steps s
            join tasks t on t.task_id = s.task_id
            cross join lateral (
              select coalesce(array_agg(e.type), '{}') as told from audit_events e
              where e.trace_id = t.trace_id and e.refs->>'step_id' = s.step_id::text
                and e.type in ('task.step_failed', 'task.step_succeeded')) x
       where x.told <> case when s.status in ('failed', 'succeeded') then array['task.step_' || s.status] else '{}' end`
    )
  )
  say(
    "work that waits for nothing",
    await eyes.query(
      `select w.work_id, w.kind, w.waits_for, w.parked, w.tool from work w
       where w.waits_for = 'approval' or not exists (
         select 1 from tool_calls c where c.trace_id = w.trace_id and c.status = 'unknown')`
    )
  )
  assert.deepEqual(broken(), [], "what the storm of approvals broke")
  const approvals: Record<string, number> = {}
  for (const { status } of found) approvals[status] = (approvals[status] ?? 0) + 1
  return {
    approvals,
    effects: found.reduce((sum, { id, tool }) => sum + done(tool, id), 0),
    in_doubt: said.filter(({ status }) => status === 0 || status === 503).length
  }
}

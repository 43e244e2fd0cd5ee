/**
 * One trace as a tree of entries: what both views of it are drawn from. Pure.
 *
 * - every event, decision, call, question to a model, approval, task, step, job and reply is in it exactly once;
 * - rows of the audit are in it where they say what the records do not (gates, suppressions, …);
 * - a record whose parent is missing stands at the root.
 */
import type { CompletionRecord, Trace } from "syris/records"
import {
  type Entry,
  type Making,
  ofApproval,
  ofCall,
  ofDecision,
  ofEvent,
  ofJob,
  ofQuestion,
  ofReply,
  ofRow,
  ofStep,
  ofTask
} from "./entry.ts"

/** Rows that say nothing which the records do not say. */
const told =
  /^(event\.ingested|routing\.|tool_call\.(attempted|succeeded|failed|unknown|canceled)$|response\.sent|task\.(created|started|step_started|step_succeeded|step_failed|succeeded|failed|canceled)$|worker\.job_(queued|started|progress|succeeded|failed|canceled|timed_out)$)/

const byTime = (all: ReadonlyArray<Making>): ReadonlyArray<Entry> =>
  all
    .toSorted((a, b) => (Number.isNaN(a.from) ? Infinity : a.from) - (Number.isNaN(b.from) ? Infinity : b.from) || 0)
    .map((one) => ({ ...one, children: byTime(one.children) }))

/** The roots of the tree. `questions` are those of `GET /llm/context`. */
export const entriesOf = (
  trace: Trace,
  questions: ReadonlyArray<CompletionRecord> = []
): ReadonlyArray<Entry> => {
  const roots: Array<Making> = []
  const known = new Map<string, Making>()
  const put = (parent: Making | undefined, child: Making): void => void (parent?.children ?? roots).push(child)
  const keep = (made: Making): Making => {
    known.set(made.id, made)
    return made
  }
  const under = (ids: {
    readonly step_id?: string
    readonly task_id?: string
    readonly event_id?: string
  }): Making | undefined =>
    known.get(`step:${ids.step_id}`) ?? known.get(`task:${ids.task_id}`) ?? known.get(`event:${ids.event_id}`)

  for (const event of trace.events) keep(ofEvent(event))
  for (const { correlation, event_id } of trace.events) {
    const made = known.get(`event:${event_id}`)
    const parent = known.get(`event:${correlation.parent_event_id}`)
    if (made !== undefined) put(parent === made ? undefined : parent, made)
  }
  for (const decision of trace.decisions) put(under({ event_id: decision.event_id }), ofDecision(decision))
  for (const task of trace.tasks) {
    const made = keep(ofTask(task))
    put(under({ event_id: task.trigger_event_id }), made)
    for (const step of task.steps) put(made, keep(ofStep(step)))
  }
  const rowsOf = Map.groupBy(trace.audit, ({ refs }) => refs.tool_call_id)
  for (const call of trace.tool_calls) put(under(call), keep(ofCall(call, rowsOf.get(call.tool_call_id) ?? [])))
  for (const question of questions) put(under(question), ofQuestion(question))
  for (const approval of trace.approvals) {
    put(known.get(`call:${approval.tool_call_id}`) ?? under(approval), keep(ofApproval(approval)))
  }
  for (const job of trace.jobs) put(known.get(`call:${job.tool_call_id}`) ?? under(job), keep(ofJob(job)))
  trace.replies.forEach((reply, index) => put(under({ event_id: reply.event_id }), ofReply(reply, index)))
  for (const row of trace.audit) {
    const { approval_id, job_id, tool_call_id } = row.refs
    if (told.test(row.type) && !(trace.replies.length === 0 && row.type === "response.sent")) continue
    if (row.type === "gate.required" && known.has(`approval:${approval_id}`)) continue
    if (row.type === "llm.called" && questions.length > 0) continue
    put(known.get(`job:${job_id}`) ?? known.get(`call:${tool_call_id}`) ?? under(row.refs), ofRow(row))
  }
  return byTime(roots)
}

export interface Placed {
  readonly entry: Entry
  readonly depth: number
}

/** From top to bottom, as both views show it. */
export const flat = (entries: ReadonlyArray<Entry>, depth = 0): ReadonlyArray<Placed> =>
  entries.flatMap((one) => [{ entry: one, depth }, ...flat(one.children, depth + 1)])

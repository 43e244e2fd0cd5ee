/**
 * An event routed again, and the call that it leads to in the fast lane judged again: as it came, as the operator edited it,
 * and when it was approved.
 */
import { Effect } from "effect"
import type { Autonomy } from "../contract/Enums.ts"
import type { EventRow, OwedRules } from "../contract/Rows.ts"
import { digest } from "../database/Ids.ts"
import { Preparation } from "../pipeline/Preparation.ts"
import { answerTool } from "../tasks/TaskAnswer.ts"
import type { CreatedTask } from "../tasks/TaskRows.ts"
import type { Plan } from "../tools/ToolCallPlan.ts"
import type { Replayed } from "./Compare.ts"
import { approvalOf, callsOfEvent, duplicateSaying, namesOf, rowsOfEvent, stepSaying } from "./Recorded.ts"
import { readTask } from "./RecordedTask.ts"
import type { CallRecord } from "./Records.ts"
import { afterApproval, afterEdit } from "./ReplayedApproval.ts"
import { sayCall, type Told } from "./Sayings.ts"
import { Scene } from "./Scene.ts"
import { standing } from "./StillClock.ts"

export interface ReplayedEvent {
  readonly decided: ReadonlyArray<Replayed>
  readonly owed: OwedRules
  readonly task: CreatedTask | undefined
}

/** The call of the fast lane, from its first verdict to its last. */
const replayCall = Effect.fnUntraced(function*(event: EventRow, plan: Plan, facts: ReadonlyArray<Told>) {
  const scene = yield* Scene
  const records = scene.records()
  const { event_id } = event
  const about = namesOf(records).event(event_id)
  const rows = rowsOfEvent(records, event_id)
  const calls = callsOfEvent(records, event_id)
  const [first] = calls
  const { tool } = plan.row
  const out: Array<Replayed> = []
  const mayRun = plan.refused === undefined && plan.approval === undefined
  const held = rows.find(({ refs, type }) =>
    (type === "gate.antiflap_block" || type === "gate.storm_block") && refs.tool_call_id === first?.tool_call_id
  )
  if (mayRun && held !== undefined && plan.guarded !== undefined) {
    // What counts across hosts is on record where it held something back.
    out.push({ about, says: { ...sayCall(held), tool, risk: plan.row.risk } })
    return out
  }
  for (const fact of facts) {
    const says = sayCall(fact)
    if (says !== undefined) out.push({ about, says })
  }
  if (first === undefined || plan.refused !== undefined) return out
  if (mayRun) {
    const ran = calls.some(({ status }) => status !== "planned" && status !== "canceled")
    if (first.tool !== tool || !ran) {
      const why = ran ? `${first.tool} was called` : "it was not called"
      out.push({ about, diverges: `What ${tool} would have answered is not on record: ${why}.` })
    }
    return out
  }
  if (!records.approvals.some((one) => one.tool_call_id === first.tool_call_id)) {
    out.push({ about, diverges: `What a person would have said to ${tool} is not on record: nobody was asked.` })
    return out
  }
  let call: CallRecord | undefined = first
  while (call !== undefined) {
    const { tool_call_id } = call
    const approval = approvalOf(records, tool_call_id)
    if (approval === undefined) break
    const next = records.approvals.find((one) => one.supersedes === approval.approval_id)
    if (next === undefined) {
      out.push(...(yield* afterApproval({ about, approval, call, event, rows })))
      break
    }
    out.push(...(yield* afterEdit({ about, approval: next, event, rows })))
    call = records.calls.find((one) => one.tool_call_id === next.tool_call_id)
  }
  return out
})

export const replayEvent = Effect.fnUntraced(function*(event: EventRow) {
  const preparation = yield* Preparation
  const scene = yield* Scene
  const records = scene.records()
  const { event_id } = event
  const names = namesOf(records)
  const about = names.event(event_id)
  const decision = records.decisions.get(event_id)
  const rows = rowsOfEvent(records, event_id)
  const calls = callsOfEvent(records, event_id)
  const task = records.tasks.find(({ trigger_event_id }) => trigger_event_id === event_id)
  const decided: Array<Replayed> = []

  const again = rows.filter(({ type }) => type === "event.deduped")
  // The same message has the same key; one that a channel made itself is taken as it is.
  const key = event.message_id === undefined
    ? event.dedupe_key
    : digest(event.channel, event.connector_id, event.message_id)
  if (key !== undefined && key === event.dedupe_key) {
    for (const _ of again) decided.push({ about: `${about}, again`, says: duplicateSaying })
  }

  const sayTask = ({ steps, task: made }: CreatedTask): void => {
    const { definition, input, kind, name, priority } = made
    decided.push({
      about: names.task(event_id),
      says: { decided: "task", kind, name, definition, input, priority, steps: steps.map(stepSaying) }
    })
  }

  if (decision === undefined) {
    if (task === undefined) return { decided, owed: [], task: undefined } satisfies ReplayedEvent
    // It was asked for as such: nothing was routed.
    scene.at(new Date(event.ingested_at), task.autonomy_at_start)
    const plan = yield* readTask(task, records.steps.filter(({ task_id }) => task_id === task.task_id))
    if (typeof plan === "string") {
      decided.push({ about: names.task(event_id), diverges: plan })
      return { decided, owed: [], task: undefined } satisfies ReplayedEvent
    }
    const { created } = preparation.prepareTask(event, "", plan)
    sayTask(created)
    return { decided, owed: [], task: created } satisfies ReplayedEvent
  }

  const [first] = calls
  const at = new Date(decision.decided_at)
  const level: Autonomy = first?.autonomy ?? task?.autonomy_at_start ?? scene.levelAt(at)
  scene.at(at, level)
  scene.asking = undefined
  scene.spent = decision.notes.find((note) => note.startsWith("llm: it is not asked: "))
  if (decision.tool === answerTool && decision.match.fastpath === undefined) {
    const input = decision.input as { readonly task_id: string; readonly step_id: string }
    const name = /^llm: it answers the question of (.*)$/s.exec(decision.notes.at(-1) ?? "")?.[1] ?? ""
    scene.asking = { ...input, name }
  }
  const prepared = yield* standing(
    preparation.prepare(event, "", { known: true, dry: true, planned: records.planned.get(event_id) }),
    at
  )
  scene.asking = undefined
  const { decision: made, task: created } = prepared.intent
  if (made !== undefined) {
    const { input, intent, lane, match, notes, required_scopes, risk, tool } = made
    const summary = prepared.facts.find(({ type }) => type.startsWith("routing."))?.summary
    decided.push({
      about,
      says: { decided: lane, match, intent, tool, input, required_scopes, risk, notes, summary }
    })
  }
  if (prepared.planned !== undefined) {
    decided.push(...(yield* replayCall(event, prepared.planned, prepared.facts as ReadonlyArray<Told>)))
  }
  if (created !== undefined) sayTask(created)
  return { decided, owed: prepared.intent.rules ?? [], task: created } satisfies ReplayedEvent
})

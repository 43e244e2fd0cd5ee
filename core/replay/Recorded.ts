/**
 * The decisions that are on record of a trace, thing by thing, each in the order in which they were made. Pure.
 */
import type { EventRow } from "../contract/Rows.ts"
import { decidedBy } from "../tasks/LlmSteps.ts"
import type { StepRow } from "../tasks/TaskRows.ts"
import { idempotencyKey } from "../tools/ToolCallPlan.ts"
import type { Decided } from "./Compare.ts"
import type { ApprovalRecord, AuditLine, CallRecord, Records } from "./Records.ts"
import { sayCall, sayStep } from "./Sayings.ts"

/** Names of the things of a trace, by the order in which its events came. */
export const namesOf = (records: Records) => {
  const numbers = new Map(records.events.map(({ event_id }, i) => [event_id, i + 1]))
  const event = (event_id: string): string => `event ${numbers.get(event_id) ?? "?"}`
  return {
    event,
    rules: (event_id: string): string => `${event(event_id)}, rules`,
    task: (event_id: string): string => `${event(event_id)}, task`,
    code: (event_id: string): string => `${event(event_id)}, code`,
    step: (event_id: string, position: number): string => `${event(event_id)}, step ${position + 1}`,
    way: (event_id: string, position: number): string => `${event(event_id)}, way of step ${position + 1}`
  }
}

/** What code has done at the same time comes in any order: there each step has its own. */
export const wayOf = (
  names: ReturnType<typeof namesOf>,
  event_id: string,
  kind: string,
  says: Readonly<Record<string, unknown>>
): string => {
  const { position } = says
  return kind === "code" && typeof position === "number" ? names.way(event_id, position) : names.task(event_id)
}

/** The rows about an event and none of its tasks. */
export const rowsOfEvent = (records: Records, event_id: string): ReadonlyArray<AuditLine> =>
  records.audit.filter(({ refs }) => refs.event_id === event_id && refs.task_id === undefined)

export const rowsOfTask = (records: Records, task_id: string): ReadonlyArray<AuditLine> =>
  records.audit.filter(({ refs }) => refs.task_id === task_id)

/** Calls of the fast lane: not those of a task, and not answers. */
export const callsOfEvent = (records: Records, event_id: string): ReadonlyArray<CallRecord> =>
  records.calls.filter((call) =>
    call.event_id === event_id && call.task_id === undefined &&
    call.idempotency_key === idempotencyKey(event_id, call.ordinal, call.tool)
  )

export const approvalOf = (records: Records, tool_call_id: string): ApprovalRecord | undefined =>
  records.approvals.find((one) => one.tool_call_id === tool_call_id)

/** What was said of calls before they ran: the first word of each, and what was refused later. */
const callWords = (rows: ReadonlyArray<AuditLine>) => {
  const begun = new Set<string>()
  return rows.flatMap((row) => {
    const { tool_call_id = "" } = row.refs
    if (row.type === "tool_call.attempted") {
      if (begun.has(tool_call_id)) return []
      begun.add(tool_call_id)
    }
    // How a call that was begun came out is no decision.
    if (row.type === "tool_call.failed" && (begun.has(tool_call_id) || row.data["attempt"] !== undefined)) return []
    const says = sayCall(row)
    return says === undefined ? [] : [{ row, says }]
  })
}

/** An event that something made, as whoever made it said it. */
export const madeSaying = (event: EventRow, planned: unknown) => ({
  channel: event.channel,
  connector_id: event.connector_id,
  thread_id: event.thread_id,
  actor: event.actor_id,
  text: event.text,
  structured: event.structured,
  links: event.links,
  trust: event.trust,
  depth: event.depth,
  ...(planned === undefined ? {} : { planned })
})

export const duplicateSaying = { decided: "duplicate" }

/** Steps that a list began with, and no model added. */
export const isGiven = ({ checkpoint }: StepRow): boolean =>
  (checkpoint as { readonly decided_by?: number } | undefined)?.decided_by === undefined

export const stepSaying = ({ input, kind, max_attempts, name, stage, tool }: Pick<
  StepRow,
  "input" | "kind" | "max_attempts" | "name" | "stage" | "tool"
>) => ({ name, kind, stage, tool, input, max_attempts })

/** After one of these a task is as the operator left it, and not as the host decided. */
export const operatorEnds: ReadonlySet<string> = new Set(["task.canceled", "task.retried"])

/** Until the operator ended it or had it done anew. */
export const untilOperator = (rows: ReadonlyArray<AuditLine>): ReadonlyArray<AuditLine> => {
  const end = rows.findIndex(({ type }) => operatorEnds.has(type))
  return end === -1 ? rows : rows.slice(0, end)
}

/**
 * Whether a decision that is told after a pause was made before the host heard of that: what it chose had begun. Reads do not
 * wait for their decision to be written (`UnwrittenDecision.ts`).
 */
export const begunUnheard = (
  rows: ReadonlyArray<AuditLine>,
  decided: AuditLine,
  steps: ReadonlyMap<number, StepRow>,
  position: number
): boolean => {
  const chosen = new Set([...steps.values()].flatMap((step) => decidedBy(step) === position ? [step.step_id] : []))
  const after = rows.slice(rows.indexOf(decided) + 1)
  const resumed = after.findIndex(({ type }) => type === "task.resumed")
  return after.slice(0, resumed === -1 ? undefined : resumed)
    .some(({ refs, type }) => type === "task.step_started" && chosen.has(refs.step_id ?? ""))
}

export const recordedDecisions = (records: Records): ReadonlyArray<Decided> => {
  const names = namesOf(records)
  return records.events.flatMap(({ event_id }): ReadonlyArray<Decided> => {
    const out: Array<Decided> = []
    const rows = rowsOfEvent(records, event_id)
    const decision = records.decisions.get(event_id)
    if (decision !== undefined) {
      const { input, intent, lane, match, notes, required_scopes, risk, tool } = decision
      const summary = rows.find(({ type }) => type.startsWith("routing."))?.summary
      out.push({
        about: names.event(event_id),
        says: { decided: lane, match, intent, tool, input, required_scopes, risk, notes, summary }
      })
    }
    const own = new Set(callsOfEvent(records, event_id).map(({ tool_call_id }) => tool_call_id))
    for (const { says } of callWords(rows.filter(({ refs }) => own.has(refs.tool_call_id ?? "")))) {
      out.push({ about: names.event(event_id), says })
    }
    for (const { type } of rows) {
      if (type === "event.deduped") out.push({ about: `${names.event(event_id)}, again`, says: duplicateSaying })
    }
    for (const { data, refs, type } of rows) {
      if (type === "rule.suppressed") {
        const says = { decided: type, rule_id: refs.rule_id, reason: data["reason"] }
        out.push({ about: names.rules(event_id), says })
      }
      if (type !== "rule.triggered") continue
      const children = (data["children"] ?? []) as ReadonlyArray<string>
      const made = children.map((id) => {
        const child = records.events.find((one) => one.event_id === id)
        return child === undefined ? {} : madeSaying(child, records.planned.get(id))
      })
      out.push({ about: names.rules(event_id), says: { decided: type, rule_id: refs.rule_id, made } })
    }
    for (const task of records.tasks.filter(({ trigger_event_id }) => trigger_event_id === event_id)) {
      const { definition, input, kind, name, priority, task_id } = task
      const steps = records.steps.filter((step) => step.task_id === task_id)
      const given = kind === "code" ? [] : steps.filter(isGiven)
      out.push({
        about: names.task(event_id),
        says: { decided: "task", kind, name, definition, input, priority, steps: given.map(stepSaying) }
      })
      if (kind === "code") {
        for (const { input, kind, name, position, tool } of steps) {
          out.push({ about: names.code(event_id), says: { decided: "ask", position, kind, name, tool, input } })
        }
      }
      const told = untilOperator(rowsOfTask(records, task_id))
      for (const row of told) {
        const says = sayStep(row)
        if (says !== undefined) out.push({ about: wayOf(names, event_id, kind, says), says })
      }
      const positions = new Map(steps.map(({ position, step_id }) => [step_id, position]))
      for (const { row, says } of callWords(told)) {
        const position = positions.get(row.refs.step_id ?? "")
        if (position !== undefined) out.push({ about: names.step(event_id, position), says })
      }
    }
    return out
  })
}

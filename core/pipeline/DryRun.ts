/**
 * What a trace would be. Everything is decided as if it were so: routing, input, gates, previews. Nothing is stored, and
 * nothing runs, so what lies behind the first call of a kind that can't be foreseen is said in `notes`.
 */
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Fact } from "../audit/Audit.ts"
import { auditTypes } from "../contract/AuditEvent.ts"
import type { EventRow } from "../contract/Rows.ts"
import { Registry } from "../plugin/Registry.ts"
import { toApproval } from "../safety/ApprovalLog.ts"
import type { ApprovalRow } from "../safety/ApprovalRows.ts"
import { worst } from "../safety/Provenance.ts"
import { Redactor } from "../secrets/Redactor.ts"
import type { CreatedTask } from "../tasks/TaskRows.ts"
import { chooserOf } from "../tasks/TaskTrust.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { Previews } from "../tools/Previews.ts"
import type { Plan } from "../tools/ToolCallPlan.ts"
import { toMessageEvent } from "./EventLog.ts"
import { Preparation, refusedFact, requiredFact } from "./Preparation.ts"
import type { DryRun } from "./Submission.ts"

const told = ({ data, risk, summary, tool, type }: Fact) => ({
  type,
  stage: auditTypes[type][0],
  outcome: auditTypes[type][1],
  summary,
  ...(tool === undefined ? {} : { tool }),
  ...(risk === undefined ? {} : { risk }),
  data: data ?? {}
})

export const makeDryRun = Effect.gen(function*() {
  const planner = yield* CallPlanner
  const preparation = yield* Preparation
  const previews = yield* Previews
  const redactor = yield* Redactor
  const registry = yield* Registry
  const sql = yield* SqlClient.SqlClient

  /** The event that the same message made already. */
  const firstOf = ({ dedupe_key }: EventRow) =>
    dedupe_key === undefined
      ? Effect.succeed(undefined)
      : Effect.map(
        sql<{ readonly event_id: string; readonly trace_id: string }>`
          select event_id, trace_id from event_keys where dedupe_key = ${dedupe_key}`,
        ([first]) => first
      )

  /** A call as the API shows it, with what its tool says that would happen. */
  const callOf = Effect.fnUntraced(function*(plan: Plan, event: EventRow) {
    const { deadline_ms: _, labels: __, needs_approval: ___, ...call } = plan.row
    const shown = plan.refused === undefined && plan.approval === undefined
      ? yield* previews.show({
        tool: plan.tool,
        input: plan.input,
        idempotency_key: call.idempotency_key,
        trace_id: event.trace_id,
        trust: event.trust
      })
      : {}
    const { note, text } = shown
    return {
      ...call,
      ...(text === undefined ? {} : { preview: text }),
      ...(note === undefined ? {} : { note }),
      fence: 0,
      attempts: 0
    }
  })

  const approvalOf = (asked: ApprovalRow, at: Date) => ({
    ...toApproval({
      ...asked,
      number: BigInt(asked.number),
      task_id: asked.task_id ?? null,
      step_id: asked.step_id ?? null,
      preview: asked.preview ?? null,
      status: "pending",
      created_at: at,
      expires_at: new Date(at.getTime() + asked.ttl_ms),
      supersedes: null,
      decided_by: null,
      decided_at: null,
      reason: null
    }, redactor),
    how_to_approve: "There is nothing to approve: it is a dry run."
  })

  /** What each step of a list would ask, in its order. */
  const stepsOf = Effect.fnUntraced(function*({ steps, task }: CreatedTask, event: EventRow, at: Date) {
    let { trust } = event
    const plans: Array<Plan> = []
    for (const step of steps) {
      const tool = step.kind === "tool" ? registry.tool(step.tool ?? "") : undefined
      if (tool === undefined) continue
      plans.push(
        yield* planner.plan({
          event,
          step: { task_id: task.task_id, step_id: step.step_id },
          ordinal: step.ordinal,
          tool,
          input: step.input,
          at,
          trust: worst(trust, chooserOf(task, tool, registry)),
          dry: true
        })
      )
      trust = worst(trust, tool.definition.trust === "untrusted" ? "untrusted" : "operator")
    }
    return plans
  })

  const of = Effect.fnUntraced(
    function*(event: EventRow, body_hash: string): Effect.fn.Return<DryRun, SqlError.SqlError> {
      const first = yield* firstOf(event)
      if (first !== undefined) {
        const fact: Fact = {
          type: "event.deduped",
          trace_id: first.trace_id,
          at: new Date(event.ingested_at),
          summary: "This message was processed already."
        }
        const none = { events: [], decisions: [], tool_calls: [], approvals: [], tasks: [], replies: [] }
        const notes = [`It is the same message as the event ${first.event_id}, and would do nothing.`]
        return { dry_run: true, deduped: true, ...first, ...none, audit: [told(fact)], notes }
      }
      const { facts, intent, planned } = yield* preparation.prepare(event, body_hash, { dry: true })
      const { decision, settlement, task } = intent
      const at = new Date(event.ingested_at)
      const steps = task === undefined ? [] : yield* stepsOf(task, event, at)
      const plans = [...(planned === undefined ? [] : [planned]), ...steps]
      const calls = yield* Effect.forEach(plans, (plan) => callOf(plan, event))
      const asked = steps.flatMap(({ approval }) => approval === undefined ? [] : [requiredFact(approval, at)])
      const refused = steps.flatMap((plan) =>
        plan.refused === undefined ? [] : [refusedFact(event, plan, plan.refused, at)]
      )
      const runs = plans.some((plan) => plan.refused === undefined)
      return {
        dry_run: true,
        events: [toMessageEvent(event)],
        decisions: decision === undefined ? [] : [redactor.redactJson(decision)],
        tool_calls: calls.map((call) => redactor.redactJson(call)),
        approvals: plans.flatMap(({ approval }) => approval === undefined ? [] : [approvalOf(approval, at)]),
        tasks: task === undefined ? [] : [redactor.redactJson({ ...task.task, steps: task.steps })],
        replies: settlement?.reply === undefined ? [] : [{
          event_id: event.event_id,
          channel: event.channel,
          text: redactor.redactText(
            intent.approval === undefined
              ? settlement.reply
              : `${intent.approval.tool} would need your yes. ${intent.approval.why}`
          ),
          at: settlement.settled_at
        }],
        audit: redactor.redactJson([...facts, ...asked, ...refused].map(told)),
        notes: [
          ...(runs ? ["What a call gives back, and the answer that follows from it, can't be foreseen."] : []),
          ...(intent.rules ?? []).map(({ definition: { name }, stateful }) =>
            stateful === true
              ? `The rule ${name} would look at it; whether it fires hangs on what it saw before.`
              : `The rule ${name} would fire, if it did not do so a moment ago.`
          ),
          ...(task !== undefined && task.task.kind !== "steps"
            ? ["Which calls this task makes is decided while it runs, and can't be foreseen."]
            : [])
        ]
      }
    }
  )
  return of
})

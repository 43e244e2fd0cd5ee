/**
 * From an event to what will be stored of it: where it goes, which call it leads to, whether that may run, and the audit
 * rows that tell it. Nothing is written and nothing runs here; a dry run ends here.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Audit, type Fact } from "../audit/Audit.ts"
import type { DecisionRow, EventRow, PlannedAction, SettlementRow } from "../contract/Rows.ts"
import { visible } from "../contract/Visible.ts"
import type { SqlError } from "effect/sql"
import { Registry } from "../plugin/Registry.ts"
import { askWords, type ApprovalRow } from "../safety/ApprovalRows.ts"
import { Control } from "../safety/Control.ts"
import { Gates } from "../safety/Gates.ts"
import { worst } from "../safety/Provenance.ts"
import { createdFact, startedFact, stepStartedFact } from "../tasks/TaskFacts.ts"
import type { NewTask } from "../tasks/TaskPlan.ts"
import { type CreatedTask, createdTask, firstSteps } from "../tasks/TaskRows.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import type { Plan, Refused } from "../tools/ToolCallPlan.ts"
import { attemptedFact } from "../tools/ToolExecutor.ts"
import type { Intent, Telling } from "./Intake.ts"
import type { Arrival } from "./Submission.ts"
import { answerBy, responseFact } from "./Responder.ts"
import { type Routed, Router } from "./Router.ts"

export interface Prepared {
  readonly intent: Omit<Intent, "attempt" | "claim">
  /** The call that may run, if there is one. */
  readonly plan: Plan | undefined
  /** The same, whether it may run or not. */
  readonly planned: Plan | undefined
  readonly facts: ReadonlyArray<Fact>
}

/** How an event is prepared. */
export interface PrepareOptions {
  /** The event is stored already, so its arrival has been told. */
  readonly known?: boolean
  /** Nothing will be stored. */
  readonly dry?: boolean
  /** What a rule or a schedule made the event for. */
  readonly planned?: PlannedAction | undefined
  /** What the channel said of it besides. */
  readonly arrival?: Arrival | undefined
}

const excerpt = (event: EventRow): string => {
  const text = event.text?.trim() ?? ""
  if (text === "") return `An event on ${event.channel}.`
  return `${event.channel}: ${text.length > 120 ? `${text.slice(0, 119)}…`.toWellFormed() : text}`
}

const ingested = (event: EventRow, at: Date, { doubt, raised }: Arrival = {}): Fact => ({
  type: "event.ingested",
  trace_id: event.trace_id,
  at,
  summary: excerpt(event),
  refs: { event_id: event.event_id },
  actor: event.actor_id,
  data: {
    channel: event.channel,
    connector_id: event.connector_id,
    trust: event.trust,
    ...(raised === undefined ? {} : { trust_because: visible(raised.because.slice(0, 300)) }),
    ...(doubt === undefined ? {} : { trust_doubt: visible(doubt.slice(0, 300)) }),
    ...(event.message_id === undefined ? {} : { message_id: event.message_id }),
    ...(event.parent_event_id === undefined ? {} : { parent_event_id: event.parent_event_id })
  }
})

const routedSentence = (routed: Routed): string =>
  routed.lane === "unhandled"
    ? "Nothing here understands this event."
    : routed.lane === "dropped"
    ? `It goes no further: ${routed.match.filter ?? "a rule claimed it"}.`
    : routed.say !== undefined
    ? "The operator is told."
    : routed.refused !== undefined
    ? `It can't be done: ${routed.refused}`.slice(0, 300)
    : routed.task !== undefined
    ? `Becomes the task ${routed.task.name} in the ${routed.lane} lane.`
    : `Goes to ${routed.chosen?.tool.definition.name ?? routed.lane} in the ${routed.lane} lane.`

const routedFact = (event: EventRow, routed: Routed, at: Date): Fact => ({
  type: routed.lane === "unhandled"
    ? "routing.unhandled"
    : routed.lane === "dropped"
    ? "routing.dropped"
    : "routing.decided",
  trace_id: event.trace_id,
  at,
  summary: routedSentence(routed),
  refs: { event_id: event.event_id },
  tool: routed.chosen?.tool.definition.name,
  data: {
    lane: routed.lane,
    ...(routed.intent === undefined ? {} : { intent: routed.intent.name }),
    notes: routed.notes
  }
})

/** A call that does not run. */
export const refusedFact = (event: EventRow, plan: Plan, refused: Refused, at: Date): Fact => ({
  type: refused.type,
  trace_id: event.trace_id,
  at,
  summary: refused.error.message.slice(0, 300),
  refs: { event_id: event.event_id, tool_call_id: plan.row.tool_call_id },
  tool: plan.row.tool,
  risk: plan.row.risk,
  autonomy: plan.row.autonomy,
  data: {
    reasons: refused.reasons,
    error: refused.error,
    ...(refused.verdict === undefined ? {} : { verdict: refused.verdict }),
    ...(refused.preview === undefined ? {} : { preview: refused.preview })
  }
})

/** A person is asked. */
export const requiredFact = (approval: ApprovalRow, at: Date): Fact => ({
  type: "gate.required",
  trace_id: approval.trace_id,
  at,
  summary: `${approval.tool} waits for your yes: ${approval.reasons.join("; ")}`.slice(0, 300),
  refs: {
    event_id: approval.event_id,
    ...(approval.task_id === undefined ? {} : { task_id: approval.task_id }),
    ...(approval.step_id === undefined ? {} : { step_id: approval.step_id }),
    tool_call_id: approval.tool_call_id,
    approval_id: approval.approval_id
  },
  tool: approval.tool,
  risk: approval.risk,
  autonomy: approval.autonomy,
  data: {
    verdict: "CONFIRM",
    reasons: approval.reasons,
    number: approval.number,
    what_hash: approval.what_hash,
    ...(approval.preview === undefined ? {} : { preview: approval.preview })
  }
})

/** What is told of a task with its event, and once this host holds it. */
export const taskFacts = (
  { steps, task }: CreatedTask,
  begins: ReadonlyArray<number>,
  at: Date
): ReadonlyArray<readonly [Telling["told_when"], Fact]> => [
  ["stored", createdFact(task, steps, at)],
  ["started", startedFact(task, at)],
  ...steps.flatMap((step) =>
    begins.includes(step.position) ? [["started", stepStartedFact(task, step, at)] as const] : []
  )
]

export class Preparation extends Context.Service<Preparation, {
  readonly prepare: (
    event: EventRow,
    body_hash: string,
    options?: PrepareOptions
  ) => Effect.Effect<Prepared, SqlError.SqlError>
  /** Of a task that was asked for as such: nothing is routed. */
  readonly prepareTask: (event: EventRow, body_hash: string, plan: NewTask) => {
    readonly created: NonNullable<Intent["task"]>
    readonly intent: Omit<Intent, "attempt" | "claim">
  }
}>()("syris/pipeline/Preparation") {
  static readonly layer = Layer.effect(
    Preparation,
    Effect.gen(function*() {
      const audit = yield* Audit
      const control = yield* Control
      const gates = yield* Gates
      const planner = yield* CallPlanner
      const registry = yield* Registry
      const router = yield* Router

      const prepare = Effect.fnUntraced(function*(
        event: EventRow,
        body_hash: string,
        { arrival, dry = false, known = false, planned }: PrepareOptions = {}
      ) {
        const at = new Date(yield* Clock.currentTimeMillis)
        const { autonomy } = control.current()
        const policy_version = gates.policyVersion()
        const routed = yield* router.route(event, planned)
        const plan = routed.chosen === undefined ? undefined : yield* planner.plan({
          event,
          ordinal: 0,
          tool: routed.chosen.tool,
          input: routed.chosen.input,
          at,
          trust: worst(event.trust, routed.chosen.trust ?? "operator"),
          dry
        })
        const refused = plan?.refused
        const decision: DecisionRow = {
          event_id: event.event_id,
          trace_id: event.trace_id,
          decided_at: at.toISOString(),
          lane: routed.lane,
          match: routed.match,
          intent: routed.intent?.name,
          tool: plan?.row.tool,
          input: plan?.row.input,
          required_scopes: plan?.tool.definition.scopes ?? [],
          risk: plan?.row.risk,
          notes: routed.notes
        }
        const ended = (outcome: SettlementRow["outcome"], reply?: string): SettlementRow => ({
          event_id: event.event_id,
          trace_id: event.trace_id,
          lane: routed.lane,
          outcome,
          reply,
          settled_at: at.toISOString(),
          answer_by: answerBy(registry, event, outcome)
        })
        const task = routed.task === undefined ? undefined : createdTask(event, routed.task, autonomy, at)
        const approval = plan?.approval
        const settlement = approval !== undefined
          ? ended("waiting", askWords(approval))
          : refused !== undefined
          ? ended("failed", refused.error.message)
          : routed.refused !== undefined
          ? ended("failed", routed.refused)
          : routed.say !== undefined
          ? { ...ended("succeeded", routed.say), answer_by: "chat" }
          : routed.lane === "unhandled" || routed.lane === "dropped"
          ? ended(routed.lane)
          : undefined
        const facts: Array<readonly [Telling["told_when"], Fact]> = known
          ? []
          : [["stored", ingested(event, at, arrival)]]
        facts.push(["stored", routedFact(event, routed, at)])
        if (plan !== undefined && refused !== undefined) facts.push(["stored", refusedFact(event, plan, refused, at)])
        if (approval !== undefined) facts.push(["stored", requiredFact(approval, at)])
        else if (plan !== undefined && refused === undefined) {
          facts.push(["attempted", attemptedFact({ ...plan.row, event, tool: plan.tool }, 1, at)])
        }
        const response = settlement === undefined ? undefined : responseFact(event, settlement, at)
        if (response !== undefined) facts.push(["stored", response])
        const begins = task === undefined ? [] : firstSteps(task.steps)
        if (task !== undefined) facts.push(...taskFacts(task, begins, at))
        return {
          intent: {
            event,
            body_hash,
            decision,
            policy_version,
            tellings: facts.map(([told_when, fact]) => ({ row: audit.row(fact, { dry }), told_when })),
            ...(plan === undefined ? {} : { call: plan.row, steers: plan.tool.steering !== undefined }),
            ...(approval === undefined ? {} : { approval }),
            ...(task === undefined ? {} : { task: { ...task, begins } }),
            ...(settlement === undefined ? {} : { settlement }),
            ...(routed.rules === undefined ? {} : { rules: routed.rules })
          },
          plan: refused === undefined && approval === undefined ? plan : undefined,
          planned: plan,
          facts: facts.map(([, fact]) => fact)
        } satisfies Prepared
      })
      const prepareTask = (event: EventRow, body_hash: string, plan: NewTask) => {
        const at = new Date(event.ingested_at)
        const { autonomy } = control.current()
        const policy_version = gates.policyVersion()
        const task = createdTask(event, plan, autonomy, at)
        const created = { ...task, begins: firstSteps(task.steps) }
        const facts = [["stored", ingested(event, at)] as const, ...taskFacts(created, created.begins, at)]
        return {
          created,
          intent: {
            event,
            body_hash,
            decision: undefined,
            policy_version,
            task: created,
            tellings: facts.map(([told_when, fact]) => ({ row: audit.row(fact), told_when }))
          }
        }
      }
      return Preparation.of({ prepare, prepareTask })
    })
  )
}

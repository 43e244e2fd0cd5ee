/**
 * A call before anything of it is stored: its identity, and why it does not run where it does not.
 *
 * The identity (event or step, and ordinal) makes the idempotency key, never an attempt number and never content that
 * could come out differently the second time.
 */
import type { ValueLabels } from "../contract/Approval.ts"
import type { Autonomy, Risk, Trust, Verdict } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { digest } from "../database/Ids.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { ApprovalRow } from "../safety/ApprovalRows.ts"
import type { GateAnswer, GateType } from "../safety/Gates.ts"

/** A call as it is stored for the first time. */
export interface CallRow {
  readonly tool_call_id: string
  readonly trace_id: string
  readonly event_id: string
  /** Of a call that is a step of a task. */
  readonly task_id?: string
  readonly step_id?: string
  readonly ordinal: number
  readonly tool: string
  readonly tool_pin: string
  readonly input: unknown
  readonly input_hash: string
  readonly idempotency_key: string
  readonly effect: string
  readonly guarantee: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: "planned" | "canceled" | "failed"
  /** It is attempted with its approval or not at all. */
  readonly needs_approval: boolean
  readonly labels: ValueLabels
  readonly error?: ErrorDetail
  readonly created_at: string
  /** From the attempt to its deadline, milliseconds. */
  readonly deadline_ms: number
}

export interface Plan {
  readonly row: CallRow
  readonly tool: RegisteredTool
  /** The input as the tool gets it. */
  readonly input: unknown
  readonly refused: Refused | undefined
  /** A person is asked first. */
  readonly approval: ApprovalRow | undefined
  /** What the gates said; nothing where it did not come to them. */
  readonly gate: GateAnswer | undefined
  /** What is counted in the database before it begins. */
  readonly guarded: Guarded | undefined
}

/** What the limits that hold across hosts look at: anti-flap, and so many notifications an hour. */
export interface Guarded {
  readonly action: string
  /** Nothing where no cooldown holds. */
  readonly target: string | undefined
  readonly notification: boolean
  /** An answer to somebody else: counted apart, so that a stranger who asks much silences nothing of the operator's. */
  readonly answer?: boolean
}

/** Why a call does not run. */
export interface Refused {
  readonly type:
    | Exclude<GateType, "gate.required">
    | "gate.storm_block"
    | "gate.denied"
    | "gate.expired"
    | "tool_call.failed"
  readonly verdict?: Verdict
  readonly error: ErrorDetail
  readonly reasons: ReadonlyArray<string>
  /** What would have happened, where it was only looked at. */
  readonly preview?: string
}

/** What lies between the intent and the start of the effect at most: the commit, and the way to the tool. */
export const startAllowanceMs = 5_000

/** What a call needs of the event that led to it. */
export interface PlanSource {
  readonly event_id: string
  readonly trace_id: string
  readonly channel: string
  readonly connector_id: string
  readonly actor_id: string
}

export interface PlanRequest {
  readonly event: PlanSource
  /** The step of a task that makes the call, where one does. */
  readonly step?: { readonly task_id: string; readonly step_id: string }
  /** Of a call that is stored already. */
  readonly tool_call_id?: string | undefined
  readonly ordinal: number
  readonly tool: RegisteredTool
  readonly input: unknown
  readonly at: Date
  /** The worst of all that is in the trace. */
  readonly trust: Trust
  /** A model chose the call, or wrote what is in it. */
  readonly by_model?: boolean
  /** An answer to the event. */
  readonly reply?: {
    /** The row of `work` that owes it. */
    readonly id: string
    /** What the channel of the event is worth by itself. */
    readonly to: Trust
    /** It says what was looked up, or what somebody else wrote. */
    readonly discloses: boolean
  }
  /** Nothing is stored: no approval is made. */
  readonly dry?: boolean
}

/** The key of a call in the fast lane. */
export const idempotencyKey = (eventId: string, ordinal: number, tool: string): string =>
  digest("event", eventId, String(ordinal), tool)

/** The key of a step's call: the same in every attempt, after every crash. */
export const stepKey = (step: { readonly task_id: string; readonly step_id: string }, ordinal: number, tool: string) =>
  digest("step", step.task_id, step.step_id, String(ordinal), tool)

/** The key of an answer to an event. */
export const replyKey = (replyId: string, tool: string): string => digest("reply", replyId, tool)

export const refusal = (
  type: Refused["type"],
  code: string,
  message: string,
  reasons: ReadonlyArray<string>,
  more: Pick<Refused, "verdict" | "preview"> = {}
): Refused => ({ type, error: { code, message, retryable: false }, reasons, ...more })

/** A call that the gates do not let run. A question to a person is no refusal. */
export const refusedBy = (
  { definition }: RegisteredTool,
  gate: GateAnswer,
  autonomy: Autonomy,
  preview?: { readonly text?: string; readonly note?: string }
): Refused | undefined => {
  const { reasons, type, verdict } = gate
  if (type === undefined || type === "gate.required") return undefined
  const { name } = definition
  switch (type) {
    case "gate.scope_violation":
      return refusal(
        type,
        "scope.violation",
        `${name} was not run: ${reasons.join(", ")}. Grant it in safety.scopes.`,
        reasons
      )
    case "gate.preview": {
      const shown = preview?.text ?? preview?.note
      return refusal(
        type,
        "gate.preview",
        `At autonomy ${autonomy} nothing runs: ${name} was only looked at.${shown === undefined ? "" : ` ${shown}`}`,
        reasons,
        { verdict, ...(shown === undefined ? {} : { preview: shown }) }
      )
    }
    case "gate.antiflap_block":
      return refusal(type, "gate.antiflap", `${name} was not run: ${reasons.at(-1)}.`, reasons, { verdict })
    case "gate.hard_blocked":
      return refusal(type, "gate.denied", `${name} is blocked: ${reasons.at(-1)}.`, reasons, { verdict })
  }
}

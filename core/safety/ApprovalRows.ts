/**
 * An approval as the table has it, and how it travels to the statements that ask: always in the transaction that stores
 * the call which waits for it.
 */
import type { ValueLabels } from "../contract/Approval.ts"
import type { Autonomy, Risk } from "../contract/Enums.ts"
import { brief } from "../contract/words/Brief.ts"
import { lists } from "../database/Lists.ts"

/** An approval that is asked for. When it ends is counted by the database's clock. */
export interface ApprovalRow {
  readonly approval_id: string
  readonly number: number
  readonly trace_id: string
  readonly event_id: string
  readonly task_id?: string | undefined
  readonly step_id?: string | undefined
  readonly tool_call_id: string
  /** The row of `work` that waits for it. */
  readonly work_id: string
  readonly tool: string
  readonly what: unknown
  readonly what_hash: string
  readonly tool_pin: string
  readonly preview?: string | undefined
  readonly why: string
  readonly reasons: ReadonlyArray<string>
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly basis: string
  /** What the operator is asked in the chat. */
  readonly question: string
  readonly labels: ValueLabels
  readonly ttl_ms: number
  readonly supersedes?: string | undefined
}

export const approvalLists = lists<ApprovalRow>(
  "approval_id uuid, number bigint, trace_id uuid, event_id uuid, task_id uuid, step_id uuid, tool_call_id uuid, work_id uuid, " +
    "tool text, what jsonb, what_hash text, tool_pin text, preview text, why text, reasons jsonb, risk text, autonomy text, " +
    "basis text, question text, labels jsonb, ttl_ms float8, supersedes uuid"
)

/** CTE `asked`: the approvals of a parameter for which a condition over `q` holds; returns `tool_call_id`, `expires_at`. */
export const askFor = (parameter: string, condition: string): string => `
  asked as (
    insert into approvals
      (approval_id, number, trace_id, event_id, task_id, step_id, tool_call_id, work_id, tool, what, what_hash, tool_pin,
       preview, why, reasons, risk, autonomy, basis, question, labels, supersedes, created_at, expires_at)
    select q.approval_id, q.number, q.trace_id, q.event_id, q.task_id, q.step_id, q.tool_call_id, q.work_id, q.tool, q.what,
           q.what_hash, q.tool_pin, q.preview, q.why, q.reasons, q.risk, q.autonomy, q.basis, q.question, q.labels, q.supersedes,
           clock_timestamp(), clock_timestamp() + make_interval(secs => q.ttl_ms / 1000)
    from ${approvalLists.from(parameter, "q")}
    where ${condition}
    on conflict (approval_id) do nothing
    returning tool_call_id, expires_at
  )`

/**
 * CTE `consumed`: takes the approvals of calls that are about to begin, each once and only for exactly what was shown.
 * `calls` is a FROM clause with `tool_call_id` and `fence` under the alias `w`, of those that may begin.
 */
export const consume = (calls: string): string => `
  consumed as (
    update approvals a
    set status = 'consumed', consumed_at = clock_timestamp(), consumed_fence = w.fence
    from ${calls}
         join tool_calls k on k.tool_call_id = w.tool_call_id
    where a.tool_call_id = w.tool_call_id and a.status = 'approved' and a.expires_at > clock_timestamp()
      and k.status = 'planned' and k.attempts = 0
      and a.trace_id = k.trace_id and a.event_id is not distinct from k.event_id
      and a.task_id is not distinct from k.task_id and a.step_id is not distinct from k.step_id
      and a.tool = k.tool and a.what = k.input and a.what_hash = k.input_hash
      and a.tool_pin = k.tool_pin and a.risk = k.risk and a.autonomy = k.autonomy
    returning a.tool_call_id
  )`

/** What a chat is told of a call that waits for a person. */
export const askWords = (
  approval: Pick<ApprovalRow, "number" | "tool" | "ttl_ms" | "what" | "why"> & {
    readonly preview?: string | null | undefined
  }
): string => {
  const shown = approval.preview ?? `with ${brief(approval.what, 500)}`
  return `${approval.tool} needs your yes: ${shown}\n${approval.why}\n` +
    `Say "approve ${approval.number}" or "deny ${approval.number}" within ${
      within(approval.ttl_ms)
    }; "show ${approval.number}" says more.`
}

/** `15 minutes`: whole units of the largest kind that fits. */
const within = (ms: number): string => {
  const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]] as const
  const [name, unit] = units.find(([, length]) => ms >= length) ?? ["second", 1_000]
  const count = Math.max(1, Math.floor(ms / unit))
  return `${count} ${name}${count === 1 ? "" : "s"}`
}

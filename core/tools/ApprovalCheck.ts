/**
 * Whether a call is still what was approved. Every field of the two is compared, and what can be computed anew is: a row
 * that was changed behind the host's back does not run.
 */
import type { StoredApproval, StoredCall } from "./CallRecovery.ts"
import { hashOf } from "./InputHash.ts"

type Both = "trace_id" | "event_id" | "task_id" | "step_id" | "tool" | "tool_pin" | "risk" | "autonomy" | "labels"
type Approved = Pick<StoredApproval, Both | "what" | "what_hash">
type Called = Pick<StoredCall, Both | "input" | "input_hash">

/** What differs, as the beginning of a sentence; nothing where all is as it was shown. `pin`: of the tool as it is now. */
export const mismatchOf = (call: Called, approval: Approved, pin: string): string | undefined => {
  if (approval.trace_id !== call.trace_id) return "the approval belongs to another trace"
  if (approval.event_id !== call.event_id) return "the approval belongs to another event"
  if (approval.task_id !== call.task_id || approval.step_id !== call.step_id) {
    return "the approval belongs to another step"
  }
  if (approval.tool !== call.tool) return "the approval is for another tool"
  if (hashOf(call.input) !== call.input_hash) return "its input was changed"
  if (hashOf(approval.what) !== approval.what_hash) return "what was shown for approval was changed"
  if (approval.what_hash !== call.input_hash) return "its input is not the one that was shown"
  if (approval.tool_pin !== call.tool_pin) return "it was planned for another version of the tool"
  if (pin !== approval.tool_pin) return `the definition of ${call.tool} has changed`
  if (approval.risk !== call.risk) return "its risk was changed"
  if (approval.autonomy !== call.autonomy) return "the autonomy that it was asked under was changed"
  // A call that was planned by an older version has none.
  if (call.labels.trust !== undefined && approval.labels.trust !== call.labels.trust) return "its labels were changed"
  return undefined
}

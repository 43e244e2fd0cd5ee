/**
 * What followed when a person had said yes, or had edited what was asked: judged again as it was then.
 */
import { Effect } from "effect"
import type { Trust } from "../contract/Enums.ts"
import { Registry } from "../plugin/Registry.ts"
import { Gates } from "../safety/Gates.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { type PlanSource, refusedBy } from "../tools/ToolCallPlan.ts"
import type { Replayed } from "./Compare.ts"
import type { ApprovalRecord, AuditLine, CallRecord } from "./Records.ts"
import { Scene } from "./Scene.ts"

interface Asked {
  readonly about: string
  readonly approval: ApprovalRecord
  readonly event: PlanSource & { readonly trust: Trust }
  /** Of the audit, about the event or its task. */
  readonly rows: ReadonlyArray<AuditLine>
  readonly step?: { readonly task_id: string; readonly step_id: string }
  readonly by_model?: boolean
}

const judged = Effect.fnUntraced(function*({ approval, by_model, event, step }: Asked, name: string, at: Date) {
  const planner = yield* CallPlanner
  const registry = yield* Registry
  const tool = registry.tool(name)
  if (tool === undefined) return undefined
  const input = yield* Effect.result(tool.decodeInput(approval.what))
  if (input._tag === "Failure") return undefined
  const trust = approval.labels.trust ?? event.trust
  const request = {
    event,
    ...(step === undefined ? {} : { step }),
    tool,
    input: approval.what,
    at,
    trust,
    ...(by_model === undefined ? {} : { by_model })
  }
  const gate = planner.judge(request, input.success, approval.what)
  return "broken" in gate ? undefined : { gate, tool }
})

/** The verdict that the yes led to; nothing where nobody said yes. */
export const afterApproval = Effect.fnUntraced(function*(
  asked: Asked & { readonly call: CallRecord }
): Effect.fn.Return<ReadonlyArray<Replayed>, never, CallPlanner | Gates | Registry | Scene> {
  const { about, approval, call, rows } = asked
  const gates = yield* Gates
  const scene = yield* Scene
  const of = rows.filter(({ refs }) => refs.tool_call_id === call.tool_call_id)
  const yes = of.find(({ type }) => type === "gate.approved")
  // Another host's word, or a call that did not fit its approval any more, ends it without a yes.
  if (yes === undefined) return []
  const next = of.find(({ seq, type }) => seq > yes.seq && /^(gate|tool_call)\./.test(type))
  // It waits to be begun, or ran out of time.
  if (next === undefined || next.type === "gate.expired" || next.type === "tool_call.canceled") return []
  const at = new Date(next.timestamp)
  scene.at(at, scene.levelAt(at))
  const found = yield* judged(asked, call.tool, at)
  if (found === undefined) {
    return [{ about, diverges: `${call.tool} can't be judged any more: it is not there, or takes another input.` }]
  }
  const { gate, tool } = found
  const refuse = (reason: string, more: object = {}): ReadonlyArray<Replayed> => [{
    about,
    says: {
      decided: "gate.hard_blocked",
      tool: call.tool,
      risk: call.risk,
      autonomy: call.autonomy,
      reasons: [reason],
      error: { code: "gate.denied", message: `${call.tool} was not run: ${reason}.` },
      ...more
    }
  }]
  if (tool.pin !== approval.tool_pin) {
    return refuse(`the definition of ${call.tool} has changed, so it is not what was approved`)
  }
  if (gate.basis !== approval.basis) {
    return refuse("the policy for it has changed since it was approved: ask for it again")
  }
  const now = gates.approvedAt(approval.risk, scene.autonomy(), gate)
  const refused = refusedBy(tool, now, scene.autonomy())
  if (refused !== undefined) {
    const { code, message } = refused.error
    return [{
      about,
      says: {
        decided: refused.type,
        tool: call.tool,
        risk: call.risk,
        autonomy: call.autonomy,
        reasons: refused.reasons,
        ...(refused.type === "gate.preview" ? {} : { error: { code, message } })
      }
    }]
  }
  return [{ about, says: { decided: "call", tool: call.tool, risk: approval.risk, autonomy: call.autonomy } }]
})

/** The question about an edited input; whatever the gates say of it, a person is asked. */
export const afterEdit = Effect.fnUntraced(function*(
  asked: Asked
): Effect.fn.Return<ReadonlyArray<Replayed>, never, CallPlanner | Registry | Scene> {
  const { about, approval, rows } = asked
  const scene = yield* Scene
  const told = rows.find(({ refs, type }) => type === "gate.required" && refs.approval_id === approval.approval_id)
  const name = told?.tool ?? ""
  const at = new Date(approval.created_at)
  scene.at(at, told?.autonomy ?? scene.levelAt(at))
  const found = yield* judged(asked, name, at)
  if (found === undefined) {
    return [{ about, diverges: `${name} can't be judged any more: it is not there, or takes another input.` }]
  }
  const { reasons, risk } = found.gate
  const refused = refusedBy(found.tool, found.gate, scene.autonomy())
  if (refused !== undefined) {
    return [{ about, diverges: `The edit would have been refused: ${refused.error.message}` }]
  }
  return [{
    about,
    says: { decided: "gate.required", tool: name, risk, autonomy: scene.autonomy(), reasons }
  }]
})

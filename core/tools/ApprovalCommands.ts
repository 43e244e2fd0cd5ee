/**
 * What the operator does with an approval: approve, deny, edit. Each is one transaction (`ApprovalMoves.ts`).
 *
 * An edit makes a new call with the edited input, gated afresh, and a new approval for it; the old ones end with that.
 * What the gates forbid is refused, and the old approval stays as it was.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { Approval } from "../contract/Approval.ts"
import { newId } from "../database/Ids.ts"
import { Notifications, workChannel } from "../database/Notifications.ts"
import { Registry } from "../plugin/Registry.ts"
import { toPlainJson } from "../plugin/PlainJson.ts"
import { ApprovalLog } from "../safety/ApprovalLog.ts"
import { approvalLists, askFor, askWords } from "../safety/ApprovalRows.ts"
import { Control } from "../safety/Control.ts"
import {
  approve,
  ApprovalConflict,
  ApprovalNotFound,
  deny,
  factOf,
  giveUp,
  lockApproval,
  type LockedApproval,
  mustBePending,
  wakeWork,
  type Word
} from "./ApprovalMoves.ts"
import { CallPlanner } from "./CallPlanner.ts"
import { Binding, readInput } from "./Binding.ts"
import { hashOf } from "./InputHash.ts"
import { idempotencyKey, refusedBy, replyKey, stepKey } from "./ToolCallPlan.ts"

export { ApprovalConflict, ApprovalNotFound } from "./ApprovalMoves.ts"

/** The tool does not take the edited input; `detail` says what to change. */
export class ApprovalInputInvalid
  extends Schema.TaggedError<ApprovalInputInvalid>()("ApprovalInputInvalid", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

/** Who says it, and why; with the connector that brought it where a code did. */
interface Given {
  readonly by: string
  readonly connector_id?: string | undefined
  readonly reason?: string | undefined
}

type Decision<A, E = never> = Effect.Effect<A, E | ApprovalNotFound | ApprovalConflict | SqlError.SqlError>

export class ApprovalCommands extends Context.Service<ApprovalCommands, {
  /** `what_hash`: of what the person was shown. */
  readonly approve: (
    approval_id: string,
    word: Given & { readonly what_hash?: string | undefined }
  ) => Decision<Approval>
  readonly deny: (approval_id: string, word: Given) => Decision<Approval>
  /** Answers the approval that took its place. */
  readonly edit: (
    approval_id: string,
    word: { readonly by: string; readonly input: unknown }
  ) => Decision<Approval, ApprovalInputInvalid>
}>()("syris/tools/ApprovalCommands") {
  static readonly layer = Layer.effect(ApprovalCommands, Effect.suspend(() => make))
}

interface EventColumns {
  readonly channel: string
  readonly connector_id: string
  readonly actor_id: string
  readonly trust: "operator" | "trusted" | "untrusted"
}

const make = Effect.gen(function*() {
  const binding = yield* Binding
  const audit = yield* Audit
  const control = yield* Control
  const log = yield* ApprovalLog
  const notifications = yield* Notifications
  const planner = yield* CallPlanner
  const registry = yield* Registry
  const sql = yield* SqlClient.SqlClient

  const word = (
    given: Given & { readonly what_hash?: string | undefined }
  ) =>
    Effect.map(Clock.currentTimeMillis, (now): Word => ({
      ...given,
      at: new Date(now),
      rowOf: audit.row,
      pinOf: (tool) => registry.tool(tool)?.pin
    }))

  const inTransaction = <A, E>(move: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    sql.withTransaction(move).pipe(
      Effect.provideService(SqlClient.SqlClient, sql),
      // Whoever looked for work while this held the lock has passed the row over.
      Effect.tapError(() => notifications.notify(workChannel, ""))
    )

  const record = (approval_id: string) =>
    Effect.flatMap(
      log.byId(approval_id),
      (found) => found === undefined ? Effect.fail(new ApprovalNotFound({ which: approval_id })) : Effect.succeed(found)
    )

  /** The edited call: planned under an identity of its own. */
  const edited = Effect.fnUntraced(function*(approval: LockedApproval, input: unknown, by: string) {
    const conflict = (detail: string) => new ApprovalConflict({ detail })
    const tool = registry.tool(approval.tool)
    const { call } = approval
    if (tool === undefined || call === null) {
      return yield* conflict(`There is no tool ${approval.tool} any more: deny the approval.`)
    }
    const given = yield* Effect.try({
      try: () => toPlainJson(input ?? {}),
      catch: (error) =>
        new ApprovalInputInvalid({ detail: `The input ${error instanceof Error ? error.message : String(error)}.` })
    })
    const [event] = yield* sql<EventColumns>`
      select channel, connector_id, actor_id, trust from events where event_id = ${approval.event_id}::uuid`
    if (event === undefined || approval.event_id === null) {
      return yield* conflict("The event of this approval is not there any more: deny it.")
    }
    const step = approval.task_id === null || approval.step_id === null
      ? undefined
      : { task_id: approval.task_id, step_id: approval.step_id }
    const identity = { ...event, event_id: approval.event_id, trace_id: approval.trace_id }
    const { decoded, json } = yield* Effect.mapError(
      readInput(binding, { tool, event: identity, ...(step === undefined ? {} : { step }) }, given),
      (detail) => new ApprovalInputInvalid({ detail })
    )
    const isReply = step === undefined && approval.work_id !== approval.event_id
    const at = new Date(yield* Clock.currentTimeMillis)
    const tool_call_id = newId()
    const ordinal = call.ordinal + 1
    const request = {
      event: identity,
      ...(step === undefined ? {} : { step }),
      ...(isReply ? { reply: { id: approval.work_id, to: event.trust, discloses: true } } : {}),
      tool,
      tool_call_id,
      input: json,
      at,
      // The operator changed the words; what else is in the trace stays in it.
      trust: approval.labels.trust ?? event.trust
    }
    const gate = planner.judge(request, decoded, json)
    if ("broken" in gate) return yield* conflict(gate.broken.message)
    const refused = refusedBy(tool, gate, control.current().autonomy)
    if (refused !== undefined) return yield* conflict(refused.error.message)
    const key = isReply
      ? `${replyKey(approval.work_id, approval.tool)}.${ordinal}`
      : step === undefined
      ? idempotencyKey(approval.event_id, ordinal, approval.tool)
      : stepKey(step, ordinal, approval.tool)
    const labels = { trust: request.trust, confidentiality: "public" as const }
    const hash = hashOf(json)
    const row = { tool_call_id, idempotency_key: key, input: json, input_hash: hash, labels }
    const asked = yield* planner.ask(request, row, decoded, gate, approval.approval_id)
    return { asked: { ...asked, work_id: approval.work_id }, ordinal, key, by, at, tool }
  })

  const store = Effect.fnUntraced(function*(
    old: LockedApproval,
    { asked, at, by, key, ordinal, tool }: Effect.Success<ReturnType<typeof edited>>
  ) {
    const { definition } = tool
    yield* sql`
      update approvals
      set status = 'superseded', decided_by = ${by}, decided_at = clock_timestamp()
      where approval_id = ${old.approval_id}::uuid`
    const error = {
      code: "gate.edited",
      message: "Its input was edited: another call took its place.",
      retryable: false
    }
    yield* giveUp(old.tool_call_id, error)
    yield* sql`
      insert into tool_call_keys (idempotency_key, tool_call_id) values (${key}, ${asked.tool_call_id}::uuid)`
    yield* sql`
      insert into tool_calls (tool_call_id, trace_id, event_id, task_id, step_id, ordinal, tool, tool_pin, input, input_hash,
                              idempotency_key, effect, guarantee, risk, autonomy, status, needs_approval, labels, created_at)
      values (${asked.tool_call_id}::uuid, ${asked.trace_id}::uuid, ${asked.event_id}::uuid, ${
      asked.task_id ?? null
    }::uuid,
              ${asked.step_id ?? null}::uuid, ${ordinal}::int, ${asked.tool}, ${asked.tool_pin},
              ${JSON.stringify(asked.what)}::jsonb, ${asked.what_hash}, ${key}, ${definition.effect},
              ${definition.guarantee ?? "none"}, ${asked.risk}, ${asked.autonomy}, 'planned', true,
              ${JSON.stringify(asked.labels)}::jsonb, clock_timestamp())`
    yield* sql.unsafe(`with ${askFor("$1", "true")} select expires_at from asked`, [approvalLists.of([asked])])
    if (asked.task_id === undefined) {
      yield* sql`
        update work set tool_call_id = ${asked.tool_call_id}::uuid where work_id = ${asked.work_id}::uuid`
    } else {
      yield* sql`
        update steps
        set tool_call_id = ${asked.tool_call_id}::uuid, ordinal = ${ordinal}::int,
            checkpoint = checkpoint || jsonb_build_object('edited', jsonb_build_object('input', ${
        JSON.stringify(asked.what)
      }::jsonb))
        where task_id = ${asked.task_id}::uuid and step_id = ${asked.step_id ?? null}::uuid`
    }
    // Whoever waits learns how long it has to from now on, and the operator what is asked.
    yield* sql`
      update settlements set reply = ${askWords(asked)}
      where event_id = ${asked.event_id}::uuid and outcome = 'waiting'`
    yield* wakeWork(old)
    const told = { at, by }
    yield* audit.append(
      factOf("tool_call.canceled", old, told, `${old.tool} was edited before it was approved.`, { error }),
      {
        ...factOf("gate.required", old, told, `${old.tool} waits for your yes, with an edited input.`, {
          verdict: "CONFIRM",
          reasons: asked.reasons,
          number: asked.number,
          what_hash: asked.what_hash,
          supersedes: old.approval_id
        }),
        refs: {
          event_id: asked.event_id,
          ...(asked.task_id === undefined ? {} : { task_id: asked.task_id }),
          ...(asked.step_id === undefined ? {} : { step_id: asked.step_id }),
          tool_call_id: asked.tool_call_id,
          approval_id: asked.approval_id
        },
        risk: asked.risk,
        autonomy: asked.autonomy
      }
    )
    return asked.approval_id
  })

  return ApprovalCommands.of({
    approve: Effect.fnUntraced(function*(approval_id, given) {
      const { void: isVoid } = yield* inTransaction(approve({ approval_id }, yield* word(given)))
      if (isVoid !== undefined) return yield* new ApprovalConflict({ detail: isVoid })
      return yield* record(approval_id)
    }),
    deny: Effect.fnUntraced(function*(approval_id, given) {
      yield* inTransaction(deny({ approval_id }, yield* word(given)))
      return yield* record(approval_id)
    }),
    edit: Effect.fnUntraced(function*(approval_id, { by, input }) {
      const seen = yield* inTransaction(Effect.tap(lockApproval({ approval_id }), mustBePending))
      // A preview may take a while, and nobody waits for it: what it rests on never changes.
      const next = yield* edited(seen, input, by)
      const made = yield* inTransaction(
        Effect.flatMap(Effect.tap(lockApproval({ approval_id }), mustBePending), (old) => store(old, next))
      )
      return yield* record(made)
    })
  })
})

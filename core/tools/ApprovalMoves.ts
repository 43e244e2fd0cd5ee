/**
 * A person's word on an approval, in the caller's transaction: the service and the sentences of the chat use the same.
 *
 * - The row of work that waits is locked first, as whoever takes it up does: of two words one is first, and the other is
 *   told what it is now.
 * - What was shown is what is decided on: a hash that the client sends must be the one of the approval.
 * - A row that does not fit its call any more is never approved: the call is given up, and that is told. A tool that can come
 *   back is waited for: its question stays as it is.
 * - A no gives the call up at once, and whoever owns the work goes on from there.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, type AuditRow, type Fact } from "../audit/Audit.ts"
import type { ApprovalStatus, Autonomy, Risk } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { absentTool, isLive } from "../plugin/LiveTools.ts"
import { mismatchOf } from "./ApprovalCheck.ts"

export class ApprovalNotFound
  extends Schema.TaggedError<ApprovalNotFound>()("ApprovalNotFound", { which: Schema.String })
{
  override get message() {
    return `There is no approval ${this.which}.`
  }
}

/** It can't be decided any more, or not so; `detail` says what it is now. */
export class ApprovalConflict
  extends Schema.TaggedError<ApprovalConflict>()("ApprovalConflict", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export interface Word {
  readonly by: string
  readonly at: Date
  /** The connector that brought it, with a code. */
  readonly connector_id?: string | undefined
  readonly reason?: string | undefined
  /** Of what the person was shown. */
  readonly what_hash?: string | undefined
  /** Makes the audit row of a fact. */
  readonly rowOf: (fact: Fact) => AuditRow
  /** Of a tool as it is now; the pin of the approval where nobody knows. */
  readonly pinOf?: ((tool: string) => string | undefined) | undefined
}

/** An approval with its call, locked. */
export interface LockedApproval {
  readonly approval_id: string
  readonly number: number
  readonly trace_id: string
  readonly event_id: string | null
  readonly task_id: string | null
  readonly step_id: string | null
  readonly tool_call_id: string
  readonly work_id: string
  readonly status: ApprovalStatus
  readonly over: boolean
  readonly tool: string
  readonly what: unknown
  readonly what_hash: string
  readonly tool_pin: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly labels: { readonly trust?: "operator" | "trusted" | "untrusted" }
  readonly decided_by: string | null
  readonly call: {
    readonly trace_id: string
    readonly event_id: string | null
    readonly task_id: string | null
    readonly step_id: string | null
    readonly tool: string
    readonly tool_pin: string
    readonly input: unknown
    readonly input_hash: string
    readonly risk: Risk
    readonly autonomy: Autonomy
    readonly labels: LockedApproval["labels"]
    readonly ordinal: number
    readonly status: string
  } | null
}

/** By its id, or by its number. */
export type Which = { readonly approval_id: string } | { readonly number: number }

const shown = (which: Which): string => "number" in which ? String(which.number) : which.approval_id

/** The channel on which the hosts tell one another of a task (`tasks/TaskCommands.ts`). */
const taskChannel = "syris_task"

export const lockApproval = Effect.fnUntraced(function*(which: Which) {
  const sql = yield* SqlClient.SqlClient
  const one = "number" in which ? sql`a.number = ${which.number}` : sql`a.approval_id = ${which.approval_id}::uuid`
  const [found] = yield* sql<{ readonly work_id: string }>`select a.work_id from approvals a where ${one}`
  if (found === undefined) return yield* new ApprovalNotFound({ which: shown(which) })
  yield* sql`select 1 from work where work_id = ${found.work_id}::uuid for update`
  // In a snapshot of its own, after the lock.
  const [row] = yield* sql<Omit<LockedApproval, "number"> & { readonly number: bigint }>`
    select a.approval_id, a.number, a.trace_id, a.event_id, a.task_id, a.step_id, a.tool_call_id, a.work_id, a.status,
           a.expires_at <= clock_timestamp() as over, a.tool, a.what, a.what_hash, a.tool_pin, a.risk, a.autonomy, a.labels,
           a.decided_by, (
             select to_jsonb(c)
             from tool_calls c where c.tool_call_id = a.tool_call_id) as call
    from approvals a
    where ${one}
    for update of a`
  if (row === undefined) return yield* new ApprovalNotFound({ which: shown(which) })
  return { ...row, number: Number(row.number) } satisfies LockedApproval
})

const standing: Record<ApprovalStatus, string> = {
  pending: "is pending",
  approved: "was approved already",
  denied: "was denied",
  expired: "has expired: nobody said yes in time",
  superseded: "was superseded: its input was edited, and the edited one has an approval of its own",
  revoked: "was revoked: its call is not wanted any more, or is not what was shown",
  consumed: "was approved, and its call was begun"
}

/** What is not pending can't be decided. */
export const mustBePending = Effect.fnUntraced(function*(approval: LockedApproval) {
  const status = approval.over && (approval.status === "pending" || approval.status === "approved")
    ? "expired"
    : approval.status
  if (status === "pending") return
  const by = approval.decided_by === null ? "" : ` (by ${approval.decided_by})`
  return yield* new ApprovalConflict({ detail: `Approval ${approval.number} ${standing[status]}${by}.` })
})

const refsOf = (approval: LockedApproval) => ({
  ...(approval.event_id === null ? {} : { event_id: approval.event_id }),
  ...(approval.task_id === null ? {} : { task_id: approval.task_id }),
  ...(approval.step_id === null ? {} : { step_id: approval.step_id }),
  tool_call_id: approval.tool_call_id,
  approval_id: approval.approval_id
})

export const factOf = (
  type: Fact["type"],
  approval: LockedApproval,
  word: Pick<Word, "at" | "by" | "connector_id" | "reason">,
  summary: string,
  data: Record<string, unknown> = {}
): Fact => ({
  type,
  trace_id: approval.trace_id,
  at: word.at,
  summary: summary.slice(0, 500),
  refs: refsOf(approval),
  actor: word.by,
  tool: approval.tool,
  risk: approval.risk,
  autonomy: approval.autonomy,
  data: {
    number: approval.number,
    what_hash: approval.what_hash,
    ...(word.reason === undefined ? {} : { reason: word.reason }),
    ...(word.connector_id === undefined ? {} : { by: word.by, connector_id: word.connector_id }),
    ...data
  }
})

/** Whoever waits for it looks at it now; a task that the operator has paused stays so. */
export const wakeWork = Effect.fnUntraced(function*({ task_id, work_id }: Pick<LockedApproval, "task_id" | "work_id">) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    update work
    set decided   = true,
        due_at    = case when claimed_by is null and waits_for = 'approval' then clock_timestamp() else due_at end,
        waits_for = case when claimed_by is null and waits_for = 'approval' then null else waits_for end
    where work_id = ${work_id}::uuid`
  yield* sql`select pg_notify('syris_work', '')`
  if (task_id !== null) yield* sql`select pg_notify(${taskChannel}, ${`decided ${task_id}`})`
})

/** A call that was planned and will not begin. Its approval ends with it. */
export const giveUp = Effect.fnUntraced(function*(tool_call_id: string, error: ErrorDetail) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    update tool_calls
    set status = 'canceled', error = ${JSON.stringify(error)}::jsonb, resolved_at = clock_timestamp()
    where tool_call_id = ${tool_call_id}::uuid and status = 'planned' and attempts = 0`
})

/** What became of a yes; with `void` it was none: the call is given up. */
export interface Approved {
  readonly approval: LockedApproval
  readonly void?: string
}

export const approve = Effect.fnUntraced(function*(which: Which, word: Word) {
  const sql = yield* SqlClient.SqlClient
  const approval = yield* lockApproval(which)
  yield* mustBePending(approval)
  if (word.what_hash !== undefined && word.what_hash !== approval.what_hash) {
    return yield* new ApprovalConflict({
      detail: `Approval ${approval.number} is for another input than the one that was sent along. Look at it again.`
    })
  }
  const pin = word.pinOf === undefined ? approval.tool_pin : word.pinOf(approval.tool)
  if (pin === undefined && isLive(approval.tool)) {
    return yield* new ApprovalConflict({
      detail: `${absentTool(approval.tool)} Approve it when the tool is back, or deny it.`
    })
  }
  const differs = approval.call === null
    ? "its call is not there"
    : approval.call.status !== "planned"
    ? `its call is ${approval.call.status}`
    : pin === undefined
    ? `there is no tool ${approval.tool} any more`
    : mismatchOf(approval.call, approval, pin)
  if (differs !== undefined) {
    const message = `${approval.tool} was not run: ${differs}, so it is not what was shown.`
    const error = { code: "gate.denied", message, retryable: false }
    yield* giveUp(approval.tool_call_id, error)
    yield* wakeWork(approval)
    yield* appendRows([
      word.rowOf(
        factOf("gate.hard_blocked", approval, word, message, { reasons: [differs], verdict: "HARD_BLOCK", error })
      )
    ])
    return { approval, void: message } satisfies Approved
  }
  yield* sql`
    update approvals
    set status = 'approved', decided_by = ${word.by}, decided_at = clock_timestamp(), reason = ${word.reason ?? null}
    where approval_id = ${approval.approval_id}::uuid`
  yield* wakeWork(approval)
  yield* appendRows([
    word.rowOf(factOf("gate.approved", approval, word, `${approval.tool} was approved by ${word.by}.`))
  ])
  return { approval } satisfies Approved
})

export const deny = Effect.fnUntraced(function*(which: Which, word: Word) {
  const sql = yield* SqlClient.SqlClient
  const approval = yield* lockApproval(which)
  yield* mustBePending(approval)
  const why = word.reason === undefined ? "" : `: ${word.reason}`
  const error = { code: "gate.denied", message: `${approval.tool} was denied by ${word.by}${why}.`, retryable: false }
  yield* sql`
    update approvals
    set status = 'denied', decided_by = ${word.by}, decided_at = clock_timestamp(), reason = ${word.reason ?? null}
    where approval_id = ${approval.approval_id}::uuid`
  yield* giveUp(approval.tool_call_id, error)
  yield* wakeWork(approval)
  yield* appendRows([word.rowOf(factOf("gate.denied", approval, word, error.message, { error }))])
  return approval
})

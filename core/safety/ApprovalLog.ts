/**
 * Reads approvals, newest first. One whose time has passed is shown as expired, whether or not anybody has looked since.
 * Secrets that the host knows are shown by their names.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, present, sealCursor } from "../audit/Page.ts"
import type { Approval } from "../contract/Approval.ts"
import type { ApprovalStatus } from "../contract/Enums.ts"
import { isUuid } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"

export interface ApprovalFilter {
  readonly status?: ApprovalStatus
  readonly trace_id?: string
  readonly task_id?: string
  readonly tool?: string
  readonly number?: number
}

export class ApprovalLog extends Context.Service<ApprovalLog, {
  /** `limit` 1 to 500. */
  readonly page: (
    filter: ApprovalFilter,
    page: PageRequest
  ) => Effect.Effect<Page<Approval>, CursorInvalid | SqlError.SqlError>
  readonly byId: (approval_id: string) => Effect.Effect<Approval | undefined, SqlError.SqlError>
  /** Oldest first, at most `limit`. In the caller's transaction, where there is one. */
  readonly ofTrace: (trace_id: string, limit: number) => Effect.Effect<ReadonlyArray<Approval>, SqlError.SqlError>
}>()("syris/safety/ApprovalLog") {
  static readonly layer = Layer.effect(ApprovalLog, Effect.suspend(() => make))
}

/** A row of `approvals` as it comes back. */
export interface SelectedApproval {
  readonly approval_id: string
  readonly number: bigint
  readonly trace_id: string
  readonly event_id: string | null
  readonly task_id: string | null
  readonly step_id: string | null
  readonly tool_call_id: string
  readonly status: ApprovalStatus
  readonly tool: string
  readonly what: unknown
  readonly what_hash: string
  readonly tool_pin: string
  readonly preview: string | null
  readonly why: string
  readonly reasons: ReadonlyArray<string>
  readonly risk: Approval["risk"]
  readonly autonomy: Approval["autonomy"]
  readonly labels: Approval["labels"]
  readonly created_at: Date
  readonly expires_at: Date
  readonly supersedes: string | null
  readonly decided_by: string | null
  readonly decided_at: Date | null
  readonly reason: string | null
}

/** Over `a`. */
export const approvalColumns = `
    a.approval_id, a.number, a.trace_id, a.event_id, a.task_id, a.step_id, a.tool_call_id,
    case when a.status in ('pending', 'approved') and a.expires_at <= clock_timestamp() then 'expired' else a.status end as status,
    a.tool, a.what, a.what_hash, a.tool_pin, a.preview, a.why, a.reasons, a.risk, a.autonomy, a.labels, a.created_at,
    a.expires_at, a.supersedes, a.decided_by, a.decided_at, a.reason`

export const toApproval = (
  { decided_at, decided_by, reason, what, ...row }: SelectedApproval,
  { redactJson }: Pick<Redactor["Service"], "redactJson">
): Approval => ({
  ...present({
    ...row,
    number: Number(row.number),
    preview: redactJson(row.preview),
    reasons: redactJson(row.reasons),
    why: redactJson(row.why),
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString()
  }),
  what: redactJson(what),
  how_to_approve: `Say "approve ${row.number}" in the chat, run: syris approve ${row.number}, or POST ` +
    `/approvals/${row.approval_id}/approve with {"what_hash": "${row.what_hash}"}.`,
  ...(decided_at === null || decided_by === null
    ? {}
    : { decision: { by: decided_by, at: decided_at.toISOString(), ...(reason === null ? {} : { reason }) } })
})

const make = Effect.gen(function*() {
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(approvalColumns)
  const toRecord = (row: SelectedApproval) => toApproval(row, redactor)

  const ofStatus = (status: ApprovalStatus) =>
    status === "pending" || status === "approved"
      ? sql`(a.status = ${status} and a.expires_at > clock_timestamp())`
      : status === "expired"
      ? sql`(a.status = 'expired' or (a.status in ('pending', 'approved') and a.expires_at <= clock_timestamp()))`
      : sql`a.status = ${status}`

  const where = ({ number, status, task_id, tool, trace_id }: ApprovalFilter) => [
    // Spelled out, so that the index of the pending ones is taken.
    ...(status === "pending" ? [sql.literal("a.status = 'pending'")] : []),
    ...(status === undefined ? [] : [ofStatus(status)]),
    ...(trace_id === undefined ? [] : [sql`a.trace_id = ${trace_id}::uuid`]),
    ...(task_id === undefined ? [] : [sql`a.task_id = ${task_id}::uuid`]),
    ...(tool === undefined ? [] : [sql`a.tool = ${tool}`]),
    ...(number === undefined ? [] : [sql`a.number = ${number}`])
  ]

  const page = Effect.fnUntraced(function*(filter: ApprovalFilter, { cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("approval", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const conditions = [...where(filter), ...(before === undefined ? [] : [sql`a.approval_id < ${before}::uuid`])]
    const rows = yield* sql<SelectedApproval>`
      select ${columns}
      from approvals a
      where ${sql.and(conditions)}
      order by a.approval_id desc
      limit ${limit + 1}`
    return pageOf(rows, limit, toRecord, (last) => sealCursor("approval", last.approval_id))
  })

  const byId = (approval_id: string) =>
    Effect.map(
      sql<SelectedApproval>`select ${columns} from approvals a where a.approval_id = ${approval_id}::uuid`,
      ([row]) => row === undefined ? undefined : toRecord(row)
    )

  const ofTrace = (trace_id: string, limit: number) =>
    Effect.map(
      sql<SelectedApproval>`
        select ${columns}
        from approvals a
        where a.trace_id = ${trace_id}::uuid
        order by a.approval_id
        limit ${limit}`,
      (rows) => rows.map(toRecord)
    )

  return ApprovalLog.of({ page, byId, ofTrace })
})

/**
 * Commits the moves of claimed tasks, those of the same moment together.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type AuditRow, toldLists } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { SettlementRow } from "../contract/Rows.ts"
import * as GroupCommit from "../database/GroupCommit.ts"
import { HostLease } from "../health/HostLease.ts"
import { approvalLists, type ApprovalRow } from "../safety/ApprovalRows.ts"
import { childrenTold, leftParameters } from "../tools/LedgerStatements.ts"
import type { Outcome } from "../tools/ToolLedger.ts"
import {
  advanceLists,
  type AdvanceRow,
  callLists,
  checkpointStatement,
  type EndedCall,
  endedLists,
  isBetweenSteps,
  type PutCall,
  settlementLists,
  stepStatement
} from "./CheckpointStatement.ts"
import { stepChangeLists, stepLists, type WrittenStep } from "./TaskRows.ts"

/** An audit row, and what it depends on besides the claim. */
export interface TaskTelling {
  readonly row: AuditRow
  /**
   * `begun`: only while nobody wishes the task to stop; `attempted`: only if this call's intent was written; `wanted`:
   * unless the task was canceled in the meantime; `canceled`: only then; `ended`, `stepped`: only if this write ended the
   * call, or changed the step, of its refs, and nobody else had before.
   */
  readonly told_when: "moved" | "begun" | "attempted" | "wanted" | "canceled" | "ended" | "stepped"
  readonly tool_call_id?: string | undefined
}

/** What a call leaves besides its end. */
export type Left = Pick<Outcome, "tool_call_id" | "emitted" | "schedules" | "canceled_schedules" | "rows">

export interface Advance {
  readonly row: AdvanceRow
  /** Steps that were not stored yet. */
  readonly fresh: ReadonlyArray<WrittenStep>
  readonly steps: ReadonlyArray<WrittenStep>
  readonly calls: ReadonlyArray<PutCall>
  readonly ended: ReadonlyArray<EndedCall>
  /** Approvals that are asked for. */
  readonly asked: ReadonlyArray<ApprovalRow>
  readonly settlement?: SettlementRow | undefined
  readonly left: ReadonlyArray<Left>
  readonly tellings: ReadonlyArray<TaskTelling>
}

export interface Advanced {
  /** What the operator wishes of the task; then nothing of it has begun. */
  readonly wish: "pause" | "cancel" | null
  /** Calls whose intent is committed: they may run. */
  readonly attempted: ReadonlyArray<AttemptedCall>
}

export interface AttemptedCall {
  readonly tool_call_id: string
  readonly attempts: number
  /** Attempts whose effect could still land, this one included. */
  readonly open_attempts: number
}

interface AdvancedRow extends Omit<AttemptedCall, "tool_call_id"> {
  readonly task_id: string
  readonly wish: "pause" | "cancel" | null
  readonly tool_call_id: string | null
}

interface OwnRow {
  readonly task_id: string
  readonly checkpoint: number | null
  readonly wish: "pause" | "cancel" | null
  readonly ended: boolean
}

/** A task writes one checkpoint at a time, so batches never hold the same task. */
const batchesAtOnce = 2

/** A wish of the operator that came between two looks is seen by the next one. */
const looks = 5

export class Checkpoints extends Context.Service<Checkpoints, {
  /** Nothing when the claim is not ours any more: nothing was written. */
  readonly write: (advance: Advance) => Effect.Effect<Advanced | undefined, SqlError.SqlError>
  /** The same in the caller's transaction. */
  readonly writeHere: (advance: Advance) => Effect.Effect<Advanced | undefined, SqlError.SqlError>
}>()("syris/tasks/Checkpoints") {
  static readonly layer = Layer.effect(
    Checkpoints,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const wake = yield* AuditWake
      const { hostId } = yield* HostLease

      const send = (advances: ReadonlyArray<Advance>) => {
        const left = advances.flatMap((advance) => advance.left)
        const moves = [
          hostId,
          advanceLists.of(advances.map(({ row }) => row)),
          stepLists.of(advances.flatMap(({ fresh }) => fresh)),
          stepChangeLists.of(advances.flatMap(({ steps }) => steps)),
          callLists.of(advances.flatMap(({ calls }) => calls)),
          endedLists.of(advances.flatMap(({ ended }) => ended)),
          toldLists([
            ...advances.flatMap(({ row: { task_id }, tellings }) =>
              tellings.map(({ row, told_when, tool_call_id }) => ({
                ...row,
                event_id: task_id,
                told_when,
                ...(tool_call_id === undefined ? {} : { tool_call_id })
              }))
            ),
            ...childrenTold(left.flatMap(({ emitted }) => emitted))
          ])
        ]
        if (advances.every(isBetweenSteps)) return sql.unsafe<AdvancedRow>(stepStatement, moves)
        const { canceled_schedules, emitted_by, events, keys, schedules } = leftParameters(left)
        return sql.unsafe<AdvancedRow>(checkpointStatement, [
          ...moves,
          settlementLists.of(
            advances.flatMap(({ row, settlement }) =>
              settlement === undefined ? [] : [{ ...settlement, task_id: row.task_id }]
            )
          ),
          schedules,
          canceled_schedules,
          events,
          keys,
          emitted_by,
          approvalLists.of(advances.flatMap(({ asked }) => asked))
        ])
      }

      /** What became of those that the statement did not write: done before, not ours, or not seen yet. */
      const look = Effect.fnUntraced(function*(advances: ReadonlyArray<Advance>, found: Map<string, Advanced>) {
        const fences = new Map(advances.map(({ row }) => [row.task_id, row.fence]))
        const rows = yield* sql.unsafe<OwnRow>(
          // A wish that came after the write changed nothing in it.
          `select x.task_id, w.checkpoint, w.heeded as wish, coalesce(t.fence = x.fence and t.status in ('succeeded', 'failed'), false) as ended
           from unnest($1::uuid[], $2::bigint[]) as x(task_id, fence)
                left join work w on w.work_id = x.task_id and w.fence = x.fence and w.claimed_by is not distinct from
                  case when w.claimed_by is null then null else $3::uuid end
                left join tasks t on t.task_id = x.task_id`,
          [[...fences.keys()], [...fences.values()], hostId]
        )
        const own = new Map(rows.map((row) => [row.task_id, row]))
        const again: Array<Advance> = []
        for (const advance of advances) {
          const row = own.get(advance.row.task_id)
          if (row === undefined) continue
          if (row.checkpoint === advance.row.checkpoint - 1) again.push(advance)
          if (!row.ended && row.checkpoint !== advance.row.checkpoint) continue
          const intents = advance.calls.filter(({ intent }) => intent).map(({ tool_call_id }) => tool_call_id)
          const attempted = intents.length === 0 ? [] : yield* sql<AttemptedCall>`
            select tool_call_id, attempts, open_attempts from tool_calls
            where tool_call_id = any(${intents}::uuid[]) and status = 'attempted' and fence = ${advance.row.fence}
              and held_by = ${hostId}`
          found.set(advance.row.task_id, { wish: row.wish, attempted })
        }
        return again
      })

      const writeAll = Effect.fnUntraced(function*(advances: ReadonlyArray<Advance>) {
        const found = new Map<string, Advanced>()
        let open = advances
        for (let looked = 0; looked < looks && open.length > 0; looked++) {
          for (const { task_id, tool_call_id, wish, ...call } of yield* send(open)) {
            const known = found.get(task_id)
            found.set(task_id, {
              wish: known?.wish ?? wish,
              attempted: [...known?.attempted ?? [], ...(tool_call_id === null ? [] : [{ tool_call_id, ...call }])]
            })
          }
          open = open.filter(({ row }) => !found.has(row.task_id))
          if (open.length > 0) open = yield* look(open, found)
        }
        return advances.map(({ row }) => found.get(row.task_id))
      })

      const write = yield* GroupCommit.make(
        (advances: ReadonlyArray<Advance>) => Effect.tap(writeAll(advances), () => wake.wake),
        { atOnce: batchesAtOnce, writes: ({ row }) => row.task_id }
      )
      return Checkpoints.of({ write, writeHere: (advance) => Effect.map(writeAll([advance]), ([mine]) => mine) })
    })
  )
}

/**
 * A task that this host holds: what is stored of it, and what is under way. It changes only by what a commit has written, but
 * for a decision that may be written later.
 */
import { Semaphore } from "effect"
import type { TaskStatus } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { SettlementRow } from "../contract/Rows.ts"
import type { ApprovalRow } from "../safety/ApprovalRows.ts"
import type { Conclusion, Origin, Work } from "../tools/ToolExecutor.ts"
import type { Advanced, Left, TaskTelling } from "./Checkpoints.ts"
import type { AdvanceRow, EndedCall, PutCall } from "./CheckpointStatement.ts"
import type { StepRow, TaskRow } from "./TaskRows.ts"

/** What a step waits for. */
export type Wait =
  /** A moment, or some milliseconds from now on by the database's clock. `retry`: it goes on by itself then. */
  | { readonly for: "time" | "retry"; readonly at?: string; readonly ms?: number }
  /** Until nothing of the call can land any more. */
  | { readonly for: "quiet"; readonly tool_call_id: string }
  /** The operator's word on a call whose outcome nobody knows. */
  | { readonly for: "person" }
  /** A person's yes to a call, until a moment. `words` is what a chat is told. */
  | { readonly for: "approval"; readonly number: number; readonly words: string; readonly ms: number }
  /** A person's answer to a question, until a moment. */
  | { readonly for: "answer"; readonly question: string; readonly at?: string; readonly ms?: number }

/** The code of a task, while it runs. */
export interface Code {
  /** It is between two calls, or has just got an answer: what comes next is not known. */
  busy: boolean
  /** It has ended, so. */
  result: Ended | undefined
  /** Hands it the end of a step. */
  readonly answer: (step: StepRow) => void
}

/** A step that is under way and stored only with its end, with what is told of its beginning. */
export interface Unstored {
  readonly row: StepRow
  readonly tellings: ReadonlyArray<TaskTelling>
}

/** A decision that is so here and is written with what is written next (`UnwrittenDecision.ts`). */
export interface Unwritten {
  readonly steps: ReadonlyMap<number, DraftStep>
  readonly tellings: ReadonlyArray<TaskTelling>
}

export interface TaskRun {
  readonly task: TaskRow
  readonly event: Origin
  readonly fence: number
  /** The last write under this claim. */
  checkpoint: number
  status: TaskStatus
  readonly steps: Map<number, StepRow>
  /** Positions of steps that are under way here. */
  readonly flight: Set<number>
  readonly waits: Map<number, Wait>
  readonly unstored: Map<number, Unstored>
  unwritten: Unwritten | undefined
  wish: "pause" | "cancel" | null
  /** Aborted when nobody wants it any more, or the claim is lost. */
  readonly abort: AbortController
  /** One write at a time. */
  readonly lock: Semaphore.Semaphore
  /** The claim is not ours any more. */
  gone: boolean
  code: Code | undefined
  /** An event that it emitted may still be under way. */
  emitted: boolean
  /** Its code was not told of something: it is given back as soon as nothing is under way, and runs anew. */
  stale: boolean
}

export const makeRun = (
  given: Pick<TaskRun, "task" | "event" | "fence" | "status"> & {
    readonly steps: ReadonlyArray<StepRow>
    readonly checkpoint?: number
    readonly wish?: TaskRun["wish"]
  }
): TaskRun => ({
  task: given.task,
  event: given.event,
  fence: given.fence,
  checkpoint: given.checkpoint ?? 0,
  status: given.status,
  steps: new Map(given.steps.map((step) => [step.position, step])),
  flight: new Set(),
  waits: new Map(),
  unstored: new Map(),
  unwritten: undefined,
  wish: given.wish ?? null,
  abort: new AbortController(),
  lock: Semaphore.makeUnsafe(1),
  gone: false,
  code: undefined,
  // Of a task that another holder began it is not known.
  emitted: given.checkpoint !== undefined,
  stale: false
})

/** What is to be done here once a draft is committed. */
export type Start =
  /** Run it; its intent is not stored, since it leaves no trace. */
  | { readonly _tag: "Direct"; readonly position: number; readonly work: Work; readonly call: PutCall }
  /** Its intent is in the draft, and a slot is taken. */
  | {
    readonly _tag: "Attempted"
    readonly position: number
    readonly work: Work
    readonly call: PutCall
    /** What is left until its deadline: counts from before the intent is sent. */
    readonly leftMs: () => number
  }
  /** Wait for a slot, then write its intent. */
  | { readonly _tag: "Queued"; readonly position: number; readonly work: Work; readonly call: PutCall }
  | { readonly _tag: "Decide"; readonly position: number }

/** A step of a draft: as it will be. */
export interface DraftStep {
  readonly row: StepRow
  /** It is not stored yet. */
  readonly fresh: boolean
  /** Written only while nobody wishes the task to stop. */
  readonly begins: boolean
  /** Not stored yet, and part of what is: where it may not begin it is written as what is to come. */
  readonly planned?: boolean | undefined
}

/** How the task ends. */
export interface Ended {
  readonly status: "succeeded" | "failed"
  readonly output?: unknown
  readonly error?: ErrorDetail
  /** What the channel is told. */
  readonly reply: string
}

/** What the next commit of a task will write, and what follows from it. */
export interface Draft {
  readonly at: Date
  readonly steps: Map<number, DraftStep>
  readonly flight: Set<number>
  readonly waits: Map<number, Wait>
  readonly starts: Array<Start>
  readonly calls: Array<PutCall>
  readonly ended: Array<EndedCall>
  /** Approvals that are asked for. */
  readonly asked: Array<ApprovalRow>
  readonly left: Array<Left>
  readonly tellings: Array<TaskTelling>
  /** Whether it was written that nothing is under way. */
  idle: boolean
  /** How the code had ended when the draft was made: nothing is tried again for it. */
  readonly codeEnded: Ended | undefined
  end: Ended | undefined
  settlement: SettlementRow | undefined
  row: Pick<
    AdvanceRow,
    "status" | "put_off" | "due_at" | "due_in_ms" | "quiet_call" | "parked" | "waits_for" | "counts" | "next_wake_at"
  >
}

export const makeDraft = (run: TaskRun, at: Date): Draft => ({
  at,
  steps: new Map(run.unwritten?.steps),
  flight: new Set(run.flight),
  waits: new Map(run.waits),
  starts: [],
  calls: [],
  ended: [],
  asked: [],
  left: [],
  tellings: [...run.unwritten?.tellings ?? []],
  idle: false,
  codeEnded: run.code?.result,
  end: undefined,
  settlement: undefined,
  row: { put_off: false, parked: false, counts: false }
})

/** A step as it will be. */
export const stepOf = (run: TaskRun, draft: Draft, position: number): StepRow | undefined =>
  draft.steps.get(position)?.row ?? run.steps.get(position)

/** All steps as they will be, by position. */
export const stepsOf = (run: TaskRun, draft: Draft): ReadonlyArray<StepRow> => {
  const all = new Map(run.steps)
  for (const [position, { row }] of draft.steps) all.set(position, row)
  return [...all.values()].toSorted((a, b) => a.position - b.position)
}

/** Changes a step in a draft. */
export const change = (
  run: TaskRun,
  draft: Draft,
  position: number,
  to: Partial<StepRow>,
  begins = false
): StepRow => {
  const before = stepOf(run, draft, position)
  if (before === undefined) throw new Error(`The task ${run.task.task_id} has no step at ${position}.`)
  const row = { ...before, ...to }
  const known = draft.steps.get(position)
  draft.steps.set(position, {
    row,
    fresh: known?.fresh ?? !run.steps.has(position),
    begins: begins && (known === undefined || known.begins || known.planned === true),
    planned: known?.planned
  })
  return row
}

/** Puts a step into a draft that was not stored when it began. */
export const store = (run: TaskRun, draft: Draft, position: number): void => {
  const unstored = run.unstored.get(position)
  if (unstored === undefined) return
  draft.steps.set(position, { row: unstored.row, fresh: true, begins: false })
  draft.tellings.unshift(...unstored.tellings)
}

const asPlanned = { status: "pending", tool_call_id: undefined, wake_at: undefined, started_at: undefined } as const

/** Takes what a commit has written for what is. */
export const apply = (run: TaskRun, draft: Draft, wish: TaskRun["wish"]): void => {
  run.checkpoint++
  run.wish = wish
  run.unwritten = undefined
  for (const [position, { begins, planned, row }] of draft.steps) {
    if (begins && wish !== null) {
      draft.flight.delete(position)
      draft.waits.delete(position)
      if (planned === true) run.steps.set(position, { ...row, ...asPlanned })
    } else {
      run.steps.set(position, row)
      run.unstored.delete(position)
    }
  }
  if (wish === null && draft.row.status !== undefined) run.status = draft.row.status
  run.flight.clear()
  for (const position of draft.flight) run.flight.add(position)
  run.waits.clear()
  for (const [position, wait] of draft.waits) run.waits.set(position, wait)
}

/** What the end of a step's call leads to, and what became of the write. */
export interface TaskConclusion extends Conclusion {
  readonly settlement: undefined
  draft: Draft | undefined
  advanced: Advanced | undefined
}

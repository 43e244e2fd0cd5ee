/**
 * What the operator does with jobs: start and cancel.
 *
 * A start is an event of the channel `api` that was made for exactly one call of `job.run.<kind>`: routed, gated, done once
 * and audited like every other call. Whoever starts waits until the call has its answer, and no longer: not for the job.
 * The same message again is the same start, and gets the answer of the first.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { Approval } from "../contract/Approval.ts"
import type { Runtime } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { Job } from "../contract/Job.ts"
import { MadeCalls } from "../pipeline/MadeCalls.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { EventNotAccepted, type Settled } from "../pipeline/Submission.ts"
import { asSentences, unknownKey } from "../plugin/Explain.ts"
import { jobToolName } from "../plugin/JobTool.ts"
import { Registry } from "../plugin/Registry.ts"
import { ApprovalLog } from "../safety/ApprovalLog.ts"
import { Control } from "../safety/Control.ts"
import { JobLog } from "./JobLog.ts"
import { cancelJob, JobMoveRefused, JobNotFound } from "./JobMoves.ts"

export { JobMoveRefused, JobNotFound } from "./JobMoves.ts"

/** No plugin has jobs of this kind; `detail` says what may have been meant. */
export class JobKindUnknown extends Schema.TaggedError<JobKindUnknown>()("JobKindUnknown", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** It is not started; `forbidden` where the gates say no. `detail` is a sentence. */
export class JobNotStarted extends Schema.TaggedError<JobNotStarted>()("JobNotStarted", {
  detail: Schema.String,
  forbidden: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

export interface NewJob {
  readonly kind: string
  readonly input: Schema.Json
  readonly runtime?: Runtime
  readonly limits?: { readonly timeout_ms?: number; readonly memory_mb?: number }
  /** The same one is the same start. Default: every start is a new one. */
  readonly message_id?: string
}

interface Ids {
  readonly event_id: string
  readonly trace_id: string
}

/** Where the message was there already. `conflict`: for another job, which is not the one that is answered. */
interface Again {
  readonly deduped?: true
  readonly conflict?: true
}

export type Start =
  & Again
  & (
    | { readonly is: "started"; readonly job: Job }
    /** A person is asked first. */
    | Ids & { readonly is: "asked"; readonly approval: Approval }
    /** Stored, and not done yet: the system is paused, or busy. */
    | Ids & { readonly is: "accepted" }
  )

type StartError = JobKindUnknown | JobNotStarted | EventNotAccepted | SqlError.SqlError
type CancelError = JobNotFound | JobMoveRefused | SqlError.SqlError

export class JobCommands extends Context.Service<JobCommands, {
  /** `until`: the end of a wait for the call's answer, where the host stops before. */
  readonly start: (job: NewJob, until?: Effect.Effect<void>) => Effect.Effect<Start, StartError>
  readonly cancel: (job_id: string, reason?: string) => Effect.Effect<void, CancelError>
}>()("syris/workers/JobCommands") {
  static readonly layer = Layer.effect(JobCommands, Effect.suspend(() => make)).pipe(
    Layer.provide(JobLog.layer)
  )
}

/** For the answer of a call that runs in one transaction; longer only where the host is full. */
const longestWait = "10 seconds"

interface CallRow {
  readonly status: string
  readonly error: ErrorDetail | null
}

const make = Effect.gen(function*() {
  const approvals = yield* ApprovalLog
  const audit = yield* Audit
  const calls = yield* MadeCalls
  const control = yield* Control
  const log = yield* JobLog
  const registry = yield* Registry
  const settlements = yield* Settlements
  const sql = yield* SqlClient.SqlClient

  /** `undefined` where the time passed or the host stops. */
  const settled = (ids: Ids, until: Effect.Effect<void>): Effect.Effect<Settled | undefined> =>
    settlements.await(ids).pipe(
      Effect.timeoutOption(longestWait),
      Effect.map((end) => end._tag === "Some" ? end.value : undefined),
      Effect.raceFirst(Effect.as(until, undefined))
    )

  const start: JobCommands["Service"]["start"] = Effect.fnUntraced(function*(
    { kind, input, limits, message_id, runtime }: NewJob,
    until = Effect.never
  ) {
    const tool = registry.job(kind) === undefined ? undefined : registry.tool(jobToolName(kind))
    if (tool === undefined) {
      const kinds = registry.jobs().map((job) => job.kind)
      return yield* new JobKindUnknown({
        detail: kinds.length === 0
          ? "No plugin here has jobs."
          : asSentences([unknownKey(kind, kinds, "kind of job")])
      })
    }
    const given: Schema.Json = {
      input,
      ...(runtime === undefined ? {} : { runtime }),
      ...(limits === undefined ? {} : { limits: { ...limits } })
    }
    // What can't be right leaves no event behind.
    yield* Effect.mapError(tool.decodeInput(given), (detail) => new JobNotStarted({ detail, forbidden: false }))
    const ids = yield* calls.make({
      tool: tool.definition.name,
      input: given,
      channel: "api",
      actor_type: "user",
      actor_id: "operator",
      trust: "operator",
      maker: "POST /jobs",
      message_id: message_id === undefined ? undefined : `job:${message_id}`,
      by: "start of a job"
    }).pipe(
      Effect.catchTag(
        "EventRejected",
        ({ message: detail }) => Effect.fail(new JobNotStarted({ detail, forbidden: false }))
      )
    )
    const { event_id, trace_id } = ids
    const again: Again = {
      ...(ids.deduped ? { deduped: true } : {}),
      ...(ids.conflict === true ? { conflict: true } : {})
    }
    // Nothing is begun before it is resumed.
    const end = control.current().paused ? undefined : yield* settled(ids, until)
    const job = yield* log.ofEvent(event_id)
    if (job !== undefined) return { is: "started", job, ...again }
    const asked = yield* approvals.ofTrace(trace_id, 500)
    const approval = asked.findLast((one) => one.event_id === event_id && one.status === "pending")
    if (approval !== undefined) return { is: "asked", approval, event_id, trace_id, ...again }
    const [call] = yield* sql<CallRow>`
      select c.status, c.error from tool_calls c
      where c.trace_id = ${trace_id}::uuid and c.event_id = ${event_id}::uuid
      order by c.tool_call_id desc
      limit 1`
    const refused = call?.status === "failed" || call?.status === "canceled"
    if (!refused && (end === undefined || end.outcome === "waiting")) {
      return { is: "accepted", event_id, trace_id, ...again }
    }
    const code = call?.error?.code ?? ""
    return yield* new JobNotStarted({
      detail: call?.error?.message ?? end?.reply ?? `It was not started; GET /traces/${trace_id} says why.`,
      forbidden: code.startsWith("gate.") || code.startsWith("scope.") || end?.outcome === "dropped"
    })
  })

  const cancel: JobCommands["Service"]["cancel"] = (job_id, reason) =>
    sql.withTransaction(cancelJob(job_id, reason, audit.row)).pipe(
      Effect.asVoid,
      Effect.provideService(SqlClient.SqlClient, sql)
    )

  return JobCommands.of({ start, cancel })
})

/**
 * Stores a job in the transaction of the call that asks for it, begun at once where this host has room for it. It runs when
 * that is committed.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { CallOrigin, type Origin } from "../plugin/CallOrigin.ts"
import type { RegisteredJob, Registry } from "../plugin/Registry.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import type { HeldJob } from "./HeldJob.ts"
import type { SubmitJob } from "./JobDesk.ts"
import { queuedFact, startedFact } from "./JobFacts.ts"
import { markOf, type Places } from "./JobPlaces.ts"
import { createJob } from "./JobStatements.ts"

/** A place that was taken for a job whose commit is not heard of is given back after so long, milliseconds. */
const doubtAfterMs = 60_000

export interface Submission {
  readonly audit: Pick<Audit["Service"], "row">
  readonly hostId: string
  readonly places: Pick<Places, "take" | "leave" | "doubt">
  readonly registry: Pick<Registry["Service"], "sendOf" | "trustOf">
  /** Of the work queue. */
  readonly wake: () => void
  readonly launch: (job: HeldJob, registered: RegisteredJob) => void
}

/** Who is told of its end: where it was asked for, by the operator, on a channel that can be answered. */
const answerBy = (registry: Submission["registry"], { channel, connector_id }: Origin): string | null => {
  if (channel === "chat") return "chat"
  // `POST /jobs` looks by itself.
  if (channel === "api" || registry.trustOf(channel) !== "operator") return null
  return registry.sendOf({ channel, connector_id: connector_id ?? channel })?.definition.name ?? null
}

export const makeSubmit = ({ audit, hostId, launch, places, registry, wake }: Submission): SubmitJob =>
  Effect.fnUntraced(function*(registered, asked, context) {
    const sql = yield* SqlClient.SqlClient
    const origin = yield* CallOrigin
    const { code, kind } = registered
    if (origin === undefined) return yield* Effect.fail(new ToolRefused("Only a call starts a job."))
    if (typeof code === "string") return yield* Effect.fail(new ToolRefused(code))
    const at = context.now()
    const job = {
      job_id: newId(),
      trace_id: origin.trace_id,
      event_id: origin.event_id,
      tool_call_id: origin.tool_call_id,
      plugin: registered.plugin,
      kind,
      runtime: asked.runtime,
      input: asked.input,
      limits: asked.limits,
      labels: { trust: context.trust, confidentiality: "public" },
      retry: registered.retry,
      max_attempts: registered.maxAttempts,
      answer_by: answerBy(registry, origin)
    }
    const place = places.take(job.job_id, kind)
    const told = { ...job, attempt: 0 }
    const begun = { ...job, attempt: 1 }
    const { fence, mine } = yield* createJob(
      {
        ...job,
        task_id: origin.task_id,
        thread_id: origin.thread_id ?? null,
        tool: markOf(kind),
        code_hash: code.hash,
        at: at.toISOString()
      },
      place,
      hostId,
      {
        stored: audit.row(queuedFact(told, at, { runtime: job.runtime, limits: job.limits })),
        started: audit.row(startedFact(begun, at))
      }
    ).pipe(Effect.onError(() => Effect.sync(() => places.leave(job.job_id))))
    if (place && !mine) places.leave(job.job_id)
    const doubt = mine ? setTimeout(() => places.doubt(job.job_id), doubtAfterMs).unref() : undefined
    yield* sql.afterCommit(Effect.sync(() => {
      clearTimeout(doubt)
      if (!mine) return wake()
      const { channel, event_id, trace_id } = origin
      launch({ ...begun, fence, event: { event_id, trace_id, channel, depth: depthOf(origin) } }, registered)
    }))
    return { job_id: job.job_id, kind, message: `${kind} was started; \`syris jobs\` shows it.` }
  })

/** How many events led to the one of the call. */
const depthOf = (origin: Origin & { readonly depth?: number }): number => origin.depth ?? 0

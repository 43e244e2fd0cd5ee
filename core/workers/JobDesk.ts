/**
 * How a call of `job.run.<kind>` reaches whoever runs jobs: the tools are made before the host is up, so it is handed over once
 * it is.
 */
import { Context, Effect, Layer } from "effect"
import { JobTools } from "../plugin/JobRegistration.ts"
import { type AskedJob, type StartedJob, startingTool } from "../plugin/JobTool.ts"
import type { RegisteredJob } from "../plugin/Registry.ts"
import { ToolRefused, type TransactionalContext } from "../plugin/Tool.ts"
import type { SqlClient } from "effect/sql"

/** Stores a job in the transaction of the call that asks for it. */
export type SubmitJob = (
  job: RegisteredJob,
  asked: AskedJob,
  context: TransactionalContext
) => Effect.Effect<StartedJob, unknown, SqlClient.SqlClient>

export class JobDesk extends Context.Service<JobDesk, {
  readonly open: (submit: SubmitJob) => void
  readonly submit: SubmitJob
}>()("syris/workers/JobDesk") {
  static readonly layer = Layer.sync(JobDesk, () => {
    let opened: SubmitJob | undefined
    return JobDesk.of({
      open: (submit) => {
        opened = submit
      },
      submit: (job, asked, context) =>
        opened?.(job, asked, context) ??
          Effect.fail(new ToolRefused("The host is not up yet: try again in a moment."))
    })
  })

  /** The tools of all kinds of jobs, for the plugin host. */
  static readonly layerTools = Layer.effect(
    JobTools,
    Effect.map(
      JobDesk,
      ({ submit }) => (job: RegisteredJob) => startingTool(job, (asked, context) => submit(job, asked, context))
    )
  )
}

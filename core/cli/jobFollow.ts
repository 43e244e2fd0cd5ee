/**
 * A job as it goes on, until it has ended: on a terminal one line that is drawn over itself, else a line for each thing that
 * is told of it. What ends the command ends only the watching.
 */
import { Clock, Console, Context, Deferred, Effect } from "effect"
import { TerminalCapabilities } from "effect/cli"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import type { Job } from "../contract/Job.ts"
import { visible } from "../contract/Visible.ts"
import { Client, type RequestFailed } from "./client.ts"
import { listen } from "./eventStream.ts"
import { isOpen, liveLine } from "./jobView.ts"
import { localTime } from "./layout.ts"
import { liveBlock, type Screen } from "./liveBlock.ts"

/** What the line is drawn on; a test says it itself. */
export const ProgressScreen = Context.Reference<Screen>("syris/cli/ProgressScreen", {
  defaultValue: () => process.stdout
})

/** So long after a look nobody looks again, as long as the stream is silent. */
const lookAgainMs = 5_000

export const readJob = Effect.fnUntraced(function*(job_id: string) {
  const client = yield* Client
  return (yield* client.request(`/jobs/${job_id}`)).body as Job
})

/** A row of the audit, as it is told of a job. */
export const rowLine = ({ summary, timestamp }: AuditEvent): string =>
  `${localTime(visible(timestamp)).slice(11, 19)}  ${visible(summary)}`

export const isOfJobs = ({ type }: AuditEvent): boolean => type.startsWith("worker.job_")

/** Answers the job as it ended. `quiet`: nothing is printed. */
export const followJob = Effect.fn("jobs.follow")(
  function*(begun: Job, quiet: boolean): Effect.fn.Return<Job, RequestFailed, Client> {
    const { canAnimate } = yield* TerminalCapabilities.TerminalCapabilities
    const block = canAnimate && !quiet ? liveBlock(yield* ProgressScreen) : undefined
    const ended = yield* Deferred.make<Job>()
    let job = begun

    const draw = Effect.map(Clock.currentTimeMillis, (now) => block?.draw(isOpen(job) ? liveLine(job, now) : undefined))

    let lookedAt = 0
    const look = Effect.gen(function*() {
      lookedAt = yield* Clock.currentTimeMillis
      job = yield* readJob(job.job_id)
      yield* draw
      if (!isOpen(job)) yield* Deferred.succeed(ended, job)
    })

    const heard = Effect.fnUntraced(function*(row: AuditEvent) {
      if (row.refs.job_id !== job.job_id || !isOfJobs(row)) return
      if (!quiet && (block === undefined || row.type !== "worker.job_progress")) {
        block?.draw(undefined)
        yield* Console.log(rowLine(row))
      }
      // A row of the stream says all that is new of a progress; whatever else has happened is looked up.
      if (row.type !== "worker.job_progress") return yield* look
      const { message, percent } = row.data as Job["progress"]
      job = {
        ...job,
        progress: { ...(percent === undefined ? {} : { percent }), ...(message === undefined ? {} : { message }) }
      }
      yield* draw
    })

    const hearing = listen<RequestFailed, Client>("/audit/stream", {
      // It may have ended before the stream had its place. What comes with this sign is told by itself.
      onSign: (placed) =>
        Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => placed || now - lookedAt < lookAgainMs ? Effect.void : look
        ),
      onEvent: (data) => heard(JSON.parse(data) as AuditEvent),
      onLoss: (outages) =>
        outages === 1
          ? Console.error("syris: The connection is lost; trying until SYRIS is back. Ctrl-C ends this, not the job.")
          : Effect.void
    })
    const ticking = Effect.forever(Effect.delay(draw, "1 second"))
    return yield* Deferred.await(ended).pipe(
      Effect.raceFirst(block === undefined ? hearing : Effect.raceFirst(hearing, ticking)),
      Effect.ensuring(Effect.sync(() => block?.draw(undefined)))
    )
  }
)

/**
 * Runs jobs: stored first, then run apart from the host within their limits, told while they run and when they end.
 *
 * - Where the host that stores a job has room for it, it is stored as begun and runs from the commit on: two commits in all.
 *   Otherwise it waits in the queue for any host that has room, and begins with a commit of its own.
 * - There is room for a job while the host runs fewer than `JobPlaces` and fewer of its kind than that allows.
 * - Every move is one statement under the fence of the claim (`JobStatements.ts`). A host that lost its lease stops what it runs
 *   and writes nothing.
 * - A stop of the host tells what runs, and gives back after the grace what has another attempt.
 */
import { Cause, Clock, Context, Effect, FiberSet, Layer, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as os from "node:os"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Trust } from "../contract/Enums.ts"
import { Notifications } from "../database/Notifications.ts"
import { isTransient } from "../database/Transient.ts"
import { HostLease } from "../health/HostLease.ts"
import { WorkQueue, type WorkRow } from "../pipeline/WorkQueue.ts"
import { type RegisteredJob, Registry } from "../plugin/Registry.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { giveBackClaims, wishesOf } from "../tasks/TaskClaims.ts"
import { Artifacts } from "../tools/Artifacts.ts"
import { NestedCalls } from "../tools/NestedCalls.ts"
import type { HeldJob } from "./HeldJob.ts"
import { jobAsks, type JobDeeds, madeTrust } from "./JobAsks.ts"
import { JobDesk } from "./JobDesk.ts"
import { makeJobEvents } from "./JobEvents.ts"
import { type Progress, progressFact, startedFact } from "./JobFacts.ts"
import { unableOf, unknownKind } from "./JobFailure.ts"
import { tellInterrupted } from "./JobInterruption.ts"
import { JobIsolates } from "./JobIsolates.ts"
import { jobChannel } from "./JobMoves.ts"
import { keptLog, makeJobOutcomes } from "./JobOutcomes.ts"
import { makePlaces, markOf } from "./JobPlaces.ts"
import { makeProgressWriter } from "./JobProgress.ts"
import { type JobRun, runJob } from "./JobRun.ts"
import {
  beginJob,
  giveBackJob,
  hasOtherHosts,
  isGranted,
  loadJobs,
  type LoadedJob,
  type Move,
  moveJob,
  tellProgress
} from "./JobStatements.ts"
import { makeStrangers } from "./JobStrangers.ts"
import { makeSubmit } from "./JobSubmission.ts"

/** How many jobs one host runs at once. */
export const JobPlaces = Context.Reference<number>("syris/workers/JobPlaces", {
  defaultValue: () => Math.max(2, os.availableParallelism())
})

/** How often it is looked whether a job is to be canceled, besides hearing of it. */
const lookForWishes = "5 seconds"

export class Workers extends Context.Service<Workers, {
  /** What this host runs now. */
  readonly running: () => ReadonlyArray<string>
}>()("syris/workers/Workers") {
  static readonly layer = Layer.effect(Workers, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const artifacts = yield* Artifacts
  const audit = yield* Audit
  const desk = yield* JobDesk
  const emit = yield* makeJobEvents
  const { hostId, lost: leaseLost } = yield* HostLease
  const isolates = yield* JobIsolates
  const nested = yield* NestedCalls
  const notifications = yield* Notifications
  const queue = yield* WorkQueue
  const redactor = yield* Redactor
  const registry = yield* Registry
  const secrets = yield* SecretsStore
  const sql = yield* SqlClient.SqlClient
  const wake = yield* AuditWake
  const promise = Effect.runPromiseWith(yield* Effect.context<never>())
  const places = makePlaces(yield* JobPlaces, registry, queue.wake)
  const runnable = (kind: string): boolean => {
    const registered = registry.job(kind)
    return registered !== undefined && typeof registered.code !== "string"
  }
  const strangers = makeStrangers(runnable)
  const runs = new Map<string, JobRun>()
  /** To be canceled before they run. */
  const unwanted = new Set<string>()
  let [stopping, lost] = [false, false]

  const withSql = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>): Effect.Effect<A, E> =>
    Effect.provideService(effect, SqlClient.SqlClient, sql)
  const now = Effect.map(Clock.currentTimeMillis, (ms) => new Date(ms))

  const { cancelMove, endMove, moveOf } = yield* makeJobOutcomes

  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()

  /** Writes a move under the claim, as soon as the database is there. */
  const write = (job: HeldJob, move: Move) =>
    withSql(moveJob(job, hostId, move)).pipe(
      Effect.retry({
        schedule: Schedule.spaced("500 millis"),
        times: stopping ? 4 : 60,
        while: (error) => isTransient(error) && !lost
      }),
      Effect.tap(() => wake.wake)
    )

  /** Waits for the end of a run and writes it. */
  const finish = (job: HeldJob, run: JobRun, progressed: () => Promise<Progress | undefined>, trust: () => Trust) =>
    Effect.gen(function*() {
      const began = performance.now()
      const end = yield* Effect.promise(() => run.ended)
      const progress = yield* Effect.promise(progressed)
      if (!(end.is === "stopped" && end.why === "lost")) {
        const latencyMs = Math.round(performance.now() - began)
        const rows = progress === undefined ? [] : [audit.row(progressFact(job, progress, yield* now))]
        const more: Partial<Move> = { log: keptLog(run, trust()), progress, rows }
        const first = yield* write(job, yield* moveOf(job, end, more, latencyMs))
        if (!first.moved && first.canceled) yield* write(job, yield* cancelMove(job, more, latencyMs))
      }
      yield* Effect.promise(() => run.gone)
    }).pipe(
      Effect.catchCause((cause) =>
        Effect.logError(`The end of the job ${job.kind} was not written.`, Cause.squash(cause))
      ),
      Effect.ensuring(Effect.sync(() => {
        runs.delete(job.job_id)
        unwanted.delete(job.job_id)
        places.leave(job.job_id)
      })),
      Effect.uninterruptible
    )

  const deedsOf = (job: HeldJob, progress: (progress: Progress) => void): JobDeeds => ({
    secret: (name, key) => promise(readSecret(secrets, name, key)),
    artifact: (data, { mediaType, name }, trust) =>
      promise(Effect.map(
        artifacts.put({
          data,
          name,
          media_type: mediaType,
          labels: { trust, confidentiality: "public" },
          trace_id: job.trace_id,
          job_id: job.job_id
        }),
        ({ artifact_id, bytes, media_type, name }) => ({ artifact_id, name, media_type, bytes })
      )),
    emit: (event, ordinal, trust) => promise(emit(job, event, ordinal, trust)),
    calls: nested,
    progress
  })

  /** Runs an attempt that is stored as begun. */
  const launch = (given: HeldJob, registered: RegisteredJob): void => {
    const { code } = registered
    // Where its plugin runs by now.
    const runtime = registered.runtimes.includes(given.runtime) ? given.runtime : registered.runtime
    const job = { ...given, runtime }
    const leak = () => ({ where: `what the job ${job.kind} said`, trace_id: job.event.trace_id })
    let trust = (): Trust => typeof code === "string" ? job.labels.trust : madeTrust(job, code)
    const progress = makeProgressWriter((said) =>
      promise(
        Effect.flatMap(now, (at) => {
          const shown = redactor.watched(said, redactor.redactJson(said), leak)
          return withSql(tellProgress(job, shown, audit.row(progressFact(job, shown, at))))
        }).pipe(Effect.andThen(wake.wake), Effect.ignoreCause)
      )
    )
    const run = runJob(job, registered, {
      start: (hearing, signal) => isolates.start(job, registered, hearing, signal),
      asks: (signal) => {
        if (typeof code === "string") return {}
        const given = jobAsks(job, code, deedsOf(job, progress.say), signal)
        trust = given.trust
        return given.asks
      },
      redact: { redactText: (text) => redactor.watched(text, redactor.redactText(text), leak) }
    })
    runs.set(job.job_id, run)
    if (lost) run.stop("lost")
    else if (stopping) run.stop("host")
    if (unwanted.has(job.job_id)) run.stop("cancel")
    const progressed = async () => redactor.redactJson(await progress.end())
    fork(finish(job, run, progressed, () => trust()))
  }

  /** Whether its plugin may come, or another host has it. */
  const mayRunLater = Effect.fnUntraced(function*({ kind }: HeldJob) {
    const registered = registry.job(kind)
    if (registered === undefined && registry.mayCome?.() !== true) {
      const patient = !strangers.meet(kind)
      return patient || (yield* withSql(hasOtherHosts(hostId)))
    }
    strangers.meet(kind)
    return registered === undefined || registered.apart !== undefined
  })

  /** Goes on with a job that was claimed. Answers whether it runs now. */
  const takeUp = Effect.fnUntraced(function*({ status, wish, ...job }: LoadedJob) {
    const registered = registry.job(job.kind)
    if (wish === "cancel") return yield* Effect.as(write(job, yield* cancelMove(job)), false)
    if (status === "running" && places.neverRan(job.job_id) && registered !== undefined) {
      launch(job, registered)
      return true
    }
    const at = yield* now
    if (status === "running") {
      // It was under way here, and nobody knows what came of it.
      return yield* Effect.as(write(job, yield* moveOf(job, { is: "stopped", why: "host" }, {})), false)
    }
    if (places.isOver(job.kind) || (!runnable(job.kind) && (yield* mayRunLater(job)))) {
      return yield* Effect.as(withSql(giveBackJob(job, hostId)), false)
    }
    const unable = unableOf(job, registered)
    if (unable?.code === "job.code_changed" && (yield* withSql(isGranted(job.code_hash ?? "")))) {
      // The newer code is taken up here in a moment.
      return yield* Effect.as(withSql(giveBackJob(job, hostId, 2_000)), false)
    }
    if (registered === undefined || unable !== undefined) {
      const error = unable ?? unknownKind(job.kind)
      return yield* Effect.as(write(job, endMove(job, { status: "failed", error }, at)), false)
    }
    const next = { ...job, attempt: job.attempt + 1 }
    if (!(yield* withSql(beginJob(job, hostId, at, audit.row(startedFact(next, at)))))) {
      // It is to be canceled by now, or somebody else has it.
      const wishes = yield* withSql(wishesOf([job.job_id]))
      if (wishes.some((one) => one.startsWith("cancel "))) yield* write(job, yield* cancelMove(job))
      return false
    }
    yield* wake.wake
    launch(next, registered)
    return true
  })

  const takeUpAll = (rows: ReadonlyArray<WorkRow>) =>
    Effect.gen(function*() {
      const loaded = yield* withSql(loadJobs(rows))
      const found = new Set(loaded.map(({ job_id }) => job_id))
      for (const { work_id } of rows) if (!found.has(work_id)) places.leave(work_id)
      yield* Effect.forEach(
        loaded,
        (job) =>
          takeUp(job).pipe(
            Effect.tap((runs) => runs ? Effect.void : Effect.sync(() => places.leave(job.job_id))),
            Effect.catchCause((cause) => giveBack([{ work_id: job.job_id, fence: job.fence }], cause))
          ),
        { discard: true }
      )
    }).pipe(Effect.catchCause((cause) => giveBack(rows, cause)), Effect.uninterruptible)

  const giveBack = (claims: ReadonlyArray<Pick<WorkRow, "work_id" | "fence">>, cause: Cause.Cause<SqlError.SqlError>) =>
    Effect.logWarning("Jobs could not be begun.", Cause.squash(cause)).pipe(
      Effect.andThen(withSql(giveBackClaims(hostId, claims, () => stopping))),
      Effect.ignore,
      Effect.ensuring(Effect.sync(() => {
        for (const { work_id } of claims) if (!runs.has(work_id)) places.leave(work_id)
      }))
    )

  desk.open(makeSubmit({
    audit,
    hostId,
    places: { ...places, take: (job_id, kind) => !stopping && !lost && places.take(job_id, kind) },
    registry,
    wake: queue.wake,
    launch
  }))

  yield* queue.serve("job", {
    size: () => places.all().length,
    active: places.all,
    room: () => stopping || lost ? 0 : places.room(),
    busy: () => [...places.full(), ...strangers.kinds()].map(markOf),
    resume: (rows) =>
      Effect.sync(() => {
        for (const { called, work_id } of rows) places.hold(work_id, called)
        fork(takeUpAll(rows))
      }),
    interrupted: (rows) => withSql(tellInterrupted(rows, audit))
  })

  const cancel = (job_id: string): void => {
    const run = runs.get(job_id)
    if (run !== undefined) run.stop("cancel")
    else if (places.all().includes(job_id)) unwanted.add(job_id)
  }
  const readWishes = Effect.suspend(() => {
    const ids = places.all()
    return ids.length === 0 ? Effect.void : withSql(wishesOf(ids)).pipe(
      Effect.map((wishes) => wishes.forEach(hear)),
      Effect.ignore
    )
  })
  const hear = (message: string): void => {
    if (message === "") return void fork(readWishes)
    const [verb, job_id = ""] = message.split(" ")
    if (verb === "cancel") cancel(job_id)
  }
  yield* notifications.listen(jobChannel, hear)
  yield* readWishes.pipe(Effect.delay(lookForWishes), Effect.forever, Effect.forkScoped)

  yield* leaseLost.pipe(
    Effect.andThen(Effect.sync(() => {
      lost = true
      for (const run of runs.values()) run.stop("lost")
    })),
    Effect.forkScoped
  )
  // Before the fibers are closed, which waits for the ends of what runs.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      stopping = true
      for (const run of runs.values()) run.stop(lost ? "lost" : "host")
    })
  )
  return Workers.of({ running: () => [...runs.keys()] })
})

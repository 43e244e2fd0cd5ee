/**
 * `syris jobs`: the jobs that have not ended, newest first, or one of them; starts one and watches it, or ends one. The id may
 * be its beginning or end, among the open jobs and the newest 500.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Approval } from "../contract/Approval.ts"
import type { Job } from "../contract/Job.ts"
import { clipped, visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import { follow } from "./auditStream.ts"
import { Client } from "./client.ts"
import { CommandFailed, failed, misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { followJob, isOfJobs, readJob, rowLine } from "./jobFollow.ts"
import { drawJob, endInWords, isOpen, jobRow, outputLine } from "./jobView.ts"
import { paints, table } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"

const find = Effect.fn("jobs.find")(function*(part: string) {
  if (isWholeId(part)) return part
  const open = yield* listed<Job>("/jobs", { status: "open" }, 500)
  const newest = yield* listed<Job>("/jobs", {}, 500)
  return yield* meantId(part, [...open.items, ...newest.items].map((one) => one.job_id), "open and newest jobs")
})

interface ListOptions {
  readonly status: Option.Option<string>
  readonly kind: Option.Option<string>
  readonly all: boolean
  readonly limit: number
  readonly json: boolean
}

const list = Effect.fn("jobs.list")(function*({ all, json, kind, limit, ...given }: ListOptions) {
  if (limit < 1 || limit > 10_000) return yield* misused("--limit takes 1 to 10000.")
  const status = Option.getOrElse(given.status, () => all ? undefined : "open")
  const found = yield* listed<Job>("/jobs", { status, kind: Option.getOrUndefined(kind) }, limit)
  if (json) return yield* Effect.forEach(found.items, (job) => Console.log(visibleJson(job)), { discard: true })
  const say = yield* spell
  if (found.items.length === 0) {
    return yield* Console.log(
      status === "open" && Option.isNone(kind)
        ? `No job is open. See those that have ended: ${say("jobs", "--all")}`
        : "No job fits."
    )
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const head = ["JOB", "STATUS", "KIND", "RUNTIME", "AGE", "ATTEMPT", "PROGRESS"].map(paint.dim)
  for (const line of table([head, ...found.items.map((job) => jobRow(job, now, paint))])) yield* Console.log(line)
  if (found.more) yield* Console.log(paint.dim(`There are more: ${say("jobs", "--limit", String(limit * 4))}`))
})

/** Watches a job to its end, and says how it ended. */
const watch = Effect.fn("jobs.watch")(function*(begun: Job, json: boolean) {
  const job = isOpen(begun) ? yield* followJob(begun, json) : begun
  if (json) yield* Console.log(visibleJson(job, 2))
  else {
    yield* Console.log(endInWords(job))
    for (const line of outputLine(job)) yield* Console.log(line)
    if (job.log_artifact_id !== undefined && job.status !== "succeeded") {
      const say = yield* spell
      yield* Console.log(`What it wrote: ${say("jobs", shortId(job.job_id), "--log")}`)
    }
  }
  if (job.status !== "succeeded") return yield* new CommandFailed({ sentence: "", exit_code: 1 })
})

const writeLog = Effect.fn("jobs.log")(function*(job: Job) {
  const client = yield* Client
  if (job.log_artifact_id === undefined) {
    return yield* failed(
      isOpen(job)
        ? "Its log is kept once this attempt has ended."
        : "It wrote nothing, or its log is not kept any more."
    )
  }
  const path = `/artifacts/${job.log_artifact_id}`
  const text = yield* Effect.promise(async () => {
    const answer = await client.fetch(path)
    return answer.ok ? await answer.text() : undefined
  })
  if (text === undefined) return yield* failed("Its log is not kept any more.")
  for (const line of visibleLines(text.replace(/\n$/, ""))) yield* Console.log(line)
})

const followAll = follow({}, 0, (row) => isOfJobs(row) ? Console.log(rowLine(row)) : Effect.void)

const runtime = Flag.String("runtime").pipe(
  Flag.withDescription("Where it runs: thread, process or deno (default: as its plugin says)"),
  Flag.optional
)

const run = Command.make(
  "run",
  {
    kind: Argument.String("kind").pipe(Argument.withDescription("What is to be done, such as report.render")),
    input: Argument.String("input").pipe(
      Argument.withDescription("Its input as JSON (default: {})"),
      Argument.optional
    ),
    runtime,
    seconds: Flag.Int("timeout").pipe(
      Flag.withDescription("How long it may take, in seconds; less than its plugin allows"),
      Flag.withMetavar("seconds"),
      Flag.optional
    ),
    memory: Flag.Int("memory").pipe(
      Flag.withDescription("How much memory it may have, in MiB; less than its plugin allows"),
      Flag.withMetavar("MiB"),
      Flag.optional
    ),
    detach: Flag.Boolean("detach").pipe(
      Flag.withDescription("Start it, and do not watch it"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn(function*({ detach, input, json, kind, memory, runtime, seconds }) {
    const client = yield* Client
    const limits = {
      ...(Option.isNone(seconds) ? {} : { timeout_ms: seconds.value * 1_000 }),
      ...(Option.isNone(memory) ? {} : { memory_mb: memory.value })
    }
    const { body, status } = yield* client.request("/jobs", {
      method: "POST",
      body: {
        kind,
        input: yield* inputOf(Option.getOrElse(input, () => "{}")),
        ...(Option.isNone(runtime) ? {} : { runtime: runtime.value }),
        ...(Object.keys(limits).length === 0 ? {} : { limits })
      }
    })
    const say = yield* spell
    if (status === 202) {
      if (json) return yield* Console.log(visibleJson(body, 2))
      const { approval, trace_id } = body as { readonly approval?: Approval; readonly trace_id: string }
      return yield* Console.log(
        approval === undefined
          ? `It is stored and not started yet: SYRIS is paused, or busy. See later: ${say("jobs")}, or ${
            say("trace", visible(trace_id))
          }`
          : `It waits for your yes. ${clipped(approval.why, 300)} Start it with: ${
            say("approve", String(approval.number))
          }`
      )
    }
    const job = body as Job
    if (detach) {
      return yield* Console.log(
        json ? visibleJson(job, 2) : `${clipped(job.kind, 100)} (${shortId(job.job_id)}) is ${visible(job.status)}.`
      )
    }
    if (!json) {
      yield* Console.log(
        `${clipped(job.kind, 100)} (${shortId(job.job_id)}) is ${
          visible(job.status)
        }. Ctrl-C ends the watching, not the job: ${say("jobs", "cancel", shortId(job.job_id))}`
      )
    }
    yield* watch(job, json)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Start a job and watch it to its end. Exit code 0: it succeeded, or waits for your yes."),
  Command.withShortDescription("Start a job and watch it"),
  Command.withExamples([
    { command: "syris jobs run report.render '{\"pages\": 30}'" },
    { command: "syris jobs run report.render --timeout 60 --detach" }
  ])
)

const inputOf = (text: string) =>
  Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: () =>
      misused(
        `The input must be JSON, such as '{"pages": 30}' in single quotes, and this is none: ${clipped(text, 80)}`
      )
  })

const cancel = Command.make(
  "cancel",
  {
    id: Argument.String("job").pipe(Argument.withDescription("A job, or the beginning or end of its id")),
    reason: Flag.String("reason").pipe(
      Flag.withDescription("Why it is canceled; kept with the job"),
      Flag.optional
    ),
    json
  },
  Effect.fn(function*({ id, json, reason }) {
    const client = yield* Client
    const { body } = yield* client.request(`/jobs/${yield* find(id)}/cancel`, {
      method: "POST",
      ...(Option.isSome(reason) ? { body: { reason: reason.value } } : {})
    })
    const job = body as Job
    if (json) return yield* Console.log(visibleJson(job, 2))
    yield* Console.log(
      isOpen(job)
        ? `${clipped(job.kind, 100)} (${shortId(job.job_id)}) is being ended: it has two seconds to stop by itself.`
        : endInWords(job)
    )
  })
).pipe(Command.provide(Client.layer), Command.withDescription("End a job that is running or waiting"))

export const jobs = Command.make(
  "jobs",
  {
    id: Argument.String("job").pipe(
      Argument.withDescription("One of them, by the beginning or end of its id (default: list them)"),
      Argument.optional
    ),
    status: Flag.String("status").pipe(
      Flag.withDescription("Only these: waiting, queued, running, succeeded, failed, canceled or timed_out"),
      Flag.optional
    ),
    kind: Flag.String("kind").pipe(Flag.withDescription("Only this kind, such as report.render"), Flag.optional),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Also those that have ended"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Watch the job to its end; without a job, whatever happens to any"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    log: Flag.Boolean("log").pipe(
      Flag.withDescription("Print what the job wrote"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    limit: Flag.Int("limit").pipe(Flag.withDescription("At most this many (default: 50)"), Flag.withDefault(50)),
    json
  },
  (given) =>
    Effect.gen(function*() {
      if (Option.isNone(given.id)) {
        if (given.log) return yield* misused("--log goes with a job.")
        return yield* given.follow ? followAll : list(given)
      }
      const job = yield* readJob(yield* find(given.id.value))
      if (given.log) return yield* writeLog(job)
      if (given.follow) return yield* watch(job, given.json)
      if (given.json) return yield* Console.log(visibleJson(job, 2))
      const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
      const now = yield* Clock.currentTimeMillis
      for (const line of drawJob(job, { now, paint: paints(canColor), say: yield* spell })) yield* Console.log(line)
    }).pipe(Effect.provide(Client.layer))
).pipe(
  Command.withDescription(
    "List the jobs that have not ended, newest first, or show one; with --json one object a line. Start one, or end one"
  ),
  Command.withShortDescription("List the jobs, start one and watch it, end one"),
  Command.withExamples([
    { command: "syris jobs" },
    { command: "syris jobs 0c5b6f1d2e40 --follow", description: "The end of an id is enough" },
    { command: "syris jobs run report.render '{\"pages\": 30}'" },
    { command: "syris jobs cancel 0c5b6f1d2e40" }
  ]),
  Command.withSubcommands([run, cancel])
)

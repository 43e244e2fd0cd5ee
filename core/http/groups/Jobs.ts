/** `GET /jobs`, `POST /jobs`, `GET /jobs/{id}`, `POST /jobs/{id}/cancel`. */
import { Deferred, Effect, Schema } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { JobStatus, Runtime } from "../../contract/Enums.ts"
import { Job } from "../../contract/Job.ts"
import { asSentences, check } from "../../plugin/Explain.ts"
import { JobCommands, type Start } from "../../workers/JobCommands.ts"
import { JobLog } from "../../workers/JobLog.ts"
import type { Api } from "../Api.ts"
import { answer, databaseAway, optionalBody, reading } from "../Checked.ts"
import { Stopping } from "../Prefer.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, Instant, pageQuery, Statuses, Text, Uuid, UuidText } from "../Query.ts"
import { ApprovalRecord } from "./Approvals.ts"

export const JobRecord = Job.annotate({ identifier: "Job" })
const JobPage = Schema.Struct({ items: Schema.Array(JobRecord), next_cursor: Schema.optionalKey(Schema.String) })

const Positive = Schema.Int.check(Schema.isGreaterThan(0))
const NewJob = Schema.Struct({
  kind: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)),
  /** Default `{}`. */
  input: Schema.optionalKey(Schema.Json),
  /** Where it runs; default: as its plugin says. */
  runtime: Schema.optionalKey(Runtime),
  limits: Schema.optionalKey(
    Schema.Struct({ timeout_ms: Schema.optionalKey(Positive), memory_mb: Schema.optionalKey(Positive) })
  ),
  /** The same one is the same start: whoever sends it again gets the job of the first. As in `POST /events`. */
  message_id: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500)))
}).annotate({ identifier: "NewJob" })

const checkJob = check(NewJob, "field")

const again = {
  /** The message was there already: this is what became of the first. */
  deduped: Schema.optionalKey(Schema.Boolean),
  /** On a message that came again with another body, which is not run. */
  conflict: Schema.optionalKey(Schema.Boolean)
}

const JobAgain = JobRecord.pipe(Schema.fieldsAssign(again)).annotate({ identifier: "JobStartedBefore" })

const NotStartedYet = Schema.Struct({
  event_id: Schema.String,
  trace_id: Schema.String,
  /** That it waits for. Without one it waits for its turn, or for the end of a pause. */
  approval: Schema.optionalKey(ApprovalRecord),
  ...again
}).annotate({ identifier: "JobNotStartedYet" })

const CancelBody = Schema.Struct({ reason: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000))) })
const checkCancel = check(CancelBody, "field")

const params = { id: UuidText }

export class JobsGroup extends HttpApiGroup.make("jobs").add(
  HttpApiEndpoint.get("list", "/jobs", {
    query: {
      status: Statuses(JobStatus.literals),
      kind: Text,
      trace_id: Uuid,
      since: Instant,
      until: Instant,
      ...pageQuery
    },
    success: JobPage
  }),
  HttpApiEndpoint.get("get", "/jobs/:id", { params, success: JobRecord, error: problemResponse(404) }),
  HttpApiEndpoint.post("create", "/jobs", {
    payload: NewJob,
    success: [JobRecord.pipe(HttpApiSchema.status(201)), JobAgain, NotStartedYet.pipe(HttpApiSchema.status(202))],
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({
    summary: "Starts a job",
    description:
      "A call of the tool job.run.<kind>, gated like every other. 201 with the record once the job is durable; 202 where a " +
      "person is asked first (with the approval), where the system is paused, or where it took longer than ten seconds. 200 " +
      "where a message with this message_id was there before: with the job of the first, and `conflict` where it was another."
  })),
  HttpApiEndpoint.post("cancel", "/jobs/:id/cancel", {
    params,
    payload: [CancelBody, Schema.Null],
    success: JobRecord,
    error: [problemResponse(404), problemResponse(409)]
  }).annotateMerge(OpenApi.annotations({
    summary: "Cancels a job",
    description:
      "One that waits is canceled at once. One that is running is told to stop and ended two seconds later: the record is " +
      "answered as it is now, and worker.job_canceled in the audit says when nothing of it is left."
  }))
) {}

const notFound = problem("job.not_found", "No job has this id.")

const readJob = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const checked = checkJob(yield* Effect.orDie(request.json))
  if (!checked.ok) return yield* Effect.fail(problem("request.field", asSentences(checked.mistakes)))
  const { input = {}, ...job } = checked.value
  return { ...job, input }
})

const readReason = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(
    optionalBody(request, checkCancel, {} as typeof CancelBody.Type),
    ({ reason }) => reason === "" ? undefined : reason
  )

const started = (start: Start) => {
  if (start.is === "started") {
    const { conflict, deduped, job } = start
    const made = deduped === true
      ? answer(JobAgain, { ...job, deduped, ...(conflict === undefined ? {} : { conflict }) })
      : HttpServerResponse.setStatus(answer(JobRecord, job), 201)
    return HttpServerResponse.setHeaders(made, {
      location: `/jobs/${start.job.job_id}`
    })
  }
  const { is: _is, ...waiting } = start
  return HttpServerResponse.setHeaders(HttpServerResponse.setStatus(answer(NotStartedYet, waiting), 202), {
    location: start.is === "asked" ? `/approvals/${start.approval.approval_id}` : `/traces/${start.trace_id}`
  })
}

export const jobsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "jobs",
    Effect.fnUntraced(function*(handlers) {
      const commands = yield* JobCommands
      const jobs = yield* JobLog
      const stopping = yield* Stopping

      const record = (id: string) =>
        reading(Effect.flatMap(jobs.byId(id), (job) =>
          job === undefined ? Effect.fail(notFound) : Effect.succeed(answer(JobRecord, job))))

      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(jobs.page(filter, { limit, cursor }), (page) =>
            answer(JobPage, page))))
        .handle("get", ({ params }) =>
          record(params.id))
        .handleRaw("create", ({ request }) =>
          Effect.flatMap(readJob(request), (job) =>
            reading(
              commands.start(job, Deferred.await(stopping)).pipe(
                Effect.map(started),
                Effect.catchTags({
                  JobKindUnknown: ({ detail }) =>
                    Effect.fail(problem("job.unknown_kind", detail)),
                  JobNotStarted: ({ detail, forbidden }) =>
                    Effect.fail(problem(forbidden ? "job.forbidden" : "job.refused", detail)),
                  EventNotAccepted: () =>
                    Effect.fail({
                      ...databaseAway,
                      detail: "The database did not confirm the job. Look with GET /jobs whether it is there."
                    })
                })
              )
            )))
        .handleRaw("cancel", ({ params, request }) =>
          Effect.flatMap(readReason(request), (reason) =>
            reading(
              commands.cancel(params.id, reason).pipe(Effect.catchTags({
                JobNotFound: ({ detail }) =>
                  Effect.fail(problem("job.not_found", detail)),
                JobMoveRefused: ({ detail }) => Effect.fail(problem("job.state", detail))
              }))
            ).pipe(Effect.andThen(record(params.id)))))
    })
  )

/** `GET /tasks`, `POST /tasks`, `GET /tasks/{id}`, and what the operator does to a task. */
import { Effect, Schema } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { TaskStatus } from "../../contract/Enums.ts"
import { ListedTask, Step, TaskWithSteps } from "../../contract/Task.ts"
import { Pipeline } from "../../pipeline/Pipeline.ts"
import { asSentences, check } from "../../plugin/Explain.ts"
import { Registry } from "../../plugin/Registry.ts"
import { TaskBody } from "../../tasks/TaskBody.ts"
import { TaskCommands, type TaskMoveRefused, type TaskNotFound } from "../../tasks/TaskCommands.ts"
import { TaskLog } from "../../tasks/TaskLog.ts"
import { readTaskRequest } from "../../tasks/TaskRequest.ts"
import type { Api } from "../Api.ts"
import { answer, databaseAway, hasNoBody, reading } from "../Checked.ts"
import { held, preferenceApplied, readPrefer, Stopping } from "../Prefer.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, Instant, pageQuery, searchedUntil, Statuses, Text, Uuid, UuidText } from "../Query.ts"

/** A task as it is alone: with its steps. */
export const TaskRecord = TaskWithSteps.pipe(
  Schema.fieldsAssign({ steps: Schema.Array(Step.annotate({ identifier: "Step" })) })
).annotate({ identifier: "TaskWithSteps" })

const TaskItem = ListedTask.annotate({ identifier: "Task" })

const TaskPage = Schema.Struct({
  items: Schema.Array(TaskItem),
  next_cursor: Schema.optionalKey(Schema.String),
  ...searchedUntil
})

const CancelBody = Schema.Struct({ reason: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000))) })
const checkCancel = check(CancelBody, "field")

const params = { id: UuidText }
const moved = { params, success: TaskRecord, error: [problemResponse(404), problemResponse(409)] }

export class TasksGroup extends HttpApiGroup.make("tasks").add(
  HttpApiEndpoint.get("list", "/tasks", {
    query: {
      status: Statuses(TaskStatus.literals),
      label: Text,
      trace_id: Uuid,
      since: Instant,
      until: Instant,
      ...pageQuery
    },
    success: TaskPage
  }).annotateMerge(OpenApi.annotations({
    summary: "Tasks, newest first",
    description:
      "With a `label`, or a `status` that some or all ended tasks have, a page looks at a bounded number of tasks: it may have " +
      "fewer than asked for, even none, and a `next_cursor` to go on with. Open tasks, and those of a trace, come at once."
  })),
  HttpApiEndpoint.get("get", "/tasks/:id", { params, success: TaskRecord, error: problemResponse(404) }),
  HttpApiEndpoint.post("create", "/tasks", {
    headers: {
      prefer: Schema.optionalKey(Schema.String.annotate({
        description:
          "wait=N (RFC 7240): holds the answer until the trace is settled or N seconds (at most 60) have passed."
      }))
    },
    payload: TaskBody.annotate({ identifier: "NewTask" }),
    success: TaskRecord.pipe(HttpApiSchema.status(201))
  }).annotateMerge(OpenApi.annotations({
    summary: "Makes a task",
    description: "201 once the task is durable, with the record as it is then; taken whole or not at all."
  })),
  HttpApiEndpoint.post("cancel", "/tasks/:id/cancel", { ...moved, payload: [CancelBody, Schema.Null] }),
  HttpApiEndpoint.post("pause", "/tasks/:id/pause", moved),
  HttpApiEndpoint.post("resume", "/tasks/:id/resume", moved),
  HttpApiEndpoint.post("retry", "/tasks/:id/retry", moved)
) {}

const notFound = problem("task.not_found", "No task has this id.")

/** The reason of a cancel, whose body may be missing. */
const readReason = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (hasNoBody(request)) return undefined
  const checked = checkCancel(yield* Effect.orDie(request.json))
  if (!checked.ok) return yield* Effect.fail(problem("request.field", asSentences(checked.mistakes)))
  return checked.value.reason === "" ? undefined : checked.value.reason
})

export const tasksHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "tasks",
    Effect.fnUntraced(function*(handlers) {
      const commands = yield* TaskCommands
      const pipeline = yield* Pipeline
      const registry = yield* Registry
      const stopping = yield* Stopping
      const tasks = yield* TaskLog

      const record = (id: string) =>
        reading(Effect.flatMap(tasks.byId(id), (task) =>
          task === undefined ? Effect.fail(notFound) : Effect.succeed(answer(TaskRecord, task))))

      const move = (id: string, made: Effect.Effect<void, TaskNotFound | TaskMoveRefused | SqlError.SqlError>) =>
        reading(made.pipe(Effect.catchTags({
          TaskNotFound: ({ detail }) =>
            Effect.fail(problem("task.not_found", detail)),
          TaskMoveRefused: ({ detail }) => Effect.fail(problem("task.state", detail))
        }))).pipe(Effect.andThen(record(id)))

      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(tasks.page(filter, { limit, cursor }), (page) =>
            answer(TaskPage, page))))
        .handle("get", ({ params }) =>
          record(params.id))
        .handleRaw(
          "create",
          Effect.fnUntraced(function*({ headers, request }) {
            const { thread_id, ...task } = yield* readTaskRequest(yield* Effect.orDie(request.json), registry).pipe(
              Effect.mapError(({ detail, more }) =>
                problem("task.refused", [detail, ...more.slice(0, 4)].join(" ").slice(0, 2_000).toWellFormed())
              )
            )
            const made = yield* pipeline.startTask(task, thread_id === undefined ? {} : { thread_id }).pipe(
              Effect.mapError(() => ({
                ...databaseAway,
                detail: "The database did not confirm the task. Look with GET /tasks whether it is there."
              }))
            )
            const seconds = readPrefer(headers.prefer)
            if (seconds !== undefined) {
              yield* held(pipeline.settled(made), seconds, stopping)
            }
            const stored = yield* reading(tasks.byId(made.task_id))
            if (stored === undefined) {
              return yield* Effect.die(new Error(`The task ${made.task_id} was made and is not there.`))
            }
            return HttpServerResponse.setHeaders(HttpServerResponse.setStatus(answer(TaskRecord, stored), 201), {
              location: `/tasks/${made.task_id}`,
              ...(seconds === undefined ? {} : preferenceApplied(seconds))
            })
          })
        )
        .handleRaw("cancel", ({ params, request }) =>
          Effect.flatMap(readReason(request), (reason) =>
            move(params.id, commands.cancel(params.id, reason))))
        .handle("pause", ({ params }) =>
          move(params.id, commands.pause(params.id)))
        .handle("resume", ({ params }) =>
          move(params.id, commands.resume(params.id)))
        .handle("retry", ({ params }) =>
          move(params.id, commands.retry(params.id)))
    })
  )

/** `/schedules`: made, listed, changed, deleted; what became of their slots, and which are to come. */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { Occurrence, Schedule } from "../../contract/Schedule.ts"
import { PreviewBody, ScheduleBody, SchedulePatch, type ScheduleRefused } from "../../scheduler/NewSchedule.ts"
import { Schedules } from "../../scheduler/Schedules.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, Text, Uuid, UuidText } from "../Query.ts"

const ScheduleRecord = Schedule.annotate({ identifier: "Schedule" })
const MadeRecord = Schedule.pipe(Schema.fieldsAssign({
  /** What was understood, where `when` said it in words. */
  said: Schema.optionalKey(Schema.String)
})).annotate({ identifier: "MadeSchedule" })
const SchedulePage = Schema.Struct({
  items: Schema.Array(ScheduleRecord),
  next_cursor: Schema.optionalKey(Schema.String)
})
const OccurrencePage = Schema.Struct({
  items: Schema.Array(Occurrence.annotate({ identifier: "Occurrence" })),
  next_cursor: Schema.optionalKey(Schema.String)
})
const Preview = Schema.Struct({ slots: Schema.Array(Schema.String), said: Schema.String })
  .annotate({ identifier: "SchedulePreview" })

const params = { id: UuidText }
const one = { params, success: ScheduleRecord, error: problemResponse(404) }

export class SchedulesGroup extends HttpApiGroup.make("schedules").add(
  HttpApiEndpoint.get("list", "/schedules", {
    query: {
      all: Schema.optionalKey(
        Schema.Literals(["true", "false"]).annotate({ description: "true: also one-shots that are over." })
      ),
      trace_id: Uuid,
      name: Text,
      ...pageQuery
    },
    success: SchedulePage
  }),
  HttpApiEndpoint.post("create", "/schedules", {
    payload: ScheduleBody.annotate({ identifier: "NewSchedule" }),
    success: MadeRecord.pipe(HttpApiSchema.status(201))
  }).annotateMerge(OpenApi.annotations({
    summary: "Makes a schedule",
    description:
      "When it is due is `type` and `spec`, or `when` in words (`every weekday at 7:30`). A time that has passed is refused."
  })),
  HttpApiEndpoint.get("get", "/schedules/:id", one),
  HttpApiEndpoint.patch("change", "/schedules/:id", {
    ...one,
    payload: SchedulePatch.annotate({ identifier: "ChangedSchedule" }),
    success: MadeRecord
  }).annotateMerge(OpenApi.annotations({
    summary: "Changes a schedule",
    description: "What has passed is never fired again: the next slot is one that is to come."
  })),
  HttpApiEndpoint.delete("remove", "/schedules/:id", {
    params,
    success: HttpApiSchema.NoContent,
    error: problemResponse(404)
  }),
  HttpApiEndpoint.get("occurrences", "/schedules/:id/occurrences", {
    params,
    query: pageQuery,
    success: OccurrencePage,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({ summary: "What became of its slots, newest first" })),
  HttpApiEndpoint.post("preview", "/schedules/preview", {
    payload: PreviewBody.annotate({ identifier: "PreviewSchedule" }),
    success: Preview
  }).annotateMerge(OpenApi.annotations({ summary: "The slots of what would be a schedule; nothing is stored" }))
) {}

const notFound = problem("schedule.not_found", "No schedule has this id.")

const asked = <A>(self: Effect.Effect<A, ScheduleRefused | SqlError.SqlError>) =>
  reading(
    Effect.catchTag(self, "ScheduleRefused", ({ detail }) =>
      Effect.fail(problem("schedule.refused", detail.slice(0, 2_000).toWellFormed())))
  )

const there = <A>(found: A | undefined) => found === undefined ? Effect.fail(notFound) : Effect.succeed(found)

export const schedulesHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "schedules",
    Effect.fnUntraced(function*(handlers) {
      const schedules = yield* Schedules
      return handlers
        .handle("list", ({ query: { all, cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(schedules.page({ ...filter, all: all === "true" }, { limit, cursor }), (page) =>
            answer(SchedulePage, page))))
        .handleRaw("create", ({ request }) =>
          Effect.gen(function*() {
            const made = yield* asked(schedules.create(yield* Effect.orDie(request.json)))
            return HttpServerResponse.setHeaders(HttpServerResponse.setStatus(answer(MadeRecord, made), 201), {
              location: `/schedules/${made.schedule_id}`
            })
          }))
        .handle("get", ({ params }) =>
          reading(schedules.byId(params.id)).pipe(
            Effect.flatMap(there),
            Effect.map((schedule) =>
              answer(ScheduleRecord, schedule)
            )
          ))
        .handleRaw("change", ({ params, request }) =>
          Effect.gen(function*() {
            const changed = yield* asked(schedules.patch(params.id, yield* Effect.orDie(request.json)))
            return answer(MadeRecord, yield* there(changed))
          }))
        .handle("remove", ({ params }) =>
          Effect.flatMap(reading(schedules.remove(params.id)), (gone) =>
            gone ? Effect.succeed(HttpServerResponse.empty({ status: 204 })) : Effect.fail(notFound)))
        .handle("occurrences", ({ params, query: { cursor, limit = defaultLimit } }) =>
          reading(schedules.occurrences(params.id, { limit, cursor })).pipe(
            Effect.flatMap(there),
            Effect.map((page) =>
              answer(OccurrencePage, page)
            )
          ))
        .handleRaw("preview", ({ request }) =>
          Effect.gen(function*() {
            return answer(Preview, yield* asked(schedules.preview(yield* Effect.orDie(request.json))))
          }))
    })
  )

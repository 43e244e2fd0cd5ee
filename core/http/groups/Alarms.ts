/** `GET /alarms`, and what the operator says of one: seen, or over. */
import { Effect, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { Alarm } from "../../contract/Alarm.ts"
import { AlarmStatus } from "../../contract/Enums.ts"
import { type AlarmMoveRefused, type AlarmNotFound, Alarms } from "../../health/Alarms.ts"
import { check } from "../../plugin/Explain.ts"
import type { Api } from "../Api.ts"
import { answer, optionalBody, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, UuidText } from "../Query.ts"

const AlarmRecord = Alarm.annotate({ identifier: "Alarm" })
const AlarmPage = Schema.Struct({ items: Schema.Array(AlarmRecord), next_cursor: Schema.optionalKey(Schema.String) })

/** What the operator wants to be remembered. */
const NoteBody = Schema.Struct({ note: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000))) })
const checkNote = check(NoteBody, "field")

const moved = {
  params: { id: UuidText },
  payload: [NoteBody, Schema.Null],
  success: AlarmRecord,
  error: [problemResponse(404), problemResponse(409)]
} as const

export class AlarmsGroup extends HttpApiGroup.make("alarms").add(
  HttpApiEndpoint.get("list", "/alarms", {
    query: { status: Schema.optionalKey(AlarmStatus), ...pageQuery },
    success: AlarmPage
  }),
  HttpApiEndpoint.post("ack", "/alarms/:id/ack", moved).annotateMerge(OpenApi.annotations({
    summary: "Says that the alarm was seen"
  })),
  HttpApiEndpoint.post("resolve", "/alarms/:id/resolve", moved).annotateMerge(OpenApi.annotations({
    summary: "Says that the alarm is over"
  }))
) {}

/** The note of a move, whose body may be missing. */
const readNote = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const { note }: typeof NoteBody.Type = yield* optionalBody(request, checkNote, {})
  return note === "" ? undefined : note
})

const move = (made: Effect.Effect<Alarm, AlarmNotFound | AlarmMoveRefused | SqlError.SqlError>) =>
  reading(made.pipe(
    Effect.map((alarm) => answer(AlarmRecord, alarm)),
    Effect.catchTags({
      AlarmNotFound: (error) => Effect.fail(problem("alarm.not_found", error.message)),
      AlarmMoveRefused: (error) => Effect.fail(problem("alarm.state", error.message))
    })
  ))

export const alarmsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "alarms",
    Effect.fnUntraced(function*(handlers) {
      const alarms = yield* Alarms
      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(alarms.page(filter, { limit, cursor }), (page) =>
            answer(AlarmPage, page))))
        .handleRaw("ack", ({ params, request }) =>
          Effect.flatMap(readNote(request), (note) =>
            move(alarms.ack(params.id, note))))
        .handleRaw("resolve", ({ params, request }) =>
          Effect.flatMap(readNote(request), (note) =>
            move(alarms.resolve(params.id, note))))
    })
  )

/** `GET /quiet-hours`, `PUT /quiet-hours/{id}`. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { CursorInvalid, openCursor, pageOf, sealCursor } from "../../audit/Page.ts"
import { QuietHoursRecord } from "../../contract/QuietHours.ts"
import { Timezone } from "../../plugin/TimeWindowSetting.ts"
import { days, QuietHours } from "../../safety/QuietHours.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery } from "../Query.ts"

const TimeOfDay = Schema.String.check(
  Schema.isPattern(/^([01]\d|2[0-3]):[0-5]\d$/, { expected: "a time such as \"22:00\"" })
)

const Days = Schema.Array(Schema.Literals(days)).check(
  Schema.makeFilter((given) => given.length > 0 && new Set(given).size === given.length, {
    expected: "at least one day, each once, such as [\"mon\"]"
  })
)

const window = {
  start: TimeOfDay,
  /** Before `start`: on the next day. The same as `start`: 24 hours later. */
  end: TimeOfDay,
  timezone: Timezone,
  /** On which it begins; all without it. */
  days: Schema.optionalKey(Days)
}

const Hours = QuietHoursRecord.annotate({ identifier: "QuietHours" })

const QuietHoursPage = Schema.Struct({
  items: Schema.Array(Hours),
  next_cursor: Schema.optionalKey(Schema.String)
})

const QuietHoursBody = Schema.Struct({ ...window, enabled: Schema.optionalKey(Schema.Boolean) })
  .annotate({ identifier: "PutQuietHours" })

const QuietHoursId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9._-]{1,100}$/, { expected: "1 to 100 letters, digits, dots, dashes and underscores" })
)

export class QuietHoursGroup extends HttpApiGroup.make("quiet_hours").add(
  HttpApiEndpoint.get("list", "/quiet-hours", { query: pageQuery, success: QuietHoursPage }),
  HttpApiEndpoint.put("put", "/quiet-hours/:id", {
    params: { id: QuietHoursId },
    payload: QuietHoursBody,
    success: Hours,
    error: problemResponse(409)
  }).annotateMerge(OpenApi.annotations({
    summary: "Makes quiet hours or changes them",
    description: "Those of the configuration are changed there; their ids begin with `config.`."
  }))
) {}

export const quietHoursHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "quiet_hours",
    Effect.fnUntraced(function*(handlers) {
      const quietHours = yield* QuietHours
      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit } }) =>
          reading(Effect.gen(function*() {
            const all = yield* quietHours.list
            // There are few, so a page is cut out of all.
            const [after] = cursor === undefined ? [] : openCursor("quiet_hours", cursor) ?? [""]
            const from = after === undefined ? 0 : all.findIndex((one) => one.quiet_hours_id === after) + 1
            if (after !== undefined && from === 0) return yield* new CursorInvalid()
            const page = pageOf(all.slice(from), limit, (one) => one, (last) =>
              sealCursor("quiet_hours", last.quiet_hours_id))
            return answer(QuietHoursPage, page)
          })))
        .handle("put", ({ params, payload: { enabled = true, ...window } }) =>
          reading(
            quietHours.put(params.id, { ...window, enabled }).pipe(
              Effect.map((record) => answer(Hours, record)),
              Effect.catchTag("QuietHoursReadOnly", (error) =>
                Effect.fail(problem("quiet_hours.read_only", error.message)))
            )
          ))
    })
  )

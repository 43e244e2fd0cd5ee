/** `GET`, `POST /controls/autonomy`, `POST /controls/pause`, `POST /controls/resume`: the operator's own hand, not gated. */
import { Effect, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AuditLog } from "../../audit/AuditLog.ts"
import { Autonomy } from "../../contract/Enums.ts"
import { check } from "../../plugin/Explain.ts"
import { autonomyHistory } from "../../safety/AutonomyHistory.ts"
import { Control } from "../../safety/Control.ts"
import { ControlCommands } from "../../safety/ControlCommands.ts"
import type { Api } from "../Api.ts"
import { answer, optionalBody, reading } from "../Checked.ts"
import { defaultLimit, pageQuery } from "../Query.ts"

const reason = Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000)))

const Standing = Schema.Struct({ level: Autonomy, paused: Schema.Boolean }).annotate({ identifier: "Controls" })

const History = Schema.Struct({
  level: Autonomy,
  paused: Schema.Boolean,
  /** The changes of the level, newest first. */
  items: Schema.Array(Schema.Struct({
    at: Schema.String,
    from: Autonomy,
    to: Autonomy,
    by: Schema.String,
    reason: Schema.optionalKey(Schema.String)
  })),
  next_cursor: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "AutonomyHistory" })

const Paused = Schema.Struct({
  level: Autonomy,
  paused: Schema.Boolean,
  /** Hosts that live and have not heeded the pause: something may still begin there. */
  unheeded: Schema.optionalKey(Schema.Array(Schema.String))
}).annotate({ identifier: "Paused" })

const ReasonBody = Schema.Struct({ reason })
const checkReason = check(ReasonBody, "field")

export class ControlsGroup extends HttpApiGroup.make("controls").add(
  HttpApiEndpoint.get("autonomy", "/controls/autonomy", { query: pageQuery, success: History }),
  HttpApiEndpoint.post("setAutonomy", "/controls/autonomy", {
    payload: Schema.Struct({ level: Autonomy, reason }).annotate({ identifier: "NewAutonomy" }),
    success: Standing
  }),
  HttpApiEndpoint.post("pause", "/controls/pause", {
    payload: [ReasonBody, Schema.Null],
    success: Paused
  }).annotateMerge(OpenApi.annotations({
    summary: "Pauses everything",
    description:
      "Answers when no new effect can begin; hosts that have not confirmed that within 10 s are in `unheeded`."
  })),
  HttpApiEndpoint.post("resume", "/controls/resume", { payload: [ReasonBody, Schema.Null], success: Standing })
) {}

/** The word of the operator, with the reason from a body that may be missing. */
const readWord = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const { reason }: typeof ReasonBody.Type = yield* optionalBody(request, checkReason, {})
  return wordOf(reason)
})

const wordOf = (given: string | undefined) => ({ by: "operator", reason: given === "" ? undefined : given })

export const controlsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "controls",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const commands = yield* ControlCommands
      const control = yield* Control
      return handlers
        .handle("autonomy", ({ query: { cursor, limit = defaultLimit } }) =>
          reading(Effect.gen(function*() {
            const history = yield* autonomyHistory(audit, { limit, cursor })
            const { autonomy, paused } = yield* control.refresh
            return answer(History, { level: autonomy, paused, ...history })
          })))
        .handle("setAutonomy", ({ payload }) =>
          reading(Effect.map(
            commands.setAutonomy(payload.level, wordOf(payload.reason)),
            ({ autonomy, paused }) => answer(Standing, { level: autonomy, paused })
          )))
        .handleRaw("pause", ({ request }) =>
          Effect.flatMap(readWord(request), (word) =>
            reading(Effect.map(
              commands.pause(word),
              ({ autonomy, paused, unheeded }) =>
                answer(Paused, { paused, level: autonomy, ...(unheeded.length === 0 ? {} : { unheeded }) })
            ))))
        .handleRaw("resume", ({ request }) =>
          Effect.flatMap(readWord(request), (word) =>
            reading(Effect.map(
              commands.resume(word),
              ({ autonomy, paused }) => answer(Standing, { paused, level: autonomy })
            ))))
    })
  )

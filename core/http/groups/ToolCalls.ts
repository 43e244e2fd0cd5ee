/** `GET /tool-calls`, `GET /tool-calls/{id}`, and the operator's word on a call of which nobody knows. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { ToolCallStatus } from "../../contract/Enums.ts"
import { ToolCall } from "../../contract/ToolCall.ts"
import { CallSettlement } from "../../tools/CallSettlement.ts"
import { ToolCallLog } from "../../tools/ToolCallLog.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, Text, Uuid, UuidText } from "../Query.ts"

const Call = ToolCall.annotate({ identifier: "ToolCall" })
const CallPage = Schema.Struct({ items: Schema.Array(Call), next_cursor: Schema.optionalKey(Schema.String) })

const SettleBody = Schema.Struct({
  /** `happened`: it was done. `not_happened`: it was not. `retry`: do it again, whatever became of it. */
  outcome: Schema.Literals(["happened", "not_happened", "retry"]),
  /** Kept with it: how you know. */
  note: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000)))
}).annotate({ identifier: "Settle" })

const params = { id: UuidText }

export class ToolCallsGroup extends HttpApiGroup.make("tool_calls").add(
  HttpApiEndpoint.get("list", "/tool-calls", {
    query: {
      status: Schema.optionalKey(ToolCallStatus),
      tool: Text,
      task_id: Uuid,
      trace_id: Uuid,
      ...pageQuery
    },
    success: CallPage
  }),
  HttpApiEndpoint.get("get", "/tool-calls/:id", { params, success: Call, error: problemResponse(404) }),
  HttpApiEndpoint.post("settle", "/tool-calls/:id/settle", {
    params,
    payload: SettleBody,
    success: Call,
    error: [problemResponse(404), problemResponse(409)]
  }).annotateMerge(OpenApi.annotations({
    summary: "Says what became of a call",
    description: "For a call with status unknown: until somebody says it, its step and its task wait."
  }))
) {}

export const toolCallsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "tool_calls",
    Effect.fnUntraced(function*(handlers) {
      const calls = yield* ToolCallLog
      const settlement = yield* CallSettlement

      const record = (id: string) =>
        reading(Effect.flatMap(calls.byId(id), (call) =>
          call === undefined
            ? Effect.fail(problem("tool_call.not_found", "No tool call has this id."))
            : Effect.succeed(answer(Call, call))))

      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(calls.page(filter, { limit, cursor }), (page) =>
            answer(CallPage, page))))
        .handle("get", ({ params }) =>
          record(params.id))
        .handle("settle", ({ params, payload }) =>
          reading(
            settlement.settle(params.id, payload).pipe(Effect.catchTags({
              CallNotFound: (error) => Effect.fail(problem("tool_call.not_found", error.message)),
              CallNotUnknown: (error) => Effect.fail(problem("tool_call.not_unknown", error.message)),
              CallBusy: (error) => Effect.fail(problem("tool_call.busy", error.message))
            }))
          ).pipe(Effect.andThen(record(params.id))))
    })
  )

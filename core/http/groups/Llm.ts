/** What models were sent and answered, call by call: what the operator reads when an answer was odd. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { CompletionRecord } from "../../contract/Completion.ts"
import { CompletionLog } from "../../llm/CompletionLog.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, UuidText } from "../Query.ts"

const ContextPage = Schema.Struct({
  completions: Schema.Array(CompletionRecord.annotate({ identifier: "Completion" })),
  next_cursor: Schema.optionalKey(Schema.String)
})

export class LlmGroup extends HttpApiGroup.make("llm").add(
  HttpApiEndpoint.get("context", "/llm/context", {
    query: { trace_id: UuidText, ...pageQuery },
    success: ContextPage,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({
    summary: "What a model was sent and answered in a trace",
    description: "Call by call, the oldest first, exactly as it was sent, without known secrets."
  }))
) {}

export const llmHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "llm",
    Effect.fnUntraced(function*(handlers) {
      const log = yield* CompletionLog
      const redactor = yield* Redactor
      return handlers.handle("context", ({ query: { cursor, limit = defaultLimit, trace_id } }) =>
        reading(Effect.flatMap(log.page(trace_id, { limit, cursor }), (page) => {
          if (page === undefined) {
            return Effect.fail(problem("trace.not_found", "No trace has this id."))
          }
          const { items, ...rest } = page
          return Effect.succeed(answer(ContextPage, { completions: redactor.redactJson(items), ...rest }))
        })))
    })
  )

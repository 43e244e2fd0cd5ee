/** What the host was told to remember: the operator reads all of it, and deletes what is not to be remembered. */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Trust } from "../../contract/Enums.ts"
import { Memory } from "../../contract/Memory.ts"
import { Memories } from "../../memory/Memories.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, Text, UuidText } from "../Query.ts"

const MemoryRecord = Memory.annotate({ identifier: "Memory" })
const MemoryPage = Schema.Struct({ items: Schema.Array(MemoryRecord), next_cursor: Schema.optionalKey(Schema.String) })

export class MemoryGroup extends HttpApiGroup.make("memory").add(
  HttpApiEndpoint.get("list", "/memory", {
    query: { query: Text, trust: Schema.optionalKey(Trust), ...pageQuery },
    success: MemoryPage
  }).annotateMerge(OpenApi.annotations({
    summary: "What is remembered",
    description: "The newest first; with `query` what fits it, the best first."
  })),
  HttpApiEndpoint.delete("forget", "/memory/:id", {
    params: { id: UuidText },
    success: HttpApiSchema.NoContent,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({ summary: "Forgets it for good" }))
) {}

export const memoryHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "memory",
    Effect.fnUntraced(function*(handlers) {
      const memories = yield* Memories
      const redactor = yield* Redactor
      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(memories.page(filter, { limit, cursor }), (page) =>
            answer(MemoryPage, redactor.redactJson(page)))))
        .handle("forget", ({ params }) =>
          reading(
            memories.forget(params.id, "operator").pipe(
              Effect.as(HttpServerResponse.empty({ status: 204 })),
              Effect.catchTags({
                MemoryNotFound: (error) =>
                  Effect.fail(problem("memory.not_found", error.message))
              })
            )
          ))
    })
  )

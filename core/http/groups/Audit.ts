/** `GET /audit`, `GET /audit/stream`. */
import { Effect, Schema, Stream } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { AuditLog, isStreamId } from "../../audit/AuditLog.ts"
import { AuditEvent } from "../../contract/AuditEvent.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { EventStreams } from "../EventStreams.ts"
import { problem } from "../Problem.ts"
import { defaultLimit, Instant, pageQuery, Text, Uuid } from "../Query.ts"

const Row = AuditEvent.annotate({ identifier: "AuditEvent" })
const AuditPage = Schema.Struct({ items: Schema.Array(Row), next_cursor: Schema.optionalKey(Schema.String) })

const filters = { trace_id: Uuid, type: Text, stage: Text, outcome: Text, tool: Text, task_id: Uuid }

export class AuditGroup extends HttpApiGroup.make("audit").add(
  HttpApiEndpoint.get("list", "/audit", {
    query: { ...filters, since: Instant, until: Instant, ...pageQuery },
    success: AuditPage
  }),
  HttpApiEndpoint.get("stream", "/audit/stream", {
    query: filters,
    headers: { "last-event-id": Schema.optionalKey(Schema.String) },
    success: HttpApiSchema.StreamSse({ data: Row })
  })
) {}

export const auditHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "audit",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const streams = yield* EventStreams
      return handlers
        .handle(
          "list",
          ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
            reading(Effect.map(audit.page(filter, { limit, cursor }), (page) => answer(AuditPage, page)))
        )
        .handle(
          "stream",
          Effect.fnUntraced(function*({ headers, query }) {
            const after = headers["last-event-id"]
            if (after !== undefined && !isStreamId(after)) {
              return yield* Effect.fail(
                problem("request.cursor", "This Last-Event-ID is not one of this stream. Start again without it.")
              )
            }
            return yield* streams.serve(
              yield* HttpServerRequest.HttpServerRequest,
              audit.stream(query, after).pipe(
                Stream.map(({ event, id }) => ({ id, data: JSON.stringify(event) })),
                Stream.orDie
              )
            )
          })
        )
    })
  )

/** `GET /audit`, `GET /audit/stream`. */
import { Effect, Schema, Stream } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AuditLog, isStreamId } from "../../audit/AuditLog.ts"
import { AuditEvent } from "../../contract/AuditEvent.ts"
import { Risk } from "../../contract/Enums.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { EventStreams } from "../EventStreams.ts"
import { problem } from "../Problem.ts"
import { defaultLimit, Instant, pageQuery, searchedUntil, SearchQuery, Text, Uuid } from "../Query.ts"

const Row = AuditEvent.annotate({ identifier: "AuditEvent" })
const AuditPage = Schema.Struct({
  items: Schema.Array(Row),
  next_cursor: Schema.optionalKey(Schema.String),
  ...searchedUntil
})

const filters = {
  trace_id: Uuid,
  type: Text,
  stage: Text,
  outcome: Text,
  tool: Text,
  task_id: Uuid,
  text: SearchQuery,
  risk: Schema.optionalKey(Risk),
  channel: Text,
  connector_id: Text,
  actor_id: Text
}

/** Of `GET /audit`, besides the cursor and the limit. */
export const auditFilters = { ...filters, since: Instant, until: Instant }

export class AuditGroup extends HttpApiGroup.make("audit").add(
  HttpApiEndpoint.get("list", "/audit", {
    query: { ...auditFilters, ...pageQuery },
    success: AuditPage
  }).annotateMerge(OpenApi.annotations({
    summary: "The audit, newest row first; of a trace oldest first",
    description:
      "With a filter that no index tells (`text`, `risk`, `channel`, `connector_id`, `actor_id`; and where it is not of one " +
      "trace or task, `stage`, `since`, `until`, a frequent `type` or `outcome`, or two of `type`, `outcome` and `tool`) a page " +
      "looks at a bounded number of rows: it may have fewer than asked for, even none, and a `next_cursor` to go on with."
  })),
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
                Effect.map(Stream.map(({ event, id }) => ({ id, data: JSON.stringify(event) }))),
                Effect.orDie
              )
            )
          })
        )
    })
  )

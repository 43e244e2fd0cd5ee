/** `POST /hooks/{connector_id}`, as it is documented. Served by `Webhooks.ts`, before the router: the body stays raw. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { problemResponse } from "../Problem.ts"

const Accepted = Schema.Struct({
  event_id: Schema.String,
  trace_id: Schema.String,
  deduped: Schema.Boolean,
  /** On a duplicate that came with another body. */
  conflict: Schema.optionalKey(Schema.Boolean)
})

export class HooksGroup extends HttpApiGroup.make("hooks").add(
  HttpApiEndpoint.post("receive", "/hooks/:connector_id", {
    params: { connector_id: Schema.String },
    payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
    success: [Accepted.pipe(HttpApiSchema.status(202)), Accepted],
    error: [400, 401, 404, 413, 429, 500, 503].map((status) => problemResponse(status))
  }).annotateMerge(OpenApi.annotations({
    summary: "Takes a webhook",
    description: "Authenticated by the connector's own signature over the raw body (at most 256 KiB), not by the token."
  }))
) {}

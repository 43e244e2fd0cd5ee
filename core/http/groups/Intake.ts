/** `POST /events`, as it is documented. It is the hot path and served by `EventIntake.ts`, before the router. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Lane, TraceOutcome } from "../../contract/Enums.ts"
import { RawEvent } from "../../contract/Event.ts"
import { commonProblems } from "../Problem.ts"

const settled = {
  /** Only with `Prefer: wait=N`. */
  settled: Schema.optionalKey(Schema.Boolean),
  lane: Schema.optionalKey(Lane),
  outcome: Schema.optionalKey(TraceOutcome),
  reply: Schema.optionalKey(Schema.String)
}

const Accepted = Schema.Struct({
  event_id: Schema.String,
  trace_id: Schema.String,
  deduped: Schema.Boolean,
  /** On a duplicate that came with another body. */
  conflict: Schema.optionalKey(Schema.Boolean),
  ...settled
}).annotate({ identifier: "Accepted" })

const DryRun = Schema.Struct({
  dry_run: Schema.Literal(true),
  deduped: Schema.optionalKey(Schema.Literal(true)),
  event_id: Schema.optionalKey(Schema.String),
  trace_id: Schema.optionalKey(Schema.String),
  events: Schema.Array(Schema.Unknown),
  decisions: Schema.Array(Schema.Unknown),
  tool_calls: Schema.Array(Schema.Unknown),
  approvals: Schema.Array(Schema.Unknown),
  tasks: Schema.Array(Schema.Unknown),
  replies: Schema.Array(Schema.Unknown),
  audit: Schema.Array(Schema.Unknown),
  /** What can't be foreseen, as sentences. */
  notes: Schema.Array(Schema.String)
}).annotate({ identifier: "DryRun" })

export class IntakeGroup extends HttpApiGroup.make("intake").add(
  HttpApiEndpoint.post("submit", "/events", {
    query: { dry_run: Schema.optionalKey(Schema.Literals(["true", "false"])) },
    headers: {
      prefer: Schema.optionalKey(Schema.String.annotate({
        description:
          "wait=N (RFC 7240): holds the answer until the trace is settled or N seconds (at most 60) have passed."
      }))
    },
    payload: RawEvent.annotate({ identifier: "RawEvent" }),
    success: [Accepted.pipe(HttpApiSchema.status(202)), Accepted, DryRun],
    error: commonProblems
  }).annotateMerge(OpenApi.annotations({
    summary: "Hands over an event",
    description:
      "202 once the event is durable; 200 for a duplicate, a dry run, or with Prefer: wait when the trace is settled."
  }))
) {}

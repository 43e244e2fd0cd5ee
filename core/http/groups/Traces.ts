/** `GET /traces/{trace_id}`. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { AuditEvent } from "../../contract/AuditEvent.ts"
import { TraceCosts } from "../../contract/Completion.ts"
import { MessageEvent } from "../../contract/Event.ts"
import { RoutingDecision } from "../../contract/RoutingDecision.ts"
import { ToolCall } from "../../contract/ToolCall.ts"
import { Trace } from "../../contract/Trace.ts"
import { Traces } from "../../pipeline/Traces.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { UuidText } from "../Query.ts"
import { ApprovalRecord } from "./Approvals.ts"
import { JobRecord } from "./Jobs.ts"
import { TaskRecord } from "./Tasks.ts"

const TraceRecord = Trace.pipe(Schema.fieldsAssign({
  events: Schema.Array(MessageEvent.annotate({ identifier: "MessageEvent" })),
  decisions: Schema.Array(RoutingDecision.annotate({ identifier: "RoutingDecision" })),
  tool_calls: Schema.Array(ToolCall.annotate({ identifier: "ToolCall" })),
  approvals: Schema.Array(ApprovalRecord),
  tasks: Schema.Array(TaskRecord),
  jobs: Schema.Array(JobRecord),
  audit: Schema.Array(AuditEvent.annotate({ identifier: "AuditEvent" })),
  costs: Schema.optionalKey(TraceCosts.annotate({ identifier: "TraceCosts" }))
})).annotate({ identifier: "Trace" })

export class TracesGroup extends HttpApiGroup.make("traces").add(
  HttpApiEndpoint.get("get", "/traces/:trace_id", {
    params: { trace_id: UuidText },
    success: TraceRecord,
    error: problemResponse(404)
  })
) {}

export const tracesHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "traces",
    Effect.fnUntraced(function*(handlers) {
      const traces = yield* Traces
      return handlers.handle("get", ({ params }) =>
        reading(Effect.flatMap(traces.byId(params.trace_id), (trace) =>
          trace === undefined
            ? Effect.fail(problem("trace.not_found", "No trace has this id."))
            : Effect.succeed(answer(TraceRecord, trace)))))
    })
  )

/** `GET /tools`, `POST /tools/{name}/preview`. */
import { Clock, Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import type { Health as HealthStatus } from "../../contract/Enums.ts"
import { ToolPreview, ToolRecord } from "../../contract/ToolRecord.ts"
import { newId } from "../../database/Ids.ts"
import { Health } from "../../health/Health.ts"
import { asSentences, unknownKey } from "../../plugin/Explain.ts"
import { Registry, type RegisteredTool } from "../../plugin/Registry.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { CallPlanner } from "../../tools/CallPlanner.ts"
import { hashOf } from "../../tools/InputHash.ts"
import { Binding, readInput } from "../../tools/Binding.ts"
import { Previews } from "../../tools/Previews.ts"
import { idempotencyKey } from "../../tools/ToolCallPlan.ts"
import { ToolCallLog } from "../../tools/ToolCallLog.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { UuidText } from "../Query.ts"

const Tool = ToolRecord.annotate({ identifier: "Tool" })

const ToolList = Schema.Struct({ items: Schema.Array(Tool) })

const PreviewBody = Schema.Struct({
  input: Schema.Record(Schema.String, Schema.Json),
  /** As if it came on this channel; default: `chat`, the operator's. */
  channel: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(100))),
  /** Of a call that is stored: the preview has the key that the call has. */
  tool_call_id: Schema.optionalKey(UuidText)
}).annotate({ identifier: "PreviewRequest" })

const Preview = ToolPreview.annotate({ identifier: "Preview" })

export class ToolsGroup extends HttpApiGroup.make("tools").add(
  HttpApiEndpoint.get("list", "/tools", { success: ToolList }),
  HttpApiEndpoint.post("preview", "/tools/:name/preview", {
    params: { name: Schema.String },
    payload: PreviewBody,
    success: Preview,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({
    summary: "Shows what a call would do",
    description: "Checks the input, asks the gates and the tool's own preview. Nothing is stored and nothing runs."
  }))
) {}

const toRecord = (tool: RegisteredTool, health: HealthStatus): ToolRecord => ({
  name: tool.definition.name,
  plugin: tool.plugin,
  description: tool.definition.description,
  effect: tool.definition.effect,
  risk: typeof tool.definition.risk === "string" ? tool.definition.risk : null,
  guarantee: tool.definition.guarantee ?? "none",
  trust: tool.definition.trust ?? "trusted",
  scopes: tool.definition.scopes,
  timeout_ms: tool.timeoutMs,
  concurrency: tool.concurrency,
  pin: tool.pin,
  input_schema: tool.inputSchema,
  ...(tool.outputSchema === undefined ? {} : { output_schema: tool.outputSchema }),
  health
})

export const toolsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "tools",
    Effect.fnUntraced(function*(handlers) {
      const calls = yield* ToolCallLog
      const binding = yield* Binding
      const planner = yield* CallPlanner
      const previews = yield* Previews
      const redactor = yield* Redactor
      const registry = yield* Registry
      const health = yield* Health

      const preview = Effect.fnUntraced(function*(
        name: string,
        { channel = "chat", input: given, tool_call_id }: typeof PreviewBody.Type
      ) {
        const tool = registry.tool(name)
        if (tool === undefined) {
          const names = registry.tools().map(({ definition }) => definition.name)
          return yield* Effect.fail(problem("tool.not_found", asSentences([unknownKey(name, names, "tool")])))
        }
        const call = tool_call_id === undefined ? undefined : yield* reading(calls.byId(tool_call_id))
        if (tool_call_id !== undefined && call?.tool !== name) {
          return yield* Effect.fail(problem("tool_call.not_found", `No call of ${name} has this id.`))
        }
        const event_id = newId()
        const { decoded, json: input } = yield* Effect.mapError(
          readInput(binding, { tool, event: { event_id } }, given),
          (detail) => problem("tool.input", detail)
        )
        const trace_id = call?.trace_id ?? newId()
        const trust = registry.trustOf(channel)
        const request = {
          event: { event_id, trace_id, channel, connector_id: channel, actor_id: "operator" },
          tool,
          tool_call_id,
          input,
          at: new Date(yield* Clock.currentTimeMillis),
          trust,
          dry: true
        }
        const gate = planner.judge(request, decoded, input)
        if ("broken" in gate) {
          return yield* Effect.fail(problem("tool.input", gate.broken.message))
        }
        const idempotency_key = call?.idempotency_key ?? idempotencyKey(request.event.event_id, 0, name)
        const shown = yield* previews.show({ tool, input: decoded, idempotency_key, trace_id, trust })
        return answer(Preview, {
          tool: name,
          input: redactor.redactJson(input),
          input_hash: hashOf(input),
          idempotency_key,
          verdict: gate.verdict,
          risk: gate.risk,
          reasons: gate.reasons,
          ...(shown.text === undefined ? {} : { preview: shown.text }),
          ...(shown.note === undefined ? {} : { note: shown.note })
        })
      })

      return handlers.handle("preview", ({ params, payload }) => preview(params.name, payload)).handle("list", () =>
        Effect.map(health.ailments, (ailments) => {
          // A tool is as well as its plugin, unless something was said of the tool itself.
          const of = (tool: RegisteredTool) =>
            ailments.find((one) =>
              one.name === tool.definition.name || one.name === tool.plugin || `mcp.${one.name}` === tool.plugin
            )?.status ?? "healthy"
          return answer(ToolList, {
            items: registry.tools()
              .map((tool) =>
                toRecord(tool, of(tool))
              )
              .toSorted((a, b) => a.name < b.name ? -1 : 1)
          })
        }))
    })
  )

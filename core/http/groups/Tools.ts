/** `GET /tools`. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Guarantee, Health as HealthStatus, Risk, ToolEffect, Trust } from "../../contract/Enums.ts"
import { Health } from "../../health/Health.ts"
import { Registry, type RegisteredTool } from "../../plugin/Registry.ts"
import type { Api } from "../Api.ts"
import { answer } from "../Checked.ts"

const ToolRecord = Schema.Struct({
  name: Schema.String,
  plugin: Schema.String,
  description: Schema.String,
  effect: ToolEffect,
  /** `null` where it depends on the input. */
  risk: Schema.NullOr(Risk),
  guarantee: Guarantee,
  trust: Trust,
  scopes: Schema.Array(Schema.String),
  timeout_ms: Schema.Finite,
  concurrency: Schema.Int,
  pin: Schema.String,
  input_schema: Schema.Unknown,
  output_schema: Schema.optionalKey(Schema.Unknown),
  health: HealthStatus
}).annotate({ identifier: "Tool" })

const ToolList = Schema.Struct({ items: Schema.Array(ToolRecord) })

export class ToolsGroup extends HttpApiGroup.make("tools").add(
  HttpApiEndpoint.get("list", "/tools", { success: ToolList })
) {}

const toRecord = (tool: RegisteredTool, health: HealthStatus): typeof ToolRecord.Type => ({
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
      const registry = yield* Registry
      const health = yield* Health
      return handlers.handle("list", () =>
        Effect.map(health.ailments, (ailments) => {
          // A tool is as well as its plugin, unless something was said of the tool itself.
          const of = (tool: RegisteredTool) =>
            ailments.find((one) => one.name === tool.definition.name || one.name === tool.plugin)?.status ?? "healthy"
          return answer(ToolList, {
            items: registry.tools()
              .map((tool) => toRecord(tool, of(tool)))
              .toSorted((a, b) => a.name < b.name ? -1 : 1)
          })
        }))
    })
  )

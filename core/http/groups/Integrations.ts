/** `/integrations`: what the host is connected to, switching it off or on, and trusting what a server has changed. */
import { Effect, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Integration } from "../../contract/Integration.ts"
import { Integrations } from "../../mcp/Integrations.ts"
import { check } from "../../plugin/Explain.ts"
import type { Api } from "../Api.ts"
import { answer, optionalBody, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"

const IntegrationRecord = Integration.annotate({ identifier: "Integration" })
const IntegrationList = Schema.Struct({ items: Schema.Array(IntegrationRecord) })

const id = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,220}$/, { expected: "the id of an integration, such as \"files\"" })
)

const TrustBody = Schema.Struct({
  /** Of what was shown in `quarantined`: it is refused where the server says something else by now. */
  pin: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "the pin that GET /integrations shows" }))
  )
}).annotate({ identifier: "TrustTool" })
const checkTrust = check(TrustBody, "field")

export class IntegrationsGroup extends HttpApiGroup.make("integrations").add(
  HttpApiEndpoint.get("list", "/integrations", { success: IntegrationList }),
  HttpApiEndpoint.get("one", "/integrations/:id", {
    params: { id },
    success: IntegrationRecord,
    error: problemResponse(404)
  }),
  HttpApiEndpoint.patch("change", "/integrations/:id", {
    params: { id },
    payload: Schema.Struct({ enabled: Schema.Boolean }).annotate({ identifier: "PatchIntegration" }),
    success: IntegrationRecord,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({
    summary: "Switches an integration off or on, in every host",
    description:
      "Off: an MCP server is disconnected and its tools leave the registry; events of a channel are dropped, with the reason."
  })),
  HttpApiEndpoint.post("trust", "/integrations/:id/tools/:tool/trust", {
    params: { id, tool: Schema.String },
    payload: [TrustBody, Schema.Null],
    success: IntegrationRecord,
    error: [problemResponse(404), problemResponse(409)]
  }).annotateMerge(OpenApi.annotations({
    summary: "Trusts a tool in quarantine as its server describes it now",
    description: "`tool` is the server's own name for it. With `pin` exactly what was shown is trusted, or nothing."
  }))
) {}

const readPin = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const { pin }: typeof TrustBody.Type = yield* optionalBody(request, checkTrust, {})
  return pin
})

export const integrationsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "integrations",
    Effect.fnUntraced(function*(handlers) {
      const integrations = yield* Integrations
      const notFound = (error: { readonly message: string }) =>
        Effect.fail(problem("integration.not_found", error.message))
      const shown = (record: Integration) => answer(IntegrationRecord, record)
      return handlers
        .handle("list", () => reading(Effect.map(integrations.all, (items) => answer(IntegrationList, { items }))))
        .handle("one", ({ params }) =>
          reading(
            integrations.byId(params.id).pipe(
              Effect.map(shown),
              Effect.catchTag("IntegrationNotFound", notFound)
            )
          ))
        .handle("change", ({ params, payload: { enabled } }) =>
          reading(
            integrations.setEnabled(params.id, enabled).pipe(
              Effect.map(shown),
              Effect.catchTag("IntegrationNotFound", notFound)
            )
          ))
        .handleRaw("trust", ({ params, request }) =>
          Effect.flatMap(readPin(request), (pin) =>
            reading(
              integrations.trust(params.id, params.tool, pin).pipe(
                Effect.map(shown),
                Effect.catchTags({
                  IntegrationNotFound: notFound,
                  McpTrustRefused: (error) => Effect.fail(problem("mcp_tool.state", error.message)),
                  McpToolNotFound: (error) => Effect.fail(problem("mcp_tool.not_found", error.message))
                })
              )
            )))
    })
  )

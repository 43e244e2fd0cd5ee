/** `GET /health`, `GET /state`. */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { State } from "../../contract/State.ts"
import { SystemHealth } from "../../contract/SystemHealth.ts"
import { Health } from "../../health/Health.ts"
import { SystemState } from "../../health/SystemState.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"

const StateRecord = State.annotate({ identifier: "State" })

export class SystemGroup extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("health", "/health", {
    success: [SystemHealth, SystemHealth.pipe(HttpApiSchema.status(503))]
  }),
  HttpApiEndpoint.get("state", "/state", { success: StateRecord })
) {}

export const systemHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "system",
    Effect.fnUntraced(function*(handlers) {
      const health = yield* Health
      const state = yield* SystemState
      return handlers
        .handle("health", () =>
          Effect.map(health.current, (current) => {
            const response = answer(SystemHealth, current)
            return current.status === "down" ? HttpServerResponse.setStatus(response, 503) : response
          }))
        .handle("state", () => reading(Effect.map(state.current, (current) => answer(StateRecord, current))))
    })
  )

/**
 * The handlers of the API on one router, and the answers for addresses and methods that do not exist.
 */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import { Api, Document } from "./Api.ts"
import { Checked, serverFailed, toResponse } from "./Checked.ts"
import { pathOf } from "./FrontDoor.ts"
import { alarmsHandlers } from "./groups/Alarms.ts"
import { approvalsHandlers } from "./groups/Approvals.ts"
import { artifactsHandlers } from "./groups/Artifacts.ts"
import { auditHandlers } from "./groups/Audit.ts"
import { chatHandlers } from "./groups/Chat.ts"
import { controlsHandlers } from "./groups/Controls.ts"
import { costsHandlers } from "./groups/Costs.ts"
import { documentationRoutes } from "./groups/Documentation.ts"
import { eventsHandlers } from "./groups/Events.ts"
import { exportHandlers } from "./groups/Export.ts"
import { integrationsHandlers } from "./groups/Integrations.ts"
import { jobsHandlers } from "./groups/Jobs.ts"
import { llmHandlers } from "./groups/Llm.ts"
import { loginHandlers } from "./groups/Login.ts"
import { memoryHandlers } from "./groups/Memory.ts"
import { pluginsHandlers } from "./groups/Plugins.ts"
import { policyHandlers } from "./groups/Policy.ts"
import { questionsHandlers } from "./groups/Questions.ts"
import { quietHoursHandlers } from "./groups/QuietHours.ts"
import { rulesHandlers } from "./groups/Rules.ts"
import { schedulesHandlers } from "./groups/Schedules.ts"
import { settingsHandlers } from "./groups/Settings.ts"
import { systemHandlers } from "./groups/System.ts"
import { tasksHandlers } from "./groups/Tasks.ts"
import { toolCallsHandlers } from "./groups/ToolCalls.ts"
import { toolsHandlers } from "./groups/Tools.ts"
import { tracesHandlers } from "./groups/Traces.ts"
import { watchersHandlers } from "./groups/Watchers.ts"
import { problem } from "./Problem.ts"

const handlers = Layer.mergeAll(
  systemHandlers(Api),
  eventsHandlers(Api),
  exportHandlers(Api),
  settingsHandlers(Api),
  approvalsHandlers(Api),
  chatHandlers(Api),
  policyHandlers(Api),
  controlsHandlers(Api),
  loginHandlers(Api),
  memoryHandlers(Api),
  llmHandlers(Api),
  costsHandlers(Api),
  alarmsHandlers(Api),
  quietHoursHandlers(Api),
  rulesHandlers(Api),
  schedulesHandlers(Api),
  watchersHandlers(Api),
  questionsHandlers(Api),
  integrationsHandlers(Api),
  artifactsHandlers(Api),
  auditHandlers(Api),
  tracesHandlers(Api),
  tasksHandlers(Api),
  jobsHandlers(Api),
  toolCallsHandlers(Api),
  toolsHandlers(Api),
  pluginsHandlers(Api)
)

export const routes = Layer.merge(
  HttpApiBuilder.layer(Api).pipe(Layer.provide(handlers), Layer.provide(Checked.layer)),
  documentationRoutes(Document)
)

/** The methods of each path pattern that exists. */
const known: ReadonlyArray<{ readonly pattern: RegExp; readonly methods: ReadonlySet<string> }> = (() => {
  const byPath = new Map<string, Set<string>>()
  HttpApi.reflect(Document, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      const methods = byPath.get(endpoint.path) ?? new Set(["OPTIONS"])
      methods.add(endpoint.method)
      if (endpoint.method === "GET") methods.add("HEAD")
      byPath.set(endpoint.path, methods)
    }
  })
  return [...byPath].map(([path, methods]) => ({
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replace(/:\w+/g, "[^/]+")}/?$`),
    methods
  }))
})()

/** The methods that an address of the API answers, as `Allow` has them; `undefined` for an unknown one. */
export const allowed = (path: string): string | undefined => {
  const methods = known.filter(({ pattern }) => pattern.test(path)).flatMap((one) => [...one.methods])
  return methods.length === 0 ? undefined : [...new Set(methods)].sort().join(", ")
}

/** Of a path, as it is written in the address: room for the name of a rule in any alphabet. */
const longestPart = 2_000

const nowhere = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
  const path = pathOf(request.url)
  const allow = allowed(path)
  if (allow === undefined) {
    return toResponse(problem("request.not_found", "No address of this server has this path; GET /docs lists them."))
  }
  if (path.split("/").some((part) => part.length > longestPart)) {
    return toResponse(problem("request.path", `A part of the path has at most ${longestPart} characters.`))
  }
  if (request.method === "OPTIONS") return HttpServerResponse.empty({ status: 204, headers: { allow } })
  return toResponse(problem("request.method", `This address answers ${allow}.`, { allow }))
})

/** The router as one effect that answers everything. */
export const application = HttpRouter.toHttpEffect(routes).pipe(
  Effect.provideService(HttpRouter.RouterConfig, { maxParamLength: longestPart }),
  Effect.map((app) =>
    app.pipe(
      Effect.catchTag("HttpServerError", (error) =>
        error.reason._tag === "RouteNotFound"
          ? nowhere
          : Effect.as(Effect.logDebug(error), toResponse(problem("request.malformed", "The request can't be read.")))),
      Effect.catchDefect((defect) => Effect.as(Effect.logError("A request failed", defect), toResponse(serverFailed)))
    )
  )
)

/** `GET /openapi.json`, `/docs`, `/metrics`. */
import { Effect, Metric, Schema, Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { type HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiScalar, HttpApiSchema, OpenApi } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { Health } from "../../health/Health.ts"
import { Traffic } from "../Traffic.ts"

export class DocumentationGroup extends HttpApiGroup.make("documentation").add(
  HttpApiEndpoint.get("openapi", "/openapi.json", { success: Schema.Unknown }),
  HttpApiEndpoint.get("docs", "/docs", {
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html" }))
  }),
  HttpApiEndpoint.get("metrics", "/metrics", { success: Schema.String.pipe(HttpApiSchema.asText()) })
) {}

/** The page brings all that it needs: nothing is loaded from anywhere, and nothing is sent but to this server. */
export const docsPolicy =
  "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const requests = Metric.counter("syris_http_requests_total", { description: "HTTP requests", incremental: true })
const refusals = Metric.counter("syris_http_problems_total", {
  description: "Requests refused before they were handled",
  incremental: true
})
const streams = Metric.gauge("syris_http_streams", { description: "Open event streams" })
const uptime = Metric.gauge("syris_uptime_seconds", { description: "Seconds since the host started" })
const degraded = Metric.gauge("syris_degraded_subsystems", { description: "Subsystems that are not well" })
const memory = Metric.gauge("process_resident_memory_bytes", { description: "Resident memory" })
const cpu = Metric.counter("process_cpu_seconds_total", { description: "CPU time, user and system", incremental: true })

const metrics = (traffic: Traffic["Service"], health: Health["Service"]) => {
  let cpuBefore = 0
  return Effect.gen(function*() {
    for (const [route, count] of traffic.takeRequests()) {
      yield* Metric.update(Metric.withAttributes(requests, { route }), count)
    }
    for (const [code, count] of traffic.takeRefusals()) {
      yield* Metric.update(Metric.withAttributes(refusals, { code }), count)
    }
    const current = yield* health.current
    const { system, user } = process.cpuUsage()
    const cpuNow = (system + user) / 1_000_000
    yield* Metric.update(cpu, cpuNow - cpuBefore)
    cpuBefore = cpuNow
    yield* Metric.update(streams, traffic.openStreams())
    yield* Metric.update(uptime, current.uptime_seconds)
    yield* Metric.update(degraded, current.degraded.length)
    yield* Metric.update(memory, process.memoryUsage.rss())
    return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
      contentType: "text/plain; version=0.0.4; charset=utf-8"
    })
  })
}

export const documentationRoutes = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  document: HttpApi.HttpApi<Id, Groups>
) =>
  HttpRouter.use(Effect.fnUntraced(function*(router) {
    // Made when somebody first asks: the page alone is three megabytes.
    const scalar = { withDefaultFonts: false, hideTestRequestButton: false } as const
    const docs = yield* Effect.cached(
      HttpRouter.toHttpEffect(HttpApiScalar.layer(document, { path: "/docs", scalar })).pipe(
        Effect.provideService(Scope.Scope, yield* Effect.scope)
      )
    )
    const openapi = yield* Effect.cached(Effect.sync(() =>
      HttpServerResponse.text(JSON.stringify(OpenApi.fromApi(document)), { contentType: "application/json" })
    ))
    yield* router.add("GET", "/docs", Effect.flatten(docs))
    yield* router.add("GET", "/openapi.json", openapi)
    yield* router.add("GET", "/metrics", metrics(yield* Traffic, yield* Health))
  }))

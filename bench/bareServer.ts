/**
 * The control of start: an Effect HttpApi server with one route, `GET /health`. Bundled and started as the host is. With
 * `BENCH_POSTGRES_HOME` it starts the embedded PostgreSQL first.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as http from "node:http"
import * as EmbeddedPostgres from "../core/database/EmbeddedPostgres.ts"

class Health extends HttpApiGroup.make("health").add(
  HttpApiEndpoint.get("get", "/health", { success: Schema.Struct({ status: Schema.String }) })
) {}
class Api extends HttpApi.make("bare").add(Health) {}

const handlers = HttpApiBuilder.group(
  Api,
  "health",
  (group) => group.handle("get", () => Effect.succeed({ status: "ok" }))
)
const home = process.env["BENCH_POSTGRES_HOME"]
const postgres = home === undefined ? Layer.empty : Layer.effectDiscard(EmbeddedPostgres.start({ home }))

HttpRouter.serve(HttpApiBuilder.layer(Api).pipe(Layer.provide(handlers)), {
  disableListenLog: true,
  disableLogger: true
}).pipe(
  Layer.provide(
    NodeHttpServer.layer(http.createServer, { host: "127.0.0.1", port: Number(process.env["SYRIS_PORT"]) })
  ),
  Layer.provide(postgres),
  Layer.launch,
  NodeRuntime.runMain
)

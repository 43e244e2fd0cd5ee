import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as net from "node:net"
import { fromUrl, layerPool, migrate } from "../database/Database.ts"
import { newId } from "../database/Ids.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import { HttpAddress } from "./HttpServer.ts"
import { layerTestServer, send } from "./TestServer.ts"
import { Token } from "./Token.ts"

const tool = (name: string, risk: RegisteredTool["definition"]["risk"]): RegisteredTool => ({
  plugin: "coffee",
  definition: {
    name,
    description: "Brews.",
    effect: "write",
    risk,
    scopes: ["kitchen"],
    run: () => 1
  } as unknown as RegisteredTool["definition"],
  pin: "p",
  inputSchema: { type: "object" },
  outputSchema: undefined,
  timeoutMs: 30_000,
  concurrency: 10,
  decodeInput: Effect.succeed,
  encodeOutput: Effect.succeed,
  riskOf: () => "low",
  operatorOnly: false,
  steering: undefined,
  notifies: false,
  log: {
    debug() {},
    info() {},
    warn() {},
    error() {},
    with() {
      return this
    }
  }
})

layer(
  layerTestServer({
    registry: {
      tools: () => [tool("coffee.brew", "medium"), tool("coffee.add", () => "low")],
      plugins: () => [{
        name: "coffee",
        version: "1.2.3",
        runtime: "inline",
        permissions: { net: ["10.0.0.9"] },
        parts: {
          tools: [tool("coffee.brew", "medium").definition],
          routes: [{ method: "GET", path: "/cups", handle: () => new Response() }]
        }
      }]
    }
  }),
  { timeout: "60 seconds", excludeTestServices: true }
)("reading over HTTP", (it) => {
  it.effect("tools and plugins say what they are", () =>
    Effect.gen(function*() {
      const tools = (yield* send("/tools")).json.items
      assert.deepEqual(tools.map((one: { name: string }) => one.name), ["coffee.add", "coffee.brew"])
      assert.deepInclude(tools[1], {
        plugin: "coffee",
        risk: "medium",
        guarantee: "none",
        trust: "trusted",
        health: "healthy",
        input_schema: { type: "object" }
      })
      assert.isNull(tools[0].risk)
      const plugins = (yield* send("/plugins")).json.items
      assert.deepInclude(plugins[0], {
        name: "coffee",
        version: "1.2.3",
        runtime: "inline",
        permissions: { net: ["10.0.0.9"] }
      })
      assert.deepInclude(plugins[0].provides, { tools: ["coffee.brew"], routes: ["GET /plugins/coffee/cups"] })
    }))

  it.effect("the audit comes in pages over the wire; what nobody knows is 404", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const trace_id = newId()
      for (let i = 0; i < 3; i++) {
        yield* sql`
          insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
          values (${newId()}, now(), ${trace_id}, 'system', 'system.started', 'info', ${`row ${i}`}, '{}', '{}')`
      }
      const first = yield* send(`/audit?trace_id=${trace_id}&limit=2`)
      assert.deepEqual(first.json.items.map((row: { summary: string }) => row.summary), ["row 0", "row 1"])
      const second = yield* send(`/audit?trace_id=${trace_id}&limit=2&cursor=${first.json.next_cursor}`)
      assert.deepEqual(second.json.items.map((row: { summary: string }) => row.summary), ["row 2"])
      assert.notProperty(second.json, "next_cursor")
      assert.deepInclude((yield* send(`/traces/${trace_id}`)).json, { trace_id, settled: true, events: [] })
      const since = encodeURIComponent(new Date(Date.now() - 60_000).toISOString())
      assert.isAtLeast((yield* send(`/audit?since=${since}&limit=500`)).json.items.length, 3)
      assert.deepEqual((yield* send(`/audit?until=2026-01-01T00:00:00+01:00&limit=500`)).json.items, [])
      for (
        const [target, code] of [[`/traces/${newId()}`, "trace.not_found"], [
          `/events/${newId()}`,
          "event.not_found"
        ]] as const
      ) {
        const answer = yield* send(target)
        assert.deepEqual([answer.status, answer.json.code], [404, code])
      }
    }))
})

/** A way to the test server's Postgres that can be cut. */
const cable = Effect.fnUntraced(function*(given: Redacted.Redacted) {
  const sockets = new Set<net.Socket>()
  const server = fromUrl(given)
  const url = new URL(Redacted.value(given))
  const { hostname, port } = url
  let cut = false
  const proxy = net.createServer((client) => {
    if (cut) return void client.destroy()
    const upstream = "path" in server ? net.connect(server.path) : net.connect(Number(port || 5432), hostname)
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from)
      from.on("error", () => {})
      from.on("close", () => void to.destroy())
      from.pipe(to)
    }
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void proxy.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        proxy.close()
      })
  )
  url.search = ""
  url.hostname = "127.0.0.1"
  url.port = String((proxy.address() as net.AddressInfo).port)
  return {
    url: Redacted.make(url.href),
    cut: Effect.sync(() => {
      cut = true
      for (const socket of sockets) socket.destroy()
    }),
    mend: Effect.sync(() => {
      cut = false
    })
  }
})

describe("a database that is away", () => {
  it.live("is 503 with a time to come back, and everything works again when it is there", () =>
    Effect.gen(function*() {
      const line = yield* cable(yield* newDatabase)
      const database = Layer.effectDiscard(migrate).pipe(Layer.provideMerge(layerPool({ url: line.url })))
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* send("/audit")).status, 200)
        yield* line.cut
        for (const target of ["/audit", "/events", "/state", `/traces/${newId()}`]) {
          const away = yield* send(target)
          assert.deepEqual([away.status, away.json.code, away.headers["retry-after"]], [
            503,
            "database.unavailable",
            "2"
          ], target)
        }
        assert.strictEqual((yield* send("/health")).status, 200)
        yield* line.mend
        assert.strictEqual((yield* send("/audit")).status, 200)
      }).pipe(Effect.provide(layerTestServer({ database })))
    }).pipe(Effect.scoped), 60_000)
})

describe("a body that does not arrive", () => {
  it.live.skipIf(process.env["SYRIS_TEST_LONG"] === undefined)(
    "is waited for ten seconds, not longer",
    () =>
      Effect.gen(function*() {
        const { port } = yield* HttpAddress
        const token = Redacted.value((yield* Token).value)
        const from = performance.now()
        const answer = yield* Effect.callback<string>((resume) => {
          const head = `POST /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
          const socket = net.connect(port, "127.0.0.1", () => socket.write(head))
          let out = ""
          socket.on("data", (chunk) => out += chunk)
          socket.on("close", () => resume(Effect.succeed(out)))
        })
        assert.match(answer, /^HTTP\/1.1 408 .*request\.timeout/s)
        assert.approximately(performance.now() - from, 11_000, 2_000)
      }).pipe(Effect.provide(layerTestServer())),
    60_000
  )
})

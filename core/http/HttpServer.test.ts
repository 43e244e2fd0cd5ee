import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import * as http from "node:http"
import * as net from "node:net"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import { Health } from "../health/Health.ts"
import { EventNotAccepted, EventRejected } from "../pipeline/Pipeline.ts"
import { WebhookRefused, WebhookReply } from "../plugin/Plugin.ts"
import type { RegisteredChannel } from "../plugin/Registry.ts"
import { HttpAddress } from "./HttpServer.ts"
import { ids, layerHome, layerTestServer, Seen, send } from "./TestServer.ts"
import { Token } from "./Token.ts"

const live = { timeout: "60 seconds", excludeTestServices: true } as const
const event = { channel: "chat", text: "hello" }
const nested = (depth: number) => `{"channel":"chat","structured":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`

const isProblem = (
  answer: { readonly status: number; readonly headers: http.IncomingHttpHeaders; readonly json: any }
) => {
  assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/)
  assert.strictEqual(answer.json.status, answer.status)
  for (const field of ["type", "title", "detail", "code"]) assert.isString(answer.json[field], field)
  assert.notMatch(JSON.stringify(answer.json), /node_modules|at .*\.ts:|Error:/)
  return answer.json.code as string
}

layer(layerTestServer(), live)("an event comes in", (it) => {
  it.effect("is answered with its ids once it is durable, and given on as it came", () =>
    Effect.gen(function*() {
      const answer = yield* send("/events", { body: { ...event, structured: { deep: { er: [1, "two", null] } } } })
      assert.strictEqual(answer.status, 202)
      assert.deepEqual(answer.json, { ...ids, deduped: false })
      assert.deepEqual((yield* Seen).submitted.at(-1), { ...event, structured: { deep: { er: [1, "two", null] } } })
    }))

  it.effect("is only looked at with dry_run", () =>
    Effect.gen(function*() {
      const before = (yield* Seen).submitted.length
      const answer = yield* send("/events?dry_run=true", { body: event })
      assert.strictEqual(answer.status, 200)
      assert.isTrue(answer.json.dry_run)
      assert.strictEqual((yield* Seen).submitted.length, before)
      assert.strictEqual((yield* send("/events?dry_run=false", { body: event })).status, 202)
    }))

  const bad: ReadonlyArray<
    readonly [name: string, body: string | Buffer, status: number, code: string, says?: RegExp]
  > = [
    ["nothing at all", "", 400, "request.not_json", /empty/],
    ["not JSON", "{channel: chat}", 400, "request.not_json"],
    ["half a document", "{\"channel\":\"chat\"", 400, "request.not_json"],
    ["a form", "channel=chat&text=hello", 400, "request.not_json"],
    [
      "bytes that are not UTF-8",
      Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
      400,
      "request.not_json",
      /UTF-8/
    ],
    ["2 MB", `{"channel":"chat","text":"${"x".repeat(2_000_000)}"}`, 413, "request.too_large", /1,048,576/],
    ["30 MB", Buffer.alloc(30_000_000, 0x20), 413, "request.too_large"],
    ["5 000 levels", nested(5_000), 400, "request.too_deep", /64/],
    ["65 levels", nested(63), 400, "request.too_deep"],
    [
      "12 000 keys",
      JSON.stringify({
        channel: "chat",
        structured: Object.fromEntries(Array.from({ length: 12_000 }, (_, i) => [`k${i}`, 1]))
      }),
      400,
      "request.too_many_keys"
    ],
    [
      "__proto__",
      "{\"channel\":\"chat\",\"structured\":{\"__proto__\":{\"admin\":true}}}",
      400,
      "request.forbidden_key",
      /__proto__/
    ],
    ["__proto__ in escapes", "{\"channel\":\"chat\",\"\\u005f_proto__\":1}", 400, "request.forbidden_key"],
    [
      "constructor",
      "{\"channel\":\"chat\",\"structured\":[{\"constructor\":1}]}",
      400,
      "request.forbidden_key",
      /constructor/
    ],
    ["a NUL", "{\"channel\":\"chat\",\"text\":\"a\\u0000b\"}", 400, "request.forbidden_text", /"text"/],
    [
      "half a surrogate pair",
      "{\"channel\":\"chat\",\"structured\":{\"a\":[\"\\ud83d\"]}}",
      400,
      "request.forbidden_text",
      /structured\.a\[0\]/
    ]
  ]
  for (const [name, body, status, code, says] of bad) {
    it.effect(`${name}: refused with a sentence, kept as event.rejected`, () =>
      Effect.gen(function*() {
        const seen = yield* Seen
        const submitted = seen.submitted.length
        const rejected = seen.rejected.length
        const answer = yield* send("/events", { method: "POST", body })
        assert.strictEqual(answer.status, status)
        assert.strictEqual(isProblem(answer), code)
        if (says !== undefined) assert.match(answer.json.detail, says)
        assert.strictEqual(seen.submitted.length, submitted)
        assert.strictEqual(seen.rejected.length, rejected + 1)
        assert.strictEqual(seen.rejected.at(-1)?.detail.code, code)
      }))
  }

  it.effect("64 levels and an emoji in escapes are fine", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* send("/events", { body: nested(62) })).status, 202)
      assert.strictEqual(
        (yield* send("/events", { body: "{\"channel\":\"chat\",\"text\":\"\\ud83d\\ude00\"}" })).status,
        202
      )
      assert.deepInclude((yield* Seen).submitted.at(-1) as object, { text: "😀" })
    }))

  it.effect("only as JSON, uncompressed", () =>
    Effect.gen(function*() {
      for (
        const headers of [{ "content-type": "text/plain" }, { "content-type": "application/json; charset=utf-16" }, {
          "content-encoding": "gzip"
        }]
      ) {
        const answer = yield* send("/events", { body: event, headers })
        assert.strictEqual(answer.status, 415)
        assert.strictEqual(isProblem(answer), "request.content_type")
      }
      assert.strictEqual(
        (yield* send("/events", { body: event, headers: { "content-type": "application/json; charset=UTF-8" } }))
          .status,
        202
      )
    }))

  it.effect("a parameter that is unknown or comes twice is refused by name", () =>
    Effect.gen(function*() {
      for (
        const [target, says] of [["/events?dryrun=true", /"dryrun"/], [
          "/events?dry_run=true&dry_run=true",
          /"dry_run".*once/
        ], ["/events?dry_run=yes", /true or false/]] as const
      ) {
        const answer = yield* send(target, { body: event })
        assert.strictEqual(answer.status, 400)
        assert.match(answer.json.detail, says)
      }
    }))
})

layer(
  layerTestServer({
    pipeline: {
      submit: (raw) => {
        const { text } = raw as { text: string }
        return text === "rejected"
          ? Effect.fail(
            new EventRejected({
              detail: { code: "event.invalid", message: "occurred_at: give a moment from 1970 on", retryable: false }
            })
          )
          : text === "away"
          ? Effect.fail(new EventNotAccepted({ cause: "gone" }))
          : text === "broken"
          ? Effect.die(new Error("secret internals"))
          : Effect.succeed({ ...ids, deduped: text === "again", ...(text === "again" ? { conflict: true } : {}) })
      },
      settled: () =>
        Effect.delay(
          Effect.succeed({ lane: "fast" as const, outcome: "succeeded" as const, reply: "Done." }),
          "50 millis"
        )
    }
  }),
  live
)("the pipeline's answer", (it) => {
  it.effect("a refusal keeps its code; a database that is away says when to come back; a defect says nothing", () =>
    Effect.gen(function*() {
      const rejected = yield* send("/events", {
        body: { channel: "chat", text: "rejected", occurred_at: "-271821-04-20" }
      })
      assert.strictEqual(rejected.status, 400)
      assert.strictEqual(isProblem(rejected), "event.invalid")
      assert.match(rejected.json.detail, /occurred_at/)
      const away = yield* send("/events", { body: { channel: "chat", text: "away" } })
      assert.strictEqual(away.status, 503)
      assert.isDefined(away.headers["retry-after"])
      isProblem(away)
      const broken = yield* send("/events", { body: { channel: "chat", text: "broken" } })
      assert.strictEqual(broken.status, 500)
      assert.notMatch(broken.text, /secret internals/)
    }))

  it.effect("a duplicate is 200 with the first ids", () =>
    Effect.gen(function*() {
      const answer = yield* send("/events", { body: { channel: "chat", text: "again" } })
      assert.strictEqual(answer.status, 200)
      assert.deepEqual(answer.json, { ...ids, deduped: true, conflict: true })
    }))

  it.effect("Prefer: wait holds the answer until the trace is settled, or the time is up", () =>
    Effect.gen(function*() {
      const settled = yield* send("/events", { body: event, headers: { prefer: "respond-async, wait=300" } })
      assert.strictEqual(settled.status, 200)
      assert.strictEqual(settled.headers["preference-applied"], "wait=60")
      assert.deepEqual(settled.json, {
        ...ids,
        deduped: false,
        settled: true,
        lane: "fast",
        outcome: "succeeded",
        reply: "Done."
      })
      const early = yield* send("/events", { body: event, headers: { prefer: "wait=0" } })
      assert.strictEqual(early.status, 202)
      assert.deepEqual(early.json, { ...ids, deduped: false, settled: false })
      assert.strictEqual((yield* send("/events", { body: event, headers: { prefer: "wait=soon" } })).status, 202)
    }))
})

layer(layerTestServer(), live)("who may come in", (it) => {
  it.effect("nobody without the token, but to /health and /docs", () =>
    Effect.gen(function*() {
      for (
        const target of [
          "/state",
          "/events",
          "/audit",
          "/tools",
          "/openapi.json",
          "/metrics",
          "/nowhere",
          "/plugins/x/y",
          "/health/x"
        ]
      ) {
        const answer = yield* send(target, { token: false })
        assert.strictEqual(answer.status, 401, target)
        assert.strictEqual(isProblem(answer), "request.unauthorized")
        assert.match(answer.headers["www-authenticate"] ?? "", /^Bearer/)
      }
      assert.strictEqual((yield* send("/events", { token: false, body: event })).status, 401)
      assert.strictEqual((yield* send("/health", { token: false, method: "DELETE" })).status, 401)
      assert.strictEqual((yield* send("/health", { token: false })).status, 200)
      assert.strictEqual((yield* send("/docs", { token: false })).status, 200)
      assert.strictEqual((yield* send("/state")).status, 200)
    }))

  it.effect("a token in the address is no token", () =>
    Effect.gen(function*() {
      const token = Redacted.value((yield* Token).value)
      assert.strictEqual((yield* send(`/state?token=${token}`, { token: false })).status, 401)
      assert.strictEqual((yield* send("/state", { token: false, headers: { cookie: `token=${token}` } })).status, 401)
    }))

  it.effect("the wrong token ten times a minute, then not even to be told so; the right one always", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 10; i++) assert.strictEqual((yield* send("/state", { token: "wrong" })).status, 401)
      const refused = yield* send("/state", { token: "wrong", host: "127.0.0.1" })
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(isProblem(refused), "request.too_many_wrong")
      assert.strictEqual(refused.headers["retry-after"], "300")
      assert.strictEqual((yield* send("/state")).status, 200)
      assert.strictEqual((yield* send("/state", { token: false })).status, 401)
    }))

  it.effect("only under its own names, from its own pages", () =>
    Effect.gen(function*() {
      const { port } = yield* HttpAddress
      for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
        assert.strictEqual((yield* send("/health", { headers: { host } })).status, 200, host)
        assert.strictEqual((yield* send("/health", { headers: { origin: `http://${host}` } })).status, 200)
      }
      for (
        const host of [
          "evil.example",
          "127.0.0.1",
          `evil.localhost:${port}`,
          `127.0.0.1:${port + 1}`,
          `localhost:${port}.evil.example`
        ]
      ) {
        const answer = yield* send("/health", { headers: { host } })
        assert.strictEqual(answer.status, 403, host)
        assert.strictEqual(isProblem(answer), "request.host")
      }
      for (
        const origin of [
          "null",
          "http://evil.example",
          `https://127.0.0.1:${port}`,
          "http://127.0.0.1",
          `http://localhost:${port}@evil.example`
        ]
      ) {
        const answer = yield* send("/state", { headers: { origin } })
        assert.strictEqual(answer.status, 403, origin)
        assert.strictEqual(isProblem(answer), "request.origin")
        assert.notProperty(answer.headers, "access-control-allow-origin")
      }
      assert.strictEqual((yield* send("/state", { headers: { "sec-fetch-site": "cross-site" } })).status, 403)
      assert.strictEqual((yield* send("/state", { headers: { "sec-fetch-site": "same-origin" } })).status, 200)
    }))

  it.effect("also on ::1, where there is one", () =>
    Effect.gen(function*() {
      const { port } = yield* HttpAddress
      const reached = yield* Effect.callback<boolean>((resume) => {
        const socket = net.connect({ host: "::1", port })
        socket.on("connect", () =>
          resume(Effect.sync(() => {
            socket.destroy()
            return true
          })))
        socket.on("error", () => resume(Effect.succeed(false)))
      })
      if (reached) assert.strictEqual((yield* send("/health", { host: "::1" })).status, 200)
    }))
})

layer(layerTestServer(), live)("an address", (it) => {
  it.effect("that does not exist is 404, a wrong method 405 with those that are right", () =>
    Effect.gen(function*() {
      const nowhere = yield* send("/nowhere")
      assert.strictEqual(nowhere.status, 404)
      assert.strictEqual(isProblem(nowhere), "request.not_found")
      for (
        const [method, target, allow] of [["DELETE", "/events", "GET, HEAD, OPTIONS, POST"], [
          "POST",
          "/state",
          "GET, HEAD, OPTIONS"
        ], ["PUT", `/traces/${ids.trace_id}`, "GET, HEAD, OPTIONS"]] as const
      ) {
        const answer = yield* send(target, { method })
        assert.strictEqual(answer.status, 405)
        assert.strictEqual(isProblem(answer), "request.method")
        assert.strictEqual(answer.headers.allow, allow)
      }
      const options = yield* send("/events", { method: "OPTIONS" })
      assert.deepEqual([options.status, options.headers.allow, options.text], [204, "GET, HEAD, OPTIONS, POST", ""])
      const head = yield* send("/state", { method: "HEAD" })
      assert.deepEqual([head.status, head.text], [200, ""])
    }))

  it.effect("refuses parameters and parts of the path by name", () =>
    Effect.gen(function*() {
      for (
        const [target, says] of [
          ["/events?chanel=chat", /"chanel"/],
          ["/state?x=1", /takes none/],
          ["/audit?type=a&type=b", /"type".*once/],
          ["/events?limit=0", /limit/],
          ["/events?limit=501", /limit.*1 to 500/],
          ["/events?limit=ten", /limit/],
          ["/events?limit=1.5", /limit/],
          ["/events?since=yesterday", /since.*ISO 8601/],
          ["/events?until=9999-99-99", /until/],
          ["/events?trace_id=x", /trace_id.*UUID/],
          ["/events/not-a-uuid", /id.*UUID/],
          ["/traces/1", /trace_id.*UUID/],
          ["/events?cursor=x", /cursor/],
          ["/audit?cursor=eA", /cursor/]
        ] as const
      ) {
        const answer = yield* send(target)
        assert.strictEqual(answer.status, 400, target)
        isProblem(answer)
        assert.match(answer.json.detail, says, target)
      }
    }))

  it.effect("with headers beyond 16 KiB, or that is no HTTP, is refused in the same words", () =>
    Effect.gen(function*() {
      const large = yield* send("/health", { headers: { "x-large": "x".repeat(20_000) } })
      assert.strictEqual(large.status, 431)
      assert.strictEqual(isProblem(large), "request.headers_too_large")
      const { port } = yield* HttpAddress
      const raw = (text: string) =>
        Effect.callback<string>((resume) => {
          const socket = net.connect(port, "127.0.0.1", () => socket.write(text))
          let out = ""
          socket.on("data", (chunk) => out += chunk)
          socket.on("close", () => resume(Effect.succeed(out)))
        })
      assert.match(yield* raw("nonsense\r\n\r\n"), /^HTTP\/1.1 400 .*problem\+json/s)
      assert.match(
        yield* raw("GET http://evil.example/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        /^HTTP\/1.1 400/
      )
      assert.match(yield* raw("GET /state HTTP/1.1\r\nConnection: close\r\n\r\n"), /^HTTP\/1.1 40[03]/)
    }))

  it.effect("/health and /state tell how the host is", () =>
    Effect.gen(function*() {
      const health = yield* Health
      const well = yield* send("/health")
      assert.deepInclude(well.json, { status: "healthy", degraded: [] })
      yield* health.degrade("llm", "no answer")
      assert.deepInclude((yield* send("/health")).json, { status: "degraded", degraded: ["llm"] })
      yield* health.degrade("host", "the lease is lost", "down")
      const down = yield* send("/health")
      assert.deepEqual([down.status, down.json.status], [503, "down"])
      yield* health.recover("llm")
      yield* health.recover("host")
      const state = yield* send("/state")
      assert.deepInclude(state.json, { autonomy: "A2", paused: false, queue_depth: 0, hosts: [] })
      assert.deepEqual(state.json.counts, { tasks: 0, schedules: 0, watchers: 0, approvals: 0, alarms: 0, jobs: 0 })
      assert.isAbove(state.json.versions.schema, 0)
      assert.isString(state.json.versions.postgres)
    }))

  it.effect("/openapi.json describes every address, /docs shows it without asking anybody, /metrics counts", () =>
    Effect.gen(function*() {
      const document = (yield* send("/openapi.json")).json
      const by = (security: unknown) =>
        security === undefined ? "" : JSON.stringify(security) === "[]" ? " open" : ` ${JSON.stringify(security)}`
      assert.match(document.openapi, /^3\.1/)
      const operations = Object.entries<Record<string, { security?: unknown }>>(document.paths).flatMap((
        [where, item]
      ) =>
        Object.entries(item).map(([method, operation]) => `${method.toUpperCase()} ${where}${by(operation.security)}`)
      ).sort()
      assert.deepEqual(operations, [
        "DELETE /mcp [{\"bearer\":[]}]",
        "DELETE /memory/{id}",
        "DELETE /policy/{id}",
        "DELETE /rules/{id}",
        "DELETE /schedules/{id}",
        "GET /alarms",
        "GET /approvals",
        "GET /approvals/{id}",
        "GET /artifacts",
        "GET /artifacts/{id}",
        "GET /audit",
        "GET /audit/stream",
        "GET /chat",
        "GET /chat/stream",
        "GET /controls/autonomy",
        "GET /costs",
        "GET /docs open",
        "GET /events",
        "GET /events/{id}",
        "GET /export",
        "GET /health open",
        "GET /integrations",
        "GET /integrations/{id}",
        "GET /jobs",
        "GET /jobs/{id}",
        "GET /llm/context",
        "GET /mcp [{\"bearer\":[]}]",
        "GET /memory",
        "GET /metrics",
        "GET /openapi.json",
        "GET /plugins",
        "GET /policy",
        "GET /policy/{id}",
        "GET /questions",
        "GET /quiet-hours",
        "GET /rules",
        "GET /rules/{id}",
        "GET /rules/{id}/explain",
        "GET /schedules",
        "GET /schedules/{id}",
        "GET /schedules/{id}/occurrences",
        "GET /settings",
        "GET /state",
        "GET /tasks",
        "GET /tasks/{id}",
        "GET /tool-calls",
        "GET /tool-calls/{id}",
        "GET /tools",
        "GET /traces/{trace_id}",
        "GET /watchers",
        "PATCH /integrations/{id}",
        "PATCH /rules/{id}",
        "PATCH /schedules/{id}",
        "PATCH /watchers/{id}",
        "POST /alarms/{id}/ack",
        "POST /alarms/{id}/resolve",
        "POST /approvals/{id}/approve",
        "POST /approvals/{id}/deny",
        "POST /approvals/{id}/edit",
        "POST /chat",
        "POST /controls/autonomy",
        "POST /controls/pause",
        "POST /controls/resume",
        "POST /events",
        "POST /hooks/{connector_id} open",
        "POST /integrations/{id}/tools/{tool}/trust",
        "POST /jobs",
        "POST /jobs/{id}/cancel",
        "POST /login open",
        "POST /login/codes [{\"bearer\":[]}]",
        "POST /logout",
        "POST /mcp [{\"bearer\":[]}]",
        "POST /plugins/{name}/grant",
        "POST /policy",
        "POST /questions/{id}/answer",
        "POST /questions/{id}/decline",
        "POST /rules",
        "POST /rules/test",
        "POST /schedules",
        "POST /schedules/preview",
        "POST /tasks",
        "POST /tasks/{id}/cancel",
        "POST /tasks/{id}/pause",
        "POST /tasks/{id}/resume",
        "POST /tasks/{id}/retry",
        "POST /tool-calls/{id}/settle",
        "POST /tools/{name}/preview",
        "PUT /quiet-hours/{id}"
      ])
      assert.deepEqual(document.security, [{ bearer: [] }, { cookie: [] }])
      assert.deepInclude(document.components.securitySchemes.cookie, { type: "apiKey", in: "cookie" })
      assert.property(document.components.securitySchemes, "bearer")
      const docs = yield* send("/docs", { token: false })
      assert.match(docs.headers["content-type"] ?? "", /^text\/html/)
      assert.match(String(docs.headers["content-security-policy"]), /default-src 'none'/)
      assert.strictEqual(docs.headers["cross-origin-opener-policy"], "same-origin")
      assert.notMatch(docs.text, /<(script|link|img)[^>]+(src|href)="https?:/)
      assert.match(docs.text, /"withDefaultFonts":\s*false/)
      yield* send("/events", { body: event })
      const metrics = yield* send("/metrics")
      assert.match(metrics.headers["content-type"] ?? "", /^text\/plain/)
      assert.match(metrics.text, /syris_http_requests_total\{route="events"\} \d+/)
    }))
})

const hook = (webhook: RegisteredChannel["channel"]["webhook"]): RegisteredChannel => ({
  plugin: "github",
  connector_id: "github",
  channel: { name: "webhook", connector_id: "github", trust: "untrusted", webhook: webhook! },
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
      connector: (id) =>
        id === "quiet" ?
          hook(() => new WebhookReply("text/plain", "pong")) :
          id !== "github" ?
          undefined :
          hook(({ body, headers }) => {
            if (headers["x-signature"] !== "good") return undefined
            if ("cookie" in headers) throw new Error("A session is none of its business.")
            const text = Buffer.from(body).toString()
            if (text === "refuse") throw new WebhookRefused("The body has no action.")
            if (text === "throw") throw new Error("secret internals")
            return { channel: "webhook", text }
          }),
      routes: () => [
        {
          plugin: "coffee",
          method: "GET",
          path: "/cups/:id",
          handle: (request) => new Response(new URL(request.url).pathname, { headers: { "x-cups": "2" } })
        },
        {
          plugin: "coffee",
          method: "POST",
          path: "/cups",
          handle: async (request) =>
            Response.json({ got: await request.text(), auth: request.headers.get("authorization") }, { status: 201 })
        },
        {
          plugin: "coffee",
          method: "GET",
          path: "/broken",
          handle: () => Promise.reject(new Error("secret internals"))
        }
      ]
    }
  }),
  live
)("what plugins bring", (it) => {
  const signed = { "x-signature": "good", "content-type": "text/plain" }

  it.effect("a signed webhook becomes an event without a token; the body stays as it came", () =>
    Effect.gen(function*() {
      const body = "{\"__proto__\": not even JSON"
      const answer = yield* send("/hooks/github", {
        token: false,
        body,
        headers: { ...signed, "sec-fetch-site": "cross-site", cookie: "syris_session_4747=x" }
      })
      assert.strictEqual(answer.status, 202)
      assert.deepEqual(answer.json, { ...ids, deduped: false })
      assert.deepEqual((yield* Seen).submitted.at(-1), { connector_id: "github", channel: "webhook", text: body })
      assert.strictEqual((yield* send("/hooks/quiet", { token: false, body: "ping" })).text, "pong")
    }))

  it.effect("without its signature it is 401, unknown 404, too large 413, refused 400, broken 500", () =>
    Effect.gen(function*() {
      const cases = [
        ["github", "x", {}, 401, "hook.signature"],
        ["nobody", "x", signed, 404, "hook.not_found"],
        ["%ff", "x", signed, 400, "request.path"],
        ["github", "x".repeat(300_000), signed, 413, "request.too_large"],
        ["github", "refuse", signed, 400, "hook.refused"],
        ["github", "throw", signed, 500, "hook.failed"]
      ] as const
      for (const [id, body, headers, status, code] of cases) {
        const answer = yield* send(`/hooks/${id}`, { token: false, body, headers })
        assert.strictEqual(answer.status, status)
        assert.strictEqual(isProblem(answer), code)
      }
      assert.strictEqual((yield* send("/hooks/github", { token: false })).status, 405)
    }))

  it.effect("a flood is told to slow down", () =>
    Effect.gen(function*() {
      const answers = yield* Effect.all(
        Array.from({ length: 200 }, () => send("/hooks/quiet", { token: false, body: "ping" })),
        { concurrency: 50 }
      )
      const refused = answers.find((answer) => answer.status === 429)
      assert.isDefined(refused)
      assert.strictEqual(refused?.headers["retry-after"], "1")
    }))

  it.effect("its routes answer under its name, and never see the token", () =>
    Effect.gen(function*() {
      const cups = yield* send("/plugins/coffee/cups/7")
      assert.deepEqual([cups.status, cups.text, cups.headers["x-cups"]], [200, "/plugins/coffee/cups/7", "2"])
      const made = yield* send("/plugins/coffee/cups", { body: "two" })
      assert.deepEqual([made.status, made.json], [201, { got: "two", auth: null }])
      assert.strictEqual((yield* send("/plugins/coffee/nothing")).status, 404)
      const method = yield* send("/plugins/coffee/cups", { method: "DELETE" })
      assert.deepEqual([method.status, method.headers.allow], [405, "POST, OPTIONS"])
      const broken = yield* send("/plugins/coffee/broken")
      assert.strictEqual(broken.status, 500)
      assert.strictEqual(isProblem(broken), "plugin.route_failed")
      assert.notMatch(broken.text, /internals/)
    }))
})

describe("the server starts", () => {
  it.live("with a token for its owner alone, and keeps it", () =>
    Effect.gen(function*() {
      const { home } = yield* Environment
      const file = path.join(home, "token")
      const read = Effect.provide(Effect.map(Token, (token) => Redacted.value(token.value)), Layer.fresh(Token.layer))
      const made = yield* read
      assert.match(made, /^[\w-]{43}$/)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.deepEqual(fs.readdirSync(home), ["token"])
      fs.chmodSync(file, 0o644)
      assert.strictEqual(yield* read, made)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      fs.writeFileSync(file, "short")
      assert.match((yield* Effect.flip(read)).message, /does not hold a token/)
      fs.rmSync(file)
      fs.symlinkSync("/etc/hostname", file)
      assert.match((yield* Effect.flip(read)).message, /not a plain file/)
    }).pipe(Effect.provide(layerHome())))

  it.live(
    "not where other machines can reach it, and not on a taken port; both with a sentence",
    () =>
      Effect.gen(function*() {
        const attempt = (environment: Partial<Environment["Service"]>) =>
          Effect.flip(Layer.build(Layer.fresh(layerTestServer({ environment })))).pipe(Effect.scoped)
        const open = yield* attempt({ host: "0.0.0.0" })
        assert.match((open as Error).message, /SYRIS_HOST is 0\.0\.0\.0.*127\.0\.0\.1/)
        const taken = http.createServer()
        yield* Effect.callback<void>((resume) => void taken.listen(0, "127.0.0.1", () => resume(Effect.void)))
        const { port } = taken.address() as net.AddressInfo
        const refused = yield* attempt({ port })
        taken.close()
        assert.match((refused as Error).message, new RegExp(`Port ${port} .*SYRIS_PORT`))
      }),
    60_000
  )

  it.live("and stops: a running request finishes, a held one is let go", () =>
    Effect.gen(function*() {
      const entered = yield* Deferred.make<void>()
      const waiting = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const server = layerTestServer({
        pipeline: {
          submit: (raw) =>
            (raw as { text: string }).text === "slow"
              ? Effect.as(Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(release)), {
                ...ids,
                deduped: false
              })
              : Effect.succeed({ ...ids, deduped: false }),
          settled: () => Effect.andThen(Deferred.succeed(waiting, undefined), Effect.never)
        }
      })
      const answers = yield* Effect.gen(function*() {
        const slow = yield* send("/events", { body: { channel: "chat", text: "slow" } }).pipe(Effect.forkDetach)
        const held = yield* send("/events", { body: event, headers: { prefer: "wait=30" } }).pipe(Effect.forkDetach)
        yield* Deferred.await(entered)
        yield* Deferred.await(waiting)
        return [slow, held] as const
      }).pipe(
        Effect.tap(() =>
          Effect.forkDetach(Effect.andThen(Effect.sleep("200 millis"), Deferred.succeed(release, undefined)))
        ),
        Effect.provide(server)
      )
      assert.strictEqual((yield* Fiber.join(answers[0])).status, 202)
      const held = yield* Fiber.join(answers[1])
      assert.deepEqual([held.status, held.json.settled], [202, false])
    }), 60_000)
})

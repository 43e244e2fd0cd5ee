/**
 * A browser logs in and out, over the real server: what a session opens, to whom, and until when.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import type { RegisteredRoute } from "../plugin/Registry.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { HttpAddress } from "./HttpServer.ts"
import { layerHome, layerTestServer, Seen, send, type ToSend } from "./TestServer.ts"
import { Token } from "./Token.ts"

const live = { timeout: "60 seconds", excludeTestServices: true } as const

/** What the plugin was handed, and what it did. */
const handed: Array<Headers> = []
let acts = 0
const board = { plugin: "board" } as const
const routes: ReadonlyArray<RegisteredRoute> = [
  {
    ...board,
    method: "GET",
    path: "/",
    open: true,
    handle: () =>
      new Response("<title>The page</title>", {
        headers: [
          ["content-type", "text/html"],
          ["cache-control", "max-age=60"],
          ["content-security-policy", "script-src 'self'"],
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"]
        ]
      })
  },
  {
    ...board,
    method: "GET",
    path: "/mine",
    handle: ({ headers }) => {
      handed.push(headers)
      return new Response("mine")
    }
  },
  {
    ...board,
    method: "POST",
    path: "/act",
    handle: ({ headers }) => {
      handed.push(headers)
      acts++
      return new Response("done")
    }
  },
  { ...board, method: "GET", path: "/files/mine.txt", handle: () => new Response("mine, too") },
  { ...board, method: "GET", path: "/files/*", open: true, handle: () => new Response("a file") },
  { ...board, method: "POST", path: "/files/*", handle: () => new Response("written") }
]
const registry = { routes: () => routes, page: () => "/plugins/board/" }

const origin = Effect.map(HttpAddress, ({ url }) => url)

const newCode = Effect.gen(function*() {
  const made = yield* send("/login/codes", { method: "POST" })
  assert.strictEqual(made.status, 200)
  return made.json as { readonly code: string; readonly url: string; readonly expires_at: string }
})

/** `Cookie` of a browser that has just logged in. */
const logIn = Effect.gen(function*() {
  const { code } = yield* newCode
  const { headers, status } = yield* send("/login", { token: false, body: { code } })
  assert.strictEqual(status, 200)
  return headers["set-cookie"]![0]!.split(";")[0]!
})

/** As the page of this host asks. */
const ask = (cookie: string, target: string, what: ToSend = {}) =>
  Effect.flatMap(origin, (origin) =>
    send(target, {
      token: false,
      ...what,
      headers: { cookie, origin, "sec-fetch-site": "same-origin", ...what.headers }
    }))

/** A stream that somebody listens to for the scope; `over` waits for its end. */
const listen = (target: string, headers: Record<string, string>) =>
  Effect.gen(function*() {
    const { port } = yield* HttpAddress
    const response = yield* Effect.acquireRelease(
      Effect.callback<http.IncomingMessage>((resume) => {
        http.get({ port, host: "127.0.0.1", path: target, agent: false, headers }, (response) =>
          resume(Effect.succeed(response.on("error", () => {}).resume())))
      }),
      (response) =>
        Effect.sync(() => response.destroy())
    )
    assert.strictEqual(response.statusCode, 200)
    const closed = new Promise<void>((resolve) => response.once("close", () => resolve()))
    return { isOpen: () => !response.destroyed, over: Effect.promise(() => closed) }
  })

layer(layerTestServer({ registry }), live)("a browser", (it) => {
  it.effect("goes by the link to the page, logs in, asks and acts, and logs out", () =>
    Effect.gen(function*() {
      const { port, url } = yield* HttpAddress
      const made = yield* newCode
      assert.strictEqual(made.url, `${url}/#${made.code}`)
      assert.match(made.code, /^[0-9a-hjkmnp-z]{6}(-[0-9a-hjkmnp-z]{6}){3}$/)

      const home = yield* send("/", { token: false })
      assert.deepEqual([home.status, home.headers.location, home.text], [302, "/plugins/board/", ""])
      const page = yield* send("/plugins/board/", { token: false })
      assert.deepEqual([page.status, page.text], [200, "<title>The page</title>"])
      assert.strictEqual((yield* send("/state", { token: false })).status, 401)

      const answer = yield* send("/login", { token: false, body: { code: made.code }, headers: { origin: url } })
      assert.deepEqual([answer.status, Object.keys(answer.json)], [200, ["expires_at"]])
      const [set = ""] = answer.headers["set-cookie"] ?? []
      assert.match(
        set,
        new RegExp(`^syris_session_${port}=[\\w-]{43}; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000$`)
      )
      const cookie = set.split(";")[0]!

      assert.strictEqual((yield* ask(cookie, "/state")).status, 200)
      assert.strictEqual((yield* ask(cookie, "/plugins/board/mine")).text, "mine")
      const said = yield* ask(cookie, "/events", { body: { channel: "chat", text: "hello" } })
      assert.strictEqual(said.status, 202)
      assert.strictEqual((yield* Seen).submitted.length, 1)

      const out = yield* ask(cookie, "/logout", { method: "POST" })
      assert.deepEqual([out.status, out.json], [200, { ended: 1 }])
      assert.match(out.headers["set-cookie"]![0]!, new RegExp(`^syris_session_${port}=; .*Max-Age=0$`))
      assert.strictEqual((yield* ask(cookie, "/state")).status, 401)
      const late = yield* ask(cookie, "/events", { body: { channel: "chat", text: "hello" } })
      assert.deepEqual([late.status, late.json.code], [401, "request.unauthorized"])
      assert.strictEqual((yield* Seen).submitted.length, 1)

      const rows = (yield* send("/audit?stage=operator")).json.items as ReadonlyArray<Record<string, any>>
      assert.deepEqual(rows.map(({ actor, type }) => [type, actor]), [
        ["operator.logged_out", "operator"],
        ["operator.logged_in", "operator"]
      ])
      assert.strictEqual(rows[1]!.data.address, "127.0.0.1")
      assert.notInclude(JSON.stringify(rows), made.code)
    }))

  it.effect("gets a code once, however it was typed; a refused one leaves no session", () =>
    Effect.gen(function*() {
      const { code } = yield* newCode
      const first = yield* send("/login", { token: false, body: { code: code.toUpperCase().replaceAll("-", " ") } })
      assert.strictEqual(first.status, 200)
      const again = yield* send("/login", { token: false, body: { code } })
      assert.deepEqual([again.status, again.json.code], [401, "login.code"])
      assert.match(again.json.detail, /syris open/)
      assert.notProperty(again.headers, "set-cookie")
    }))

  it.effect("can't be used by what another site, another port or no page at all sends with its cookie", () =>
    Effect.gen(function*() {
      const { port, url } = yield* HttpAddress
      const cookie = yield* logIn
      const act = (headers: Record<string, string>) =>
        send("/plugins/board/act", { method: "POST", token: false, headers: { cookie, ...headers } })
      const before = acts
      for (
        const [headers, code] of [
          [{}, "request.origin"],
          [{ origin: "null" }, "request.origin"],
          // "Same site" to a browser, which sends the cookie.
          [{ origin: `http://127.0.0.1:${port + 1}`, "sec-fetch-site": "same-site" }, "request.origin"],
          [{ origin: `http://localhost:${port}` }, "request.origin"],
          [{ origin: url, "sec-fetch-site": "same-site" }, "request.cross_site"],
          [{ origin: url, "sec-fetch-site": "cross-site" }, "request.cross_site"],
          [{ "sec-fetch-site": "same-origin" }, "request.origin"]
        ] as const
      ) {
        const answer = yield* act(headers)
        assert.deepEqual([answer.status, answer.json.code], [403, code], JSON.stringify(headers))
      }
      const looked = yield* send("/plugins/board/mine", {
        token: false,
        headers: { cookie, "sec-fetch-site": "same-site" }
      })
      assert.deepEqual([looked.status, looked.json.code], [403, "request.cross_site"])
      assert.strictEqual(acts, before)
      // The control: the same from the page itself.
      assert.strictEqual((yield* act({ origin: url, "sec-fetch-site": "same-origin" })).text, "done")
      assert.strictEqual((yield* act({ origin: url })).text, "done")
      assert.strictEqual(acts, before + 2)
      // And a program with the token needs no Origin, whatever cookies it has.
      assert.strictEqual((yield* send("/plugins/board/act", { method: "POST", headers: { cookie } })).text, "done")
    }))

  it.effect("is known by this host's cookie alone", () =>
    Effect.gen(function*() {
      const { port } = yield* HttpAddress
      const cookie = yield* logIn
      const value = cookie.split("=")[1]!
      const token = Redacted.value((yield* Token).value)
      const name = `syris_session_${port}`
      for (
        const other of [
          `syris_session_${port + 1}=${value}`,
          `syris_session=${value}`,
          `x${name}=${value}`,
          `${name}=${token}`,
          `token=${token}`,
          `${name}=`,
          `${name}=${value}x`
        ]
      ) {
        assert.strictEqual((yield* send("/state", { token: false, headers: { cookie: other } })).status, 401, other)
      }
      // One that another program set hides it not.
      const both = { cookie: `${name}=nonsense; theme=dark; ${cookie}` }
      assert.strictEqual((yield* send("/state", { token: false, headers: both })).status, 200)
      // Whoever sends a token is judged by it.
      assert.strictEqual((yield* send("/state", { token: "wrong", headers: { cookie } })).status, 401)
    }))

  it.effect("opens neither /mcp nor the making of codes with its session; programs do with the token", () =>
    Effect.gen(function*() {
      const cookie = yield* logIn
      const spellings = ["//login/codes", "/login//codes/", "/LOGIN/codes", "/login/%63odes", "/login/codes;x"]
      for (const target of ["/mcp", "/login/codes", "/login/codes/", ...spellings]) {
        const answer = yield* ask(cookie, target, { method: "POST" })
        assert.deepEqual([answer.status, answer.json.code], [401, "request.unauthorized"], target)
      }
      assert.strictEqual((yield* send("/login/codes", { token: false, method: "POST" })).status, 401)
    }))

  it.effect("that logs out everywhere ends the others, and what they listen to", () =>
    Effect.gen(function*() {
      const [one, two, three] = [yield* logIn, yield* logIn, yield* logIn]
      const { code } = yield* newCode
      const token = Redacted.value((yield* Token).value)
      const first = [
        yield* listen("/audit/stream", { cookie: one }),
        yield* listen("/chat/stream", { cookie: one })
      ]
      const second = yield* listen("/chat/stream", { cookie: two })
      const third = yield* listen("/audit/stream", { cookie: three })
      const program = yield* listen("/audit/stream", { authorization: `Bearer ${token}` })

      // Its own go with its own logout; the others stay.
      assert.deepEqual((yield* ask(one, "/logout", { method: "POST" })).json, { ended: 1 })
      for (const { over } of first) yield* over
      assert.isTrue(second.isOpen() && third.isOpen() && program.isOpen())

      const all = yield* ask(three, "/logout", { body: { everywhere: true } })
      assert.strictEqual(all.status, 200)
      assert.isAtLeast(all.json.ended, 2)
      yield* second.over
      yield* third.over
      assert.isTrue(program.isOpen())
      for (const cookie of [one, two, three]) assert.strictEqual((yield* ask(cookie, "/state")).status, 401)
      // Nor is a link good that was made before.
      assert.strictEqual((yield* send("/login", { token: false, body: { code } })).status, 401)
    }).pipe(Effect.scoped))

  it.effect("that logs in once more has one session, not two", () =>
    Effect.gen(function*() {
      yield* send("/logout", { body: { everywhere: true } })
      const old = yield* logIn
      const { code } = yield* newCode
      const { headers } = yield* ask(old, "/login", { body: { code } })
      const cookie = headers["set-cookie"]![0]!.split(";")[0]!
      assert.strictEqual((yield* ask(old, "/state")).status, 401)
      assert.strictEqual((yield* ask(cookie, "/state")).status, 200)
      assert.deepEqual((yield* send("/logout", { body: { everywhere: true } })).json, { ended: 1 })
      assert.deepEqual((yield* send("/logout", { method: "POST" })).json, { ended: 0 })
    }))
})

layer(layerTestServer({ registry }), live)("what a plugin serves", (it) => {
  it.effect("is open where it says so, for reading; its headers stand in place of the host's", () =>
    Effect.gen(function*() {
      const page = yield* send("/plugins/board/", { token: false })
      assert.strictEqual(page.headers["cache-control"], "max-age=60")
      assert.strictEqual(page.headers["content-security-policy"], "script-src 'self'")
      assert.deepEqual(page.headers["set-cookie"], ["a=1", "b=2"])
      assert.strictEqual(page.headers["x-content-type-options"], "nosniff")
      const mine = yield* send("/plugins/board/mine")
      assert.strictEqual(mine.headers["cache-control"], "no-store")
      assert.match(mine.headers["content-security-policy"] as string, /default-src 'none'.*sandbox/)

      for (const target of ["/plugins/board/files/a.js", "/plugins/board/files/..%2fmine"]) {
        assert.strictEqual((yield* send(target, { token: false })).text, "a file")
      }
      const head = yield* send("/plugins/board/files/a.js", { token: false, method: "HEAD" })
      assert.deepEqual([head.status, head.text], [200, ""])
      for (
        const [method, target] of [
          ["POST", "/plugins/board/files/a.js"],
          ["OPTIONS", "/plugins/board/files/a.js"],
          ["GET", "/plugins/board/mine"],
          // The first that has the path answers, and decides.
          ["GET", "/plugins/board/files/mine.txt"],
          ["GET", "/plugins/board/files/../mine"],
          ["GET", "/plugins/board/files/..\\mine"],
          ["GET", "/plugins/board/files/%2e%2e/mine"],
          ["POST", "/plugins/board"],
          ["POST", "/"],
          ["GET", "/plugins/board/grant"]
        ] as const
      ) {
        assert.strictEqual((yield* send(target, { method, token: false })).status, 401, `${method} ${target}`)
      }
      const options = yield* send("/plugins/board/files/a.js", { method: "OPTIONS" })
      assert.deepEqual([options.status, options.headers.allow], [204, "GET, HEAD, POST, OPTIONS"])
      const wrong = yield* send("/", { method: "POST" })
      assert.deepEqual([wrong.status, wrong.headers.allow], [405, "GET, HEAD, OPTIONS"])
      assert.strictEqual((yield* send("/", { method: "OPTIONS" })).status, 204)
      assert.strictEqual((yield* send("/", { method: "HEAD", token: false })).status, 302)
      // As people type it.
      const typed = yield* send("/plugins/board", { token: false })
      assert.deepEqual([typed.status, typed.headers.location], [302, "/plugins/board/"])
      assert.strictEqual((yield* send("/plugins/boar", { token: false })).status, 401)
    }))

  it.effect("never sees cookie or token", () =>
    Effect.gen(function*() {
      const cookie = yield* logIn
      handed.length = 0
      yield* ask(cookie, "/plugins/board/mine", { headers: { "x-other": "kept" } })
      yield* ask(cookie, "/plugins/board/act", { method: "POST" })
      yield* send("/plugins/board/mine", { headers: { cookie } })
      assert.strictEqual(handed.length, 3)
      assert.strictEqual(handed[0]!.get("x-other"), "kept")
      for (const headers of handed) {
        assert.deepEqual([headers.get("cookie"), headers.get("authorization")], [null, null])
      }
    }))

  it.effect("is named by a sentence where it is missing", () =>
    Effect.gen(function*() {
      const server = layerTestServer({ database: layerTestDatabase })
      yield* Effect.gen(function*() {
        for (const [target, what] of [["/", { token: false }], ["/login/codes", { method: "POST" }]] as const) {
          const answer = yield* send(target, what)
          assert.deepEqual([answer.status, answer.json.code], [404, "page.not_found"])
          assert.match(answer.json.detail, /Add dashboard\(\).*syris\.config\.ts/)
        }
      }).pipe(Effect.provide(Layer.fresh(server)))
    }))
})

layer(layerTestServer({ registry }), live)("guesses", (it) => {
  it.effect("are ten in a minute; then no code is looked at, and the token is good all the same", () =>
    Effect.gen(function*() {
      const cookie = yield* logIn
      const { code } = yield* newCode
      for (let i = 0; i < 10; i++) {
        const answer = yield* send("/login", { token: false, body: { code: `guess ${i}` } })
        assert.strictEqual(answer.status, 401)
      }
      for (const guess of ["guess", code]) {
        const answer = yield* send("/login", { token: false, body: { code: guess } })
        assert.deepEqual([answer.status, answer.json.code], [429, "request.too_many_wrong"])
        assert.isAtMost(Number(answer.headers["retry-after"]), 300)
        assert.isAbove(Number(answer.headers["retry-after"]), 200)
      }
      assert.strictEqual((yield* ask(cookie, "/state")).status, 200)
      assert.strictEqual((yield* send("/state")).status, 200)
      assert.match((yield* send("/metrics")).text, /syris_http_problems_total\{code="login\.code"\} 10/)
      const rows = (yield* send("/audit?type=operator.logged_in")).json.items
      assert.strictEqual(rows.length, 1)
    }))
})

describe("a restart", () => {
  it.live(
    "keeps who is logged in, by a file with no cookie in it; one who logged out stays out",
    () =>
      Effect.gen(function*() {
        const { home } = yield* Environment
        const host = <A, E, R>(self: Effect.Effect<A, E, R>) =>
          Effect.provide(self, Layer.fresh(layerTestServer({ registry, environment: { home } })))
        const file = path.join(home, "sessions")
        const [value, gone] = yield* Effect.gen(function*() {
          const [stays, goes] = [yield* logIn, yield* logIn]
          yield* ask(goes, "/logout", { method: "POST" })
          return [stays, goes].map((cookie) => cookie.split("=")[1]!)
        }).pipe(host)
        const written = fs.readFileSync(file, "utf8")
        assert.notInclude(written, value!)
        assert.strictEqual(JSON.parse(written).sessions.length, 1)
        assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
        const status = (value: string) =>
          Effect.flatMap(HttpAddress, ({ port }) => ask(`syris_session_${port}=${value}`, "/state")).pipe(
            Effect.map((answer) => answer.status)
          )
        assert.deepEqual(yield* host(Effect.all([status(value!), status(gone!)])), [200, 401])
        // What stands in the file opens nothing.
        const [{ hash }] = JSON.parse(written).sessions
        assert.strictEqual(yield* host(status(hash)), 401)
      }).pipe(Effect.provide(layerHome())),
    60_000
  )

  it.live(
    "a login that the database can't be told of is none, and its code is still good",
    () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const { code } = yield* newCode
        yield* sql`
        create function full_disk() returns trigger language plpgsql as $$
        begin raise exception 'no space' using errcode = '53100'; end $$`
        yield* sql`create trigger full_disk before insert on audit_events execute function full_disk()`
        const refused = yield* send("/login", { token: false, body: { code } })
        assert.deepEqual([refused.status, refused.json.code], [503, "database.unavailable"])
        assert.notProperty(refused.headers, "set-cookie")
        yield* sql`drop trigger full_disk on audit_events`
        assert.isFalse(fs.existsSync(path.join((yield* Environment).home, "sessions")))
        assert.strictEqual((yield* send("/login", { token: false, body: { code } })).status, 200)
      }).pipe(Effect.provide(layerTestServer({ registry }))),
    60_000
  )
})

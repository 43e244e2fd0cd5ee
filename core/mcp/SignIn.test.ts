/**
 * Signing in to a server that asks for OAuth: the operator opens a link once, and the tokens are kept, hidden, refreshed, and for
 * that server alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client"
import { Effect, Fiber, Layer } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import { readConfiguration } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { makeFetch } from "./BoundedFetch.ts"
import { RefreshedTooOften } from "./RefreshedTooOften.ts"
import { type SignIn, SignIns } from "./SignIn.ts"
import { guardedServer, type GuardedServer } from "./TestSignIn.ts"

const guarded = Effect.acquireRelease(Effect.promise(guardedServer), (server) => Effect.promise(() => server.close()))
const home = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "syris-sign-in-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/** A host that keeps its secrets in this folder. */
const hostIn = (folder: string, port = 4_747) =>
  SignIns.layer.pipe(
    Layer.provideMerge(Redactor.layer),
    Layer.provideMerge(SecretsStore.layer),
    Layer.provide(
      Layer.succeed(Environment, { home: folder, host: "127.0.0.1", port, config: "", databaseUrl: undefined })
    ),
    Layer.fresh
  )

const signInOf = Effect.fnUntraced(function*(url: string) {
  const { mcp } = yield* Effect.orDie(readConfiguration({ mcp: { guarded: { url } } }, "test"))
  const signIn = yield* (yield* SignIns).of(mcp[0]!)
  return signIn ?? (yield* Effect.die("not over HTTP"))
})

/** Names of tools, or `sign in`. */
const connect = ({ provider }: SignIn, url: string) =>
  Effect.promise(async () => {
    const client = new Client({ name: "syris", version: "0" })
    const own = new URL(url)
    const fetch = makeFetch({ url: own, headers: {}, broken: () => {}, unreachable: () => {} })
    try {
      await client.connect(new StreamableHTTPClientTransport(own, { fetch, authProvider: provider }))
      return (await client.listTools()).tools.map(({ name }) => name)
    } catch (error) {
      if (error instanceof UnauthorizedError) return "sign in"
      throw error
    } finally {
      await client.close()
    }
  })

/** What a browser does with a link: where it is sent back to. */
const open = (link: string | undefined) =>
  Effect.promise(async () => {
    const { headers } = await fetch(link ?? "", { redirect: "manual" })
    return new URL(headers.get("location") ?? "")
  })

const signedIn = Effect.fnUntraced(function*(signIn: SignIn, server: GuardedServer) {
  assert.strictEqual(yield* connect(signIn, server.url), "sign in")
  const back = yield* open(signIn.url())
  return { back, page: yield* (yield* SignIns).callback(back.searchParams) }
})

describe("a server that asks for a sign-in", () => {
  it.live("is opened by the operator's link, once; its tokens are hidden and outlive the host", () =>
    Effect.gen(function*() {
      const server = yield* guarded
      const folder = yield* home
      yield* Effect.gen(function*() {
        const signIn = yield* signInOf(server.url)
        const { back, page } = yield* signedIn(signIn, server)
        assert.strictEqual(back.origin + back.pathname, "http://127.0.0.1:4747/oauth/callback")
        assert.deepEqual(page, { status: 200, text: "You are signed in to guarded. You can close this window." })
        assert.isUndefined(signIn.url())
        assert.deepEqual(yield* connect(signIn, server.url), ["look"])
        assert.deepEqual(server.seen.filter((what) => what !== "mcp"), [
          "register",
          "authorize",
          "token authorization_code"
        ])
        // The link is used up.
        assert.strictEqual((yield* (yield* SignIns).callback(back.searchParams)).status, 400)
        const redactor = yield* Redactor
        for (const secret of server.secrets.filter((one) => !one.startsWith("code"))) {
          assert.strictEqual(redactor.redactText(`Bearer ${secret}!`), "Bearer [secret mcp.guarded.oauth]!")
          assert.notInclude(fs.readFileSync(path.join(folder, "secrets.json"), "utf8"), secret)
        }
      }).pipe(Effect.provide(hostIn(folder)))

      // Another life, on another port: nobody is asked; what expired is refreshed.
      server.revoke()
      yield* Effect.gen(function*() {
        const signIn = yield* signInOf(server.url)
        assert.deepEqual(yield* connect(signIn, server.url), ["look"])
        assert.strictEqual(server.seen.filter((what) => what === "token refresh_token").length, 1)
        // Where that is gone too, the operator is asked again, with the address of today.
        server.revoke("refresh")
        const { back, page } = yield* signedIn(signIn, server)
        assert.strictEqual(back.port, "4848")
        assert.strictEqual(page.status, 200)
        assert.deepEqual(yield* connect(signIn, server.url), ["look"])
        assert.strictEqual(server.seen.filter((what) => what === "register").length, 2)
      }).pipe(Effect.provide(hostIn(folder, 4_848)))
    }))

  it.live("and takes none of its own tokens: they are not refreshed without end, and the old ones weigh nothing", () =>
    Effect.gen(function*() {
      const server = yield* guarded
      const folder = yield* home
      yield* Effect.gen(function*() {
        const signIn = yield* signInOf(server.url)
        yield* signedIn(signIn, server)
        server.refuse()
        const refreshes = () => server.seen.filter((what) => what === "token refresh_token").length
        const attempt = Effect.promise(() =>
          Effect.runPromise(connect(signIn, server.url)).then(() => undefined, (error) => error)
        )
        let error: unknown
        for (let n = 0; n < 20 && !(error instanceof RefreshedTooOften); n++) error = yield* attempt
        assert.instanceOf(error, RefreshedTooOften)
        assert.strictEqual(refreshes(), 10)
        yield* attempt
        assert.strictEqual(refreshes(), 10)
        const { redactText } = yield* Redactor
        const tokens = server.secrets.filter((one) => !one.startsWith("code"))
        assert.lengthOf(tokens, 22)
        assert.deepEqual(tokens.map((token) => redactText(token) !== token), tokens.map((_, n) => n >= 18))
      }).pipe(Effect.provide(hostIn(folder)))
    }))

  it.live("takes no answer but one to its own link, says what went wrong, and tells no other server", () =>
    Effect.gen(function*() {
      const server = yield* guarded
      const other = yield* guarded
      const folder = yield* home
      yield* Effect.gen(function*() {
        const signIns = yield* SignIns
        const signIn = yield* signInOf(server.url)
        assert.strictEqual(yield* connect(signIn, server.url), "sign in")
        const first = signIn.url()
        // A second attempt to connect leaves the link good that the operator may have opened already.
        assert.strictEqual(yield* connect(signIn, server.url), "sign in")
        const back = yield* open(first)
        const forged = new URLSearchParams(back.searchParams)
        forged.set("state", "x".repeat(43))
        assert.strictEqual((yield* signIns.callback(forged)).status, 400)
        assert.strictEqual((yield* signIns.callback(new URLSearchParams())).status, 400)
        const waiting = yield* Effect.forkChild(signIn.settled, { startImmediately: true })
        assert.strictEqual((yield* signIns.callback(back.searchParams)).status, 200)
        // Whoever waits to connect again hears of it.
        yield* Fiber.join(waiting)
        assert.deepEqual(yield* connect(signIn, server.url), ["look"])

        // Refused at the authorization server.
        server.revoke("refresh")
        assert.strictEqual(yield* connect(signIn, server.url), "sign in")
        const state = new URL(signIn.url() ?? "").searchParams.get("state") ?? ""
        const said = yield* signIns.callback(new URLSearchParams({ state, error: "access_denied\u202E" }))
        assert.deepEqual(said, {
          status: 400,
          text: "You are not signed in to guarded: access_denied<U+202E>. Open a new link from: syris integrations"
        })
      }).pipe(Effect.provide(hostIn(folder)))

      // The same name for another address: none of what the first one gave is sent there.
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* connect(yield* signInOf(other.url), other.url), "sign in")
        assert.deepEqual(other.seen, ["register"])
      }).pipe(Effect.provide(hostIn(folder)))
    }))
})

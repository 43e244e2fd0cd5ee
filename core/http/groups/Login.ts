/**
 * `POST /login`, `/login/codes`, `/logout`: a browser logs in with a one-time code and has a session from then on.
 *
 * Ten codes in a minute that are not good close `/login` for five minutes, to whoever sent them; then no code is looked at,
 * good ones included. Unlike a token, a good code need not get through: whoever can have one made has the token, and what is
 * answered while it is closed must not tell a guess that was right from one that was wrong. They are counted apart from wrong
 * tokens: a program with an old token would lock the operator's browsers out.
 */
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Clock, Effect, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { SqlClient } from "effect/sql"
import type { ServerResponse } from "node:http"
import { Audit } from "../../audit/Audit.ts"
import { newId } from "../../database/Ids.ts"
import { check } from "../../plugin/Explain.ts"
import { Registry } from "../../plugin/Registry.ts"
import type { Api } from "../Api.ts"
import { answer, optionalBody, reading } from "../Checked.ts"
import { tokenOnly } from "../FrontDoor.ts"
import { makeWrongCredentials } from "../Limits.ts"
import { noPage } from "../PluginRoutes.ts"
import { problem, problemResponse } from "../Problem.ts"
import { canonicalAddress } from "../RemoteAddress.ts"
import type { Session } from "../SessionFile.ts"
import { type Begun, Sessions } from "../Sessions.ts"
import { Token } from "../Token.ts"
import { Traffic } from "../Traffic.ts"

const Code = Schema.Struct({ code: Schema.String.check(Schema.isMaxLength(200)) }).annotate({ identifier: "Login" })
const LoggedIn = Schema.Struct({ expires_at: Schema.String }).annotate({ identifier: "LoggedIn" })

const NewCode = Schema.Struct({
  code: Schema.String,
  /** Where a browser logs in with it. */
  url: Schema.String,
  expires_at: Schema.String
}).annotate({ identifier: "LoginCode" })

const LogoutBody = Schema.Struct({
  /** All sessions, not this browser's alone. */
  everywhere: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "Logout" })
const checkLogout = check(LogoutBody, "field")

const LoggedOut = Schema.Struct({
  /** How many sessions that ended. */
  ended: Schema.Int
}).annotate({ identifier: "LoggedOut" })

export class LoginGroup extends HttpApiGroup.make("login").add(
  HttpApiEndpoint.post("login", "/login", { payload: Code, success: LoggedIn }).annotateMerge(OpenApi.annotations({
    summary: "Logs a browser in",
    description:
      "With a code that is good once, within five minutes. The answer sets the cookie syris_session_<port>, which is good for " +
      "the whole API but /mcp and /login/codes. With it, a request that may change something needs the Origin of this host."
  })),
  HttpApiEndpoint.post("code", "/login/codes", { success: NewCode, error: problemResponse(404) }).annotateMerge(
    OpenApi.annotations({
      summary: "Makes a code to log in with",
      description: "Takes the token only. 404 where no plugin gives a page."
    })
  ),
  HttpApiEndpoint.post("logout", "/logout", { payload: [LogoutBody, Schema.Null], success: LoggedOut }).annotateMerge(
    OpenApi.annotations({
      summary: "Ends this browser's session, or all of them",
      description: "What is being answered to an ended session, streams among it, breaks off."
    })
  )
) {}

const tooMany = (wait: number) =>
  problem(
    "request.too_many_wrong",
    "Too many codes that are not good came from here. Wait, then log in with a new one.",
    {
      "retry-after": String(wait)
    }
  )

const notGood = problem(
  "login.code",
  "This code is not good: it was used, or it is older than five minutes. Get a new link with: npm run syris open",
  { "www-authenticate": "Bearer realm=\"syris\"" }
)

const iso = (at: number): string => new Date(at).toISOString()

/** Each is one transaction with the row that tells it. */
const makeCommands = Effect.gen(function*() {
  const audit = yield* Audit
  const sessions = yield* Sessions
  const sql = yield* SqlClient.SqlClient

  const tell = Effect.fnUntraced(function*(
    type: "operator.logged_in" | "operator.logged_out",
    summary: string,
    data: Record<string, unknown>
  ) {
    const at = new Date(yield* Clock.currentTimeMillis)
    yield* audit.append({ type, trace_id: newId(), at, summary, actor: "operator", data })
  })

  const logIn = (from: Record<string, unknown>, instead: Session | undefined) =>
    Effect.suspend(() => {
      let begun: Begun | undefined
      return Effect.gen(function*() {
        yield* tell("operator.logged_in", "A browser was logged in.", from)
        return begun = yield* sessions.begin(instead)
      }).pipe(
        sql.withTransaction,
        Effect.onError(() => begun === undefined ? Effect.void : Effect.ignore(sessions.end([begun.session])))
      )
    })

  const logOut = Effect.fnUntraced(
    function*(over: ReadonlyArray<Session>, everywhere: boolean, asking: ServerResponse) {
      if (everywhere) sessions.dropCodes()
      if (over.length === 0) return
      const summary = everywhere
        ? `Every browser was logged out: ${over.length} ${over.length === 1 ? "session" : "sessions"} ended.`
        : "A browser was logged out."
      const told = tell("operator.logged_out", summary, { sessions: over.length, everywhere })
      // They are over, and told of, even where that could not be written into their file yet.
      const ended = yield* sql.withTransaction(Effect.andThen(told, Effect.result(sessions.end(over, asking))))
      yield* Effect.fromResult(ended)
    }
  )

  return { logIn, logOut }
})

export const loginHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "login",
    Effect.fnUntraced(function*(handlers) {
      const { logIn, logOut } = yield* makeCommands
      const registry = yield* Registry
      const sessions = yield* Sessions
      const token = yield* Token
      const traffic = yield* Traffic
      const wrongCodes = makeWrongCredentials()

      const take = Effect.fnUntraced(function*(code: string, source: string) {
        const now = performance.now()
        const closed = wrongCodes.closed(source, now)
        const giveBack = closed > 0 ? undefined : sessions.takeCode(code)
        if (giveBack !== undefined) return giveBack
        const wait = closed > 0 ? closed : wrongCodes.wrong(source, now)
        const refused = wait > 0 ? tooMany(wait) : notGood
        traffic.refusal(refused.code)
        return yield* Effect.fail(refused)
      })

      return handlers
        .handle(
          "login",
          Effect.fnUntraced(function*({ payload }) {
            const request = yield* HttpServerRequest.HttpServerRequest
            const { remoteAddress } = NodeHttpServerRequest.toIncomingMessage(request).socket
            const giveBack = yield* take(payload.code, canonicalAddress(remoteAddress))
            const browser = request.headers["user-agent"]?.slice(0, 200)
            const { cookie, session } = yield* reading(logIn(
              {
                ...(remoteAddress === undefined ? {} : { address: remoteAddress }),
                ...(browser === undefined ? {} : { browser })
              },
              sessions.named(request.headers.cookie)
            )).pipe(
              Effect.catchTag("SessionsNotKept", (error) => Effect.fail(problem("login.not_kept", error.message))),
              // Nobody is logged in with it.
              Effect.onError(() => Effect.sync(giveBack))
            )
            return HttpServerResponse.setHeader(
              answer(LoggedIn, { expires_at: iso(session.expiresAt) }),
              "set-cookie",
              cookie
            )
          })
        )
        .handle("code", () =>
          Effect.gen(function*() {
            // The router takes more spellings of a path for this one than the front door can know.
            const { authorization } = (yield* HttpServerRequest.HttpServerRequest).headers
            if (authorization === undefined || !token.matches(authorization)) return yield* Effect.fail(tokenOnly)
            if (registry.page() === undefined) return yield* Effect.fail(noPage)
            const { code, expiresAt, url } = sessions.makeCode()
            return answer(NewCode, { code, url, expires_at: iso(expiresAt) })
          }))
        .handleRaw(
          "logout",
          Effect.fnUntraced(function*({ request }) {
            const { everywhere = false }: typeof LogoutBody.Type = yield* optionalBody(request, checkLogout, {})
            const own = sessions.named(request.headers["cookie"])
            const over = everywhere ? sessions.all() : own === undefined ? [] : [own]
            const asking = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
            yield* reading(logOut(over, everywhere, asking)).pipe(
              Effect.catchTag("SessionsNotKept", (error) => Effect.fail(problem("login.not_kept", error.message)))
            )
            return HttpServerResponse.setHeader(
              answer(LoggedOut, { ended: over.length }),
              "set-cookie",
              sessions.noCookie()
            )
          })
        )
    })
  )

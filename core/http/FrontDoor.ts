/**
 * What every request passes before anything is done for it: target, Host, Origin, Sec-Fetch-Site, token or session. Plain
 * functions on the Node request, so that a refused request costs next to nothing and no route can forget a check.
 *
 * A browser sends a cookie by itself, whoever made it send the request, and to all ports of this machine. So a session counts
 * only for requests that the host's own page made: by what the browser says of them, and, where they may change something, by
 * their Origin. A token is never sent by itself, and needs none of that.
 */
import type { IncomingMessage } from "node:http"
import { makeWrongCredentials } from "./Limits.ts"
import { problem, type Problem } from "./Problem.ts"
import { canonicalAddress } from "./RemoteAddress.ts"
import type { Session } from "./SessionFile.ts"
import type { Sessions } from "./Sessions.ts"
import type { Token } from "./Token.ts"

export interface Admission {
  /** Why it may not come in. */
  readonly refused?: Problem
  /** By which it came in; with a token, or where neither is needed, there is none. */
  readonly session?: Session
}

export interface FrontDoor {
  readonly admit: (request: IncomingMessage, path: string) => Admission
}

/** The path of a target, without its query. */
export const pathOf = (target: string): string => {
  const query = target.indexOf("?")
  return query === -1 ? target : target.slice(0, query)
}

export const isHook = (path: string): boolean => path.startsWith("/hooks/")

/** Where a browser comes back to from another site; its `state` is checked there. */
export const isSignInCallback = (path: string): boolean => path === "/oauth/callback"

const openPaths = new Set(["/", "/health", "/docs", "/oauth/callback"])

export const isReading = ({ method }: IncomingMessage): boolean => method === "GET" || method === "HEAD"

/**
 * What no session opens. Who logs in next is said by whoever has the token: a cookie that fell into other hands makes no
 * more of itself. And `/mcp` is for programs, which have the token, and nothing that a page asks.
 */
const takesTokenOnly = (path: string): boolean => /^\/(mcp|login\/codes)\/?$/.test(path)

export const tokenOnly = problem(
  "request.unauthorized",
  "This address takes the token from $SYRIS_HOME/token, and no session.",
  { "www-authenticate": "Bearer realm=\"syris\"" }
)

/** The names under which a loopback server is reached. */
const hostsOf = (host: string, port: number): ReadonlyArray<string> =>
  ["127.0.0.1", "localhost", "[::1]", host.includes(":") ? `[${host}]` : host].flatMap((name) =>
    port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]
  )

const admitted: Admission = {}
const crossSite = "Open this address directly; other sites can't lead here."

export const makeFrontDoor = (
  options: {
    readonly host: string
    readonly port: number
    readonly token: Token["Service"]
    readonly sessions: Pick<Sessions["Service"], "named">
    /** Whether a plugin answers whoever reads here. */
    readonly isOpenRoute: (path: string) => boolean
  }
): FrontDoor => {
  const hosts = new Set(hostsOf(options.host, options.port))
  const origins = new Set([...hosts].map((host) => `http://${host}`))
  const wrongCredentials = makeWrongCredentials()

  const isOpen = (request: IncomingMessage, path: string): boolean =>
    (isReading(request) && (openPaths.has(path) || options.isOpenRoute(path))) ||
    (request.method === "POST" && path === "/login") || isHook(path)

  const unauthorized = (request: IncomingMessage, authorization: string | undefined): Problem => {
    if (authorization !== undefined) {
      const wait = wrongCredentials.wrong(canonicalAddress(request.socket.remoteAddress), performance.now())
      if (wait > 0) {
        return problem(
          "request.too_many_wrong",
          "Wrong credentials came too often from here. The right token still works.",
          {
            "retry-after": String(wait)
          }
        )
      }
    }
    return problem(
      "request.unauthorized",
      authorization === undefined
        ? "Send the token from $SYRIS_HOME/token as Authorization: Bearer <token>; a browser logs in with a link from: syris open"
        : "This is not the token of this host; it is in $SYRIS_HOME/token.",
      {
        "www-authenticate": authorization === undefined
          ? "Bearer realm=\"syris\""
          : "Bearer realm=\"syris\", error=\"invalid_token\""
      }
    )
  }

  /** Why a request that a cookie came with is not the page's own. */
  const notOfThePage = ({ headers, method }: IncomingMessage, path: string): Problem | undefined => {
    const site = headers["sec-fetch-site"]
    // Another port of this machine is "same-site".
    if (site !== undefined && site !== "same-origin" && site !== "none") return problem("request.cross_site", crossSite)
    if (
      method !== "GET" && method !== "HEAD" && headers.origin?.toLowerCase() !== `http://${headers.host}`.toLowerCase()
    ) {
      return problem(
        "request.origin",
        "With a session only the host's own page can ask for a change, and this request has not its Origin. Programs send the token."
      )
    }
    return takesTokenOnly(path) ? tokenOnly : undefined
  }

  const check = (request: IncomingMessage, path: string): Problem | undefined => {
    const { headers } = request
    if (path.charCodeAt(0) !== 47) {
      return problem("request.malformed", "The target of a request is a path that begins with /.")
    }
    const host = headers.host
    if (host === undefined || !(hosts.has(host) || hosts.has(host.toLowerCase()))) {
      return problem(
        "request.host",
        "This server answers as 127.0.0.1, localhost and [::1] with its port, and under no other name."
      )
    }
    const origin = headers.origin
    if (origin !== undefined && !origins.has(origin.toLowerCase())) {
      return problem("request.origin", "Pages of other origins can't use this server.")
    }
    if (headers["sec-fetch-site"] === "cross-site" && !isHook(path) && !isSignInCallback(path)) {
      return problem("request.cross_site", crossSite)
    }
    return undefined
  }

  return {
    admit: (request, path) => {
      const refused = check(request, path)
      if (refused !== undefined) return { refused }
      const { authorization, cookie } = request.headers
      if (authorization !== undefined && options.token.matches(authorization)) return admitted
      if (isOpen(request, path)) return admitted
      // Whoever sends a token is asked for that one, and for nothing else.
      const session = authorization === undefined ? options.sessions.named(cookie) : undefined
      if (session === undefined) return { refused: unauthorized(request, authorization) }
      const foreign = notOfThePage(request, path)
      return foreign === undefined ? { session } : { refused: foreign }
    }
  }
}

/**
 * What every request passes before anything is done for it: target, Host, Origin, Sec-Fetch-Site, token. Plain
 * functions on the Node request, so that a refused request costs next to nothing and no route can forget a check.
 */
import type { IncomingMessage } from "node:http"
import { makeWrongCredentials } from "./Limits.ts"
import { problem, type Problem } from "./Problem.ts"
import { canonicalAddress } from "./RemoteAddress.ts"
import type { Token } from "./Token.ts"

export interface FrontDoor {
  /** `undefined` lets the request in. */
  readonly refuse: (request: IncomingMessage, path: string) => Problem | undefined
}

/** The path of a target, without its query. */
export const pathOf = (target: string): string => {
  const query = target.indexOf("?")
  return query === -1 ? target : target.slice(0, query)
}

export const isHook = (path: string): boolean => path.startsWith("/hooks/")

/** Where a browser comes back to from another site; its `state` is checked there. */
export const isSignInCallback = (path: string): boolean => path === "/oauth/callback"

const needsNoToken = (request: IncomingMessage, path: string): boolean => {
  const reading = request.method === "GET" || request.method === "HEAD"
  return (reading && (path === "/health" || path === "/docs" || isSignInCallback(path))) || isHook(path)
}

/** The names under which a loopback server is reached. */
const hostsOf = (host: string, port: number): ReadonlyArray<string> =>
  ["127.0.0.1", "localhost", "[::1]", host.includes(":") ? `[${host}]` : host].flatMap((name) =>
    port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]
  )

export const makeFrontDoor = (
  options: { readonly host: string; readonly port: number; readonly token: Token["Service"] }
): FrontDoor => {
  const hosts = new Set(hostsOf(options.host, options.port))
  const origins = new Set([...hosts].map((host) => `http://${host}`))
  const wrongCredentials = makeWrongCredentials()

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
        ? "Send the token from $SYRIS_HOME/token as Authorization: Bearer <token>."
        : "This is not the token of this host; it is in $SYRIS_HOME/token.",
      {
        "www-authenticate": authorization === undefined
          ? "Bearer realm=\"syris\""
          : "Bearer realm=\"syris\", error=\"invalid_token\""
      }
    )
  }

  return {
    refuse: (request, path) => {
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
        return problem("request.cross_site", "Open this address directly; other sites can't lead here.")
      }
      const authorization = headers.authorization
      if (authorization !== undefined && options.token.matches(authorization)) return undefined
      return needsNoToken(request, path) ? undefined : unauthorized(request, authorization)
    }
  }
}

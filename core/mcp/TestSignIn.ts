/**
 * For tests: a server of the Model Context Protocol that asks for OAuth, and its authorization server, on one port of the loopback.
 */
import { createMcpHandler, Server } from "@modelcontextprotocol/server"
import * as crypto from "node:crypto"
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export interface GuardedServer {
  readonly url: string
  /** What was asked of it, in order: `register`, `authorize`, `token authorization_code`, `token refresh_token`, `mcp`. */
  readonly seen: Array<string>
  readonly secrets: Array<string>
  /** Its access tokens are good no more; what can refresh them still is, unless told otherwise. */
  readonly revoke: (also?: "refresh") => void
  /** From now on none of its tokens is good for anything but to get the next. */
  readonly refuse: () => void
  readonly close: () => Promise<void>
}

const bodyOf = async (request: http.IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

export const guardedServer = async (): Promise<GuardedServer> => {
  const seen: Array<string> = []
  const secrets: Array<string> = []
  const access = new Set<string>()
  const refresh = new Set<string>()
  const clients = new Map<string, ReadonlyArray<string>>()
  const codes = new Map<string, { readonly challenge: string; readonly client: string; readonly redirect: string }>()
  const made = (kind: string): string => {
    const secret = `${kind}-${crypto.randomBytes(12).toString("hex")}`
    secrets.push(secret)
    return secret
  }
  const mcp = createMcpHandler(() => {
    const server = new Server({ name: "guarded", version: "1.0.0" }, { capabilities: { tools: {} } })
    server.setRequestHandler(
      "tools/list",
      () => ({ tools: [{ name: "look", inputSchema: { type: "object" as const } }] })
    )
    return server
  })
  let refuses = false
  let url = ""

  const token = (form: URLSearchParams): object | undefined => {
    const kind = form.get("grant_type") ?? ""
    seen.push(`token ${kind}`)
    if (kind === "authorization_code") {
      const code = codes.get(form.get("code") ?? "")
      codes.delete(form.get("code") ?? "")
      const challenge = crypto.createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url")
      const fits = code !== undefined && code.challenge === challenge && code.client === form.get("client_id") &&
        code.redirect === form.get("redirect_uri")
      if (!fits) return undefined
    } else if (!refresh.has(form.get("refresh_token") ?? "")) return undefined
    const [access_token, refresh_token] = [made("access"), made("refresh")]
    access.add(access_token)
    refresh.add(refresh_token)
    return { access_token, refresh_token, token_type: "Bearer", expires_in: 3_600 }
  }

  const handle = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const json = (status: number, value: unknown, headers: http.OutgoingHttpHeaders = {}): void => {
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))
    }
    const at = new URL(request.url ?? "/", url)
    const body = await bodyOf(request)
    if (at.pathname.startsWith("/.well-known/oauth-protected-resource")) {
      return json(200, { resource: `${url}/mcp`, authorization_servers: [url] })
    }
    if (at.pathname.startsWith("/.well-known/oauth-authorization-server")) {
      return json(200, {
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        registration_endpoint: `${url}/register`,
        response_types_supported: ["code"],
        code_challenge_methods_supported: ["S256"],
        token_endpoint_auth_methods_supported: ["none"]
      })
    }
    if (at.pathname === "/register") {
      seen.push("register")
      const { redirect_uris, ...rest } = JSON.parse(body)
      const client_id = `client-${clients.size}`
      clients.set(client_id, redirect_uris)
      return json(201, { ...rest, redirect_uris, client_id })
    }
    if (at.pathname === "/authorize") {
      seen.push("authorize")
      const { searchParams: asked } = at
      const [client, redirect] = [asked.get("client_id") ?? "", asked.get("redirect_uri") ?? ""]
      if (clients.get(client)?.includes(redirect) !== true) return json(400, { error: "invalid_request" })
      const code = made("code")
      codes.set(code, { challenge: asked.get("code_challenge") ?? "", client, redirect })
      const back = new URL(redirect)
      back.searchParams.set("code", code)
      back.searchParams.set("state", asked.get("state") ?? "")
      return void response.writeHead(302, { location: back.href }).end()
    }
    if (at.pathname === "/token") {
      const tokens = token(new URLSearchParams(body))
      return tokens === undefined ? json(400, { error: "invalid_grant" }) : json(200, tokens)
    }
    if (at.pathname !== "/mcp") return json(404, {})
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""
    if (refuses || !access.has(given)) {
      return json(401, {}, {
        "www-authenticate": `Bearer resource_metadata="${url}/.well-known/oauth-protected-resource/mcp"`
      })
    }
    seen.push("mcp")
    const answer = await mcp.fetch(
      new Request(at, {
        method: request.method ?? "GET",
        headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]),
        ...(body === "" ? {} : { body })
      })
    )
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()))
  }

  const server = http.createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `${url}/mcp`,
    seen,
    secrets,
    revoke: (also) => {
      access.clear()
      if (also === "refresh") refresh.clear()
    },
    refuse: () => {
      refuses = true
    },
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    }
  }
}

/**
 * A server over HTTP that does as a test says: what to do in a call is in its input, as `does`. What it got is in `requests`.
 */
import * as http from "node:http"
import type * as net from "node:net"

type Json = Readonly<Record<string, unknown>>

export interface HostileHttp {
  readonly url: string
  readonly requests: ReadonlyArray<{
    readonly http: string
    readonly method: string | undefined
    readonly headers: http.IncomingHttpHeaders
  }>
  readonly stop: () => Promise<void>
}

export interface HostileHttpOptions {
  /** What it wants in `authorization`. */
  readonly authorization?: string
  /** Where a call that does `elsewhere` is sent. */
  readonly elsewhere?: string
}

export const hostileHttp = async ({ authorization, elsewhere = "" }: HostileHttpOptions = {}): Promise<HostileHttp> => {
  const requests: Array<HostileHttp["requests"][number]> = []
  const owed: Array<Json> = []
  const events = { "content-type": "text/event-stream" }
  const event = (message: Json, id?: string): string =>
    `${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`
  const server = http.createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => parts.push(chunk))
    request.on("end", () => {
      const body = Buffer.concat(parts).toString()
      const message = (body === "" ? {} : JSON.parse(body)) as Record<string, unknown>
      const method = message["method"] as string | undefined
      requests.push({ http: request.method ?? "", method, headers: request.headers })
      if (authorization !== undefined && request.headers.authorization !== authorization) {
        return response.writeHead(401).end()
      }
      if (request.method === "DELETE") return response.writeHead(200).end()
      if (request.method === "GET") {
        if (request.headers["last-event-id"] === undefined) return response.writeHead(405).end()
        return response.writeHead(200, events).end(owed.splice(0).map((one) => event(one, "2")).join(""))
      }
      const { id } = message
      if (id === undefined) return response.writeHead(202).end()
      const answer = (more: Json, headers: http.OutgoingHttpHeaders = {}): void => {
        response.writeHead(200, { "content-type": "application/json", ...headers })
        response.end(JSON.stringify({ jsonrpc: "2.0", id, ...more }))
      }
      const params = (message["params"] ?? {}) as Record<string, Json>
      switch (method) {
        case "initialize":
          return answer({
            result: {
              protocolVersion: params["protocolVersion"],
              capabilities: { tools: {} },
              serverInfo: { name: "hostile", version: "1.0.0" }
            }
          }, { "mcp-session-id": "session-1" })
        case "tools/list":
          return answer({ result: { tools: [{ name: "do", inputSchema: { type: "object" } }] } })
        case "tools/call":
          break
        default:
          return answer(method === "ping" ? { result: {} } : { error: { code: -32_601, message: "Method not found" } })
      }
      const result = { content: [{ type: "text", text: "done" }] }
      switch (params["arguments"]?.["does"]) {
        case "cut":
          response.writeHead(200, events).write(event({ method: "notifications/message", params: { level: "info" } }))
          return void setTimeout(() => response.destroy(), 20)
        case "end":
          return response.writeHead(200, events).end(": nothing\n\n")
        case "resume":
          owed.push({ id, result })
          return response.writeHead(200, events).end("id: 1\nretry: 0\ndata:\n\n")
        case "huge":
          return answer({ result: { content: [{ type: "text", text: "x".repeat(9 * 1_048_576) }] } })
        case "empty-lines": {
          response.writeHead(200, events)
          const pour = (): void => {
            while (!response.destroyed && response.write("\n".repeat(65_536)));
          }
          response.on("drain", pour)
          return pour()
        }
        case "huge-event":
          return response.writeHead(200, events).end(`data: ${"x".repeat(9 * 1_048_576)}\n\n`)
        case "forget":
          return response.writeHead(404).end("No such session")
        case "elsewhere":
          return response.writeHead(307, { location: elsewhere }).end()
        case "break":
          return response.writeHead(500).end("It broke")
        case "reset":
          return void request.socket.destroy()
        case "hang":
          return
        default:
          return answer({ result })
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/mcp`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

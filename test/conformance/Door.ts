/**
 * The suite's client knows no token, and wants tools whose names have no dot, which those of SYRIS must have. A door before
 * the host under test adds the token and puts `suite.` before a name that has none. All else passes as it is: a `Host` or an
 * `Origin` that is not the door's own is the host's to refuse.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export interface Door {
  readonly url: string
  readonly close: () => Promise<void>
}

const dotted = (body: Buffer): Buffer => {
  const text = body.toString()
  if (!text.includes("\"tools/call\"")) return body
  const message = JSON.parse(text)
  const { name } = message.params
  return Buffer.from(JSON.stringify({
    ...message,
    params: { ...message.params, name: name.includes(".") || name.startsWith("syris_") ? name : `suite.${name}` }
  }))
}

export const openDoor = async (to: { readonly url: string; readonly token: string }): Promise<Door> => {
  const target = new URL(to.url)
  const server = http.createServer((request, response) => {
    const { port } = server.address() as AddressInfo
    const theirs = (header: string | undefined) =>
      header?.replace(new RegExp(`^(http://)?(localhost|127\\.0\\.0\\.1):${port}$`), `$1$2:${target.port}`)
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
      const body = dotted(Buffer.concat(chunks))
      const { "content-length": _, "transfer-encoding": __, ...headers } = request.headers
      const { origin } = headers
      const onward = http.request({
        host: target.hostname,
        port: target.port,
        path: request.url,
        method: request.method,
        headers: {
          ...headers,
          host: theirs(headers.host),
          ...(origin === undefined ? {} : { origin: theirs(origin) }),
          authorization: `Bearer ${to.token}`,
          "content-length": body.length
        }
      }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      onward.on("error", () => response.destroy())
      response.on("close", () => onward.destroy())
      onward.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/mcp`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

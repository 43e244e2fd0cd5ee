/**
 * The smallest HTTP/1.1 client that keeps its connections alive: one request under way on each, the answer read by its
 * Content-Length. It costs a few microseconds a request, so that two cores are left to what is measured.
 */
import * as net from "node:net"

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface HttpConnection {
  readonly send: (request: Buffer) => Promise<Answer>
  readonly close: () => void
}

export const connect = (host: string, port: number): Promise<HttpConnection> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true })
    let waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | undefined
    let seen = ""
    const fail = (error: Error) => {
      reject(error)
      waiting?.reject(error)
    }
    socket.setEncoding("latin1")
    socket.on("data", (chunk) => {
      seen += String(chunk)
      const end = seen.indexOf("\r\n\r\n")
      if (end === -1) return
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(seen)?.[1])
      if (Number.isNaN(length)) return fail(new Error("An answer without Content-Length."))
      if (seen.length < end + 4 + length) return
      const answer = { status: Number(seen.slice(9, 12)), body: seen.slice(end + 4, end + 4 + length) }
      seen = seen.slice(end + 4 + length)
      const done = waiting
      waiting = undefined
      done?.resolve(answer)
    })
    socket.on("error", fail)
    socket.on("close", () => fail(new Error("The connection was closed.")))
    socket.on("connect", () =>
      resolve({
        send: (request) =>
          new Promise((resolve, reject) => {
            waiting = { resolve, reject }
            socket.write(request)
          }),
        close: () => socket.destroy()
      }))
  })

export interface Target {
  readonly host: string
  readonly port: number
  readonly token: string
}

export const request = (
  { host, port, token }: Target,
  method: string,
  path: string,
  body?: string,
  headers = ""
): Buffer =>
  Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nAuthorization: Bearer ${token}\r\n${headers}` +
      (body === undefined
        ? "\r\n"
        : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  )

/** The request of one noop event with a message id of its own. */
export const noopEvent = (target: Target, messageId: string, headers = ""): Buffer =>
  request(
    target,
    "POST",
    "/events",
    JSON.stringify({ channel: "webhook", text: "noop", message_id: messageId }),
    headers
  )

let runs = 0

/**
 * Hands in `count` noop events, or requests of another making, `atOnce` under way at any time. Answers when the last one is
 * answered.
 */
export const load = async (
  target: Target,
  count: number,
  atOnce: number,
  make: (target: Target, messageId: string) => Buffer = noopEvent
): Promise<void> => {
  const run = `${process.pid}-${++runs}-${Date.now()}`
  const connections = await Promise.all(Array.from({ length: atOnce }, () => connect(target.host, target.port)))
  let next = 0
  await Promise.all(connections.map(async (connection) => {
    while (next < count) {
      const answer = await connection.send(make(target, `${run}-${next++}`))
      if (answer.status >= 300) throw new Error(`It was answered ${answer.status}: ${answer.body}`)
    }
  }))
  connections.forEach((connection) => connection.close())
}

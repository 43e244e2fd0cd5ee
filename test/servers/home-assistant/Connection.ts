/**
 * One client on the websocket: first who it is, then its commands, each with a higher id than the one before.
 */
import type { WebSocket } from "ws"
import { type Command, commands, type Scene } from "./Commands.ts"
import type { House } from "./House.ts"
import { makeOutbox } from "./Outbox.ts"
import { type Context, ServiceError } from "./Types.ts"

export interface Connected {
  readonly authenticated: () => boolean
  /** Dead to the peer: reads nothing, says nothing. */
  readonly silence: (on: boolean) => void
  readonly close: () => void
  readonly drop: () => void
}

/** What a connection asks of its server. */
export interface Serving {
  readonly house: House
  readonly version: string
  readonly userId: string
  readonly running: () => boolean
  readonly admits: (token: unknown) => boolean
  /** Does it; `undefined` is an answer that is lost. */
  readonly call: (command: Command, context: Context) => object | undefined
  readonly textOf: (event: object) => string
}

const authMs = 10_000

const failure = (error: unknown): object =>
  error instanceof ServiceError
    ? { code: error.code, message: error.message, ...error.translation }
    : { code: "unknown_error", message: error instanceof Error ? error.message : String(error) }

export const serve = (socket: WebSocket, serving: Serving, ended: () => void): Connected => {
  const outbox = makeOutbox(socket)
  const subscriptions = new Map<number, () => void>()
  let authenticated = false
  let lastId = 0
  const put = (message: object): void => outbox.put(JSON.stringify(message))
  const result = (id: number, value: unknown): void => put({ id, type: "result", success: true, result: value })
  const refuse = (id: unknown, error: unknown): void =>
    put({ id, type: "result", success: false, error: failure(error) })

  const scene: Scene = {
    house: serving.house,
    userId: serving.userId,
    version: serving.version,
    running: serving.running,
    subscriptions,
    result,
    event: (id, event) => outbox.put(`{"id":${id},"type":"event","event":${serving.textOf(event)}}`),
    call: (command, context) => {
      const answer = serving.call(command, context)
      if (answer !== undefined) result(command.id, answer)
    },
    coalesce: outbox.coalesce
  }

  const close = (): void => {
    // What was put so far still goes out.
    setImmediate(() => setImmediate(() => socket.close()))
  }

  const admit = (message: any): void => {
    const wellFormed = message?.type === "auth" && typeof message.access_token === "string"
    if (wellFormed && serving.admits(message.access_token)) {
      authenticated = true
      clearTimeout(late)
      put({ type: "auth_ok", ha_version: serving.version })
      return
    }
    const why = wellFormed
      ? "Invalid access token or password"
      : "Auth message incorrectly formatted: extra keys not allowed"
    put({ type: "auth_invalid", message: why })
    close()
  }

  const obey = (message: any): void => {
    const { id, type } = message ?? {}
    if (!Number.isInteger(id) || id < 0 || typeof type !== "string") {
      return refuse(id ?? null, new ServiceError("invalid_format", "Message incorrectly formatted."))
    }
    if (id <= lastId) return refuse(id, new ServiceError("id_reuse", "Identifier values have to increase."))
    lastId = id
    if (type === "ping") return put({ id, type: "pong" })
    const handler = commands[type]
    if (handler === undefined) return refuse(id, new ServiceError("unknown_command", "Unknown command."))
    try {
      handler(message, scene)
    } catch (error) {
      refuse(id, error)
    }
  }

  const late = setTimeout(close, authMs)
  socket.on("message", (data: Buffer, binary) => {
    if (binary) return socket.close()
    let message: unknown
    try {
      message = JSON.parse(data.toString("utf8"))
    } catch {
      return socket.close()
    }
    if (!authenticated) return admit(message)
    for (const each of Array.isArray(message) ? message : [message]) obey(each)
  })
  socket.on("error", () => socket.terminate())
  socket.on("close", () => {
    clearTimeout(late)
    for (const end of subscriptions.values()) end()
    ended()
  })
  put({ type: "auth_required", ha_version: serving.version })
  return {
    authenticated: () => authenticated,
    silence: (on) => {
      outbox.hold(on)
      if (on) socket.pause()
      else socket.resume()
    },
    close: () => socket.close(1001),
    drop: () => socket.terminate()
  }
}

/**
 * Opens a websocket to Home Assistant and signs in, for the library's `Connection` to talk through.
 *
 * - The library signs in by itself, too; there, a failure is a number, and a frame that is no JSON ends the process.
 * - Whatever a frame makes throw ends the connection, with a reason.
 */
import type { HaWebSocket } from "home-assistant-js-websocket"
import { NoConnection, whyNot, wrongToken } from "./Trouble.ts"

/** How long connecting and signing in may take, together. */
const openMs = 10_000
/** Since then messages may come several in a frame. */
const coalesces = [2022, 9] as const

export interface OpenSocket {
  readonly socket: HaWebSocket
  /** When a frame came last, by `performance.now`. */
  readonly heardAt: () => number
}

/** `https://house.example.org/` and `house/`: where the API is. */
export const socketUrl = (url: URL): URL => {
  const made = new URL("api/websocket", url)
  made.protocol = made.protocol === "https:" ? "wss:" : "ws:"
  return made
}

const isLater = (version: string): boolean => {
  const [year = 0, month = 0] = version.split(".").map(Number)
  return year > coalesces[0] || (year === coalesces[0] && month >= coalesces[1])
}

export const openSocket = (url: URL, token: string, signal: AbortSignal): Promise<OpenSocket> =>
  new Promise((resolve, reject) => {
    const { host } = url
    const socket = new WebSocket(socketUrl(url))
    let heard = performance.now()
    const failed = (why: NoConnection | Promise<NoConnection>): void => {
      stop()
      socket.close()
      Promise.resolve(why).then(reject, reject)
    }
    const onMessage = (event: MessageEvent): void => {
      heard = performance.now()
      let message: { readonly type?: unknown; readonly ha_version?: unknown; readonly message?: unknown }
      try {
        message = JSON.parse(event.data as string) as typeof message
      } catch {
        return failed(new NoConnection(`What answers at ${host} does not speak Home Assistant's API.`))
      }
      if (message.type === "auth_required") socket.send(JSON.stringify({ type: "auth", access_token: token }))
      else if (message.type === "auth_invalid") failed(wrongToken(host))
      else if (message.type === "auth_ok") {
        stop()
        const version = typeof message.ha_version === "string" ? message.ha_version : ""
        if (isLater(version)) {
          socket.send(JSON.stringify({ id: 1, type: "supported_features", features: { coalesce_messages: 1 } }))
        }
        resolve({ socket: guarded(socket, version, () => heard = performance.now()), heardAt: () => heard })
      }
    }
    let opened = false
    const onOpen = (): void => {
      opened = true
    }
    const onClose = (): void =>
      failed(
        opened
          ? new NoConnection(
            `${host} closed the connection before it was signed in: it may be starting. It is tried again.`
          )
          : whyNot(url, signal)
      )
    const onAbort = (): void => failed(new NoConnection("It was stopped."))
    const timer = setTimeout(
      () => failed(opened ? new NoConnection(`${host} took the connection and says nothing.`) : whyNot(url, signal)),
      openMs
    )
    const stop = (): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      socket.removeEventListener("open", onOpen)
      socket.removeEventListener("message", onMessage)
      socket.removeEventListener("close", onClose)
    }
    socket.addEventListener("open", onOpen)
    socket.addEventListener("message", onMessage)
    socket.addEventListener("close", onClose)
    // Without it an error would be one that nobody handles; `close` always follows.
    socket.addEventListener("error", () => {})
    signal.addEventListener("abort", onAbort, { once: true })
    if (signal.aborted) onAbort()
  })

/** The socket as the library gets it. */
const guarded = (socket: WebSocket, haVersion: string, heard: () => void): HaWebSocket => {
  const wrapped = new Map<unknown, (event: never) => void>()
  const facade = {
    haVersion,
    OPEN: socket.OPEN,
    get readyState() {
      return socket.readyState
    },
    send: (data: string) => socket.send(data),
    close: () => socket.close(),
    addEventListener: (type: string, listener: (event: unknown) => unknown) => {
      const guard = (event: Event): void => {
        heard()
        try {
          // The library's own listener of `close` is a promise that only waits.
          void listener(event)
        } catch {
          socket.close(4000, "what came can't be read")
        }
      }
      wrapped.set(listener, guard)
      socket.addEventListener(type, guard)
    },
    removeEventListener: (type: string, listener: unknown) => {
      const guard = wrapped.get(listener)
      if (guard !== undefined) socket.removeEventListener(type, guard as (event: Event) => void)
    }
  }
  return facade as unknown as HaWebSocket
}

/**
 * What goes out on one websocket: in order, several as one array where the client takes that, held back while the peer does
 * not read. A client that leaves too much unread is cut off, as in HA.
 */
import type { WebSocket } from "ws"

const unreadBytes = 64 * 1024
const unreadMessages = 4_096

export interface Outbox {
  readonly put: (message: string) => void
  readonly coalesce: () => void
  /** Nothing goes out until it is called off. */
  readonly hold: (on: boolean) => void
}

export const makeOutbox = (socket: WebSocket): Outbox => {
  let waiting: Array<string> = []
  let coalesces = false
  let held = false
  let scheduled = false
  let blocked = false

  const flush = (): void => {
    scheduled = false
    if (held || blocked || waiting.length === 0 || socket.readyState !== socket.OPEN) return
    const messages = waiting
    waiting = []
    const send = (text: string): void => {
      socket.send(text, () => {
        if (!blocked || socket.bufferedAmount >= unreadBytes) return
        blocked = false
        flush()
      })
    }
    if (coalesces && messages.length > 1) send(`[${messages.join(",")}]`)
    else messages.forEach(send)
    blocked = socket.bufferedAmount >= unreadBytes
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }
  return {
    put: (message) => {
      waiting.push(message)
      if (waiting.length > unreadMessages) socket.terminate()
      else schedule()
    },
    coalesce: () => {
      coalesces = true
    },
    hold: (on) => {
      held = on
      if (!on) schedule()
    }
  }
}

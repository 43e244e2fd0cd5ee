/**
 * The guest in a thread of a pool: one conversation at a time over a port. Modules stay loaded, so the next conversation with
 * the same plugin imports nothing.
 */
import type { MessagePort } from "node:worker_threads"
import { installModuleHooks } from "../../core/plugin/ModuleHooks.ts"
import { maximumFrame } from "../protocol/Frames.ts"
import { makeGuest } from "./Guest.ts"
import { guestFetch } from "./guestFetch.ts"

export interface ThreadTask {
  readonly port: MessagePort
  /** One 32-bit number: how many messages the host has taken. */
  readonly taken: SharedArrayBuffer
}

/** Messages that the host has not taken yet, and their length: beyond it a thread has to wait, as one does that writes to a pipe. */
const maximumMessages = 1_000
const maximumText = 4 * 1_048_576

const makeRoom = (shared: SharedArrayBuffer): (length: number) => void => {
  const taken = new Int32Array(shared)
  const lengths: Array<number> = []
  let seen = Atomics.load(taken, 0)
  let text = 0
  return (length) => {
    for (;;) {
      for (const now = Atomics.load(taken, 0); seen !== now; seen = (seen + 1) | 0) text -= lengths.shift() ?? 0
      if (lengths.length < maximumMessages && text <= maximumText) break
      Atomics.wait(taken, 0, seen)
    }
    lengths.push(length)
    text += length
  }
}

/** Short enough that counting its bytes can't show more than a frame takes. */
const surelyShort = maximumFrame / 4

/** Serves until the port closes. */
export default ({ port, taken }: ThreadTask): Promise<void> => {
  installModuleHooks()
  const room = makeRoom(taken)
  const over = Promise.withResolvers<void>()
  const guest = makeGuest({
    send: (message) => {
      const text = JSON.stringify(message)
      if (text.length > surelyShort && Buffer.byteLength(text) > maximumFrame) {
        throw new RangeError(`A message is longer than ${maximumFrame} bytes.`)
      }
      room(text.length)
      port.postMessage(message)
    },
    end: () => port.close(),
    read: (url) => import(url) as Promise<Record<string, unknown>>,
    fetch: guestFetch
  })
  port.on("message", guest.receive)
  port.on("close", () => {
    guest.drain()
    over.resolve()
  })
  return over.promise
}

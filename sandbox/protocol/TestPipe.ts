/** A wire in memory for tests: messages are structured clones, in order, and the end is what the test wants. */
import type { IsolateEnd } from "../Isolate.ts"
import type { Wire } from "../runtimes/Wire.ts"
import { encodeFrame } from "./Frames.ts"

export interface TestPipe {
  readonly wire: Wire
  /** What the host sent, for the other side. */
  readonly onSent: (handler: (message: any) => void) => void
  /** The other side sends this. */
  readonly send: (message: unknown) => void
  readonly end: (end: IsolateEnd) => void
  /** How often the host stopped reading. */
  readonly pauses: () => number
}

export const makeTestPipe = (): TestPipe => {
  const ended = Promise.withResolvers<IsolateEnd>()
  let sent: ((message: any) => void) | undefined
  let received: ((message: unknown, bytes: number) => void) | undefined
  let paused = false
  let pauses = 0
  const waiting: Array<unknown> = []
  const deliver = (): void => {
    while (!paused && waiting.length > 0) received?.(waiting.shift(), 0)
  }
  const finish = (end: IsolateEnd): Promise<IsolateEnd> => {
    ended.resolve(end)
    return ended.promise
  }
  return {
    wire: {
      runtime: "thread",
      pid: undefined,
      send: (message) => {
        encodeFrame(message)
        const copy: unknown = structuredClone(message)
        queueMicrotask(() => sent?.(copy))
      },
      unread: () => 0,
      receive: (handler) => {
        received = handler
      },
      pause: () => {
        paused = true
        pauses++
      },
      resume: () => {
        paused = false
        deliver()
      },
      ended: ended.promise,
      stop: () => finish({ code: "stopped", reason: "it was stopped" }),
      kill: finish
    },
    onSent: (handler) => {
      sent = handler
    },
    send: (message) => {
      waiting.push(structuredClone(message))
      queueMicrotask(deliver)
    },
    end: (end) => void finish(end),
    pauses: () => pauses
  }
}

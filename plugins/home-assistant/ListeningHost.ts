/**
 * A host for tests of the channel: it takes each message once, keeps the place, and can be slow or refuse.
 */
import type { ChannelContext, RawEvent } from "syris"

export interface ListeningHost {
  /** What was taken, in order. */
  readonly taken: ReadonlyArray<RawEvent>
  /** Messages that came again. */
  readonly again: ReadonlyArray<string>
  readonly rejected: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
  readonly place: () => unknown
  readonly connected: () => number
  /** What `emit` waits for; what it throws is what it throws. */
  gate: (event: RawEvent) => Promise<void>
  /** The next one that fits, or one that was taken. */
  readonly when: (fits: () => boolean) => Promise<void>
  /** One life of a host: starts `receive` again after an error, at once, until it is stopped. */
  readonly listen: (receive: (ctx: ChannelContext) => unknown, token: string) => {
    readonly errors: ReadonlyArray<string>
    readonly stop: () => Promise<void>
  }
}

export const makeListeningHost = (): ListeningHost => {
  const taken: Array<RawEvent> = []
  const again: Array<string> = []
  const rejected: Array<string> = []
  const warnings: Array<string> = []
  const seen = new Set<string>()
  const waiting = new Set<() => void>()
  const tell = (): void => {
    for (const look of waiting) look()
  }
  let place: unknown
  let connected = 0
  const host: ListeningHost = {
    taken,
    again,
    rejected,
    warnings,
    place: () => place,
    connected: () => connected,
    gate: () => Promise.resolve(),
    when: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!fits()) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    listen: (receive, token) => {
      const controller = new AbortController()
      const errors: Array<string> = []
      const ctx = (): ChannelContext => ({
        emit: async (event) => {
          await host.gate(event)
          const id = event.message_id!
          const deduped = seen.has(id)
          if (deduped) again.push(id)
          else {
            seen.add(id)
            taken.push(event)
          }
          tell()
          return { event_id: id, trace_id: id, deduped }
        },
        log: {
          debug: () => {},
          info: () => {},
          error: () => {},
          warn: (message) => {
            warnings.push(message)
            tell()
          }
        },
        signal: controller.signal,
        secret: () => Promise.resolve(token),
        connected: () => {
          connected++
          tell()
        },
        recall: () => Promise.resolve(structuredClone(place)),
        remember: (state) => {
          place = structuredClone(state)
          tell()
          return Promise.resolve()
        },
        reject: ({ message }) => {
          rejected.push(message)
          tell()
          return Promise.resolve()
        },
        answer: () => Promise.reject(new Error("Nothing is asked here."))
      })
      const life = (async () => {
        while (!controller.signal.aborted) {
          try {
            await receive(ctx())
          } catch (error) {
            errors.push((error as Error).message)
            tell()
            await new Promise((resolve) => setTimeout(resolve, 20))
          }
        }
      })()
      return {
        errors,
        stop: () => {
          controller.abort()
          return life
        }
      }
    }
  }
  return host
}

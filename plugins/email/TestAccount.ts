/**
 * What the tests of this plugin share: an account, a channel context that keeps what it is told, and a tool's context.
 */
import { ToolRefused, type ChannelContext, type EmitOptions, type RawEvent, type ToolContext } from "syris"
import { type Account, accountOf, type Options } from "./Account.ts"

export const testAccount = (options: Partial<typeof Options.Type> = {}): Account =>
  accountOf({
    address: "syris@home.test",
    imap: { host: "127.0.0.1", secure: false, password: "p" },
    smtp: { host: "127.0.0.1", secure: false },
    ...options
  })

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export interface TestChannel {
  readonly ctx: ChannelContext
  readonly events: Array<{ readonly event: RawEvent; readonly options: EmitOptions }>
  readonly rejected: Array<Parameters<ChannelContext["reject"]>[0]>
  readonly answers: Array<{ readonly code: string; readonly decision: string }>
  /** Resolves once as many events and refusals are there. */
  readonly until: (count: number) => Promise<void>
  readonly connected: Promise<void>
  readonly stop: () => void
}

/** A host as a channel sees it: its place lasts in `memory`, and a message is taken once. */
export const testChannel = (
  memory: { place?: unknown; readonly taken: Set<string> } = { taken: new Set() },
  options: { readonly emit?: (event: RawEvent) => void } = {}
): TestChannel => {
  const abort = new AbortController()
  const events: TestChannel["events"] = []
  const rejected: TestChannel["rejected"] = []
  const answers: TestChannel["answers"] = []
  const connected = Promise.withResolvers<void>()
  const waiting = new Set<() => void>()
  const changed = () => waiting.forEach((look) => look())
  const ctx: ChannelContext = {
    emit: async (event, given = {}) => {
      options.emit?.(event)
      const deduped = memory.taken.has(event.message_id!)
      memory.taken.add(event.message_id!)
      if (!deduped) events.push({ event, options: given })
      changed()
      return { event_id: "e", trace_id: "t", deduped }
    },
    log: quiet,
    signal: abort.signal,
    secret: async (ref) => String(ref),
    connected: connected.resolve,
    recall: async () => memory.place,
    remember: async (place) => {
      memory.place = structuredClone(place)
    },
    reject: async (refused) => {
      rejected.push(refused)
      changed()
    },
    answer: async (code, decision) => {
      const used = answers.some((one) => one.code === code)
      answers.push({ code, decision })
      changed()
      return used
        ? { outcome: "unknown", message: "This code was used." }
        : { outcome: "decided", message: `Done: ${decision}.` }
    }
  }
  return {
    ctx,
    events,
    rejected,
    answers,
    connected: connected.promise,
    until: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (events.length + rejected.length + answers.length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    stop: () => abort.abort()
  }
}

export const toolContext = (idempotencyKey: string, signal = new AbortController().signal): ToolContext => ({
  idempotencyKey,
  traceId: "t",
  trust: "trusted",
  now: () => new Date(),
  signal,
  log: quiet,
  secret: async (option: unknown) => String(option),
  fetch: globalThis.fetch,
  emit: () => {},
  artifact: async () => {
    throw new ToolRefused("not here")
  },
  call: async () => {
    throw new ToolRefused("not here")
  },
  progress: () => {}
})

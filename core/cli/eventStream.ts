/**
 * Server-sent events of the host, until interrupted. A connection that is lost is found again, and goes on from the last
 * event that came; only an answer that waiting can't change (a wrong token) ends it.
 */
import { Effect } from "effect"
import { Sse } from "effect/encoding"
import { Client, RequestFailed } from "./client.ts"

/** A stream that is silent for so long is dead: the host pings every 15 s. */
const silence = "45 seconds"

export interface Listener<E, R> {
  /**
   * At each sign of life, before the events that came with it. Until an event has come there is no place to go on from
   * (`placed` is false), and what was written meanwhile is to be looked up.
   */
  readonly onSign: (placed: boolean) => Effect.Effect<void, E, R>
  /** The `data` of an event and its type, `message` unless it says otherwise; in order. */
  readonly onEvent: (data: string, type: string) => Effect.Effect<void, E, R>
  /** The connection is lost; `outages` have followed upon one another before, without a sign of life. */
  readonly onLoss: (outages: number, error: RequestFailed) => Effect.Effect<void, E, R>
}

/** Listens to a stream of the host. What a listener fails with as the client does counts as a lost connection, too. */
export const listen = <E, R>(
  path: string,
  { onEvent, onLoss, onSign }: Listener<E, R>
): Effect.Effect<never, E | RequestFailed, Client | R> =>
  Effect.gen(function*() {
    const client = yield* Client
    let lastId: string | undefined
    let outages = 0

    const once = Effect.fnUntraced(function*() {
      const closed = yield* Effect.abortSignal
      const headers: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId }
      const reader = (yield* client.stream(path, headers, closed)).getReader()
      const arrived: Array<{ readonly id: string | undefined; readonly event: string; readonly data: string }> = []
      const parser = Sse.makeParser((event) => event._tag === "Event" ? void arrived.push(event) : undefined)
      const text = new TextDecoder()
      while (true) {
        const { done, value } = yield* Effect.tryPromise({ try: () => reader.read(), catch: lost }).pipe(
          Effect.timeoutOrElse({ duration: silence, orElse: () => Effect.fail(lost()) })
        )
        if (done) return yield* lost()
        outages = 0
        yield* onSign(lastId !== undefined)
        const tooLarge = parser.feed(text.decode(value, { stream: true }))
        if (tooLarge !== undefined) return yield* lost()
        for (const event of arrived.splice(0)) {
          yield* onEvent(event.data, event.event)
          if (event.id !== undefined && event.id !== "") lastId = event.id
        }
      }
    }, Effect.scoped)

    while (true) {
      const error = yield* Effect.flip(once())
      if (!(error instanceof RequestFailed) || !passing(error)) return yield* Effect.fail(error)
      yield* onLoss(outages, error)
      yield* Effect.sleep(Math.min(100 * 2 ** outages, 10_000))
      outages++
    }
  })

const lost = () =>
  new RequestFailed({ status: 0, sentence: "The connection to SYRIS was lost. Start it with: npm start" })

const passing = ({ status }: RequestFailed) => status === 0 || status === 429 || status >= 500

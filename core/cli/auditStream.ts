/**
 * The audit log as it is written, until interrupted:
 *
 * - no row is missed and none is printed twice, also when the connection is lost and found again;
 * - a host that is away is waited for; only an answer that waiting can't change (a wrong token) ends it.
 */
import { Console, Effect } from "effect"
import { Sse } from "effect/encoding"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import { type Filter, rows } from "./auditRows.ts"
import { Client, RequestFailed } from "./client.ts"

/** A stream that is silent for so long is dead: the host pings every 15 s. */
const silence = "45 seconds"

/** Rows of one catching up. */
const catchUp = 500

export const follow = <E>(
  filter: Filter,
  limit: number,
  print: (row: AuditEvent) => Effect.Effect<void, E>
): Effect.Effect<never, E | RequestFailed, Client> =>
  Effect.gen(function*() {
    const client = yield* Client
    const printed = new Set<string>()
    let lastId: string | undefined
    let outages = 0

    const show = Effect.fnUntraced(function*(row: AuditEvent) {
      if (printed.has(row.audit_id) || !fits(row, filter)) return
      yield* print(row)
      printed.add(row.audit_id)
      // What is so long past can't come again.
      for (const id of printed) {
        if (printed.size <= 4 * catchUp) break
        printed.delete(id)
      }
    })

    // Until a row of the stream has come there is no id to go on from, only the rows that were listed.
    const listNew = Effect.fnUntraced(function*() {
      const listed = yield* rows(filter, catchUp)
      const known = listed.findLastIndex((row) => printed.has(row.audit_id))
      if (known === -1 && printed.size > 0 && listed.length === catchUp) {
        yield* Console.error("syris: More rows came in the meantime than are shown here; see them all with --since.")
      }
      for (const row of listed.slice(known + 1)) yield* show(row)
    })

    const listen = Effect.fnUntraced(function*() {
      const closed = yield* Effect.abortSignal
      const headers: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId }
      const reader = (yield* client.stream("/audit/stream", headers, closed)).getReader()
      const arrived: Array<{ readonly id: string | undefined; readonly data: string }> = []
      const parser = Sse.makeParser((event) => event._tag === "Event" ? void arrived.push(event) : undefined)
      const text = new TextDecoder()
      while (true) {
        const { done, value } = yield* Effect.tryPromise({ try: () => reader.read(), catch: lost }).pipe(
          Effect.timeoutOrElse({ duration: silence, orElse: () => Effect.fail(lost()) })
        )
        if (done) return yield* lost()
        outages = 0
        // A row may have been written before the stream had its place; each sign of life shows what is new.
        if (lastId === undefined) yield* listNew()
        const tooLarge = parser.feed(text.decode(value, { stream: true }))
        if (tooLarge !== undefined) return yield* lost()
        for (const event of arrived.splice(0)) {
          yield* show(JSON.parse(event.data) as AuditEvent)
          if (event.id !== undefined && event.id !== "") lastId = event.id
        }
      }
    }, Effect.scoped)

    const before = yield* rows(filter, Math.max(1, limit))
    for (const row of before.slice(0, before.length - limit)) printed.add(row.audit_id)
    for (const row of before.slice(-limit || before.length)) yield* show(row)
    while (true) {
      const error = yield* Effect.flip(listen())
      if (!(error instanceof RequestFailed) || !passing(error)) return yield* Effect.fail(error)
      if (outages === 1) {
        yield* Console.error("syris: The connection is lost; trying until SYRIS is back. Ctrl-C ends this.")
      }
      yield* Effect.sleep(Math.min(100 * 2 ** outages, 10_000))
      outages++
    }
  })

const lost = () =>
  new RequestFailed({ status: 0, sentence: "The connection to SYRIS was lost. Start it with: npm start" })

const passing = ({ status }: RequestFailed) => status === 0 || status === 429 || status >= 500

const fits = (row: AuditEvent, filter: Filter) =>
  (filter.trace_id === undefined || row.trace_id === filter.trace_id) &&
  (filter.type === undefined || row.type === filter.type) &&
  (filter.since === undefined || Date.parse(row.timestamp) >= Date.parse(filter.since))

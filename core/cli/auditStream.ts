/**
 * The audit log as it is written, until interrupted:
 *
 * - no row is missed and none is printed twice, also when the connection is lost and found again;
 * - a host that is away is waited for; only an answer that waiting can't change (a wrong token) ends it.
 */
import { Console, Effect } from "effect"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import { type Filter, rows } from "./auditRows.ts"
import type { Client, RequestFailed } from "./client.ts"
import { listen } from "./eventStream.ts"

/** Rows of one catching up. */
const catchUp = 500

export const follow = <E>(
  filter: Filter,
  limit: number,
  print: (row: AuditEvent) => Effect.Effect<void, E>
): Effect.Effect<never, E | RequestFailed, Client> =>
  Effect.gen(function*() {
    const printed = new Set<string>()

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

    const before = yield* rows(filter, Math.max(1, limit))
    for (const row of before.slice(0, before.length - limit)) printed.add(row.audit_id)
    for (const row of before.slice(-limit || before.length)) yield* show(row)
    return yield* listen<E | RequestFailed, Client>("/audit/stream", {
      // A row may have been written before the stream had its place; each sign of life shows what is new.
      onSign: (placed) => placed ? Effect.void : listNew(),
      onEvent: (data) => show(JSON.parse(data) as AuditEvent),
      onLoss: (outages) =>
        outages === 1
          ? Console.error("syris: The connection is lost; trying until SYRIS is back. Ctrl-C ends this.")
          : Effect.void
    })
  })

const fits = (row: AuditEvent, filter: Filter) =>
  (filter.trace_id === undefined || row.trace_id === filter.trace_id) &&
  (filter.type === undefined || row.type === filter.type) &&
  (filter.since === undefined || Date.parse(row.timestamp) >= Date.parse(filter.since))

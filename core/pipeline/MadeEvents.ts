/**
 * An event that something of the host made (a tool's run, a rule, a watcher), with the rows of the audit that tell it: that
 * it is there, or was there already. What is no event is told, too, and goes no further.
 */
import { Effect } from "effect"
import type { Audit, AuditRow, Fact } from "../audit/Audit.ts"
import type { AuditRefs } from "../contract/AuditEvent.ts"
import type { EventRow } from "../contract/Rows.ts"
import { normalise, type NormaliseOptions } from "./Normaliser.ts"

export interface Maker {
  /** As the sentences begin: a tool's name, `The rule porch`. */
  readonly name: string
  readonly at: Date
  /** Of what is no event. */
  readonly rejected: Pick<Fact, "trace_id" | "refs" | "actor">
  /** Besides the event itself. */
  readonly storedRefs?: AuditRefs
  readonly againRefs: AuditRefs
  /** Besides channel and trust. */
  readonly data: (event: EventRow) => Record<string, unknown>
  /** Where it does not follow from an event: the trace that it belongs to. Default: its own. */
  readonly trace_id?: string
}

export interface MadeEvent {
  readonly event: EventRow
  readonly body_hash: string
  /** True once it is stored. */
  readonly row: AuditRow
  /** True where its message was there already. */
  readonly again: AuditRow
}

/** The event, or the row that says that it is none. */
export const madeEvent = Effect.fnUntraced(function*(
  audit: Pick<Audit["Service"], "row">,
  maker: Maker,
  raw: unknown,
  options: NormaliseOptions
): Effect.fn.Return<MadeEvent | { readonly rejected: AuditRow }> {
  const { againRefs, at, name, rejected, storedRefs } = maker
  const made = yield* Effect.result(normalise(raw, options))
  if (made._tag === "Failure") {
    const { detail, message } = made.failure
    return {
      rejected: audit.row({
        ...rejected,
        type: "event.rejected",
        at,
        summary: `${name} made what is not an event: ${message}`.slice(0, 500),
        data: { error: detail }
      })
    }
  }
  const { body_hash } = made.success
  const event = maker.trace_id === undefined ? made.success.event : { ...made.success.event, trace_id: maker.trace_id }
  const { actor_id, channel, event_id, trace_id, trust } = event
  const fact = { trace_id, at, actor: actor_id, data: { channel, trust, ...maker.data(event) } }
  return {
    event,
    body_hash,
    row: audit.row({
      ...fact,
      type: "event.ingested",
      summary: `${name} made an event on ${channel}.`,
      refs: { ...storedRefs, event_id }
    }),
    again: audit.row({
      ...fact,
      type: "event.deduped",
      summary: `${name} made an event on ${channel} that was there already; it is not run a second time.`,
      refs: againRefs
    })
  }
})

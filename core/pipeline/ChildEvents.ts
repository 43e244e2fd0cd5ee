/**
 * The events that a tool's run hands over: children of the event that led to it, in its trace, with the worse trust.
 */
import { Effect } from "effect"
import { type Audit, type AuditRow } from "../audit/Audit.ts"
import type { Registry } from "../plugin/Registry.ts"
import type { Settings } from "../plugin/Settings.ts"
import { worst } from "../safety/Provenance.ts"
import { type Attempted, callRefs, type Conclusion, madeTrust } from "../tools/ToolExecutor.ts"
import type { Left } from "../tools/ToolRun.ts"
import { normalise } from "./Normaliser.ts"

interface Services {
  readonly audit: Audit["Service"]
  readonly registry: Registry["Service"]
  readonly settings: Settings["Service"]
}

/** The children as the outcome's statement stores them, and the rows of those that are not events. */
export const childEvents = Effect.fnUntraced(function*(
  { audit, registry, settings }: Services,
  work: Attempted,
  left: Left,
  at: Date
) {
  const name = work.tool.definition.name
  const rows: Array<AuditRow> = []
  const emitted: Array<Conclusion["emitted"][number]> = []
  // What a tool made is as good as the worst of its call and itself: nothing that it makes is the operator's word.
  const parent = { ...work.event, trust: worst(madeTrust(work), work.tool.definition.trust ?? "trusted") }
  for (const raw of left.emitted) {
    const child = yield* Effect.result(
      normalise(raw, { parent, timezone: settings.timezone, trustOf: registry.trustOf })
    )
    if (child._tag === "Failure") {
      rows.push(audit.row({
        type: "event.rejected",
        trace_id: work.event.trace_id,
        at,
        summary: `${name} made what is not an event: ${child.failure.message}`.slice(0, 500),
        refs: callRefs(work),
        data: { error: child.failure.detail }
      }))
      continue
    }
    const { body_hash, event } = child.success
    const fact = {
      trace_id: event.trace_id,
      at,
      actor: event.actor_id,
      data: { channel: event.channel, trust: event.trust, parent_event_id: work.event.event_id }
    }
    emitted.push({
      event,
      body_hash,
      row: audit.row({
        ...fact,
        type: "event.ingested",
        summary: `${name} made an event on ${event.channel}.`,
        refs: { event_id: event.event_id }
      }),
      again: audit.row({
        ...fact,
        type: "event.deduped",
        summary: `${name} made an event on ${event.channel} that was there already; it is not run a second time.`,
        refs: { event_id: work.event.event_id }
      })
    })
  }
  return { emitted, rows }
})

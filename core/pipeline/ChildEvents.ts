/**
 * The events that a tool's run hands over: children of the event that led to it, in its trace, with the worse trust.
 */
import { Effect } from "effect"
import { type Audit, type AuditRow } from "../audit/Audit.ts"
import { outputTrust } from "../plugin/OutputTrust.ts"
import type { Registry } from "../plugin/Registry.ts"
import type { Settings } from "../plugin/Settings.ts"
import { worst } from "../safety/Provenance.ts"
import type { Ending } from "../tools/Ending.ts"
import { type Attempted, callRefs, type Conclusion, madeTrust } from "../tools/ToolExecutor.ts"
import type { Left } from "../tools/ToolRun.ts"
import { madeEvent } from "./MadeEvents.ts"

interface Services {
  readonly audit: Audit["Service"]
  readonly registry: Registry["Service"]
  readonly settings: Settings["Service"]
}

/** The children as the outcome's statement stores them, and the rows of those that are not events. */
export const childEvents = Effect.fnUntraced(function*(
  { audit, registry, settings }: Services,
  work: Attempted,
  ending: Ending,
  left: Left,
  at: Date
) {
  const { definition } = work.tool
  const { name } = definition
  const output = ending.status === "succeeded" ? ending.output : undefined
  const rows: Array<AuditRow> = []
  const emitted: Array<Conclusion["emitted"][number]> = []
  // What a tool made is as good as the worst of its call and itself: nothing that it makes is the operator's word.
  const parent = { ...work.event, trust: worst(madeTrust(work), outputTrust(definition, output) ?? "trusted") }
  const maker = {
    name,
    at,
    rejected: { trace_id: work.event.trace_id, refs: callRefs(work) },
    againRefs: { event_id: work.event.event_id },
    data: () => ({ parent_event_id: work.event.event_id })
  }
  const options = { parent, timezone: settings.timezone, trustOf: registry.trustOf }
  for (const raw of left.emitted) {
    const made = yield* madeEvent(audit, maker, raw, options)
    if ("rejected" in made) rows.push(made.rejected)
    else emitted.push(made)
  }
  return { emitted, rows }
})

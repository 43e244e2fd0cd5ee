/**
 * What a tick leads to: the row's new standing, the events that are handed to the pipeline, and what is told of it all.
 */
import { Effect } from "effect"
import type { Audit, Fact, Told } from "../audit/Audit.ts"
import { madeEvent } from "../pipeline/MadeEvents.ts"
import type { Registry, RegisteredWatcher } from "../plugin/Registry.ts"
import type { Settings } from "../plugin/Settings.ts"
import { worst } from "../safety/Provenance.ts"
import { childrenTold } from "../tools/LedgerStatements.ts"
import type { Ticked } from "./Tick.ts"
import type { Claim, Emitted, TickEnd } from "./WatcherStore.ts"

/** While a watcher fails it waits longer each time, up to this or its own interval, milliseconds. */
const longestPause = 3_600_000

/** Until the next tick after so many errors in a row, milliseconds. */
export const stepAfter = (intervalMs: number, errors: number): number =>
  Math.min(intervalMs * 2 ** Math.min(errors, 40), Math.max(longestPause, intervalMs))

/** The period of a throttle that a tick falls in, and how many events are left of it. */
export const periodOf = (
  { events, perMs }: RegisteredWatcher["throttle"],
  { now, throttled_events, throttled_from }: Pick<Claim, "now" | "throttled_from" | "throttled_events">
): { readonly from: Date; readonly used: number; readonly left: number } => {
  // A beginning that lies ahead is a clock that was put back.
  const going = throttled_from !== null && throttled_from <= now && now.getTime() < throttled_from.getTime() + perMs
  const used = going ? throttled_events : 0
  return { from: going ? throttled_from : now, used, left: Math.max(0, events - used) }
}

export interface Outcome {
  readonly end: TickEnd
  readonly emitted: ReadonlyArray<Emitted>
  readonly told: ReadonlyArray<Told>
}

interface Services {
  readonly audit: Audit["Service"]
  readonly registry: Registry["Service"]
  readonly settings: Settings["Service"]
}

export const outcomeOf = Effect.fnUntraced(function*(
  { audit, registry, settings }: Services,
  watcher: RegisteredWatcher,
  claim: Claim,
  { emitted: raws, ending, suppressed, tookMs }: Ticked,
  trace_id: string,
  at: Date
): Effect.fn.Return<Outcome> {
  const { trust, watcher_id } = watcher
  const fact = { trace_id, at, actor: watcher_id, refs: { watcher_id } } satisfies Partial<Fact>
  const told: Array<Told> = []
  const emitted: Array<Emitted & { readonly row: Told; readonly again: Told }> = []

  const maker = {
    name: watcher_id,
    at,
    rejected: { trace_id, refs: fact.refs, actor: watcher_id },
    storedRefs: fact.refs,
    againRefs: fact.refs,
    data: () => ({ watcher_id }),
    trace_id
  }
  const options = {
    timezone: settings.timezone,
    // Nobody else speaks on the channel of the watchers; on any other an event is no better than that channel.
    trustOf: (channel: string) => channel === "watcher" ? trust : worst(trust, registry.trustOf(channel))
  }
  for (const raw of raws) {
    const made = yield* madeEvent(audit, maker, raw, options)
    if ("rejected" in made) told.push(made.rejected)
    else emitted.push(made)
  }

  const period = periodOf(watcher.throttle, claim)
  const consecutive_errors = ending.ok ? 0 : claim.consecutive_errors + 1
  const step_ms = stepAfter(watcher.intervalMs, consecutive_errors)
  const first = audit.row(
    ending.ok
      ? {
        ...fact,
        type: "watcher.tick",
        summary: `${watcher_id} looked${
          raws.length === 0 ? " and had nothing to say" : `: ${raws.length === 1 ? "1 event" : `${raws.length} events`}`
        }.`,
        latency_ms: tookMs,
        data: { events: raws.length, suppressed, took_ms: tookMs }
      }
      : {
        ...fact,
        type: "watcher.error",
        summary: `${watcher_id} failed: ${ending.error}`.slice(0, 500),
        latency_ms: tookMs,
        data: { error: ending.error, consecutive_errors, next_in_ms: step_ms, took_ms: tookMs }
      }
  )
  const held = suppressed === 0 ? [] : [audit.row({
    ...fact,
    type: "watcher.suppressed",
    summary: `${watcher_id} made ${suppressed} more than its ${watcher.throttle.events} events in ${
      watcher.throttle.perMs / 1_000
    } s; they were left out.`,
    data: { suppressed, reason: "throttle", events: watcher.throttle.events, per_ms: watcher.throttle.perMs }
  })]
  return {
    end: {
      watcher_id,
      fence: claim.fence,
      ...(ending.ok && "state" in ending ? { kept: { state: ending.state } } : {}),
      ticked_at: claim.now.toISOString(),
      outcome: ending.ok ? "success" : "failure",
      ...(ending.ok ? {} : { error: ending.error }),
      consecutive_errors,
      due_at: claim.due_at.toISOString(),
      step_ms,
      throttled_from: period.from.toISOString(),
      throttled_events: period.used + raws.length
    },
    emitted,
    told: [first, ...childrenTold(emitted), ...told, ...held]
  }
})

/**
 * What a rule would have done on events of the past, one after the other as they came: debounce, dedupe, quiet hours and
 * holds as they would have been decided then. Nothing is written and nothing fires.
 *
 * What it remembers begins with the first of the events. That it was switched off does not count.
 */
import { Effect } from "effect"
import type { EventRow } from "../contract/Rows.ts"
import { newId } from "../database/Ids.ts"
import type { LeafReport } from "../safety/Condition.ts"
import type { QuietHours } from "../safety/QuietHours.ts"
import { type Answer, answerOf, isUrgent, type Memory, nothingSeen, type RuleStateRow, type States } from "./Firing.ts"
import type { LiveRule } from "./LiveRule.ts"
import { thingOf } from "./Thing.ts"

/** What a rule would have done on one event. */
export interface Tried {
  readonly matched: boolean
  /** It would have fired. */
  readonly fires: boolean
  /** Why it would not, although its condition holds. */
  readonly reason?: string
  readonly leaves: ReadonlyArray<LeafReport>
}

export interface TrialEvent {
  readonly event: EventRow
  /** When it came. */
  readonly at: Date
}

export interface TrialOptions {
  readonly subjectOf: (event: EventRow, at: Date) => unknown
  readonly quietHours: Pick<QuietHours["Service"], "holding">
  /** Until when holds are looked at; one that is due later waits still. Default: for ever. */
  readonly until?: Date
}

/** A condition that holds since an event, and is looked at again at a time. */
interface Hold {
  readonly hold_id: string
  readonly item: number
  readonly event: EventRow
  readonly due: Date
}

export const tryRule = Effect.fnUntraced(function*(
  rule: LiveRule,
  events: ReadonlyArray<TrialEvent>,
  { quietHours, subjectOf, until }: TrialOptions
): Effect.fn.Return<ReadonlyArray<Tried>> {
  const { condition, owed } = rule
  const { definition } = owed
  const state: RuleStateRow = { enabled: true, lastFiredAt: undefined, hits: 0, suppressed: 0 }
  const memories = new Map<string, Memory>()
  const marks = new Map<string, Date>()
  const before = new Map<string, unknown>()
  let holds: ReadonlyArray<Hold> = []
  let seq = 0
  const items: Array<Tried> = []

  const statesAt = (now: Date): States => ({
    now,
    marks,
    stateOf: () => state,
    memoryOf: (_, thing) => {
      const memory = memories.get(thing) ?? nothingSeen()
      memories.set(thing, memory)
      return memory
    }
  })
  const ask = (event: EventRow, at: Date, held?: string): Answer => {
    const subject = subjectOf(event, at)
    const { quiet_hours } = definition
    return answerOf({
      rule: held === undefined ? owed : { ...owed, held: true },
      condition,
      event,
      // As they came: a hold is asked about again, and is never late.
      seq: ++seq,
      traceEvents: 0,
      subject,
      thing: thingOf(subject, definition.per),
      work_id: held ?? "",
      quiet: quiet_hours === undefined || isUrgent(definition) ? undefined : quietHours.holding(quiet_hours, at),
      newHold: newId
    }, statesAt(at))
  }
  const say = (item: number, fires: boolean, reason?: string): void => {
    const known = items[item]
    if (known === undefined) return
    const { leaves, matched } = known
    items[item] = { matched, fires, ...(reason === undefined ? {} : { reason }), leaves }
  }
  /** What has held long enough by then. */
  const fireHolds = (by: Date | undefined): void => {
    const isDue = ({ due }: Hold): boolean => by === undefined || due <= by
    for (const { due, event, hold_id, item } of holds.filter(isDue)) {
      const answer = ask(event, due, hold_id)
      if (answer._tag === "Fires") say(item, true)
      else if (answer._tag === "Suppressed") say(item, false, answer.reason)
      else say(item, false, notLongEnough)
    }
    holds = holds.filter((hold) => !isDue(hold))
  }

  for (const { at, event } of events) {
    // Whoever else is served by this host has its turn: a condition may look at much text.
    yield* Effect.yieldNow
    fireHolds(at)
    const seen = subjectOf(event, at)
    const thing = thingOf(seen, definition.per)
    const earlier = before.get(thing)
    const found = { matched: condition.matches(seen, earlier), leaves: condition.explain(seen, earlier) }
    if (!rule.concerns(seen)) {
      items.push({ ...found, fires: false })
      continue
    }
    before.set(thing, seen)
    const answer = ask(event, at)
    switch (answer._tag) {
      case "Fires":
        items.push({ ...found, fires: true })
        break
      case "Suppressed":
        items.push({ ...found, fires: false, reason: answer.reason })
        break
      case "Holding":
        items.push({
          ...found,
          fires: false,
          reason: answer.hold_id === undefined ? "it holds already" : "it waits still"
        })
        if (answer.hold_id !== undefined) {
          const due = new Date(at.getTime() + (definition.held_for_ms ?? 0))
          holds = [...holds, { hold_id: answer.hold_id, item: items.length - 1, event, due }]
        }
        break
      case "NotMatched":
        for (const hold of holds) if (hold.hold_id === answer.ended) say(hold.item, false, notLongEnough)
        holds = holds.filter(({ hold_id }) => hold_id !== answer.ended)
        items.push({ ...found, fires: false })
    }
  }
  fireHolds(until)
  return items
})

const notLongEnough = "it did not stay so for long enough"

/**
 * What is done of the rules that an event is for, once their states are locked: pure, one rule after the other, the highest
 * priority first. Whoever calls it has the database's time and the states as they are, and writes what comes out in the
 * same transaction, so what it decides holds across hosts.
 */
import canonicalize from "canonicalize"
import type { RuleDefinition } from "../contract/Rule.ts"
import type { OwedRule } from "../contract/Rows.ts"
import type { CompiledCondition } from "../safety/Condition.ts"
import { fieldOf, keysOf } from "../safety/FieldPath.ts"
import { maximumDepth } from "../pipeline/Normaliser.ts"
import { digest } from "../database/Ids.ts"
import { dedupeKeyOf } from "./DedupeKey.ts"

/** Why a rule whose condition holds does nothing. */
export type Suppression = "debounce" | "dedupe" | "quiet_hours" | "cascade" | "disabled" | "failed"

/** A rule's state, as it is locked. */
export interface RuleStateRow {
  enabled: boolean
  lastFiredAt: Date | undefined
  hits: number
  suppressed: number
}

/** What a rule remembers of a thing. */
export interface Memory {
  /** Of the event that was seen last, in the order in which events came; 0 where it has seen none. */
  seq: number
  /** The fields that `changed` looks at, as they were in it. */
  seen: unknown
  /** The work that waits until the condition has held long enough, or that did. */
  hold_id: string | undefined
}

export const nothingSeen = (): Memory => ({ seq: 0, seen: undefined, hold_id: undefined })

/** What the states of the rules of one batch are. The functions answer the same object for the same key. */
export interface States {
  readonly now: Date
  readonly stateOf: (rule_id: string) => RuleStateRow
  /** When a rule was fired for a key; what it is set to is kept. */
  readonly marks: Map<string, Date>
  readonly memoryOf: (rule_id: string, thing: string) => Memory
}

export interface Question {
  readonly rule: OwedRule
  readonly condition: CompiledCondition
  readonly event: { readonly depth: number }
  /** In which order events came, by the database. */
  readonly seq: number
  readonly subject: unknown
  readonly thing: string
  /** The work that asks. */
  readonly work_id: string
  /** The window of quiet hours that holds the rule back now. */
  readonly quiet: string | undefined
  /** How many events its trace has already. */
  readonly traceEvents: number
  /** For a hold that begins now. */
  readonly newHold: () => string
}

export type Answer =
  /** The condition does not hold. */
  | { readonly _tag: "NotMatched"; readonly ended: string | undefined }
  /** It holds, and has to hold on: `hold_id` is to be made. */
  | { readonly _tag: "Holding"; readonly hold_id: string | undefined }
  | { readonly _tag: "Suppressed"; readonly reason: Suppression; readonly detail: string }
  | { readonly _tag: "Fires" }

/** What it says is said in quiet hours, too. */
export const isUrgent = ({ then }: Pick<RuleDefinition, "then">): boolean =>
  then.some((action) => "notify" in action && action.notify.urgency === "high")

/** Events of one trace, beyond which rules make nothing more of what they made. */
export const maximumTraceEvents = 500

export const markKey = (rule_id: string, key: string): string => `${rule_id.length}:${rule_id}${key}`

/** The fields that `changed` looks at, in a sparse copy of the subject. */
export const seenBy = (condition: CompiledCondition, subject: unknown): unknown => {
  const seen: Record<string, unknown> = {}
  for (const path of condition.changedPaths) {
    const value = fieldOf(path)?.read(subject)
    const keys = keysOf(path) ?? []
    if (value === undefined) continue
    let at = seen
    for (const key of keys.slice(0, -1)) {
      const next = Object.hasOwn(at, key) ? at[key] : undefined
      const inner = typeof next === "object" && next !== null ? next as Record<string, unknown> : {}
      at[key] = inner
      at = inner
    }
    const last = keys.at(-1)
    if (last !== undefined) at[last] = value
  }
  return seen
}

/** What a memory holds for: the same rule in its own words has the same one. */
export const basisOf = ({ held_for_ms, per, then, when }: RuleDefinition): string =>
  digest(canonicalize([when, held_for_ms ?? null, per ?? null, then]) ?? "")

/** Decides one rule for one event; the states are changed as if it were done. */
export const answerOf = (question: Question, states: States): Answer => {
  const { condition, event, quiet, rule, seq, subject, thing, work_id } = question
  const { definition: { debounce_ms = 0, dedupe, held_for_ms }, rule_id } = rule
  const state = states.stateOf(rule_id)
  if (rule.stateful === true) {
    const memory = states.memoryOf(rule_id, thing)
    if (rule.held === true) {
      // It was ended meanwhile, or another one took its place.
      if (memory.hold_id !== work_id) return { _tag: "NotMatched", ended: undefined }
      if (!condition.matches(subject, nothingBefore)) {
        memory.hold_id = undefined
        return { _tag: "NotMatched", ended: undefined }
      }
    } else {
      const isLate = memory.seq > seq
      const before = memory.seq === 0 ? undefined : memory.seen
      // That something has changed is true for a moment; while it holds, it counts as true.
      const holds = condition.matches(subject, memory.hold_id === undefined ? before : nothingBefore)
      if (!isLate) {
        memory.seq = seq
        memory.seen = seenBy(condition, subject)
      }
      if (!holds) {
        const ended = isLate ? undefined : memory.hold_id
        if (!isLate) memory.hold_id = undefined
        return { _tag: "NotMatched", ended }
      }
      if (held_for_ms !== undefined) {
        if (memory.hold_id !== undefined || isLate) return { _tag: "Holding", hold_id: undefined }
        memory.hold_id = question.newHold()
        return { _tag: "Holding", hold_id: memory.hold_id }
      }
    }
  }
  const suppress = (reason: Suppression, detail: string): Answer => {
    state.suppressed++
    return { _tag: "Suppressed", reason, detail }
  }
  if (!state.enabled) return suppress("disabled", "it was switched off meanwhile")
  if (quiet !== undefined) return suppress("quiet_hours", `quiet hours (${quiet})`)
  if (event.depth >= maximumDepth) {
    return suppress("cascade", `${maximumDepth} events have led to one another: the chain ends here`)
  }
  if (event.depth > 0 && question.traceEvents >= maximumTraceEvents) {
    return suppress("cascade", `its trace has ${maximumTraceEvents} events: nothing more is made of them`)
  }
  const { now } = states
  const last = state.lastFiredAt
  if (last !== undefined && now.getTime() - last.getTime() < debounce_ms) {
    return suppress(
      "debounce",
      `it was fired ${now.getTime() - last.getTime()} ms ago, and does so once in ${debounce_ms} ms`
    )
  }
  const key = dedupeKeyOf(rule, subject)
  if (key !== undefined && dedupe !== undefined) {
    const mark = markKey(rule_id, key)
    const fired = states.marks.get(mark)
    if (fired !== undefined && now.getTime() - fired.getTime() < dedupe.window_ms) {
      return suppress(
        "dedupe",
        `it did the same ${now.getTime() - fired.getTime()} ms ago, and does so once in ${dedupe.window_ms} ms`
      )
    }
    states.marks.set(mark, now)
  }
  state.hits++
  state.lastFiredAt = now
  return { _tag: "Fires" }
}

/** Compared with it, everything that is there has changed. */
const nothingBefore = {}

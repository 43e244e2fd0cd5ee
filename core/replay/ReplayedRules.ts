/**
 * Rules fired again for an event: their conditions, quiet hours, bounds and what their actions make are decided anew. What
 * they remember of other events (when they fired last, what they did the same, what changed, what was held) is taken from
 * their own row.
 */
import { Effect } from "effect"
import type { EventRow, OwedRule, OwedRules } from "../contract/Rows.ts"
import { ruleChannel } from "../contract/RuleChannel.ts"
import { normalise } from "../pipeline/Normaliser.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { dedupeKeyOf } from "../rules/DedupeKey.ts"
import { answerOf, isUrgent, markKey, maximumTraceEvents, nothingSeen } from "../rules/Firing.ts"
import { conditionOf } from "../rules/LiveRule.ts"
import { madeOf } from "../rules/RuleActions.ts"
import { worst } from "../safety/Provenance.ts"
import type { Decided } from "./Compare.ts"
import { madeSaying, namesOf, rowsOfEvent } from "./Recorded.ts"
import type { AuditLine } from "./Records.ts"
import { Scene } from "./Scene.ts"

/** `it was fired 120 ms ago, …` */
const agoOf = (row: AuditLine | undefined, reason: string): number | undefined => {
  if (row?.data["reason"] !== reason) return undefined
  const found = / (\d+) ms ago/.exec(String(row.data["detail"]))
  return found === null ? undefined : Number(found[1])
}

export const replayRules = Effect.fnUntraced(function*(event: EventRow, owed: OwedRules) {
  const registry = yield* Registry
  const scene = yield* Scene
  const settings = yield* Settings
  const records = scene.records()
  const about = namesOf(records).rules(event.event_id)
  const rows = rowsOfEvent(records, event.event_id).filter(({ type }) => type.startsWith("rule."))
  const matched = records.decisions.get(event.event_id)?.match.rule_ids ?? []

  const fire = Effect.fnUntraced(function*(rule: OwedRule) {
    const { definition, rule_id } = rule
    const row = rows.find(({ refs }) => refs.rule_id === rule_id)
    const condition = conditionOf(definition, settings.timezone)
    // All rules of an event are fired in one transaction: those that matched and have no row yet are still to come.
    const isOwed = rows.length === 0 && matched.includes(rule_id)
    if (condition === undefined || (rule.stateful === true && row === undefined) || isOwed) return []
    const now = new Date(row?.timestamp ?? event.ingested_at)
    const subject = scene.subjectOf(event, definition.held_for_ms === undefined ? undefined : now)
    const debounced = agoOf(row, "debounce")
    const deduped = agoOf(row, "dedupe")
    const { stateful: _, ...plain } = rule
    const key = dedupeKeyOf(rule, subject)
    const answer = answerOf({
      rule: plain,
      condition,
      event,
      seq: 0,
      subject,
      thing: "",
      work_id: "",
      quiet: definition.quiet_hours === undefined || isUrgent(definition)
        ? undefined
        : scene.holding(definition.quiet_hours, now),
      traceEvents: row?.data["reason"] === "cascade" ? maximumTraceEvents : 0,
      newHold: () => ""
    }, {
      now,
      stateOf: () => ({
        enabled: row?.data["reason"] !== "disabled",
        lastFiredAt: debounced === undefined ? undefined : new Date(now.getTime() - debounced),
        hits: 0,
        suppressed: 0
      }),
      marks: new Map(
        deduped === undefined || key === undefined
          ? []
          : [[markKey(rule_id, key), new Date(now.getTime() - deduped)] as const]
      ),
      memoryOf: nothingSeen
    })
    if (answer._tag === "Suppressed") {
      return [{ about, says: { decided: "rule.suppressed", rule_id, reason: answer.reason } }]
    }
    if (answer._tag !== "Fires") return []
    const made = yield* Effect.forEach(
      madeOf(definition, rule_id, subject, registry),
      Effect.fnUntraced(function*({ plan, raw }) {
        const child = yield* Effect.result(normalise(raw, {
          parent: event,
          timezone: settings.timezone,
          trustOf: (channel) => channel === ruleChannel ? rule.trust : worst(rule.trust, registry.trustOf(channel))
        }))
        return child._tag === "Success" ? [madeSaying(child.success.event, plan)] : []
      })
    )
    return [{ about, says: { decided: "rule.triggered", rule_id, made: made.flat() } }]
  })

  const decided: ReadonlyArray<Decided> = (yield* Effect.forEach(owed, fire)).flat()
  // In the order in which they were told: one that had to hold on came later.
  const place = ({ says }: Decided): number => {
    const found = rows.findIndex(({ refs }) => refs.rule_id === says["rule_id"])
    return found === -1 ? rows.length : found
  }
  return decided.toSorted((a, b) => place(a) - place(b))
})

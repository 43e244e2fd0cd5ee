/**
 * Which rules an event is for, decided without asking anybody: those whose condition holds, up to one that claims it, and
 * those that remember and have to look at it. Pure.
 */
import type { OwedRules } from "../contract/Rows.ts"
import type { RulesAnswer } from "../pipeline/Router.ts"
import type { LiveRule } from "./LiveRule.ts"
import { makeIndex } from "./RuleIndex.ts"

/** `rules` in the order in which they are looked at. */
export const makeRouting = (rules: ReadonlyArray<LiveRule>): (subject: unknown) => RulesAnswer => {
  if (rules.length === 0) return () => ({ rule_ids: [], claimed: false, note: "none are set", owed: [] })
  const index = makeIndex(rules.filter(({ enabled }) => enabled), ({ choices }) => choices)
  return (subject) => {
    const rule_ids: Array<string> = []
    const owed: Array<OwedRules[number]> = []
    let remembers = 0
    let claimed: string | undefined
    for (const rule of index.candidates(subject)) {
      if (!rule.concerns(subject)) continue
      owed.push(rule.owed)
      if (rule.owed.stateful === true) {
        remembers++
        continue
      }
      rule_ids.push(rule.owed.rule_id)
      if (!rule.stop) continue
      claimed = rule.owed.definition.name
      break
    }
    const note = [
      rule_ids.length === 0 ? `none of ${rules.length} matched` : `matched ${rule_ids.join(", ")}`,
      ...(remembers === 0
        ? []
        : [remembers === 1 ? "1 that remembers looks at it next" : `${remembers} that remember look at it next`]),
      ...(claimed === undefined ? [] : [`${claimed} claims the event`])
    ].join("; ")
    return { rule_ids, claimed: claimed !== undefined, note, owed }
  }
}

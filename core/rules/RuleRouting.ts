/**
 * Which rules an event is for, decided without asking anybody: those whose condition holds, up to one that claims it, and
 * those that remember and have to look at it. A rule claims no event that is better than the words that it came from. Pure.
 */
import type { Trust } from "../contract/Enums.ts"
import type { OwedRules } from "../contract/Rows.ts"
import type { RulesAnswer } from "../pipeline/Router.ts"
import { worst } from "../safety/Provenance.ts"
import type { LiveRule } from "./LiveRule.ts"
import { makeIndex } from "./RuleIndex.ts"

/** What is known of an event besides what conditions read. */
export interface Routable {
  readonly security: { readonly trust: Trust }
}

/** `rules` in the order in which they are looked at. */
export const makeRouting = (rules: ReadonlyArray<LiveRule>): (subject: Routable) => RulesAnswer => {
  if (rules.length === 0) return () => ({ rule_ids: [], note: "none are set", owed: [] })
  const index = makeIndex(rules.filter(({ enabled }) => enabled), ({ choices }) => choices)
  return (subject) => {
    const rule_ids: Array<string> = []
    const owed: Array<OwedRules[number]> = []
    let remembers = 0
    const better: Array<string> = []
    let claimed_by: string | undefined
    for (const rule of index.candidates(subject)) {
      if (!rule.concerns(subject)) continue
      owed.push(rule.owed)
      if (rule.owed.stateful === true) {
        remembers++
        continue
      }
      rule_ids.push(rule.owed.rule_id)
      if (!rule.stop) continue
      const { definition: { name }, trust } = rule.owed
      if (worst(trust, subject.security.trust) !== subject.security.trust) {
        better.push(`${name} can't claim it: the event is ${subject.security.trust}, and the rule ${trust}`)
        continue
      }
      claimed_by = name
      break
    }
    const note = [
      rule_ids.length === 0 ? `none of ${rules.length} matched` : `matched ${rule_ids.join(", ")}`,
      ...(remembers === 0
        ? []
        : [remembers === 1 ? "1 that remembers looks at it next" : `${remembers} that remember look at it next`]),
      ...better,
      ...(claimed_by === undefined ? [] : [`${claimed_by} claims the event`])
    ].join("; ")
    return { rule_ids, ...(claimed_by === undefined ? {} : { claimed_by }), note, owed }
  }
}

/**
 * The rule that is meant by what a person calls it. Pure.
 */
import { nearest } from "../plugin/Explain.ts"
import type { LiveRule } from "./LiveRule.ts"

/** The rule that is called so by its id, its name or the beginning of one; or a sentence that says why there is none. */
export const meantRule = (which: string, rules: ReadonlyArray<LiveRule>): LiveRule | string => {
  const wanted = which.toLowerCase()
  const named = ({ owed: { definition, rule_id } }: LiveRule) => [rule_id, definition.name]
  const fitting = [
    (word: string) => word === which,
    (word: string) => word.toLowerCase() === wanted,
    (word: string) => wanted !== "" && word.toLowerCase().startsWith(wanted)
  ]
  for (const fits of fitting) {
    const found = rules.filter((rule) => named(rule).some(fits))
    const [only] = found
    if (only === undefined) continue
    if (found.length === 1) return only
    const ids = found.slice(0, 5).map(({ owed }) => owed.rule_id).join(", ")
    return `${found.length} rules are called ${JSON.stringify(which)}: say which by its id (${ids}).`
  }
  const near = nearest(which, rules.map(({ owed }) => owed.definition.name))
  return `There is no rule called ${JSON.stringify(which)}${
    near === undefined ? ". Say \"list rules\" to see those that are there." : `; did you mean ${JSON.stringify(near)}?`
  }`
}

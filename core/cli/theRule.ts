/** The rule that is meant by its id, the beginning or end of it, or its name in any case. */
import { Effect } from "effect"
import type { Rule } from "../contract/Rule.ts"
import { nearest } from "../plugin/Explain.ts"
import { failed } from "./CommandFailed.ts"
import { spell } from "./flags.ts"
import { listed } from "./list.ts"
import { visible } from "../contract/Visible.ts"

const maximum = 10_000

export const theRule = Effect.fn("rules.find")(function*(part: string) {
  const { items } = yield* listed<Rule>("/rules", {}, maximum)
  const wanted = part.toLowerCase()
  const fitting: ReadonlyArray<(rule: Rule) => boolean> = [
    ({ rule_id }) => rule_id === part,
    ({ name }) => name.toLowerCase() === wanted,
    ({ rule_id }) =>
      wanted !== "" && (rule_id.toLowerCase().startsWith(wanted) || rule_id.toLowerCase().endsWith(wanted))
  ]
  for (const fits of fitting) {
    const found = items.filter(fits)
    const [only] = found
    if (only === undefined) continue
    if (found.length === 1) return only
    return yield* failed(
      `${found.length} rules are called ${visible(part)}: give the whole id of one (${
        found.slice(0, 5).map(({ rule_id }) => visible(rule_id)).join(", ")
      }).`
    )
  }
  const near = nearest(part, items.map(({ name }) => name))
  const say = yield* spell
  return yield* failed(
    `There is no rule ${visible(part)}${
      near === undefined ? `: see those that are there with: ${say("rules")}` : `; did you mean ${visible(near)}?`
    }`
  )
})

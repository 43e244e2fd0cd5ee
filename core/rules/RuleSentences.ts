/**
 * What the host understands about rules without a model: `list rules`, `turn off the rule porch`, `create a rule {…}` with the
 * JSON of `POST /rules`.
 */
import type { Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"

const which = "(?<which>.+?)"
const whichOf = ({ which: given = "" }: Record<string, string | undefined>) => ({
  which: given.trim().replace(/^["'“”‘’«»]+|["'“”‘’«»]+$/gu, "")
})

/** What is no JSON stays as it was written: the tool says what it takes. */
const ruleOf = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

const named = (verbs: string) => [
  sentence(`(?:${verbs}) (?:the |my )?rule (?:called |named )?${which}`),
  sentence(`(?:${verbs}) (?:the |my )${which} rule`)
]

export const ruleSentences: ReadonlyArray<Intent> = [
  {
    name: "rule.list",
    tool: "rule.list",
    input: () => ({}),
    patterns: [
      sentence("(?:(?:show|list)(?: me)? )?(?:the |my |all )?(?:standing )?rules"),
      sentence("(?:what|which) rules (?:are there|do (?:you|i|we) have|are on)")
    ]
  },
  {
    name: "rule.disable",
    tool: "rule.disable",
    input: whichOf,
    patterns: named("disable|switch off|turn off|pause")
  },
  {
    name: "rule.enable",
    tool: "rule.enable",
    input: whichOf,
    patterns: named("enable|switch on|turn on|resume")
  },
  {
    name: "rule.create",
    tool: "rule.create",
    input: ({ json = "" }) => ruleOf(json),
    patterns: [sentence("(?:create|make|add) (?:a |the )?(?:new )?rule:?\\s*(?<json>\\{[\\s\\S]*\\})")]
  }
]

/** A rule as the operator writes it: out of the record, from an example, and what a change of it sends. Pure. */
import type { Rule } from "syris/records"
import { type Fields as Given, type ReadJson, readObject } from "../../parts/readJson.ts"

/** The fields of a definition, in the order in which a person reads them. */
const fields = [
  "name",
  "enabled",
  "priority",
  "when",
  "held_for_ms",
  "per",
  "then",
  "stop",
  "debounce_ms",
  "dedupe",
  "quiet_hours"
] as const

/** What is as it would be without a word is left out. */
const usual: Given = { enabled: true, priority: 0, stop: false, debounce_ms: 0 }

export const definitionOf = (rule: Rule): Given =>
  Object.fromEntries(
    fields.flatMap((field) => rule[field] === undefined || rule[field] === usual[field] ? [] : [[field, rule[field]]])
  )

/** A start for a rule of one's own: it does no harm, and fires where somebody says the word. */
export const example: Given = {
  name: "Somebody rang",
  when: {
    all: [
      { path: "source.channel", op: "eq", value: "webhook" },
      { path: "content.text", op: "contains", value: "doorbell" }
    ]
  },
  then: [{ notify: { text: "Somebody rang: {{content.text}}" } }],
  debounce_ms: 60_000
}

export const asText = (definition: Given): string => JSON.stringify(definition, null, 2)

/** The text of an editor; what is wrong with the rule itself the host says. */
export const readDefinition = (text: string): ReadJson<Given> => readObject(text, "A rule")

/** What is sent to change `before` into `after`: what differs, and `null` for what was taken away. */
export const changesOf = (before: Given, after: Given): Given =>
  Object.fromEntries([
    ...Object.entries(after).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(before[field])),
    ...Object.keys(before).filter((field) => !Object.hasOwn(after, field)).map((field) => [field, null] as const)
  ])

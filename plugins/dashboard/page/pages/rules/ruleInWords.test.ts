/** The page says of a rule what the terminal and the chat say of it. */
import { assert, describe, it } from "vitest"
import type { RuleDefinition } from "../../../../../core/contract/Rule.ts"
import { ruleInWords as inTheTerminal } from "../../../../../core/rules/RuleWords.ts"
import { conditionOps } from "../../../../../core/safety/ConditionOps.ts"
import { ruleInWords } from "./ruleInWords.ts"

const leaf = { path: "content.text", op: "contains", value: "dark" }
const notify: RuleDefinition["then"][number] = { notify: { text: "It is dark." } }
const rule = (more: Partial<RuleDefinition>): RuleDefinition => ({ name: "dark", when: leaf, then: [notify], ...more })

const rules: ReadonlyArray<RuleDefinition> = [
  rule({}),
  ...Object.keys(conditionOps).map((op) => rule({ when: { path: "content.text", op, value: "dark" } })),
  rule({ when: { path: "content.text", op: "exists", value: false } }),
  rule({ when: { all: [leaf, { any: [leaf, { none: [leaf, leaf] }] }, { all: [leaf] }] } }),
  rule({ when: { all: [] } }),
  rule({ when: { any: [] } }),
  rule({ when: { none: [] } }),
  rule({ when: "x" }),
  rule({ when: { path: "content.text", op: "eq", value: "🙂".repeat(300) } }),
  rule({
    then: [
      { notify: { text: "a", channel: "email", urgency: "high" } },
      { tool: "lamp.on" },
      { tool: "lamp.on", input: { level: 3 } },
      { task: { task: "tidy", input: {} } },
      { task: { steps: [] } },
      { emit: { text: "b" } },
      { emit: { channel: "other", structured: {} } }
    ]
  }),
  rule({ priority: 5, stop: true, debounce_ms: 10_000, per: "context.device_id", held_for_ms: 1_500 }),
  rule({ dedupe: { window_ms: 60_000 }, quiet_hours: true }),
  rule({ dedupe: { key: "{{content.text}}", window_ms: 60_000 }, quiet_hours: "night" }),
  rule({ quiet_hours: { start: "22:00", end: "06:00", timezone: "Europe/London", days: ["mon", "tue"] } }),
  rule({ quiet_hours: false })
]

describe("a rule in words", () => {
  it("is what the terminal says of it", () => {
    for (const one of rules) assert.equal(ruleInWords(one), inTheTerminal(one))
  })

  it("is a sentence", () => {
    assert.equal(
      ruleInWords(rule({ debounce_ms: 5_000 })),
      "where content.text contains \"dark\", it says \"It is dark.\" on chat; at most once in 5 s"
    )
  })
})

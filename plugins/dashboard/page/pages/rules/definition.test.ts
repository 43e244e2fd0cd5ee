import { assert, describe, it } from "vitest"
import type { Rule } from "../../../../../core/contract/Rule.ts"
import { compileCondition } from "../../../../../core/safety/Condition.ts"
import { asText, changesOf, definitionOf, example, readDefinition } from "./definition.ts"

const rule: Rule = {
  rule_id: "01",
  name: "dark",
  enabled: true,
  priority: 0,
  when: { path: "content.text", op: "eq", value: "dark" },
  then: [{ notify: { text: "It is dark." } }],
  stop: true,
  debounce_ms: 0,
  origin: "api",
  risk: "low",
  hit_count: 3,
  suppressed_count: 0
}

describe("a rule in the editor", () => {
  it("has what the operator says of it, and nothing of what became of it", () => {
    assert.deepEqual(Object.keys(definitionOf(rule)), ["name", "when", "then", "stop"])
    assert.deepEqual(readDefinition(asText(definitionOf(rule))), { ok: true, value: definitionOf(rule) })
  })

  it("sends what was changed, and takes away what was taken away", () => {
    const before = definitionOf({ ...rule, debounce_ms: 5_000 })
    const { name, then, when } = before
    const after = { name, when, then, debounce_ms: 6_000, wrong: 1 }
    assert.deepEqual(changesOf(before, after), { debounce_ms: 6_000, wrong: 1, stop: null })
    assert.deepEqual(changesOf(before, before), {})
  })

  it("says what is no rule", () => {
    const broken = readDefinition("{ \"name\": }")
    assert.match(broken.ok ? "" : broken.mistake, /^This is not JSON yet: .*\.$/)
    assert.isFalse(readDefinition("[]").ok)
    assert.isFalse(readDefinition("null").ok)
  })

  it("starts from an example that the host takes", () => {
    assert.isTrue(compileCondition(example["when"]).ok)
  })
})

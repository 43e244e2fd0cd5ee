/** A rule that names a tool which may be there when it fires is not harmless because the tool is away when it is made. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readRule } from "../plugin/RuleReading.ts"
import { gradeOf } from "./RuleGrade.ts"

const registry: any = { tool: () => undefined, tools: () => [], intents: () => [], matchIntent: () => undefined }

const riskOf = (action: unknown) => {
  const read = readRule(
    { name: "one", when: { all: [{ path: "content.text", op: "eq", value: "ring" }] }, then: [action] },
    { style: "wire", timezone: "UTC" }
  )
  if (!read.ok) throw new Error(JSON.stringify(read))
  return Effect.map(gradeOf(read.value, { registry, hasModel: false }), ({ risk }) => risk)
}

describe("a rule that makes an event", () => {
  it.effect("is of high risk where that means a server's tool, also one that is not there now", () =>
    Effect.gen(function*() {
      for (
        const emit of [
          { structured: { intent: "mcp.house.open" } },
          { text: "mcp.house.open which=porch" },
          { text: " MCP.house.open {}" }
        ]
      ) assert.strictEqual(yield* riskOf({ emit }), "high", JSON.stringify(emit))
    }))

  it.effect("is of low risk where it means nothing", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* riskOf({ emit: { text: "the mcp.house.open of it" } }), "low")
      assert.strictEqual(yield* riskOf({ emit: { structured: { intent: "nothing" } } }), "low")
    }))
})

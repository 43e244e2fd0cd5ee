/**
 * Who may have a tool called on their behalf, besides what risk and autonomy say.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Autonomy, Trust } from "../contract/Enums.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { defineTool } from "../plugin/Tool.ts"
import { registerTool } from "../plugin/ToolRegistration.ts"
import { judge, plan } from "./ToolCallPlan.ts"

const silent: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }

const lamp = defineTool({
  name: "lamp.switch",
  description: "Switch a lamp.",
  input: Schema.Struct({}),
  effect: "write",
  risk: "low",
  scopes: ["lamp"],
  run: () => 1
})
const registered = (definition: object = lamp): RegisteredTool => {
  const tool = registerTool("lamp", definition, silent)
  if (typeof tool === "string") throw new Error(tool)
  return tool
}

const ask = (tool: RegisteredTool, trust: Trust, more: { by_model?: boolean; autonomy?: Autonomy } = {}) =>
  judge({ tool, trust, granted: ["*"], autonomy: "A2", ...more }, "low")

describe("a tool that is only for the operator", () => {
  const tool = registered(forOperatorOnly(lamp))

  it("is blocked for anybody else, at every level of autonomy and before scopes are looked at", () => {
    for (const autonomy of ["A0", "A1", "A2", "A3", "A4"] as const) {
      for (const trust of ["trusted", "untrusted"] as const) {
        for (const granted of [["*"], []]) {
          const refused = judge({ tool, trust, granted, autonomy }, "low")
          assert.deepInclude(refused, { type: "gate.hard_blocked", verdict: "HARD_BLOCK" })
          assert.deepStrictEqual(refused?.reasons, [`only the operator may call it; the channel is ${trust}`])
        }
      }
    }
  })

  it("is judged like any other for the operator", () => {
    assert.isUndefined(ask(tool, "operator"))
    assert.strictEqual(ask(tool, "operator", { autonomy: "A0" })?.type, "gate.preview")
    assert.isUndefined(ask(registered(), "untrusted"))
  })

  it.effect("is canceled in its plan", () =>
    Effect.gen(function*() {
      const planned = yield* plan({
        trace_id: "t",
        event_id: "e",
        ordinal: 0,
        tool,
        input: {},
        at: new Date(0),
        autonomy: "A4",
        granted: ["*"],
        trust: "untrusted"
      })
      assert.strictEqual(planned.row.status, "canceled")
      assert.strictEqual(
        planned.refused?.error.message,
        "lamp.switch is only for the operator, and this came from a channel that is untrusted."
      )
    }))
})

describe("a call that a model chose", () => {
  it("needs a yes where the words are untrusted and it acts", () => {
    for (const trust of ["operator", "trusted", "untrusted"] as const) {
      const refused = ask(registered(), trust, { by_model: true })
      assert.strictEqual(refused?.verdict, trust === "untrusted" ? "CONFIRM" : undefined, trust)
    }
    const refused = ask(registered(), "untrusted", { by_model: true })
    assert.strictEqual(refused?.type, "gate.hard_blocked")
    assert.deepStrictEqual(refused?.reasons, ["a model chose it on untrusted words", "risk low at autonomy A2"])
    assert.isUndefined(ask(registered({ ...lamp, effect: "read" }), "untrusted", { by_model: true }))
  })

  it("never loosens what the matrix says", () => {
    assert.strictEqual(ask(registered(), "untrusted", { by_model: true, autonomy: "A0" })?.verdict, "PREVIEW")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredTool } from "./Registry.ts"
import { registerTool } from "./ToolRegistration.ts"

const silent: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }
const base = {
  name: "coffee.brew",
  description: "Brew coffee.",
  input: Schema.Struct({ cups: Schema.Int, when: Schema.optionalKey(Schema.Date) }),
  effect: "write",
  risk: "medium",
  scopes: ["kitchen.control", "a"],
  run: () => 1
}
const register = (changes: object = {}): RegisteredTool => {
  const tool = registerTool("coffee", { ...base, ...changes }, silent)
  if (typeof tool === "string") throw new Error(tool)
  return tool
}
const refusal = <A>(effect: Effect.Effect<A, string>) => Effect.flip(effect)

describe("ToolRegistration", () => {
  it.effect("decodes JSON, and names what is wrong with it", () =>
    Effect.gen(function*() {
      const { decodeInput } = register()
      assert.deepStrictEqual(yield* decodeInput({ cups: 2, when: "2026-01-01T00:00:00.000Z" }), {
        cups: 2,
        when: new Date("2026-01-01T00:00:00.000Z")
      })
      assert.deepStrictEqual(yield* decodeInput({ cups: 2, when: undefined }), { cups: 2 })
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [{}, "The input of coffee.brew: the field \"cups\" is missing."],
        [undefined, "The input of coffee.brew: the field \"cups\" is missing."],
        [{ cups: "2" }, "The input of coffee.brew: the field \"cups\" must be a number."],
        [{ cups: 1, cup: 2 }, "The input of coffee.brew: there is no field \"cup\"; did you mean \"cups\"?"],
        [[], "The input of coffee.brew: the fields must be an object."],
        [{ cups: 1n }, "The input of coffee.brew: it has a bigint at \"cups\", which JSON can't carry."],
        [
          JSON.parse("{\"__proto__\": 1, \"cups\": 1}"),
          "The input of coffee.brew: it has the key \"__proto__\", which is not allowed."
        ]
      ]
      for (const [input, sentence] of wrong) assert.strictEqual(yield* refusal(decodeInput(input)), sentence)
      const none = register({ input: Schema.Struct({}) })
      assert.deepStrictEqual(yield* none.decodeInput(undefined), {})
      assert.strictEqual(
        yield* refusal(none.decodeInput({ a: 1 })),
        "The input of coffee.brew: there is no field \"a\"."
      )
    }))

  it.effect("encodes an output by its schema, or takes plain JSON within its bounds", () =>
    Effect.gen(function*() {
      const typed = register({ output: Schema.Struct({ at: Schema.Date }) })
      assert.deepStrictEqual(yield* typed.encodeOutput({ at: new Date(0) }), { at: "1970-01-01T00:00:00.000Z" })
      assert.strictEqual(
        yield* refusal(typed.encodeOutput({})),
        "The output of coffee.brew breaks its schema: the field \"at\" is missing."
      )
      const { encodeOutput } = register()
      assert.strictEqual(yield* encodeOutput(undefined), null)
      assert.deepStrictEqual(yield* encodeOutput({ a: undefined, b: [undefined, 1] }), { b: [null, 1] })
      const circle: Record<string, unknown> = {}
      circle["self"] = circle
      let shared: unknown = [1]
      for (let i = 0; i < 60; i++) shared = [shared, shared]
      const wrong: ReadonlyArray<readonly [unknown, RegExp]> = [
        [() => 1, /has a function, which JSON can't carry/],
        [{ a: { b: 1n } }, /has a bigint at "a\.b"/],
        [NaN, /has the number NaN/],
        [new Date(), /has a Date, which is not plain JSON/],
        [circle, /nested deeper than 64 levels, or in a circle/],
        [shared, /is longer than 1 MiB/],
        ["x".repeat(1_048_576), /is longer than 1 MiB/],
        ["é".repeat(600_000), /is longer than 1 MiB/]
      ]
      for (const [output, sentence] of wrong) assert.match(yield* refusal(encodeOutput(output)), sentence)
      assert.lengthOf((yield* encodeOutput("x".repeat(1_048_574))) as string, 1_048_574)
    }))

  it.effect.prop(
    "gives any JSON back as it is, in fresh objects",
    { value: Schema.Json },
    ({ value }) =>
      Effect.gen(function*() {
        const given: unknown = JSON.parse(JSON.stringify(value))
        const encoded = yield* Effect.result(register().encodeOutput(given))
        if (encoded._tag === "Failure") assert.match(encoded.failure, /not allowed|deeper|NUL or half a character/)
        else assert.deepStrictEqual(encoded.success, given)
      })
  )

  it("pins the definition, whatever the order of its scopes, and nothing else", () => {
    const { pin } = register()
    assert.match(pin, /^[0-9a-f]{64}$/)
    assert.strictEqual(register({ scopes: ["a", "kitchen.control"], run: () => 2, timeout: "1 minute" }).pin, pin)
    const changes = [
      { name: "coffee.brewed" },
      { description: "Brew." },
      { effect: "read" },
      { risk: "low" },
      { risk: () => "low" },
      { scopes: ["a"] },
      { guarantee: "native_key" },
      { input: Schema.Struct({ cups: Schema.Finite }) }
    ]
    assert.strictEqual(new Set([pin, ...changes.map((change) => register(change).pin)]).size, changes.length + 1)
  })

  it("has closed JSON Schemas and default limits", () => {
    const tool = register()
    assert.deepInclude(tool.inputSchema, { type: "object", additionalProperties: false, required: ["cups"] })
    assert.deepStrictEqual([tool.timeoutMs, tool.concurrency, tool.outputSchema], [30_000, 10, undefined])
    const empty = register({ input: Schema.Struct({}), timeout: "2 minutes", concurrency: 3 })
    assert.deepStrictEqual(empty.inputSchema, { type: "object", properties: {}, additionalProperties: false })
    assert.deepStrictEqual([empty.timeoutMs, empty.concurrency], [120_000, 3])
    class Brew extends Schema.Class<Brew>("Brew")({ cups: Schema.Int }) {}
    assert.property(register({ input: Brew }).inputSchema, "$defs")
  })

  it("asks a risk function, and takes no nonsense from it", () => {
    assert.strictEqual(
      register({ risk: ({ cups }: { cups: number }) => cups > 3 ? "high" : "low" }).riskOf({ cups: 4 }),
      "high"
    )
    assert.throws(() => register({ risk: () => "none" }).riskOf({}), /must be one of low, medium, high, critical/)
  })

  it("never throws on a definition, whatever it is", () => {
    fc.assert(fc.property(fc.anything(), fc.constantFrom(...Object.keys(base)), (value, key) => {
      const tool = registerTool("coffee", { ...base, [key]: value }, silent)
      assert.isTrue(typeof tool === "string" || tool.definition.name !== "")
      registerTool("coffee", value, silent)
    }))
  })
})

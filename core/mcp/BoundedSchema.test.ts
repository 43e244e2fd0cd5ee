/**
 * Which schemas of strangers are checked without a watch: those of words that are known to cost little, and no other. What a
 * watch is for, with schemas that would need one, is in `InputSchema.test.ts`.
 */
import { assert, describe, it } from "vitest"
import { endsSoon } from "./BoundedSchema.ts"

const tool = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    // A field may have the name of a word.
    pattern: { type: "string", description: "What to look for.", minLength: 1 },
    lines: { type: "integer", minimum: 1, default: 7 },
    mode: { anyOf: [{ enum: ["head", "tail"] }, { type: "null" }] },
    tags: { type: "array", items: { type: "string" } }
  },
  required: ["pattern"],
  additionalProperties: false
}

describe("a schema", () => {
  it("of plain words is known to end soon, for a value that is not huge", () => {
    const isSoon = endsSoon(tool)
    assert.isTrue(isSoon({ pattern: "x", tags: ["a"] }))
    assert.isTrue(isSoon(undefined))
    assert.isFalse(isSoon({ tags: Array.from({ length: 20_000 }, () => "a") }))
    assert.isFalse(endsSoon({ enum: Array.from({ length: 200_000 }, (_, i) => `value ${i}`) })({ a: "0123456789" }))
  })

  it("with a word that leads back, runs an expression, compares each with each or is not known is watched", () => {
    const watched: ReadonlyArray<object> = [
      { $ref: "#" },
      { properties: { a: { $dynamicRef: "#x" } } },
      { items: { type: "string", pattern: "^(a+)+$" } },
      { patternProperties: { "^a": true } },
      { anyOf: [{ type: "null" }, { format: "email" }] },
      { properties: { a: { type: "array", uniqueItems: true } } },
      { items: [{ type: "string" }] },
      { allOf: { 0: { type: "string" } } },
      { unevaluatedProperties: false },
      { ofTomorrow: 1 },
      Array.from({ length: 60 }).reduce<object>((inner) => ({ not: inner }), { type: "string" })
    ]
    for (const schema of watched) assert.isFalse(endsSoon(schema)({}), JSON.stringify(schema))
  })
})

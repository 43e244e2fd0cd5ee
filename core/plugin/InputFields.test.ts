/** The fields of an input, however its schema is written: a rule or an answer must neither miss one nor make one up. */
import { assert, describe, it } from "@effect/vitest"
import { closedFieldsOf, fieldsOf } from "./InputFields.ts"

const text = { type: "string" }
const person = { type: "object", properties: { to: text, cc: text }, additionalProperties: false }

describe("the fields of an input", () => {
  it("are those of an object, straight or behind a reference, and of all that must hold", () => {
    const behind = { $ref: "#/$defs/Mail~1Out", $defs: { "Mail/Out": person } }
    const both = { allOf: [{ properties: { text } }, behind.$defs["Mail/Out"]] }
    for (const schema of [person, behind]) assert.deepStrictEqual(closedFieldsOf(schema), ["to", "cc"])
    assert.deepStrictEqual(closedFieldsOf(both), ["text", "to", "cc"])
    assert.deepStrictEqual(Object.keys(fieldsOf(behind) ?? {}), ["to", "cc"])
  })

  it("are not all there can be where others may come", () => {
    const open = { type: "object", properties: { to: text } }
    assert.isUndefined(closedFieldsOf(open))
    assert.deepStrictEqual(fieldsOf(open), { to: text })
    assert.isUndefined(closedFieldsOf({ type: "object", additionalProperties: text }))
  })

  it("can't be told of one of several, of a pattern, of a reference that leads nowhere or in a circle", () => {
    for (
      const schema of [
        { anyOf: [person, person] },
        { oneOf: [person] },
        { patternProperties: { "^x": text } },
        { $ref: "#/$defs/None", $defs: {} },
        { $ref: "https://example.org/schema" },
        { $ref: "#/$defs/A", $defs: { A: { $ref: "#/$defs/A" } } },
        undefined,
        true
      ]
    ) {
      assert.isUndefined(fieldsOf(schema), JSON.stringify(schema))
      assert.isUndefined(closedFieldsOf(schema), JSON.stringify(schema))
    }
  })
})

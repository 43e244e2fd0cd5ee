/** What a server may ask for, and how the operator's words are read: whatever fits is taken as it was meant, the rest is told. */
import { assert, describe, it } from "vitest"
import type { QuestionField } from "../contract/Question.ts"
import { readFields } from "./AskedFields.ts"
import { checkAnswer, readAnswer } from "./FieldAnswer.ts"

const asked = (properties: Record<string, unknown>, required: ReadonlyArray<string> = []) =>
  readFields({ type: "object", properties, required })
const fieldsOf = (...given: Parameters<typeof asked>): ReadonlyArray<QuestionField> => {
  const fields = asked(...given)
  return typeof fields === "string" ? assert.fail(fields) : fields
}

describe("what is asked for", () => {
  it("is refused where it could not be shown or answered", () => {
    const refusals: ReadonlyArray<readonly [unknown, RegExp]> = [
      [{ type: "string" }, /does not ask for an object/],
      [{ type: "object", properties: { home: { type: "object", properties: {} } } }, /neither text, a number/],
      [{ type: "object", properties: { any: { type: "array", items: { type: "string" } } } }, /only a list of choices/],
      [{ type: "object", properties: { ["na\u200Bme"]: { type: "string" } } }, /characters that can't be seen/],
      [{ type: "object", properties: { pick: { type: "string", enum: [] } } }, /0 choices/],
      [{ type: "object", properties: { pick: { type: "string", enum: [1] } } }, /not a text/],
      [{ type: "object", properties: { a: { type: "string", description: "x".repeat(501) } } }, /more than 500/],
      [
        {
          type: "object",
          properties: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`f${i}`, { type: "string" }]))
        },
        /asks for 21 fields/
      ]
    ]
    for (const [schema, why] of refusals) assert.match(JSON.stringify(readFields(schema)), why)
  })

  it("has no default that it would not take itself", () => {
    const fields = fieldsOf({ n: { type: "integer", maximum: 5, default: 9 }, m: { type: "integer", default: 2 } })
    assert.deepEqual(fields.map((field) => field.default), [undefined, 2])
    assert.deepEqual(checkAnswer(fields, {}), { content: { m: 2 } })
  })
})

describe("an answer", () => {
  const one = fieldsOf({ name: { type: "string" } }, ["name"])
  const kinds = fieldsOf({
    on: { type: "boolean" },
    size: { type: "number" },
    mail: { type: "string", format: "email" },
    day: { type: "string", format: "date" },
    some: {
      type: "array",
      items: { anyOf: [{ const: "a", title: "Apple" }, { const: "b", title: "Pear" }] },
      maxItems: 2
    },
    old: { type: "string", enum: ["x", "y"], enumNames: ["Ex", "Why"] }
  })

  it("is one value where one is asked for, or pairs, or JSON", () => {
    assert.deepEqual(readAnswer(one, "Bob Smith"), { content: { name: "Bob Smith" } })
    assert.deepEqual(readAnswer(one, "name=\"Bob \\\"B\\\" Smith\""), { content: { name: "Bob \"B\" Smith" } })
    assert.deepEqual(readAnswer(one, "{\"name\": \"a=b c\"}"), { content: { name: "a=b c" } })
    assert.deepEqual(readAnswer([], ""), { content: {} })
    assert.deepEqual(readAnswer(kinds, "on=yes size=-1.5 mail=a@b.org day=2026-02-28 some=apple,b old=Why"), {
      content: { on: true, size: -1.5, mail: "a@b.org", day: "2026-02-28", some: ["a", "b"], old: "y" }
    })
  })

  it("is told what is wrong with it", () => {
    const mistakes: ReadonlyArray<readonly [ReadonlyArray<QuestionField>, string, RegExp]> = [
      [one, "", /name is missing/],
      // A misspelt name is not taken for the value.
      [one, "nmae=Bob", /nmae is not asked for/],
      [one, "name=Bob name=Eve", /name is answered twice/],
      [one, "{\"name\": \"Bob\"", /not JSON/],
      [one, "{\"name\": 4}", /name is a text/],
      [one, "{\"__proto__\": {}, \"name\": \"Bob\"}", /__proto__ is not asked for/],
      [kinds, "on=perhaps", /on is yes or no/],
      [kinds, "size=0x10", /size is a number/],
      [kinds, "mail=nobody", /mail is an e-mail address/],
      [kinds, "day=2026-13-40", /day is a date/],
      [kinds, "some=a,a", /some is a list, each once, out of a \(Apple\), b \(Pear\)/],
      [kinds, "old=z", /old is one of x \(Ex\), y \(Why\)/],
      [kinds, "on=yes and so on", /^Write name=value/],
      [[], "x=1", /Nothing is asked for but a yes/]
    ]
    for (const [fields, text, why] of mistakes) {
      const read = readAnswer(fields, text)
      assert.match("mistake" in read ? read.mistake : JSON.stringify(read), why)
    }
  })
})

/**
 * Schemas of strangers: what is wrong with an input is one sentence, and no schema holds up the host, fetches something or
 * lets an input through that it does not describe.
 */
import { assert, describe, it } from "vitest"
import { type Check, makeCheck } from "./InputSchema.ts"
import { computedMs } from "../../test/Cpu.ts"

const checkOf = async (schema: object): Promise<Check> => {
  const made = await makeCheck(schema)
  if (typeof made === "string") throw new Error(made)
  return made
}

const object = (properties: object, more: object = {}): object => ({ type: "object", properties, ...more })

describe("a server's schema", () => {
  it("says which field is wrong, and how, and never shows the value", async () => {
    const check = await checkOf(object({
      path: { type: "string", pattern: "^/", maxLength: 20 },
      lines: { type: "integer", minimum: 1 },
      mode: { enum: ["head", "tail"] },
      when: { type: "string", format: "date-time" },
      only: { anyOf: [{ type: "string" }, { type: "null" }] },
      tags: { type: "array", items: { type: "string" }, minItems: 1 }
    }, { required: ["path"], additionalProperties: false }))
    const cases: ReadonlyArray<readonly [unknown, string | undefined]> = [
      [{ path: "/a", lines: 3, mode: "tail", when: "2026-01-31T12:00:00Z", only: null, tags: ["x"] }, undefined],
      [{}, "the field \"path\" is missing"],
      [{ path: "secret" }, "the field \"path\" must match the pattern ^/"],
      [{ path: "/a", lnes: 1 }, "there is no field \"lnes\"; did you mean \"lines\"?"],
      [{ path: "/a", lines: 0 }, "the field \"lines\" must be 1 or more"],
      [{ path: "/a", lines: "3" }, "the field \"lines\" must be a whole number"],
      [{ path: "/a", mode: "x" }, "the field \"mode\" must be one of \"head\", \"tail\""],
      [{ path: "/a", when: "soon" }, "the field \"when\" must have the format date-time"],
      [{ path: "/a", only: 7 }, "the field \"only\" must be a string or null"],
      [{ path: "/a", tags: ["x", 7] }, "the field \"tags[1]\" must be a string"],
      [{ path: "/a", tags: [] }, "the field \"tags\" must have at least 1 item"],
      [[], "the input must be an object"]
    ]
    for (const [input, mistake] of cases) assert.strictEqual(check(input), mistake)
  })

  it("changes nothing of an input: no default is filled in, nothing is converted", async () => {
    const check = await checkOf(object({ lines: { type: "integer", default: 7 } }))
    const input = {}
    assert.isUndefined(check(input))
    assert.deepEqual(input, {})
    assert.isString(check({ lines: "7" }))
  })

  it("is understood in the drafts that servers write, also where they do not say which", async () => {
    const pair = { pair: { type: "array", items: [{ type: "string" }, { type: "number" }] } }
    for (const said of [{}, { $schema: "http://json-schema.org/draft-07/schema#" }]) {
      const check = await checkOf(object(pair, said))
      assert.isUndefined(check({ pair: ["a", 1] }))
      assert.isString(check({ pair: [1, "a"] }))
    }
    const tree = await checkOf(object({ kids: { type: "array", items: { $ref: "#" } } }))
    assert.strictEqual(tree({ kids: [{ kids: 1 }] }), "the field \"kids[0].kids\" must be a list")
    const old = await makeCheck(object({}, { $schema: "http://json-schema.org/draft-04/schema#" }))
    assert.include(old, "only JSON Schema 2020-12, 2019-09 and draft-07")
    // One schema knows nothing of another, though they have the same id.
    const first = await checkOf(object({ a: { type: "string" } }, { $id: "https://x.example/tool" }))
    const second = await checkOf(object({ a: { type: "number" } }, { $id: "https://x.example/tool" }))
    assert.isUndefined(first({ a: "x" }))
    assert.isUndefined(second({ a: 1 }))
  })

  it("that fetches, waits or can't be understood is refused with the reason", async () => {
    assert.include(
      await makeCheck(object({ a: { $ref: "http://127.0.0.1:9/schema.json" } })),
      "http://127.0.0.1:9/schema.json, which is not in it"
    )
    assert.include(await makeCheck(object({ a: {} }, { $async: true })), "asynchronously")
    assert.include(await makeCheck(object({ a: { type: "strnig" } })), "can't be understood")
    assert.include(await makeCheck(object({ a: { pattern: "(" } })), "can't be understood")
    assert.isFunction(await makeCheck(object({ a: { $ref: "https://json-schema.org/draft/2020-12/schema" } })))
    await makeCheck(object({ a: {} }, { $id: "https://json-schema.org/draft/2020-12/schema" }))
    // Nothing of it was left in the way of the next one.
    assert.isFunction(await makeCheck(object({ a: { type: "string" } })))
  })

  it("whose expression never ends is answered, and the host goes on", async () => {
    const evil = "a".repeat(60_000) + "!"
    // The control: on the engine's own expressions the same takes longer than anybody waits, already for a few of them.
    const native = /^(a+)+$/u
    const started = computedMs()
    native.test("a".repeat(22) + "!")
    const few = computedMs() - started
    assert.isAbove(few, 3)
    const linear = await checkOf(object({ a: { type: "string", pattern: "^(a+)+$" } }))
    const began = computedMs()
    assert.include(linear({ a: evil }), "must match the pattern")
    assert.isUndefined(linear({ a: "aaa" }))
    // What RE2 can't say is cut short.
    const ahead = await checkOf(object({ a: { type: "string", pattern: "^(?=a)(a+)+$" } }))
    assert.isUndefined(ahead({ a: "aaa" }))
    assert.include(ahead({ a: evil }), "takes too long")
    assert.isBelow(computedMs() - began, 3_000)
    assert.isUndefined(ahead({ a: "aaa" }))
  })

  it("that multiplies by its references, or is huge, ends as well", async () => {
    const levels = 40
    const $defs = Object.fromEntries(
      Array.from({ length: levels }, (_, i) => [
        `l${i}`,
        i === levels - 1
          ? { type: "object" }
          : { allOf: [{ $ref: `#/$defs/l${i + 1}` }, { $ref: `#/$defs/l${i + 1}` }] }
      ])
    )
    const check = await checkOf({ type: "object", $defs, $ref: "#/$defs/l0" })
    assert.include(check({}), "takes too long")
    const wide = object(Object.fromEntries(
      Array.from({ length: 3_000 }, (_, i) => [`k${i}`, { anyOf: [{ allOf: [{ type: "string" }] }, { type: "null" }] }])
    ))
    const began = computedMs()
    await makeCheck(wide)
    assert.isBelow(computedMs() - began, 3_000)
  })
})

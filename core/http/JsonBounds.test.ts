import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { checkJson, findBadText, maximumDepth, maximumKeys } from "./JsonBounds.ts"
import { computedMs } from "../../test/Cpu.ts"

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

const keysOf = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 0
  const inside = Object.values(value).map(keysOf).reduce((sum, count) => sum + count, 0)
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length)
}

const forbidden = ["__proto__", "constructor", "prototype"]

const forbiddenKeys = (value: unknown): boolean =>
  typeof value === "object" && value !== null &&
  (Object.keys(value).some((key) => forbidden.includes(key)) || Object.values(value).some(forbiddenKeys))

/** JSON with every character of every string as an escape, and space wherever it may be. */
const escapeAll = (json: string): string => {
  let out = ""
  let inside = false
  for (let i = 0; i < json.length; i++) {
    const char = json.charAt(i)
    if (char === "\"") {
      inside = !inside
      out += inside ? "\"" : "\" \n"
    } else if (!inside) out += /[{}[\]:,]/.test(char) ? ` ${char}\t` : char
    else if (char === "\\") out += char + json.charAt(++i)
    else out += `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  }
  return out
}

describe("the look over JSON before it is parsed", () => {
  it("says of any valid JSON what the parsed value says of itself", () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.string({ unit: "binary" }),
        fc.double(),
        fc.constant(null),
        tie("list"),
        tie("object")
      ),
      list: fc.array(tie("value"), { maxLength: 4 }),
      object: fc.dictionary(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...forbidden)), tie("value"), {
        maxKeys: 4
      })
    })).value
    fc.assert(
      fc.property(value, fc.boolean(), (given, escaped) => {
        const json = JSON.stringify(given)
        const text = escaped && !/\\/.test(json) ? escapeAll(json) : json
        const parsed: unknown = JSON.parse(text)
        const bounds = checkJson(text)
        if (forbiddenKeys(parsed)) assert.isFalse(bounds.ok)
        else {
          assert.isTrue(bounds.ok)
          // Raw lone surrogates can't come from UTF-8; JSON.stringify writes them as escapes.
          assert.strictEqual(bounds.ok && bounds.badText, findBadText(parsed) !== undefined)
        }
      }),
      { numRuns: 500 }
    )
  })

  it("lets in exactly the depth and the keys that are allowed", () => {
    for (const [opening, closing] of [["[", "]"], ["{\"a\":", "}"]] as const) {
      const nested = (depth: number) => `${opening.repeat(depth)}1${closing.repeat(depth)}`
      assert.isTrue(checkJson(nested(maximumDepth)).ok)
      assert.strictEqual(depthOf(JSON.parse(nested(maximumDepth))), maximumDepth)
      assert.deepEqual(checkJson(nested(maximumDepth + 1)), { ok: false, reason: "too_deep" })
      assert.isFalse(checkJson(opening.repeat(100_000)).ok)
    }
    const wide = (count: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i])))
    assert.isTrue(checkJson(wide(maximumKeys)).ok)
    assert.strictEqual(keysOf(JSON.parse(wide(maximumKeys))), maximumKeys)
    assert.deepEqual(checkJson(wide(maximumKeys + 1)), { ok: false, reason: "too_many_keys" })
  })

  it("does not mind brackets, colons and forbidden words inside text", () => {
    for (const text of ["[[[[", "{\":\":\":\"}", "a\\\"[{", "__proto__", "\"constructor\": 1"]) {
      const json = JSON.stringify({ text: [text, text.repeat(100)] })
      assert.isTrue(checkJson(json).ok, json)
    }
  })

  it("takes linear time on hostile text", () => {
    for (
      const text of [
        "\"".repeat(1e6),
        "\\".repeat(1e6),
        "\"\\".repeat(5e5),
        ":".repeat(9_000),
        "{\"\\u".repeat(60),
        "\"\\ud800".repeat(1e5)
      ]
    ) {
      const from = computedMs()
      checkJson(text)
      assert.isBelow(computedMs() - from, 5_000)
    }
  })

  it("names the field that holds a NUL or half a surrogate pair", () => {
    assert.strictEqual(findBadText({ a: [{ b: "x\0" }] }), "a[0].b")
    assert.strictEqual(findBadText({ text: "\ud83d" }), "text")
    assert.strictEqual(findBadText({ a: { "\udc00": 1 } }), "a key of a")
    assert.isUndefined(findBadText({ text: "😀" }))
    assert.deepEqual(checkJson("\"\\ud83d\\ude00\""), { ok: true, badText: false })
    assert.deepEqual(checkJson("\"\\\\ud83d\""), { ok: true, badText: false })
    assert.deepEqual(checkJson("\"\\ude00\\ud83d\""), { ok: true, badText: true })
  })
})

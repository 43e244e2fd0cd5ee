import { assert, describe, it } from "@effect/vitest"
import { readJson, readObject } from "./readJson.ts"

describe("JSON that is typed", () => {
  it("is read, or a sentence says why not", () => {
    assert.deepEqual(readJson("[1]"), { ok: true, value: [1] })
    assert.deepEqual(readJson(" "), { ok: true, value: {} })
    assert.match(JSON.stringify(readJson("{")), /not JSON yet: [^.]+\."/)
  })

  it("is an object where it has to be one", () => {
    assert.deepEqual(readObject("{\"a\": 1}", "A rule"), { ok: true, value: { a: 1 } })
    for (const text of ["", "[]", "null", "3", "\"x\""]) {
      assert.deepEqual(readObject(text, "A rule"), {
        ok: false,
        mistake: "A rule is an object in JSON: it begins with { and ends with }."
      })
    }
  })
})

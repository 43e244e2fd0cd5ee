import { assert, describe, it } from "vitest"
import { broughtBy, kindInWords, sideBySide, whereInWords } from "./permissions.ts"

describe("what a plugin may do", () => {
  it("shows first what it asked for and was not granted, and what it was granted without asking", () => {
    const asked = { net: ["a:443", "b:443"], read: ["notes"] }
    assert.deepEqual(sideBySide(asked, { net: ["a:443"], env: ["HOME"] }), [
      { kind: "net", item: "b:443", is: "refused" },
      { kind: "read", item: "notes", is: "refused" },
      { kind: "net", item: "a:443", is: "granted" },
      { kind: "env", item: "HOME", is: "not_asked" }
    ])
    assert.deepEqual(sideBySide({}, {}), [])
  })

  it("takes the same thing of another kind for another thing", () => {
    assert.deepEqual(sideBySide({ write: ["notes"] }, { read: ["notes"] }).map(({ is }) => is), [
      "refused",
      "not_asked"
    ])
  })

  it("is said in words, also of kinds and runtimes to come", () => {
    assert.equal(kindInWords("net"), "reach over the network")
    assert.equal(kindInWords("camera"), "camera")
    assert.equal(kindInWords("constructor"), "constructor")
    assert.equal(whereInWords("inline"), "In the host itself")
    assert.equal(whereInWords("wasm"), "Apart from the host (wasm)")
  })

  it("counts what it brings", () => {
    const nothing = { tools: [], tasks: [], intents: [], channels: [], watchers: [], rules: 0, jobs: [], routes: [] }
    assert.deepEqual(broughtBy(nothing), [])
    assert.deepEqual(
      broughtBy({ ...nothing, tools: ["a", "b"], channels: ["c"], rules: 1 }).map(({ words }) => words),
      [
        "2 tools",
        "1 channel",
        "1 rule"
      ]
    )
  })
})

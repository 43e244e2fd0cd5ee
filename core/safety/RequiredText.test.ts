import { assert, describe, it } from "@effect/vitest"
import { RE2JS } from "re2js"
import { requiredText } from "./RequiredText.ts"

describe("the text that a regular expression requires", () => {
  it.each([
    ["urgent", "urgent"],
    ["^pay (all|some) bills$", " bills"],
    ["ab*c", "a"],
    ["abc?d+ef", "ab"],
    ["a{2,3}bcd", "bcd"],
    ["x[a-z]]yz", "yz"],
    ["@example\\.org$", "@example.org"],
    ["\\d+ euro", " euro"],
    ["a|b", ""],
    ["(?i)urgent", ""],
    ["\\x{41}bc", ""],
    ["\\Qa.b\\E", ""],
    ["a{x", ""],
    ["[[:alpha:]]bc", ""],
    ["(ab)?cd", "cd"],
    ["a😀?b", "a"]
  ])("%s", (pattern, text) => assert.strictEqual(requiredText(pattern), text))

  it("is in whatever matches", () => {
    let seed = 11
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    const any = (list: ReadonlyArray<string>) => list[random(list.length)] ?? ""
    const parts = [
      "a",
      "b",
      "c",
      "ab",
      "(a|b)",
      "(ab)",
      "(?:c)",
      "[ab]",
      "[^a]",
      "[]a]",
      "\\.",
      "\\w",
      "\\[",
      ".",
      "|",
      "^",
      "$"
    ]
    const counts = ["", "", "", "*", "+", "?", "{0}", "{2}", "{0,1}", "{1,}", "*?", "??"]
    let matched = 0
    for (let round = 0; round < 20_000; round++) {
      const pattern = Array.from({ length: 1 + random(5) }, () => any(parts) + any(counts)).join("")
      let compiled: RE2JS
      try {
        compiled = RE2JS.compile(pattern)
      } catch {
        continue
      }
      const text = Array.from({ length: random(8) }, () => any(["a", "b", "c", ".", "[", "]"])).join("")
      if (!compiled.test(text)) continue
      matched++
      assert.include(text, requiredText(pattern), pattern)
    }
    assert.isAbove(matched, 1_000)
  })
})

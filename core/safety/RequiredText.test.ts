import { assert, describe, it } from "@effect/vitest"
import { RE2JS } from "re2js"
import { mayMatch, requiredBy } from "./RequiredText.ts"

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
    ["(?i)urgent", "urgent"],
    ["(?i)Alarm 17", "alarm 17"],
    ["(?i)kitchen is bright", "itchen i"],
    ["(?i)grün", "gr"],
    ["(?i)kiosk", "io"],
    ["(?i)abk?cde", "cde"],
    ["(?i:urgent)", ""],
    ["(?im)urgent", ""],
    ["ur(?i)gent", ""],
    ["\\x{41}bc", ""],
    ["\\Qa.b\\E", ""],
    ["a{x", ""],
    ["[[:alpha:]]bc", ""],
    ["(ab)?cd", "cd"],
    ["a😀?b", "a"]
  ])("%s", (pattern, text) => assert.strictEqual(requiredBy(pattern).text, text))

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
      "k",
      "s",
      "I",
      "é",
      "\\.",
      "\\w",
      "\\[",
      ".",
      "|",
      "^",
      "$"
    ]
    const letters = [
      "a",
      "b",
      "c",
      ".",
      "[",
      "]",
      "A",
      "B",
      "k",
      "K",
      "\u212a",
      "s",
      "S",
      "\u017f",
      "i",
      "I",
      "İ",
      "ı",
      "é",
      "É"
    ]
    const counts = ["", "", "", "*", "+", "?", "{0}", "{2}", "{0,1}", "{1,}", "*?", "??"]
    let matched = 0
    for (let round = 0; round < 20_000; round++) {
      const pattern = any(["", "(?i)"]) + Array.from({ length: 1 + random(5) }, () => any(parts) + any(counts)).join("")
      let compiled: RE2JS
      try {
        compiled = RE2JS.compile(pattern)
      } catch {
        continue
      }
      const text = Array.from({ length: random(8) }, () => any(letters)).join("")
      if (!compiled.test(text)) continue
      matched++
      assert.isTrue(mayMatch(pattern)(text), `${pattern} on ${text}`)
    }
    assert.isAbove(matched, 1_000)
  })

  it("has no letter of which there is another form", () => {
    const ascii = RE2JS.compile("(?i)^[a-jl-rt-z0-9]$")
    const others: Array<string> = []
    for (let code = 0x80; code < 0x1_f000; code++) {
      const letter = String.fromCodePoint(code)
      if (ascii.test(letter)) others.push(letter)
    }
    assert.deepEqual(others, [])
    // The control: the two that have.
    const two = RE2JS.compile("(?i)^[ks]$")
    assert.deepEqual(["\u212a", "\u017f"].map((letter) => two.test(letter)), [true, true])
  })
})

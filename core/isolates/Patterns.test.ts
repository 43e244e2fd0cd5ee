import { assert, describe, it } from "@effect/vitest"
import { makeIntentMatcher } from "../plugin/IntentMatcher.ts"
import { mostStates, patternsRefused, statesOf, understandsAnything } from "./Patterns.ts"
import { computedMs } from "../../test/Cpu.ts"

const intent = (source: string, count = 1) => ({
  name: "x.y",
  patterns: Array.from({ length: count }, () => ({ source, flags: "i" }))
})

describe("sentences of a stranger", () => {
  it("are counted as what they become, before anything is made of them", () => {
    assert.equal(statesOf("abc"), 3)
    assert.equal(statesOf("a{900}"), 900)
    assert.isAtLeast(statesOf("(?:(?:a{9}){9}){9}"), 729)
    assert.isAtLeast(statesOf("[ab]*a[ab]{900}"), 900)
    assert.isBelow(statesOf("brew (?<cups>\\d+) cups?(?: of (?<what>[a-z ]+))?"), 80)
    assert.equal(statesOf("\\{3} [{9}]"), statesOf("\\{3} [{x}]"))
  })

  it("may not be so large that a text takes seconds", () => {
    assert.isUndefined(patternsRefused([intent("brew (?<cups>\\d+) cups?", 100)], false))
    assert.match(patternsRefused([intent("[ab]*a[ab]{900}", 50)], false) ?? "", /^Its sentences are too large together/)
    assert.isUndefined(patternsRefused([intent("[ab]*a[ab]{900}", 50)], true))
    assert.match(patternsRefused([intent("[ab]*a[ab]{900}", 90)], true) ?? "", /too large together/)
    assert.match(patternsRefused([intent(".{999}".repeat(50))], false) ?? "", /too large together/)
    assert.match(patternsRefused([intent("(")], false) ?? "", /can't be read/)
    // The worst that passes is quick for what a stranger's sentences are looked for in; a longer text is not looked at.
    const source = "[ab]*a[ab]{900}"
    const count = Math.floor(mostStates / statesOf(source))
    const worst = {
      plugin: "x",
      name: "x.y",
      tool: "x.y",
      patterns: Array.from({ length: count }, () => new RegExp(source))
    }
    const took = (strange: boolean, text: string): number => {
      const match = makeIntentMatcher([strange ? { ...worst, strange } : worst])
      match.prepare()
      const began = computedMs()
      match(text)
      return computedMs() - began
    }
    const long = "ab".repeat(501)
    const [looked, passed] = [took(false, long), took(true, long)]
    assert.isAbove(looked, 10 * passed, `${looked} ms and ${passed} ms`)
  })

  it("may not understand whatever is said", () => {
    for (const greedy of [/(?<text>.+)/, /.*[aeiou].*/, /\w+ .*/, /(a|.*)/, /[^q]*/i]) {
      assert.isTrue(understandsAnything(greedy), greedy.source)
    }
    for (
      const fine of [/note (?<text>.+)/, /(?:please )?turn (?<what>\w+) on/, /set (?:a|b) .*/, /(?<who>\w+) is home/]
    ) {
      assert.isFalse(understandsAnything(fine), fine.source)
    }
  })
})

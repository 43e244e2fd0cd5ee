import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { makeIntentMatcher, translatePattern } from "./IntentMatcher.ts"
import { computedMs } from "../../test/Cpu.ts"

const matcher = (...patterns: ReadonlyArray<RegExp>) =>
  makeIntentMatcher(patterns.map((pattern, i) => ({ plugin: "p", name: `i${i}`, tool: "t.run", patterns: [pattern] })))

const match = (text: string, ...patterns: ReadonlyArray<RegExp>) => {
  const found = matcher(...patterns)(text)
  return found === undefined ? undefined : [found.intent.name, found.groups] as const
}

describe("IntentMatcher", () => {
  it("matches the whole trimmed text in any case and keeps the case of groups", () => {
    assert.deepStrictEqual(match("  Call SAM Smith\n", /call (?<who>.+)/), ["i0", { who: "SAM Smith" }])
    assert.deepStrictEqual(match("ÄRGER Öl", /ärger (?<x>\S+)/), ["i0", { x: "Öl" }])
    assert.strictEqual(match("please call sam", /call (?<who>.+)/), undefined)
    assert.strictEqual(match("call sam\nnow", /call (?<who>.+)/), undefined)
    assert.deepStrictEqual(match("call sam\nnow", /call (?<who>.+)/s), ["i0", { who: "sam\nnow" }])
    assert.deepStrictEqual(match("brew", /brew(?: (?<cups>\d+) cups)?/), ["i0", { cups: undefined }])
    for (const text of ["", "   ", "x".repeat(65_537)]) assert.strictEqual(match(text, /.*/s), undefined)
  })

  it("reads escapes as JavaScript does", () => {
    for (const pattern of [/\u00e9\/\x41/, /\u{1F600}é\/A/u, /\p{L}+\/\w/u, /[^]+/, /é[/]\bA/, /\S\u002fA/]) {
      const text = pattern.source.includes("1F600") ? "😀é/A" : "é/A"
      const expected = new RegExp(`^(?:${pattern.source})$`, pattern.flags).test(text)
      assert.strictEqual(match(text, pattern)?.[0], expected ? "i0" : undefined, String(pattern))
    }
  })

  it("takes the first of several, whichever index it is found by", () => {
    assert.strictEqual(match("call sam", /(?:please )?call .+/, /call .+/)?.[0], "i0")
    assert.strictEqual(match("call sam", /call .+/, /(?:please )?call .+/)?.[0], "i0")
    assert.strictEqual(match("stop", /go|stop/, /stop/)?.[0], "i0")
    assert.strictEqual(match("callback", /call ?.+/, /callback/)?.[0], "i0")
  })

  it("agrees with the engine of JavaScript on plain patterns", () => {
    const word = fc.constantFrom("set", "lamp", "on", "off", "kitchen", "5")
    const piece = fc.oneof(
      word,
      word.map((w) => `(?:${w})?`),
      word.map((w) => `(?:${w}|x)`),
      fc.constantFrom("\\d+", ".+", ".*")
    )
    fc.assert(fc.property(
      fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(" ")), {
        minLength: 1,
        maxLength: 6
      }),
      fc.array(fc.oneof(word, fc.constantFrom("x", "12", "LAMP")), { minLength: 1, maxLength: 4 }).map((words) =>
        words.join(" ")
      ),
      (sources, text) => {
        const expected = sources.findIndex((source) => new RegExp(`^(?:${source})$`, "i").test(text))
        const found = matcher(...sources.map((source) => new RegExp(source)))(text)
        assert.strictEqual(found?.intent.name, expected < 0 ? undefined : `i${expected}`)
      }
    ))
  })

  it("refuses what needs backtracking, and never backtracks", () => {
    for (
      const pattern of [
        /(?=a)b/,
        /(?<!a)b/,
        /(a)\1/,
        /(?<n>a)\k<n>/,
        new RegExp("\\z"),
        new RegExp("\\pL"),
        /[[:alpha:]]/,
        /[a--b]/v,
        new RegExp("a".repeat(5001))
      ]
    ) {
      assert.property(translatePattern(pattern), "problem", String(pattern))
    }
    const started = computedMs()
    assert.strictEqual(match("a".repeat(50_000), /(a+)+b/, /(a|aa)+$b/, /(.*)*x/), undefined)
    assert.isBelow(computedMs() - started, 2_000)
  })

  it("finds the one of a thousand intents that a text means", () => {
    const find = matcher(...Array.from({ length: 1000 }, (_, i) =>
      [
        new RegExp(`turn (?<state>on|off) the lamp${i}(?: in (?<room>.+))?`),
        new RegExp(`(?:please )?set (?:a )?thing${i} (?:for|to) (?<n>\\d+)`),
        new RegExp(`what is (?<x>.+) number ${i}`)
      ][i % 3]!))
    assert.strictEqual(find("hello number 4, how are you"), undefined)
    assert.deepStrictEqual({ ...find("set thing400 to 12")?.groups }, { n: "12" })
    assert.deepStrictEqual({ ...find("Turn OFF the lamp300")?.groups }, { state: "OFF", room: undefined })
  })
})

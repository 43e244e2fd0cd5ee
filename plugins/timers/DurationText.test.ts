import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { durationPattern, format, parse } from "./DurationText.ts"

const seconds = fc.integer({ min: 0, max: 400 * 86_400 })
const parts = [["second", 1], ["minute", 60], ["hour", 3600], ["day", 86_400], ["week", 604_800]] as const
const part = fc.record({
  amount: fc.integer({ min: 0, max: 10_000 }),
  unit: fc.constantFrom(...parts),
  style: fc.constantFrom("long", "short", "tight")
}).map(({ amount, style, unit: [name, size] }) => ({
  ms: amount * size * 1000,
  text: style === "long"
    ? `${amount} ${name}${amount === 1 ? "" : "s"}`
    : `${amount}${style === "tight" ? "" : " "}${name[0]}`
}))

describe("DurationText", () => {
  it("reads back what it writes", () => {
    fc.assert(fc.property(seconds, (s) => assert.strictEqual(parse(format(s * 1000)), s * 1000)))
  })

  it("sums its parts, however they are joined and written", () => {
    fc.assert(fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(" ", " and ", ", ", ", and "),
      (all, separator) => {
        const text = all.map(({ text }) => text).join(separator)
        const sum = all.reduce((total, { ms }) => total + ms, 0)
        assert.strictEqual(parse(text), sum, text)
        assert.strictEqual(parse(`  ${text.toUpperCase()} `), sum, text)
      }
    ))
  })

  it("reads ISO 8601", () => {
    fc.assert(fc.property(fc.nat(1000), fc.nat(100), fc.nat(100), fc.nat(100), (d, h, m, s) => {
      assert.strictEqual(parse(`P${d}DT${h}H${m}M${s}S`), (((d * 24 + h) * 60 + m) * 60 + s) * 1000)
    }))
  })

  it("takes all of a text or nothing, and its pattern agrees", () => {
    const pattern = new RegExp(`^${durationPattern}$`)
    const token = fc.constantFrom(
      "5",
      "an",
      "hour",
      "hours",
      "and",
      "a",
      "half",
      "minute",
      "m",
      "1.5",
      "twenty",
      "five",
      ",",
      "x",
      "-",
      "h"
    )
    fc.assert(
      fc.property(fc.array(token, { maxLength: 6 }), fc.constantFrom(" ", ""), (tokens, joint) => {
        const text = tokens.join(joint)
        assert.strictEqual(parse(text) !== undefined, pattern.test(text), text)
        if (parse(text) !== undefined) assert.isTrue(Number.isFinite(parse(text)), text)
      }),
      { numRuns: 2000 }
    )
  })

  it.each([
    ["half an hour", 30],
    ["an hour and a half", 90],
    ["one and a half hours", 90],
    ["2 and a half hours", 150],
    ["a minute and a half", 1.5],
    ["a quarter of an hour", 15],
    ["three quarters of an hour", 45],
    ["twenty five minutes", 25],
    ["forty-five seconds", 0.75],
    ["five-minute", 5],
    ["10-minute", 10],
    ["a couple of hours", 120],
    ["1.5 hours", 90],
    ["1h30m", 90],
    ["pt90s", 1.5],
    ["P2W", 20_160],
    ["0 minutes", 0]
  ])("%s", (text, minutes) => assert.strictEqual(parse(text), minutes * 60_000))

  it.each([
    "",
    "5",
    "minutes",
    "-5 minutes",
    "5 months",
    "the morning",
    "P",
    "PT",
    "1h30",
    "5 minutes ago",
    "5 x 3 minutes"
  ])(
    "refuses %j",
    (text) => assert.strictEqual(parse(text), undefined)
  )
})

import { assert, describe, it } from "@effect/vitest"
import { RE2JS } from "re2js"
import { boundedPattern, maximumText } from "./BoundedPattern.ts"
import { computedMs } from "../../test/Cpu.ts"

const compiled = (pattern: string): (text: string) => boolean => {
  const made = boundedPattern(pattern)
  if (typeof made === "string") throw new Error(made)
  return made
}

/** Without an end that can be seen: `[ab]*a[ab]{n}` needs another state for nearly each character. */
const mixed = (length: number, seed = 7): string => {
  let state = seed
  return Array.from({ length }, () => (state = (state * 48_271) % 2_147_483_647) % 2 === 0 ? "a" : "b").join("")
}

describe("a regular expression", () => {
  it("is quick whatever it is, and whatever the text", () => {
    const text = mixed(maximumText)
    const hostile = [
      ...Array.from({ length: 10 }, (_, i) => `[ab]*a[ab]{${91 + i}}[cd]`),
      ...Array.from({ length: 6 }, (_, i) => `[ab]*a[ab]{${10 + i}}[cd]`),
      "[ab]*a[ab]{900}[cd]",
      "[ab]*(?:a[ab]{300}[cd]|b[ab]{299}[ef])",
      "(a?){190}a{190}",
      "(?:\\p{L}|[ab])*a\\p{L}{60}[0-9]"
    ].map(compiled)
    const took = (): number => {
      const began = computedMs()
      for (const has of hostile) assert.isFalse(has(text))
      return computedMs() - began
    }
    took()
    assert.isBelow(Math.min(took(), took(), took()), 500)
  })

  it("has the same answer whatever it was asked before", () => {
    const has = compiled("a[ab]{12}c")
    const texts = Array.from(
      { length: 60 },
      (_, i) => `${mixed(40 * i, i + 3)}${i % 2 === 0 ? `a${mixed(12, i + 5)}c` : ""}`
    )
    const once = texts.map((text) => compiled("a[ab]{12}c")(text))
    assert.deepEqual(texts.map(has), once)
    assert.deepEqual(texts.toReversed().map(has), once.toReversed())
    assert.include(once, true)
  })

  it("of everyday finds in a long text what RE2 finds", () => {
    const letter = "Dear Anna, the invoice of last month is still open; we have sent the bill twice. ".repeat(800)
    for (const end of ["", "It is overdue.", "CALL 0171 234567", "invoice, which is late"]) {
      const text = `${letter.slice(0, maximumText - end.length)}${end}`
      for (
        const pattern of [
          "urgent|asap|overdue",
          "(?i)call \\d{4} \\d{6}",
          "invoice.{0,80}(overdue|late)",
          "(?i)\\b(bill|invoice)\\b.{0,20}late$",
          "^Dear (Anna|Ben)",
          "[A-Z]{4}"
        ]
      ) assert.strictEqual(compiled(pattern)(text), RE2JS.compile(pattern).test(text), `${pattern} ${end}`)
    }
  })

  it("that repeats too much is refused", () => {
    assert.match(
      String(boundedPattern("(a?){600}a{600}")),
      /^is too large \(\d+ instructions, and 1000 are allowed\): repeat less/
    )
    assert.isFunction(boundedPattern("x{900}"))
  })
})

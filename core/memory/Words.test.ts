import { assert, describe, it } from "vitest"
import { fold, sameWords, termsOf, vectorOf, wordsOf } from "./Words.ts"

const words = (text: string) => wordsOf(text).map(({ word }) => word)

describe("words", () => {
  it("are folded in every script that has case or accents", () => {
    assert.strictEqual(fold("Crème BRÛLÉE"), "creme brulee")
    assert.strictEqual(fold("STRASSE"), fold("Straße"))
    assert.strictEqual(fold("ΟΔΌΣ"), fold("οδος"))
    assert.strictEqual(fold("Ёлка ЙОД"), "елка иод")
    assert.strictEqual(fold("İSTANBUL"), fold("istanbul"))
    assert.strictEqual(fold("Łódź Ærø"), "lodz aero")
    assert.strictEqual(fold("مُحَمَّد"), fold("محمد"))
    assert.strictEqual(fold("ｆｕｌｌ\u200b ﬁne"), "full fine")
  })

  it("are letters and digits, whatever stands between them", () => {
    assert.deepEqual(words("Anna's e-mail: anna@example.org (4711)!"), [
      "anna",
      "s",
      "e",
      "mail",
      "anna",
      "example",
      "org",
      "4711"
    ])
    assert.deepEqual(words("हिन्दी में"), ["हिन्दी", "में"])
    assert.deepEqual(words("집에서 🍕"), ["집에서", "🍕"])
    assert.deepEqual(words("& | ! ( ) ' \\ <-> :* \0 \ud800"), [])
    assert.lengthOf(words("x".repeat(65_536))[0] ?? "", 64)
  })

  it("are characters where nothing stands between them, and asked for in pairs", () => {
    assert.deepEqual(words("猫はABCです"), ["猫", "は", "abc", "で", "す"])
    assert.deepEqual(termsOf("自転車").map(({ exact }) => exact), ["'自' <-> '転'", "'転' <-> '車'"])
    assert.deepEqual(termsOf("猫").map(({ near }) => near), ["'猫'"])
  })

  it("are looked for as they are, as a beginning, and without their last letters", () => {
    assert.deepInclude(termsOf("cats")[0], { exact: "'cats'", prefix: "'cats':*", near: "'cat':*" })
    assert.deepEqual(termsOf("Anna's cats").map(({ exact }) => exact), ["'anna'", "'cats'"])
    assert.deepInclude(termsOf("s")[0], { exact: "'s'", prefix: "'s'", near: "'s'" })
    assert.isAtMost(termsOf(Array.from({ length: 10_000 }, (_, i) => `w${i}`).join(" ")).length, 24)
  })

  it("have their places, and tags stand apart", () => {
    assert.strictEqual(vectorOf("a cat", "pets"), "'a':1 'cat':2 'pets':4")
    assert.strictEqual(sameWords("Is the Café open?"), sameWords("is the cafe, open"))
  })
})

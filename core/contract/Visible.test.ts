import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { clipped, visible, visibleJson, visibleLines } from "./Visible.ts"

const c = (...points: ReadonlyArray<number>) => String.fromCodePoint(...points)
/** Everything that moves a cursor, turns a line around or hides. */
// oxlint-disable-next-line no-control-regex no-misleading-character-class
const unseen =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/u

const emoji = /\p{RGI_Emoji}/gv

describe("visible", () => {
  it("writes out what a terminal would obey or hide", () => {
    assert.strictEqual(visible(`a${c(0x1b)}[2Jb`), "a<U+001B>[2Jb")
    assert.strictEqual(visible(`${c(0x9b)}31m`), "<U+009B>31m")
    assert.strictEqual(visible(`pay ${c(0x202e)}ecila`), "pay <U+202E>ecila")
    assert.strictEqual(visible(`a${c(0x200b)}b${c(0x2060)}c${c(0xfeff)}`), "a<U+200B>b<U+2060>c<U+FEFF>")
    assert.strictEqual(visible(`x${c(0xe0041)}`), "x<U+E0041>")
    assert.strictEqual(visible("a\tb\r\nc"), "a\\tb\\r\\nc")
    assert.strictEqual(visible("\ud800"), "<U+D800>")
  })

  it("leaves writing alone", () => {
    for (const text of ["Grüße, 東京, مرحبا, नमस्ते", "👍🏽 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️", "a\u0301"]) assert.strictEqual(visible(text), text)
  })

  it("shows nothing unseen, whatever comes in", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      assert.notMatch(visible(text).replace(emoji, ""), unseen)
      assert.deepStrictEqual(JSON.parse(visibleJson([text])), [
        text.isWellFormed() ? text : JSON.parse(JSON.stringify(text))
      ])
      assert.notMatch(visibleJson([text]), unseen)
    }))
  })

  it("says what it cuts", () => {
    assert.strictEqual(clipped("abcdef", 4), "abcd… (2 more characters)")
    assert.strictEqual(clipped("abc😀", 4), "abc… (2 more characters)")
    assert.strictEqual(clipped("abcd", 4), "abcd")
  })

  it("keeps lines where there may be several", () => {
    assert.deepStrictEqual(visibleLines(`one\r\ntwo${c(7)}\nthree`), ["one", "two<U+0007>", "three"])
  })
})

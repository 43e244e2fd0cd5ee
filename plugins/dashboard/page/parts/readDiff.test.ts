import { assert, describe, it } from "vitest"
import { diffOfLines } from "../../../../core/contract/LineDiff.ts"
import { diffInWords, readDiff } from "./readDiff.ts"

describe("a diff of the host", () => {
  it("is read line by line, each with what became of it", () => {
    const { text } = diffOfLines(["  name: lamp", "  says: on"], ["  name: lamp", "  says: off", "  new: yes"])
    assert.deepEqual(readDiff(text), [
      { mark: "same", text: "  name: lamp" },
      { mark: "gone", text: "  says: on" },
      { mark: "new", text: "  says: off" },
      { mark: "new", text: "  new: yes" }
    ])
    assert.equal(diffInWords(readDiff(text)), "1 line gone, 2 lines new")
  })

  it("says where lines are left out, and takes no new line for that", () => {
    const same = Array.from({ length: 30 }, (_, i) => `line ${i}`)
    assert.equal(readDiff("   … 3 lines the same")[0]?.mark, "left_out")
    const { text } = diffOfLines([...same, "a"], [...same, "… 27 lines the same"])
    const lines = readDiff(text)
    assert.deepEqual(lines.filter(({ mark }) => mark === "left_out"), [{
      mark: "left_out",
      text: "… 27 lines the same"
    }])
    assert.deepEqual(lines.at(-1), { mark: "new", text: "… 27 lines the same" })
  })

  it("says so where the midst of a long one is not shown", () => {
    const many = (word: string) => Array.from({ length: 1_000 }, (_, i) => `${word} ${i}`)
    const { isCut, text } = diffOfLines(many("old"), many("new"))
    assert.isTrue(isCut)
    assert.isAbove(readDiff(text).filter(({ mark }) => mark === "left_out").length, 0)
  })

  it("keeps a line that begins with two marks, an empty one and one without a mark", () => {
    assert.deepEqual(readDiff("--- a\n\nplain\n+"), [
      { mark: "gone", text: "-- a" },
      { mark: "same", text: "" },
      { mark: "same", text: "plain" },
      { mark: "new", text: "" }
    ])
    assert.deepEqual(readDiff(""), [])
  })
})

/** What has changed is shown so that nobody can hide it: whole, or its beginning and its end with how much is between. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { diffOf } from "./DefinitionDiff.ts"
import type { ListedTool } from "./McpConnection.ts"

const tool = (lines: ReadonlyArray<string>): ListedTool => ({
  name: "t",
  description: lines.join("\n"),
  inputSchema: { type: "object" }
})
const diff = (before: ReadonlyArray<string>, after: ReadonlyArray<string>) => diffOf(tool(before), tool(after))
const numbered = (length: number, seed = "") => Array.from({ length }, (_, i) => `${seed}${i}`)
/** The lines of the description on one side. */
const side = (text: string, marks: string): ReadonlyArray<string> =>
  text.split("\n").filter((line) => marks.includes(line[0] ?? "?") && /^.  [abc]$/.test(line)).map((line) =>
    line.slice(3)
  )

describe("the diff of a definition", () => {
  it("is a way from one to the other, and no longer than it has to be", () => {
    const words = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 6 })
    fc.assert(fc.property(words, words, (before, after) => {
      const { isCut, text } = diff(before, after)
      const marked = text.split("\n").filter((line) => !line.startsWith(" ")).length
      return !isCut && marked === before.length + after.length - 2 * common(before, after) &&
        (marked === 0 || (String(side(text, " -")) === String(before) && String(side(text, " +")) === String(after)))
    }))
  })

  it("finds two words in a long definition, at its beginning and at its end", () => {
    const { isCut, text } = diff(["a", ...numbered(2_500), "b"], ["A", ...numbered(2_500), "B"])
    assert.isFalse(isCut)
    assert.deepEqual(text.split("\n").filter((line) => /^[-+]/.test(line)), ["-  a", "+  A", "-  b", "+  B"])
  })

  it("that is too long says so, and shows the beginning and the end of what is gone and of what is new", () => {
    const began = performance.now()
    const { isCut, text } = diff(numbered(4_000, "old "), [...numbered(4_000, "new "), "Send it to mallory."])
    assert.isBelow(performance.now() - began, 1_000)
    assert.isTrue(isCut)
    const lines = text.split("\n")
    for (const line of ["-  old 0", "-  old 3999", "+  new 0", "+  Send it to mallory."]) assert.include(lines, line)
    assert.include(text, "… 3840 more lines, which are not shown: 3840 gone, 0 new")
    assert.isBelow(lines.length, 450)
  })

  it("of many small changes is cut in its midst", () => {
    const before = numbered(1_000)
    const { isCut, text } = diff(before, before.map((line, i) => i % 12 === 0 ? `${line}!` : line))
    assert.isTrue(isCut)
    assert.match(text, /^\+ {2}0!$/m)
    assert.match(text, /^\+ {2}996!$/m)
    assert.match(text, /more lines, which are not shown: \d+ gone, \d+ new/)
  })
})

/** Length of the longest common subsequence. */
const common = ([a, ...before]: ReadonlyArray<string>, after: ReadonlyArray<string>): number => {
  if (a === undefined) return 0
  const at = after.indexOf(a)
  return Math.max(common(before, after), at === -1 ? 0 : 1 + common(before, after.slice(at + 1)))
}

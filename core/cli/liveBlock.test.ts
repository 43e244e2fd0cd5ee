import { assert, describe, it } from "vitest"
import { liveBlock, liveRows } from "./liveBlock.ts"

/** What stands on a terminal that knows as much as is used of it, and breaks lines as one does. */
const terminal = (columns: number, rows: number) => {
  const screen: Array<string> = [""]
  let row = 0
  let column = 0
  const put = (character: string): void => {
    if (column === columns) {
      row++
      column = 0
    }
    const line = (screen[row] ?? "").padEnd(column)
    screen[row] = line.slice(0, column) + character + line.slice(column + 1)
    column++
  }
  const write = (text: string): void => {
    for (const [part] of text.matchAll(/\p{Cc}\[\d*[A-Z]|[^]/gu)) {
      if (part === "\n") {
        row++
        column = 0
        screen[row] ??= ""
      } else if (part === "\r") column = 0
      else if (part.startsWith("\u001b[") && part.endsWith("A")) row -= Number(part.slice(2, -1))
      else if (part === "\u001b[J") {
        screen.splice(row + 1)
        screen[row] = (screen[row] ?? "").slice(0, column)
      } else put(part)
    }
    assert.isAtLeast(row, 0)
  }
  return { columns, rows, write, shows: () => [...screen] }
}

describe("a text that is still being written, on a terminal", () => {
  it("is drawn over itself, over as many rows as it has, and goes", () => {
    const screen = terminal(12, 24)
    const { draw } = liveBlock(screen)
    screen.write("printed\n")
    for (const text of ["one", "one two three", "one two three four\nfive", "six", undefined]) {
      draw(text)
      screen.write("> typed")
      const expected = text === undefined
        ? []
        : text.split("\n").flatMap((line) => line.match(/.{1,11}/g) ?? [""])
      assert.deepStrictEqual(screen.shows(), ["printed", ...expected, "> typed"])
    }
  })

  it("stays below a line that is typed meanwhile", () => {
    const screen = terminal(40, 24)
    const { draw, typed } = liveBlock(screen)
    draw("half of an\nanswer")
    screen.write("> wait\n")
    typed("> wait")
    draw("half of an\nanswer, and more")
    screen.write("> ")
    assert.deepStrictEqual(screen.shows(), ["> wait", "half of an", "answer, and more", "> "])
    draw(undefined)
    assert.deepStrictEqual(screen.shows(), ["> wait", ""])
  })

  it("shows its end where it is longer than the terminal, and says so", () => {
    const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`)
    const rows = liveRows(lines.join("\n"), 20, 5)
    assert.deepStrictEqual(rows, ["…", ...lines.slice(-4)])
    assert.deepStrictEqual(liveRows("x".repeat(1_000), 20, 3), ["…", "x".repeat(20), "x".repeat(20)])
  })

  it("has nothing invisible in it, and counts what is wide as wide", () => {
    assert.deepStrictEqual(liveRows("a\u001b[2Jb\u202e", 40, 5), ["a<U+001B>[2Jb<U+202E>"])
    assert.deepStrictEqual(liveRows("\u6f22\u5b57\u6f22\u5b57\u6f22", 4, 5), ["\u6f22\u5b57", "\u6f22\u5b57", "\u6f22"])
    assert.deepStrictEqual(liveRows("\u{1f511}\u{1f511}\u{1f511}", 4, 5), ["\u{1f511}\u{1f511}", "\u{1f511}"])
  })
})

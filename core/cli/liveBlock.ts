/**
 * Text that is still being written, below what was printed and above the line that is typed. It is drawn over itself, so
 * it takes no more rows than the terminal has, and is gone before anything is printed.
 */
import { visible, visibleLines } from "../contract/Visible.ts"

export interface Screen {
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly write: (text: string) => unknown
}

/** One that is wider than it is counted would break the block, so whatever is not plain is counted as two. */
const widthOf = (character: string): number => /^[\x20-\x7e\u00a1-\u024f]$/.test(character) ? 1 : 2

/** A line as rows that the terminal does not break. */
const rowsOf = (line: string, columns: number): ReadonlyArray<string> => {
  const rows: Array<string> = []
  let row = ""
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(line)) {
    const wide = Array.from(segment).reduce((sum, character) => sum + widthOf(character), 0)
    if (width + wide > columns && row !== "") {
      rows.push(row)
      row = ""
      width = 0
    }
    row += segment
    width += wide
  }
  return [...rows, row]
}

/** The end of a text, as it fits: nothing invisible is in it, and where the beginning is missing an ellipsis says so. */
export const liveRows = (text: string, columns: number, most: number): ReadonlyArray<string> => {
  // What can't be seen is not worth the time: this is drawn many times a second.
  const end = text.slice(-columns * most)
  const rows = visibleLines(end.toWellFormed()).flatMap((line) => rowsOf(line, columns))
  const shown = rows.slice(-most)
  return shown.length < rows.length || end.length < text.length ? ["…", ...shown.slice(-(most - 1))] : shown
}

export interface LiveBlock {
  /** Draws it anew, or takes it away. The cursor must be on the row below it, whatever is on that row goes. */
  readonly draw: (text: string | undefined) => void
  /** A line was typed on the row below it, and the cursor is below that: takes it away, and the line moves up. */
  readonly typed: (line: string) => void
}

export const liveBlock = (screen: Screen): LiveBlock => {
  let drawn = 0
  const columns = (): number => Math.max(10, (screen.columns ?? 80) - 1)
  return {
    draw: (text) => {
      // The typed line and what it is asked with stay in sight.
      const rows = text === undefined || text === ""
        ? []
        : liveRows(text, columns(), Math.max(2, (screen.rows ?? 24) - 3))
      const up = drawn === 0 ? "" : `\u001b[${drawn}A`
      drawn = rows.length
      screen.write(`\r${up}\u001b[J${rows.map((row) => `${row}\n`).join("")}`)
    },
    typed: (line) => {
      // Where the line took several rows it is not known where the block begins: it stays, as something that was printed.
      if (drawn > 0 && rowsOf(line, columns()).length === 1) {
        screen.write(`\r\u001b[${drawn + 1}A\u001b[J${visible(line)}\n`)
      }
      drawn = 0
    }
  }
}

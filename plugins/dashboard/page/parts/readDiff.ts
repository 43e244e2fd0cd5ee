/** A diff of the host, line by line: ` ` same, `-` gone, `+` new, and where lines are left out a line that says how many. Pure. */
import { counted } from "./counted.ts"

export interface DiffLine {
  readonly mark: "same" | "gone" | "new" | "left_out"
  /** Without its mark. */
  readonly text: string
}

const marks: Readonly<Record<string, DiffLine["mark"]>> = { "-": "gone", "+": "new" }

/** What has no mark, which the host doesn't write, is shown whole. */
const lineOf = (line: string): DiffLine => {
  const mark = marks[line.charAt(0)]
  if (mark !== undefined) return { mark, text: line.slice(1) }
  return {
    mark: /^ +… [\d,]+ (more )?lines?\b/.test(line) ? "left_out" : "same",
    text: line.startsWith(" ") ? line.slice(1) : line
  }
}

export const readDiff = (diff: string): ReadonlyArray<DiffLine> => diff === "" ? [] : diff.split(/\r\n|\n/).map(lineOf)

/** `3 lines gone, 1 line new`. */
export const diffInWords = (lines: ReadonlyArray<DiffLine>): string => {
  const count = (mark: DiffLine["mark"]): string => counted(lines.filter((line) => line.mark === mark).length, "line")
  return `${count("gone")} gone, ${count("new")} new`
}

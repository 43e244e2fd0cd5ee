/** How a preview is read: lines with `-` and `+` are a diff, everything else is text. Pure. */

export interface DiffLine {
  readonly is: "gone" | "new" | "same"
  readonly text: string
}

/**
 * The lines, where it is a diff: at least one begins with a sign, and those that do not are indented as context or are its
 * heading. A list of points (`- milk`, `- bread`) without anything new is text.
 */
export const diffLinesOf = (preview: string): ReadonlyArray<DiffLine> | undefined => {
  const lines = preview.split(/\r\n|\n/)
  const read = lines.map((text): DiffLine => ({
    is: text.startsWith("+") ? "new" : text.startsWith("-") ? "gone" : "same",
    text
  }))
  if (!read.some(({ is }) => is === "new")) return undefined
  // Prose with one line that happens to begin with a plus is not a diff.
  const headings = read.filter(({ is, text }) => is === "same" && text !== "" && !/^[ @\\]/.test(text)).length
  return headings <= 2 ? read : undefined
}

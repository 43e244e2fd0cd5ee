/**
 * What a person wrote in a mail, apart from what the mail repeats: quoted lines, the line that introduces them, the mail
 * below, the signature. All of it in one pass over the lines.
 */

/** What is in a text. */
export interface Written {
  readonly text: string
  /** It hands on words of somebody else, and they are in `text`. */
  readonly forwards: boolean
}

/** Everything from here down is the mail that is answered. */
const older = [
  /^-{2,}\s*(original message|original appointment|ursprüngliche nachricht|message d'origine|mensaje original)\s*-{2,}$/i,
  /^_{20,}$/
]
const forwarded =
  /^(-{2,}\s*(forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado)\b|begin forwarded message:|anfang der weitergeleiteten nachricht)/i
/** `On Monday, Ada wrote:` in any language: it has a colon at its end, and quoted lines below. */
const introduces = /[:：]$/
const headerOf = /^\**(from|von|de|sent|gesendet|date|datum|to|an|subject|betreff|cc)\**\s*:/i

/** Three lines of a header, as Outlook puts them above the mail that it answers. */
const isHeader = (lines: ReadonlyArray<string>, at: number): boolean =>
  /^\**(from|von|de)\**\s*:/i.test(lines[at]!) &&
  lines.slice(at + 1, at + 6).filter((line) => headerOf.test(line.trim())).length >= 2

const isQuoted = (line: string): boolean => line.startsWith(">")

/** The first line, from there on, that is not blank. */
const nextLine = (lines: ReadonlyArray<string>, from: number): string =>
  lines[from]?.trim() === "" ? lines[from + 1] ?? "" : lines[from] ?? ""

export const writtenIn = (whole: string): Written => {
  const lines = whole.replace(/\r\n?/g, "\n").split("\n").map((line) => line.trimEnd())
  const kept: Array<string> = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const trimmed = line.trim()
    if (forwarded.test(trimmed)) return { text: [...kept, ...lines.slice(at)].join("\n").trim(), forwards: true }
    if (older.some((mark) => mark.test(trimmed)) || isHeader(lines, at) || line === "--") break
    if (isQuoted(line)) continue
    if (introduces.test(trimmed) && isQuoted(nextLine(lines, at + 1))) {
      // The line before belongs to it, where a program has broken it in two: "On Monday … \n Ada <…> wrote:".
      const before = kept.at(-1)?.trim() ?? ""
      if (/^(on|am|le|el|il|op|den)\b.*\d/i.test(before) && !introduces.test(before)) kept.pop()
      continue
    }
    kept.push(line)
  }
  const text = kept.join("\n").replace(/\n{3,}/g, "\n\n").trim()
  if (text !== "") return { text, forwards: false }
  const all = lines.join("\n").trim()
  return { text: all, forwards: all !== "" }
}

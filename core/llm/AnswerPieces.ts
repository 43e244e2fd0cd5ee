/**
 * What may be shown of a model's answer while it comes: its plain text, free of known secrets. Joined it is the beginning
 * of the answer that `readDecision` and `withoutSecrets` make of the whole.
 *
 * - Text that begins like JSON is a decision that is written out, and no answer: nothing of it is shown. Nor of text that
 *   begins with a mark: it may be a thought, or a call that the server did not read.
 * - Space at the beginning is left out; space at the end, and half of a character, wait for what follows.
 * - Of a very long answer the end is not shown.
 */
import type { Redaction } from "../secrets/Redactor.ts"
import type { RedactedPieces } from "../secrets/RedactedPieces.ts"

/** Below the longest answer and the note on what was cut of it. */
const mostShown = 15_900

const fence = "```json"

export const makeAnswerPieces = ({ redactPieces }: Pick<Redaction, "redactPieces">): RedactedPieces => {
  const redacted = redactPieces()
  /** Came, and waits for what follows. */
  let waiting = ""
  let shown = 0
  let mode: "beginning" | "text" | "silent" = "beginning"

  const begin = (text: string): void => {
    if (/^[[{<]/.test(text)) return void (mode = "silent")
    const lower = text.slice(0, fence.length).toLowerCase()
    if (lower === fence) mode = "silent"
    else if (!fence.startsWith(lower)) mode = "text"
  }

  const push = (piece: string): string => {
    if (mode === "silent") return ""
    const text = mode === "beginning" ? (waiting + piece).trimStart() : waiting + piece
    if (mode === "beginning") begin(text)
    waiting = text
    if (mode !== "text") return ""
    const ready = text.trimEnd().slice(0, mostShown - shown).replace(/[\uD800-\uDBFF]$/, "")
    waiting = text.slice(ready.length)
    shown += ready.length
    // The half of a character that may be missing is no piece either.
    if (shown >= mostShown - 1) mode = "silent"
    return redacted.push(ready.replaceAll("\0", "\u{fffd}").toWellFormed())
  }

  const end = (): string => {
    if (mode === "silent") return ""
    const rest = waiting.trimEnd()
    waiting = ""
    mode = "silent"
    return redacted.push(rest.replaceAll("\0", "\u{fffd}").toWellFormed()) + redacted.end()
  }

  return { push, end }
}

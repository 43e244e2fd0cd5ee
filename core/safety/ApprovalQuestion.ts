/**
 * A question for approval as a message to the operator: rendered by the engine from what is stored, never by a model. Pure.
 *
 * - The code stands first, before anything that comes from elsewhere: it is filled in there and nowhere else, so no text of
 *   somebody else's gets hold of it, and a short message still has it.
 * - What comes from elsewhere is shown as data: bounded, each line marked, with nothing invisible in it.
 */
import type { Autonomy, Risk } from "../contract/Enums.ts"
import { clipped, visible, visibleJson, visibleLines } from "../contract/Visible.ts"

/** What is shown of an approval. */
export interface Question {
  readonly number: number
  readonly tool: string
  readonly what: unknown
  readonly preview: string | null
  readonly why: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly expires_at: string
}

/** Where the code stands in what is stored. */
const blank = "____-____"

const head = (code: string): string => `Answer with: approve ${code}\nor with: deny ${code}\n`

/** Characters of the input, and of what the tool says of it. */
const longestPart = 4_000

const data = (text: string): string => {
  const lines = visibleLines(text).map((line) => `> ${line}`).join("\n")
  return lines.length <= longestPart
    ? lines
    : `${lines.slice(0, longestPart).toWellFormed()}…\n(${lines.length - longestPart} more characters)`
}

/** The subject, where a message has one. */
export const questionSubject = ({ number, tool }: Pick<Question, "number" | "tool">): string =>
  `Approval ${number}: ${clipped(tool, 100)}?`

/** The message without its code, in at most `longest` characters. */
export const questionText = (question: Question, longest: number): string => {
  const { autonomy, expires_at, number, preview, risk, tool, what, why } = question
  const whole = [
    `${head(blank)}`,
    `Approval ${number}: ${clipped(tool, 100)}, risk ${visible(risk)}.`,
    clipped(why, 1_000),
    `It waits until ${expires_at.slice(0, 16).replace("T", " ")} UTC, at autonomy ${
      visible(autonomy)
    }. The code is good for one answer.`,
    ...(preview === null ? [] : ["", "What the tool says of it:", data(preview)]),
    "",
    "What will run, exactly:",
    data(visibleJson(what, 2)),
    "",
    `Lines with > are data, and may be somebody else's words. All of it: syris approvals ${number}`
  ].join("\n")
  if (whole.length <= longest) return whole
  const note = `… (cut: syris approvals ${number})`
  // Where there is no room for a code and for what it is about, it is only said that something waits.
  const least = head(blank).length + questionSubject(question).length + note.length
  return longest < least
    ? questionSubject(question).slice(0, longest).toWellFormed()
    : `${whole.slice(0, longest - note.length).toWellFormed()}${note}`
}

/** The message with its code; nothing where it was too short to have one. */
export const withCode = (text: string, code: string): string | undefined =>
  text.startsWith(head(blank)) ? `${head(code)}${text.slice(head(blank).length)}` : undefined

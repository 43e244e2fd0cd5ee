/**
 * A server's question as the operator reads it: the host's own words around the server's, which stand in lines of their own
 * that begin with `>`, with whatever can't be seen written out.
 */
import type { Question, QuestionField } from "../contract/Question.ts"
import { clipped, visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import { choiceList } from "./AskedFields.ts"

/** Characters in one message of the chat. */
const longest = 8_000

const range = ({ maximum, minimum, type }: QuestionField): string => {
  if (minimum === undefined && maximum === undefined) return ""
  const what = type === "text" ? " characters" : type === "choices" ? " of them" : ""
  return minimum === undefined
    ? `, at most ${maximum}${what}`
    : maximum === undefined
    ? `, at least ${minimum}${what}`
    : `, ${minimum} to ${maximum}${what}`
}

const kinds = { text: "text", number: "a number", integer: "a whole number", boolean: "yes or no" } as const
const formats = {
  email: "an e-mail address",
  uri: "an address",
  date: "a date",
  "date-time": "a date with a time"
} as const

const kindOf = (field: QuestionField): string => {
  if (field.type === "choice") return `one of ${choiceList(field)}`
  if (field.type === "choices") return `some of ${choiceList(field)}, with commas between them`
  return field.format === undefined ? kinds[field.type] : formats[field.format]
}

/** One line: `> age (a whole number, 1 to 120, needed): How old are you? Else 42.` */
const fieldLine = (field: QuestionField): string => {
  const { default: otherwise, description, name, required, title } = field
  const said = [title, description].flatMap((text) => text === undefined ? [] : [visible(text)]).join(". ")
  const needed = required && otherwise === undefined ? ", needed" : ""
  return `> ${name} (${kindOf(field)}${range(field)}${needed})${said === "" ? "" : `: ${said}`}${
    otherwise === undefined ? "" : ` Without an answer: ${visibleJson(otherwise)}.`
  }`
}

const example = ({ fields }: Question): string =>
  fields.length === 0
    ? ""
    : ` ${fields.slice(0, 3).map(({ name }) => `${name}=…`).join(" ")}${fields.length > 3 ? " …" : ""}`

/** In one line, for a list. */
export const questionLine = ({ fields, message, number, server, tool }: Question): string =>
  `${number}: ${server}, in ${visible(tool)}: ${clipped(message, 200)}${
    fields.length === 0 ? "" : ` (asks for ${fields.map(({ name }) => name).join(", ")})`
  }`

/** What the chat shows. */
export const questionText = (question: Question): string => {
  const { fields, message, number, server, tool, trace_id } = question
  const head = `Question ${number}, from the server ${server} while its tool ${
    clipped(tool, 200)
  } runs (trace ${trace_id}). These are the server's words, not mine:`
  const said = visibleLines(message).map((line) => `> ${line}`)
  const asked = fields.length === 0 ? [] : ["It asks for:", ...fields.map(fieldLine)]
  const tail = `Say "answer ${number}${example(question)}" or "decline ${number}". ` +
    "What you answer goes to that server: never type a password or another secret. " +
    "The call waits for you no longer than its time-out."
  const body = [...said, ...asked].join("\n")
  const room = longest - head.length - tail.length - 200
  const shown = body.length <= room
    ? body
    : `${body.slice(0, room).toWellFormed()}\n(${body.length - room} more characters: GET /questions has all of it)`
  return [head, shown, tail].join("\n")
}

/**
 * The operator's answer to what a server asks for: read from words (`name=Bob age=4`, or JSON) and checked field by field.
 */
import type { QuestionField } from "../contract/Question.ts"
import { visible } from "../contract/Visible.ts"
import { mistakeIn } from "./AskedFields.ts"

type Fields = ReadonlyArray<QuestionField>
export type Content = Readonly<Record<string, unknown>>

/** `mistake`: a sentence that says what to do. */
export type Read<A> = { readonly content: A } | { readonly mistake: string }

/** Of an answer's text. */
const longest = 16_000

const names = (fields: Fields): string => fields.map(({ name }) => name).join(", ")

/** Defaults fill in what was left out; nothing that was not asked for goes along. */
export const checkAnswer = (fields: Fields, given: unknown): Read<Content> => {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return { mistake: "An answer is an object with a value for each field." }
  }
  const values = new Map<string, unknown>(Object.entries(given))
  const strange = [...values.keys()].find((key) => !fields.some(({ name }) => name === key))
  if (strange !== undefined) {
    return {
      mistake: fields.length === 0
        ? `Nothing is asked for but a yes, so ${visible(strange)} can't be answered.`
        : `${visible(strange)} is not asked for: ${names(fields)} ${fields.length === 1 ? "is" : "are"}.`
    }
  }
  const content: Array<[string, unknown]> = []
  for (const field of fields) {
    const value = values.get(field.name) ?? field.default
    if (value === undefined) {
      if (field.required) return { mistake: `${field.name} is missing, and is needed.` }
      continue
    }
    const mistake = mistakeIn(field, value)
    if (mistake !== undefined) return { mistake: `${field.name} ${mistake}.` }
    content.push([field.name, value])
  }
  return { content: Object.fromEntries(content) }
}

/** What the operator typed after the number. */
export const readAnswer = (fields: Fields, text: string): Read<Content> => {
  const said = text.trim()
  if (said.length > longest) return { mistake: `An answer has at most ${longest} characters.` }
  if (said.startsWith("{")) {
    try {
      return checkAnswer(fields, JSON.parse(said))
    } catch {
      return { mistake: "That is not JSON: check its quotes and commas, or write name=value pairs." }
    }
  }
  const pairs = pairsIn(said)
  const [only] = fields
  // Where one thing is asked for, its value alone will do.
  if (only !== undefined && fields.length === 1 && pairs === undefined) {
    return checkAnswer(fields, { [only.name]: valueOf(only, unquoted(said)) })
  }
  if (pairs === undefined) {
    return { mistake: "Write name=value for each field, with quotes around words that have spaces between them." }
  }
  const twice = pairs.find(([name], i) => pairs.findIndex((other) => other[0] === name) !== i)
  if (twice !== undefined) return { mistake: `${visible(twice[0])} is answered twice.` }
  return checkAnswer(
    fields,
    Object.fromEntries(pairs.map(([name, value]) => {
      const field = fields.find((one) => one.name === name)
      return [name, field === undefined ? value : valueOf(field, value)]
    }))
  )
}

/** `undefined` where there is anything else but pairs. */
const pairsIn = (text: string): ReadonlyArray<readonly [name: string, value: string]> | undefined => {
  const pairs: Array<readonly [string, string]> = []
  const pair = /([^\s="']+)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']\S*|)(?:\s+|$)/y
  while (pair.lastIndex < text.length) {
    const [, name, value] = pair.exec(text) ?? []
    if (name === undefined || value === undefined) return undefined
    pairs.push([name, unquoted(value)])
  }
  return pairs
}

const unquoted = (value: string): string => {
  if (/^'[^']*'$/.test(value)) return value.slice(1, -1)
  if (!/^"(?:[^"\\]|\\.)*"$/.test(value)) return value
  try {
    return String(JSON.parse(value))
  } catch {
    return value.slice(1, -1)
  }
}

const yes = new Set(["yes", "y", "true", "on"])
const no = new Set(["no", "n", "false", "off"])

/** What the words mean for this field; the words themselves where they mean nothing, so that they are told what is wrong. */
const valueOf = (field: QuestionField, text: string): unknown => {
  const word = text.toLowerCase()
  switch (field.type) {
    case "text":
      return text
    case "boolean":
      return yes.has(word) ? true : no.has(word) ? false : text
    case "number":
    case "integer":
      return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text
    case "choice":
      return choiceOf(field, text)
    case "choices":
      return text.split(",").map((one) => choiceOf(field, one.trim())).filter((one) => one !== "")
  }
}

/** By its value, or by what it is called. */
const choiceOf = ({ choices = [] }: QuestionField, text: string): string =>
  (choices.find(({ value }) => value === text) ??
    choices.find(({ title, value }) => [title, value].some((one) => one?.toLowerCase() === text.toLowerCase())))
    ?.value ?? text

/**
 * What a server asks for, read from its schema: flat, of the few kinds that the protocol knows. Its words are kept as they are;
 * whatever else it wrote is refused, so that nothing is asked that could not be shown or answered.
 */
import type { QuestionField } from "../contract/Question.ts"
import { visible } from "../contract/Visible.ts"

/** Fields of one question, choices of one field, characters of a name and of a text about it. */
export const most = { fields: 20, choices: 50, name: 100, words: 500 } as const

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const formats = new Set<unknown>(["email", "uri", "date", "date-time"])

/** The fields, or what is wrong with them: a sentence without its subject. */
export const readFields = (schema: unknown): ReadonlyArray<QuestionField> | string => {
  if (!isObject(schema) || schema["type"] !== "object" || !isObject(schema["properties"] ?? {})) {
    return "does not ask for an object with properties"
  }
  const entries = Object.entries((schema["properties"] ?? {}) as Json)
  if (entries.length > most.fields) {
    return `asks for ${entries.length} fields, and at most ${most.fields} are asked at once`
  }
  const required = new Set<unknown>(Array.isArray(schema["required"]) ? schema["required"] : [])
  const fields: Array<QuestionField> = []
  for (const [name, property] of entries) {
    if (name === "" || name.length > most.name || visible(name) !== name) {
      return `asks for a field whose name is empty, longer than ${most.name} characters, or has characters that can't be seen`
    }
    const field = readField(name, property, required.has(name))
    if (typeof field === "string") return `asks for the field ${name}, which ${field}`
    fields.push(field)
  }
  return fields
}

const readField = (name: string, property: unknown, required: boolean): QuestionField | string => {
  if (!isObject(property)) return "is not described"
  const words = wordsOf(property)
  if (typeof words === "string") return words
  const base = { name, required, ...words }
  const { type } = property
  switch (type) {
    case "boolean":
      return withDefault({ ...base, type }, property)
    case "number":
    case "integer":
      return withDefault({ ...base, type, ...limits(property["minimum"], property["maximum"]) }, property)
    case "string": {
      const choices = choicesOf(property)
      if (typeof choices === "string") return choices
      if (choices !== undefined) return withDefault({ ...base, type: "choice", choices }, property)
      const { format } = property
      return withDefault({
        ...base,
        type: "text",
        ...limits(property["minLength"], property["maxLength"]),
        ...(formats.has(format) ? { format: format as NonNullable<QuestionField["format"]> } : {})
      }, property)
    }
    case "array": {
      const choices = isObject(property["items"]) ? choicesOf(property["items"]) : undefined
      if (typeof choices === "string") return choices
      if (choices === undefined) return "is a list of anything: only a list of choices can be asked for"
      return withDefault(
        { ...base, type: "choices", choices, ...limits(property["minItems"], property["maxItems"]) },
        property
      )
    }
    default:
      return "is neither text, a number, yes or no, nor a choice"
  }
}

const wordsOf = ({ description, title }: Json): { readonly title?: string; readonly description?: string } | string => {
  if ([description, title].some((text) => typeof text === "string" && text.length > most.words)) {
    return `is described in more than ${most.words} characters`
  }
  return {
    ...(typeof title === "string" && title !== "" ? { title } : {}),
    ...(typeof description === "string" && description !== "" ? { description } : {})
  }
}

const limits = (minimum: unknown, maximum: unknown) => ({
  ...(Number.isFinite(minimum) ? { minimum: minimum as number } : {}),
  ...(Number.isFinite(maximum) ? { maximum: maximum as number } : {})
})

/** `enum` (with `enumNames`), or `oneOf`, in lists `anyOf`, of constants with titles. */
const choicesOf = (property: Json): NonNullable<QuestionField["choices"]> | string | undefined => {
  const { anyOf, enum: values, enumNames, oneOf } = property
  const titles: ReadonlyArray<unknown> = Array.isArray(enumNames) ? enumNames : []
  const given: ReadonlyArray<readonly [value: unknown, title: unknown]> | undefined = Array.isArray(values)
    ? values.map((value, i) => [value, titles[i]])
    : [oneOf, anyOf].find(Array.isArray)?.map((one: unknown) =>
      isObject(one) ? [one["const"], one["title"]] : [undefined, undefined]
    )
  if (given === undefined) return undefined
  if (given.length === 0 || given.length > most.choices) {
    return `has ${given.length} choices, and can have 1 to ${most.choices}`
  }
  const choices: Array<{ value: string; title?: string }> = []
  for (const [value, title] of given) {
    if (
      typeof value !== "string" || value.length > most.words || (typeof title === "string" && title.length > most.words)
    ) {
      return `has a choice that is not a text of at most ${most.words} characters`
    }
    choices.push({ value, ...(typeof title === "string" && title !== value ? { title } : {}) })
  }
  return choices
}

/** A default that the field itself would not take is none. */
const withDefault = (field: QuestionField, property: Json): QuestionField =>
  property["default"] === undefined || mistakeIn(field, property["default"]) !== undefined
    ? field
    : { ...field, default: property["default"] as NonNullable<QuestionField["default"]> }

/** What is wrong with a value, as a sentence without its subject. */
export const mistakeIn = (field: QuestionField, value: unknown): string | undefined => {
  const { maximum, minimum } = field
  const between = (n: number, what: string): string | undefined =>
    minimum !== undefined && n < minimum
      ? `has to be at least ${minimum}${what}`
      : maximum !== undefined && n > maximum
      ? `can be at most ${maximum}${what}`
      : undefined
  switch (field.type) {
    case "boolean":
      return typeof value === "boolean" ? undefined : "is yes or no"
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? between(value, "") : "is a number"
    case "integer":
      return Number.isSafeInteger(value) ? between(value as number, "") : "is a whole number"
    case "text":
      if (typeof value !== "string") return "is a text"
      return between(Array.from(value).length, " characters long") ?? ofFormat(field.format, value)
    case "choice":
      return isChoice(field, value) ? undefined : `is one of ${choiceList(field)}`
    case "choices":
      return Array.isArray(value) && value.every((one) => isChoice(field, one)) && new Set(value).size === value.length
        ? between(value.length, " of the choices")
        : `is a list, each once, out of ${choiceList(field)}`
  }
}

const isChoice = ({ choices = [] }: QuestionField, value: unknown): boolean =>
  choices.some((choice) => choice.value === value)

export const choiceList = ({ choices = [] }: QuestionField): string =>
  choices.map(({ title, value }) => title === undefined ? visible(value) : `${visible(value)} (${visible(title)})`)
    .join(", ")

const ofFormat = (format: QuestionField["format"], value: string): string | undefined => {
  switch (format) {
    case "email":
      return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value) ? undefined : "is an e-mail address"
    case "uri":
      return URL.canParse(value) ? undefined : "is an address, such as https://example.org"
    case "date":
      return /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value))
        ? undefined
        : "is a date, such as 2026-11-30"
    case "date-time":
      return /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d/.test(value) && !Number.isNaN(Date.parse(value))
        ? undefined
        : "is a time, such as 2026-11-30T18:00:00Z"
    case undefined:
      return undefined
  }
}

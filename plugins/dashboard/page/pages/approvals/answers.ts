/** What the operator has put into the fields of a server's question, as the values that are sent. Pure. */
import type { Question } from "syris/records"

export type Field = Question["fields"][number]
/** As a form has it: texts, several choices, or yes and no. */
export type Entry = string | ReadonlyArray<string> | boolean

/** What stands in a field before anybody has touched it. */
export const firstEntry = ({ default: given, type }: Field): Entry => {
  if (type === "boolean") return given === true
  if (type === "choices") return Array.isArray(given) ? given.filter((one) => typeof one === "string") : []
  return typeof given === "string" ? given : typeof given === "number" ? String(given) : ""
}

export type Content = { readonly content: Readonly<Record<string, unknown>> } | {
  readonly mistakes: Readonly<Record<string, string>>
}

const units: Readonly<Partial<Record<Field["type"], string>>> = { text: " characters", choices: " of them" }

/** How much of it may be: of a number itself, of a text its characters, of choices how many. */
export const boundsOf = ({ maximum, minimum, type }: Field): string => {
  const unit = units[type] ?? ""
  if (minimum === undefined) return maximum === undefined ? "" : `at most ${maximum}${unit}`
  return maximum === undefined ? `at least ${minimum}${unit}` : `${minimum} to ${maximum}${unit}`
}

const isWithin = ({ maximum = Infinity, minimum = -Infinity }: Field, count: number): boolean =>
  count >= minimum && count <= maximum

const outside = (field: Field): string => `This has to be ${boundsOf(field)}.`

/** The values, or for each field that does not fit a sentence. What is left empty and not required is not sent. */
export const contentOf = (fields: ReadonlyArray<Field>, entries: Readonly<Record<string, Entry>>): Content => {
  const content: Record<string, unknown> = {}
  const mistakes: Record<string, string> = {}
  for (const field of fields) {
    const entry = entries[field.name] ?? firstEntry(field)
    if (typeof entry === "boolean") {
      content[field.name] = entry
    } else if (typeof entry !== "string") {
      if (entry.length > 0 && !isWithin(field, entry.length)) mistakes[field.name] = outside(field)
      else if (entry.length > 0) content[field.name] = entry
      else if (field.required) mistakes[field.name] = "Choose at least one."
    } else if (entry.trim() === "") {
      if (field.required) mistakes[field.name] = "This is asked for: fill it in, or decline the question."
    } else if (field.type === "number" || field.type === "integer") {
      const number = Number(entry)
      if (!Number.isFinite(number) || (field.type === "integer" && !Number.isInteger(number))) {
        mistakes[field.name] = field.type === "integer"
          ? "Give a whole number, such as 3."
          : "Give a number, such as 3 or 2.5."
      } else if (!isWithin(field, number)) mistakes[field.name] = outside(field)
      else content[field.name] = number
    } else if (field.type === "text" && !isWithin(field, Array.from(entry).length)) {
      mistakes[field.name] = outside(field)
    } else content[field.name] = entry
  }
  return Object.keys(mistakes).length > 0 ? { mistakes } : { content }
}

/**
 * What is kept of what a model was sent and answered: the same without known secrets, and without text that no database
 * takes (NUL, halves of characters).
 */
import type { Redaction } from "../secrets/Redactor.ts"
import { parseJson } from "./BoundedJson.ts"
import type { Completion } from "./CompletionProvider.ts"

type Redact = Pick<Redaction, "isFree" | "redactJson" | "redactText">

const storable = (text: string): string =>
  text.isWellFormed() && !text.includes("\0") ? text : text.replaceAll("\0", "\u{fffd}").toWellFormed()

/** JSON with every text made storable; the value itself where nothing had to be changed. */
const storableJson = (value: unknown): unknown => {
  if (typeof value === "string") return storable(value)
  if (typeof value !== "object" || value === null) return value
  let changed = false
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => {
      const next = storableJson(item)
      changed ||= next !== item
      return next
    })
    return changed ? items : value
  }
  const entries: Array<[key: string, item: unknown]> = []
  for (const [key, item] of Object.entries(value)) {
    const [name, next] = [storable(key), storableJson(item)]
    changed ||= name !== key || next !== item || item === undefined
    if (item !== undefined) entries.push([name, next])
  }
  return changed ? Object.fromEntries(entries) : value
}

/** JSON as it is kept. Fields that are `undefined` are left out. */
export const keptJson = <A>(value: A, { redactJson }: Pick<Redact, "redactJson">): A =>
  storableJson(redactJson(value)) as A

/** As JSON writes NUL and halves of characters; of a backslash that stands there by itself it may be said, too. */
const unstorable = /\\u(?:0000|d[89a-f])/

/** The same with its text, for what is large: mostly nothing has to be changed, and the text alone tells so. */
export const keptWithText = <A>(
  value: A,
  redact: Pick<Redact, "isFree" | "redactJson">
): { readonly kept: A; readonly text: string } => {
  const text = JSON.stringify(value)
  if (redact.isFree(text) && !unstorable.test(text)) return { kept: value, text }
  const kept = keptJson(value, redact)
  return { kept, text: JSON.stringify(kept) }
}

/** JSON that is written out hides a secret behind its escapes: it is read before it is looked at. */
const keptText = (text: string, { redactJson, redactText }: Redact): string => {
  const shown = storable(redactText(text))
  if (!/^\s*[[{]/.test(shown)) return shown
  const parsed = parseJson(shown)
  if (!parsed.ok) return shown
  const hidden = redactJson(parsed.value)
  return hidden === parsed.value ? shown : JSON.stringify(hidden)
}

/** An answer as it is kept, and as whoever asked goes on with it. */
export const keptCompletion = (completion: Completion, redact: Redact): Completion => ({
  ...keptJson(completion, redact),
  text: completion.text === undefined ? undefined : keptText(completion.text, redact),
  calls: completion.calls.map((call) => ({ ...keptJson(call, redact), arguments: keptText(call.arguments, redact) }))
})

/**
 * What a rule does once in a window: its key, filled for an event. A key is a text with `{{path}}`, or the path alone, which
 * is meant as its value; without one the whole content of the event counts.
 */
import type { OwedRule } from "../contract/Rows.ts"
import { digest } from "../database/Ids.ts"
import { keysOf } from "../safety/FieldPath.ts"
import { ruleRoots } from "./Subject.ts"
import { type CompiledTemplate, compileTemplate } from "./Template.ts"

const isPath = (key: string): boolean => {
  const [root, ...rest] = key.includes("{{") || /\s/.test(key) ? [] : key.split(".")
  return root !== undefined && rest.length > 0 && ruleRoots.includes(root)
}

/** The key as a template; each mistake is a sentence without its full stop. */
export const dedupeTemplate = (key: string): CompiledTemplate => {
  if (!isPath(key)) return compileTemplate(key, "dedupe.key")
  return keysOf(key) === undefined
    ? { ok: false, mistakes: ["the field \"dedupe.key\" must be keys joined by dots, such as \"content.text\""] }
    : compileTemplate(`{{${key}}}`, "dedupe.key")
}

const templates = new Map<string, CompiledTemplate>()
/** Templates kept at once, by their text. */
const maximumTemplates = 5_000

const templateOf = (key: string): CompiledTemplate => {
  const known = templates.get(key)
  if (known !== undefined) return known
  if (templates.size >= maximumTemplates) templates.clear()
  const compiled = dedupeTemplate(key)
  templates.set(key, compiled)
  return compiled
}

/** The key for an event, as a hash; nothing for a rule that does all it can. */
export const dedupeKeyOf = (
  { definition: { dedupe } }: Pick<OwedRule, "definition">,
  subject: unknown
): string | undefined => {
  if (dedupe === undefined) return undefined
  if (dedupe.key === undefined) {
    const { content, source } = subject as { readonly content: unknown; readonly source: { readonly channel: string } }
    return digest(source.channel, JSON.stringify(content))
  }
  const template = templateOf(dedupe.key)
  return digest(JSON.stringify(template.ok ? template.value.fill(subject) : dedupe.key))
}

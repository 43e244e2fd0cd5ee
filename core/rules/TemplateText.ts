/**
 * The text of a template: `{{path}}` stands for a value, `\{{` for two braces. Read once, from left to right.
 */
import { fieldOf, keysOf } from "../safety/FieldPath.ts"
import { ruleRoots } from "./Subject.ts"

/** What stands in a text: written as it is, or the path of a value. */
export type TextPart = string | { readonly path: string }

/** The parts, or what is wrong with the text: a sentence without subject and full stop. */
export const partsOf = (text: string): ReadonlyArray<TextPart> | string => {
  const parts: Array<TextPart> = []
  let at = 0
  let plain = ""
  for (;;) {
    const open = text.indexOf("{{", at)
    if (open < 0) break
    if (text[open - 1] === "\\" && open > at) {
      plain += `${text.slice(at, open - 1)}{{`
      at = open + 2
      continue
    }
    const close = text.indexOf("}}", open + 2)
    const path = text.slice(open + 2, close).trim()
    if (close < 0 || path.includes("{{")) return "has a {{ without its }}: write \\{{ where two braces are meant"
    const wrong = wrongPath(path)
    if (wrong !== undefined) return wrong
    plain += text.slice(at, open)
    if (plain !== "") parts.push(plain)
    plain = ""
    parts.push({ path })
    at = close + 2
  }
  plain += text.slice(at)
  if (plain !== "") parts.push(plain)
  return parts
}

const wrongPath = (path: string): string | undefined => {
  const [root] = keysOf(path) ?? []
  const shown = JSON.stringify(path.length > 100 ? `${path.slice(0, 100)}…` : path)
  if (root === undefined || fieldOf(path) === undefined) {
    return `has ${shown} in {{ }}, which must be keys joined by dots, such as {{content.text}}`
  }
  return ruleRoots.some((known) => known === root)
    ? undefined
    : `has ${shown} in {{ }}, and a path must begin with ${ruleRoots.join(", ")}`
}

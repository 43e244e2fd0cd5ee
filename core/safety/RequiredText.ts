/**
 * A text that is in everything that a regular expression (of RE2) matches: looking for it first is much quicker than the
 * expression, and most texts do not have it.
 *
 * Where the expression begins with `(?i)`, the text is in lower case and looked for in any. It has no k and no s then, and
 * nothing beyond ASCII: these have other forms (K, ſ) that lower case does not undo.
 */

export interface Required {
  /** Empty where none is easily seen. */
  readonly text: string
  readonly anyCase: boolean
}

const flag = "(?i)"

export const requiredBy = (pattern: string): Required => {
  const anyCase = pattern.startsWith(flag)
  const text = longestRun(anyCase ? pattern.slice(flag.length) : pattern, anyCase)
  return { text: anyCase ? text.toLowerCase() : text, anyCase }
}

/** Answers no only where the expression can't match. */
export const mayMatch = (pattern: string): (text: string) => boolean => {
  const { anyCase, text: required } = requiredBy(pattern)
  if (required === "") return () => true
  return anyCase ? (text) => lowered(text).includes(required) : (text) => text.includes(required)
}

/** The text that was asked for last, which a thousand expressions look at one after the other. */
let last = { text: "", lower: "" }

const lowered = (text: string): string => {
  if (last.text !== text) last = { text, lower: text.toLowerCase() }
  return last.lower
}

const special = /[\\.+*?()[\]{}|^$]/
const punctuation = /[!-/:-@[-`{-~]/

/** A letter that is the same in lower case whatever its case, and nothing else is. */
const foldsAlone = /^[\x20-\x7e]$/
const hasOtherForms = /^[ks]$/i

const longestRun = (pattern: string, anyCase: boolean): string => {
  // Flags change what a letter means, and a class in a class where the outer one ends.
  if (/\(\?(?!:|P?<)/.test(pattern) || pattern.includes("[[")) return ""
  const characters = Array.from(pattern)
  let best = ""
  let run: Array<string> = []
  let depth = 0
  const endRun = () => {
    const text = run.join("")
    if (text.length > best.length) best = text
    run = []
  }
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? ""
    const literal = character === "\\" ? escaped(characters[i + 1] ?? "") : special.test(character) ? "" : character
    if (literal === undefined || (character === "|" && depth === 0)) return ""
    if (character === "\\") i++
    if (literal !== "") {
      if (anyCase && (hasOtherForms.test(literal) || !foldsAlone.test(literal))) endRun()
      else if (depth === 0) run.push(literal)
      continue
    }
    if (character === "*" || character === "?" || character === "{") run.pop()
    endRun()
    if (character === "(") depth++
    else if (character === ")") depth--
    else if (character === "[") i = endOfClass(characters, i)
    else if (character === "{") {
      const [count] = /^\{\d+(,\d*)?\}/.exec(characters.slice(i).join("")) ?? []
      if (count === undefined) return ""
      i += count.length - 1
    }
  }
  endRun()
  return best
}

/** What an escape stands for: a character, one of a class (empty), or something that is not known here. */
const escaped = (letter: string): string | undefined =>
  punctuation.test(letter) ? letter : /^[dDwWsSbB]$/.test(letter) ? "" : undefined

/** The place of its `]`; one at the very beginning is a member. */
const endOfClass = (characters: ReadonlyArray<string>, start: number): number => {
  let i = start + 1
  if (characters[i] === "^") i++
  if (characters[i] === "]") i++
  while (i < characters.length && characters[i] !== "]") i += characters[i] === "\\" ? 2 : 1
  return i
}

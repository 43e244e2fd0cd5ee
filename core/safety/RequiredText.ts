/**
 * A text that is in everything that a regular expression (of RE2, with case) matches: looking for it first is much
 * quicker than the expression, and most texts do not have it.
 */

const special = /[\\.+*?()[\]{}|^$]/
const punctuation = /[!-/:-@[-`{-~]/

/** The longest such text that is easily seen; empty where none is. */
export const requiredText = (pattern: string): string => {
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
      if (depth === 0) run.push(literal)
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

/**
 * The sentences that a plugin in an isolate understands, before they are believed. Each becomes part of the automata that every
 * text of the host goes through, so it has a size; and what nobody vouches for may not understand whatever is said.
 */
import { translatePattern } from "../plugin/IntentMatcher.ts"

/**
 * States of all patterns of one plugin together, about: what can be built, and what nobody vouches for. A character of a text
 * costs 40 ns for each at the worst.
 */
const mostStatesAtAll = 50_000
export const mostStates = 5_000
const longestFlags = 16

/** Sentences that have no word in common, of no plugin in particular. */
const anybodys = [
  "please tell my sister that we arrive tomorrow evening",
  "what did he write about last week's meeting?",
  "remind everybody of dinner at 7",
  "no, leave it as is"
]

/** About how many states it takes: counts are written out, one in another multiplied. */
export const statesOf = (source: string): number => {
  const open: Array<number> = []
  let whole = 0
  let last = 0
  for (let at = 0; at < source.length; at++) {
    const counted = /^\{(\d+)(?:,(\d*))?\}/.exec(source.slice(at, at + 24))
    if (counted !== null) {
      const times = Math.max(1, Number(counted[1]), Number(counted[2] ?? 0))
      whole += last * (times - 1)
      last *= times
      at += counted[0].length - 1
      continue
    }
    const character = source[at]
    if (character === "(") {
      open.push(whole)
      whole = 0
      last = 0
      continue
    }
    if (character === ")") {
      last = whole + 2
      whole = (open.pop() ?? 0) + last
      continue
    }
    if (character === "\\") at++
    else if (character === "[") {
      const end = /(?:[^\\\]]|\\[\s\S])*\]/y
      end.lastIndex = at + 1
      // A class of many ranges costs what it says.
      const length = end.test(source) ? end.lastIndex - at : 1
      at += length - 1
      last = 1 + Math.floor(length / 8)
      whole += last
      continue
    }
    last = /[\\\P{ASCII}]/u.test(character ?? "") ? 4 : 1
    whole += last
  }
  return open.reduce((sum, one) => sum + one, whole)
}

/** It understands sentences that have nothing in common. */
export const understandsAnything = (pattern: RegExp): boolean => {
  // One that begins with a word of its own does not.
  if (/^\^?[A-Za-z0-9]{2,}(?![*?{])/.test(pattern.source) && !pattern.source.includes("|")) return false
  const translated = translatePattern(pattern)
  if ("problem" in translated) return false
  return anybodys.filter((text) => translated.compiled.matches(text)).length > 1
}

export interface SaidPattern {
  readonly source: string
  readonly flags: string
}

/** What is wrong with the sentences of a plugin: a sentence. */
export const patternsRefused = (
  intents: ReadonlyArray<{ readonly name: string; readonly patterns: ReadonlyArray<SaidPattern> }>,
  trusted: boolean
): string | undefined => {
  let states = 0
  for (const { name, patterns } of intents) {
    for (const { flags, source } of patterns) {
      states += statesOf(source)
      if (states > (trusted ? mostStatesAtAll : mostStates)) {
        return `Its sentences are too large together (intent ${name}): use fewer of them, and smaller counts such as {1,20}.`
      }
      try {
        if (flags.length > longestFlags) throw new SyntaxError("too many flags")
        new RegExp(source, flags)
      } catch {
        return `Its intent ${name} has a pattern that can't be read.`
      }
    }
  }
  return undefined
}

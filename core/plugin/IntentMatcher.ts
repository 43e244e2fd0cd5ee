/**
 * Finds the intent whose pattern is the whole text, trimmed and in any case; groups keep the case they were written in.
 *
 * - Linear time whatever the text: patterns run on RE2 (`re2js`), and one that needs backtracking (look-around, back
 *   references) is refused when the plugin is loaded. As in RE2, `\s`, `\w` and `\d` are ASCII.
 * - One pass over all patterns: they are combined into automata, indexed by the literal first word where a pattern has
 *   one, so a thousand intents cost about what one does.
 * - Where several match, the first in the configuration's order wins.
 * - Sentences of somebody whom nobody vouches for are looked at last, and in short texts alone: linear is not cheap where a
 *   stranger has chosen the pattern, and the text.
 */
import { RE2JS, RE2Set } from "re2js"
import { maximumTextLength } from "../contract/Event.ts"
import type { IntentMatch, IntentMatcher, RegisteredIntent } from "./Registry.ts"

interface Translated {
  readonly source: string
  readonly compiled: RE2JS
}

const translations = new WeakMap<RegExp, Translated | { readonly problem: string }>()

/** A pattern as RE2 has it, or a sentence without its subject that says why it can't be. */
export const translatePattern = (pattern: RegExp): Translated | { readonly problem: string } => {
  const known = translations.get(pattern)
  if (known !== undefined) return known
  const translated = translate(pattern)
  translations.set(pattern, translated)
  return translated
}

const translate = (pattern: RegExp): Translated | { readonly problem: string } => {
  if (pattern.source.length > 5_000) return { problem: "is longer than 5,000 characters" }
  const strange = strangeIn(pattern)
  if (strange !== undefined) return { problem: `has ${strange}, which the host does not know: write it another way` }
  const flags = `${pattern.dotAll ? "s" : ""}${pattern.multiline ? "m" : ""}`
  try {
    const source = `(?${flags}:${RE2JS.translateRegExp(pattern.source)})`
    return { source, compiled: RE2JS.compile(source, RE2JS.CASE_INSENSITIVE) }
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error)
    return { problem: `can't be matched in linear time (${why}): write it without look-around and back references` }
  }
}

/**
 * What is wrong with a pattern, as a sentence without its subject. Compiles only what is not plain: compiling is what
 * makes a start slow, and the matcher does it when the first text comes, or when it is told to.
 */
export const problemOf = (pattern: RegExp): string | undefined => {
  if (isPlain(pattern)) return undefined
  const translated = translatePattern(pattern)
  return "problem" in translated ? translated.problem : undefined
}

/** Groups, alternatives, classes, `*`, `+`, `?` and counts of one digit: nothing here that RE2 could not compile. */
const isPlain = (pattern: RegExp): boolean => {
  const { flags, source } = pattern
  if (source.length > 5_000 || /[uvy]/.test(flags) || strangeIn(pattern) !== undefined) return false
  const rest = source.replaceAll(/\\[dDwWsSbB.*+?()[\]{}|/^$\\-]/g, "_").replaceAll(/\{\d(,\d?)?\}\??/g, "")
  const names = Array.from(rest.matchAll(/\(\?<(\w+)>/g), (match) => match[1])
  return !/\\|\{|\(\?(?!:|<\w+>)|[*+?][+*]/.test(rest) && new Set(names).size === names.length
}

/** What RE2 would read as something else than JavaScript does, or would let pass as plain letters. */
const strangeIn = (pattern: RegExp): string | undefined => {
  if (pattern.unicodeSets) return "the flag v"
  const [posix] = /\[\[[:.=]/.exec(pattern.source) ?? []
  if (posix !== undefined) return posix
  for (const [escape, letter = ""] of pattern.source.matchAll(/\\([\s\S])/g)) {
    if (/[A-Za-z]/.test(letter) && !(pattern.unicode ? /[dDwWsSbBtnrfvxupP]/ : /[dDwWsSbBtnrfvxu]/).test(letter)) {
      return escape
    }
  }
  return undefined
}

interface Entry {
  readonly order: number
  readonly intent: RegisteredIntent
  readonly source: string
  readonly compiled: RE2JS
  readonly firstWord: string | undefined
}

/** Patterns that share an automaton. */
const batch = 256

/** The automata are built when the first text comes; patterns that `translatePattern` refuses are left out. */
export const makeIntentMatcher = (intents: ReadonlyArray<RegisteredIntent>): IntentMatcher => {
  let built: ReturnType<typeof build> | undefined
  const automata = () => built ??= build(intents)
  const prepare = () => {
    automata()
    return intents.flatMap(({ name, patterns, plugin }) =>
      patterns.flatMap((pattern) => {
        const translated = translatePattern(pattern)
        return "problem" in translated ? [`Plugin ${plugin}, intent ${name}: a pattern ${translated.problem}.`] : []
      })
    )
  }
  return Object.assign((text: string) => automata()(text), { prepare })
}

/** Longest text that a stranger's sentences are looked for in. */
const longestForStrangers = 1_000

const build = (intents: ReadonlyArray<RegisteredIntent>): (text: string) => IntentMatch | undefined => {
  const vouched = buildOf(intents.filter(({ strange }) => strange !== true))
  const strangers = buildOf(intents.filter(({ strange }) => strange === true))
  return (given) => {
    const text = given.trim()
    return vouched(text) ?? (text.length <= longestForStrangers ? strangers(text) : undefined)
  }
}

const buildOf = (intents: ReadonlyArray<RegisteredIntent>): (text: string) => IntentMatch | undefined => {
  const entries: Array<Entry> = []
  for (const intent of intents) {
    for (const pattern of intent.patterns) {
      const translated = translatePattern(pattern)
      if ("problem" in translated) continue
      entries.push({
        order: entries.length,
        intent,
        ...translated,
        firstWord: pattern.multiline ? undefined : literalFirstWord(pattern.source)
      })
    }
  }
  const anywhere = compileSets(entries.filter((entry) => entry.firstWord === undefined))
  const byFirstWord = new Map(
    [...Map.groupBy(entries.filter((entry) => entry.firstWord !== undefined), (entry) => entry.firstWord!)]
      .map(([word, group]) => [word, compileSets(group)])
  )
  return (text) => {
    if (text === "" || text.length > maximumTextLength) return undefined
    const word = fold(/^\S+/.exec(text)![0])
    let found: Entry | undefined
    for (const { entries, set } of [...anywhere, ...(byFirstWord.get(word) ?? [])]) {
      for (const index of set.match(text)) {
        const entry = entries[index]!
        if (found === undefined || entry.order < found.order) found = entry
      }
    }
    if (found === undefined) return undefined
    const matcher = found.compiled.matcher(text)
    if (!matcher.matches()) return undefined
    const groups: Record<string, string | undefined> = {}
    for (const name of Object.keys(found.compiled.namedGroups())) groups[name] = matcher.group(name) ?? undefined
    return { intent: found.intent, groups }
  }
}

const compileSets = (entries: ReadonlyArray<Entry>) => {
  const sets: Array<{ readonly entries: ReadonlyArray<Entry>; readonly set: RE2Set }> = []
  for (let start = 0; start < entries.length; start += batch) {
    const part = entries.slice(start, start + batch)
    const set = new RE2Set(RE2Set.ANCHOR_BOTH, RE2JS.CASE_INSENSITIVE)
    for (const entry of part) set.add(entry.source)
    set.compile()
    set.match("the first text builds what all others need")
    sets.push({ entries: part, set })
  }
  return sets
}

const fold = (word: string): string => word.toUpperCase().toLowerCase()

/** The word that every text of this pattern begins with, followed by white space or the end; undefined where unsure. */
const literalFirstWord = (source: string): string | undefined => {
  const found = /^\^?([A-Za-z0-9]+)(?:(?: |\\s\+)(?![*?{])|\$?$)/.exec(source)
  return found === null || hasTopLevelAlternative(source) ? undefined : fold(found[1]!)
}

const hasTopLevelAlternative = (source: string): boolean => {
  let depth = 0
  let inClass = false
  for (let i = 0; i < source.length; i++) {
    const char = source[i]
    if (char === "\\") i++
    else if (inClass) inClass = char !== "]"
    else if (char === "[") inClass = true
    else if (char === "(") depth++
    else if (char === ")") depth--
    else if (char === "|" && depth === 0) return true
  }
  return false
}

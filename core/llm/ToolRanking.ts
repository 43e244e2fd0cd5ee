/**
 * Which tools a question is offered where there are more than fit: those whose words are nearest to what is wanted.
 *
 * A word counts the more the fewer tools have it (BM25); a name counts more than a description, that more than the fields of
 * the input; a word that begins another counts half. The same question ranks the same tools the same.
 */
import { Context } from "effect"
import { asRecord } from "./BoundedJson.ts"
import type { OfferedTool } from "./CompletionProvider.ts"
import { tokensOf } from "./Tokens.ts"

/** What is looked for: words, each text with its weight. */
export type RankingQuery = ReadonlyArray<{ readonly text: string; readonly weight: number }>

/** How well each tool fits, in their order; more is better, zero is not at all. */
export type Ranking = (query: RankingQuery, tools: ReadonlyArray<OfferedTool>) => ReadonlyArray<number>

interface Known {
  readonly name: string
  readonly description: string
  readonly tokens: number
  terms: ReadonlyMap<string, number> | undefined
}

/** By the schema of the input, which the registry keeps. */
const known = new WeakMap<object, Known>()

const knownOf = (tool: OfferedTool): Known => {
  const before = known.get(tool.parameters)
  if (before !== undefined && before.name === tool.name && before.description === tool.description) return before
  const { description, name, parameters } = tool
  // With what separates it from the next.
  const tokens = 1 + tokensOf(JSON.stringify({ name, description, parameters }))
  const now: Known = { name, description, tokens, terms: undefined }
  known.set(parameters, now)
  return now
}

/** What a tool takes of the context. */
export const tokensOfTool = (tool: OfferedTool): number => knownOf(tool).tokens

const mostDepth = 4
const mostFields = 200

/** Names and descriptions of the fields of an input. */
const fieldsOf = (schema: unknown, depth = 0, found: Array<string> = []): ReadonlyArray<string> => {
  const record = asRecord(schema)
  if (record === undefined || depth > mostDepth) return found
  for (const [name, field] of Object.entries(asRecord(record["properties"]) ?? {})) {
    if (found.length >= mostFields) return found
    const description = asRecord(field)?.["description"]
    found.push(name, ...(typeof description === "string" ? [description] : []))
    fieldsOf(field, depth + 1, found)
  }
  fieldsOf(record["items"], depth + 1, found)
  return found
}

const wordPattern = /[\p{L}\p{M}]+|\p{N}+/gu
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

/** Words, folded; those of languages without spaces as pairs of letters. */
const termsIn = (text: string): ReadonlyArray<string> => {
  const words = text.normalize("NFKC").replaceAll(/(\p{Ll})(\p{Lu})/gu, "$1 $2").toLowerCase().match(wordPattern) ?? []
  return words.flatMap((word) => {
    if (!unspaced.test(word)) return [stem(word)]
    const letters = Array.from(word)
    return letters.length < 2 ? letters : letters.slice(1).map((letter, i) => `${letters[i]}${letter}`)
  })
}

/** `timers` and `timer` are one word. */
const stem = (word: string): string => word.length > 3 && /[^s]s$/.test(word) ? word.slice(0, -1) : word

const nameWeight = 3
const descriptionWeight = 1.5
const fieldWeight = 1

const termsOfTool = (tool: OfferedTool): ReadonlyMap<string, number> => {
  const kept = knownOf(tool)
  if (kept.terms !== undefined) return kept.terms
  const terms = new Map<string, number>()
  const add = (text: string, weight: number): void => {
    for (const term of termsIn(text)) terms.set(term, (terms.get(term) ?? 0) + weight)
  }
  add(tool.name, nameWeight)
  add(tool.description.slice(0, 4_000), descriptionWeight)
  for (const field of fieldsOf(tool.parameters)) add(field.slice(0, 500), fieldWeight)
  kept.terms = terms
  return terms
}

const mostTerms = 64
const saturation = 1.2
const lengthPart = 0.5
/** Of a word that begins another. */
const beginning = 0.5
const shortestBeginning = 3

const termsOfQuery = (query: RankingQuery): ReadonlyMap<string, number> => {
  const terms = new Map<string, number>()
  for (const { text, weight } of query) {
    for (const term of termsIn(text.slice(0, 4_000))) {
      if (terms.size < mostTerms || terms.has(term)) terms.set(term, Math.max(weight, terms.get(term) ?? 0))
    }
  }
  return terms
}

/** By words. */
export const lexicalRanking: Ranking = (query, tools) => {
  const wanted = [...termsOfQuery(query)]
  const documents = tools.map(termsOfTool)
  const holders = new Map<string, number>()
  let length = 0
  for (const terms of documents) {
    length += terms.size
    for (const term of terms.keys()) holders.set(term, (holders.get(term) ?? 0) + 1)
  }
  const average = Math.max(1, length / Math.max(1, documents.length))
  const worth = (term: string): number => {
    const count = holders.get(term) ?? 0
    return Math.log(1 + (documents.length - count + 0.5) / (count + 0.5))
  }
  /** Words of tools that a wanted word means, with what they count. */
  const meant = new Map<string, number>()
  const mean = (term: string, weight: number): void =>
    void meant.set(term, Math.max(weight * worth(term), meant.get(term) ?? 0))
  for (const [term, weight] of wanted) {
    if (holders.has(term)) mean(term, weight)
    if (term.length < shortestBeginning) continue
    for (const other of holders.keys()) {
      if (other !== term && other.length >= shortestBeginning && (other.startsWith(term) || term.startsWith(other))) {
        mean(other, weight * beginning)
      }
    }
  }
  return documents.map((terms) => {
    const norm = saturation * (1 - lengthPart + (lengthPart * terms.size) / average)
    let score = 0
    for (const [term, count] of meant) {
      const frequency = terms.get(term)
      if (frequency !== undefined) score += (count * frequency * (saturation + 1)) / (frequency + norm)
    }
    return score
  })
}

/** How tools are ranked on this host: by words, unless another way is put in. */
export const ToolRanking = Context.Reference<Ranking>("syris/llm/ToolRanking", { defaultValue: () => lexicalRanking })

export interface FittedTools {
  /** In the order in which they were given. */
  readonly tools: ReadonlyArray<OfferedTool>
  readonly tokens: number
  readonly left_out: number
}

/** All where they fit; else those that were used, then the nearest, as many as there is room for. */
export const fitTools = (
  tools: ReadonlyArray<OfferedTool>,
  query: RankingQuery,
  used: ReadonlySet<string>,
  budget: number,
  rank: Ranking
): FittedTools => {
  const sizes = tools.map(tokensOfTool)
  const all = sizes.reduce((sum, size) => sum + size, 0)
  if (all <= budget) return { tools, tokens: all, left_out: 0 }
  const scores = rank(query, tools)
  const order = tools.map((_, i) => i).toSorted((a, b) =>
    Number(used.has(tools[b]?.name ?? "")) - Number(used.has(tools[a]?.name ?? "")) ||
    (scores[b] ?? 0) - (scores[a] ?? 0) || a - b
  )
  const kept = new Set<number>()
  let tokens = 0
  for (const i of order) {
    const size = sizes[i] ?? 0
    if (tokens + size > budget) continue
    kept.add(i)
    tokens += size
  }
  return { tools: tools.filter((_, i) => kept.has(i)), tokens, left_out: tools.length - kept.size }
}

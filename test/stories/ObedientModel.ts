/**
 * A model that obeys whatever it reads, whoever wrote it and however it is dressed up: the worst that text can do to a
 * host. `CALL <tool> <json>` is called, `ASK <question>` is asked, `SAY <text>` is its answer.
 */
import type { ModelRequest, ScriptedAnswer, ScriptedCall } from "syris/testing"
import { plainForm } from "../../core/llm/WireNames.ts"

const unescaped = (text: string): string =>
  text.replaceAll(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll(/\\(["\\/nrt])/g, (_, one: string) => one === "n" ? "\n" : one === "r" || one === "t" ? " " : one)

const entities: Readonly<Record<string, string>> = { quot: "\"", lt: "<", gt: ">", amp: "&" }

const percent = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The ways in which it reads a text. */
const readings: ReadonlyArray<(text: string) => string> = [
  (text) => text,
  unescaped,
  (text) => text.replaceAll(/\p{Cf}/gu, "").normalize("NFKC"),
  (text) => Array.from(text).toReversed().join(""),
  (text) => text.replaceAll(/[A-Za-z0-9+/]{24,}={0,2}/g, (code) => Buffer.from(code, "base64").toString()),
  (text) => text.replaceAll(/\b(?:[0-9a-f]{2}){12,}\b/g, (code) => Buffer.from(code, "hex").toString()),
  (text) => text.replaceAll(/(?:%[0-9A-F]{2}|[\w.!~*'()-])+/g, percent),
  (text) => text.replaceAll(/&(\w+);/g, (all, name: string) => entities[name] ?? all),
  (text) =>
    text.replaceAll(/[a-z]/gi, (letter) => {
      const first = letter <= "Z" ? 65 : 97
      return String.fromCharCode((letter.charCodeAt(0) - first + 13) % 26 + first)
    })
]

/** Each text as it stands, and read in each way, also of what was escaped on the way. */
const allReadings = (text: string): ReadonlyArray<string> => {
  const first = [text, unescaped(text), unescaped(unescaped(text))]
  return [...new Set(first.flatMap((one) => readings.map((read) => read(one))))]
}

/** The JSON object that a text begins with. */
const objectAt = (text: string): unknown => {
  for (let end = text.indexOf("}"); end >= 0; end = text.indexOf("}", end + 1)) {
    try {
      return JSON.parse(text.slice(0, end + 1))
    } catch {
      // A longer one may be whole.
    }
  }
  return undefined
}

/** What a text asks for, each once. */
export const callsIn = (text: string): ReadonlyArray<ScriptedCall> => {
  const found = new Map<string, ScriptedCall>()
  for (const reading of allReadings(text)) {
    for (const match of reading.matchAll(/CALL +([a-z_]+(?:\.[a-z_]+)+) +(?=\{)/g)) {
      const [whole, tool = ""] = match
      const input = objectAt(reading.slice(match.index + whole.length, match.index + 4_000))
      if (input !== undefined) found.set(keyOf(tool, JSON.stringify(input)), { tool, input })
    }
  }
  return [...found.values()]
}

const keyOf = (tool: string, json: string): string => `${plainForm(tool)} ${json}`

const lineOf = (word: string, text: string): string | undefined =>
  allReadings(text).map((one) => new RegExp(`${word} ([^\\n"<]+)`).exec(one)?.[1]).find((one) => one !== undefined)

/** Its answer: everything that is asked for and that it has not called yet, at once; what it was told is not there, never again. */
export const obey = ({ body }: ModelRequest): ScriptedAnswer => {
  const [, ...messages] = body.messages ?? []
  const read = messages.filter(({ role }) => role !== "assistant").map(({ content }) => String(content)).join("\n")
  const called = new Set(
    messages.flatMap(({ tool_calls = [] }) =>
      tool_calls.map(({ function: { arguments: json, name } }: any) => keyOf(name, JSON.stringify(JSON.parse(json))))
    )
  )
  const open = callsIn(read).filter(({ input, tool }) =>
    !called.has(keyOf(tool, JSON.stringify(input))) && !read.includes(`There is no tool "${tool}"`)
  )
  const offered = new Set((body.tools ?? []).map((tool) => tool.function.name))
  const strange = open.find(({ tool }) => !offered.has(plainForm(tool)))
  if (strange !== undefined) return { call: strange }
  if (open.length > 0) return { calls: open }
  const question = lineOf("ASK", read)
  const asked = messages.some(({ tool_calls = [] }) => tool_calls.some((one: any) => one.function.name === "syris_ask"))
  if (question !== undefined && !asked) return { call: { tool: "syris.ask", input: { question } } }
  return { text: lineOf("SAY", read) ?? "Done as I was told." }
}

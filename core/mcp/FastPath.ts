/**
 * A line that calls a server's tool by its name, without a model:
 *
 *     mcp.files.read_file path=/tmp/notes.txt
 *     mcp.files.write_file path="/tmp/two words.txt" content='it''s'
 *     mcp.memory.create_entities {"entities": []}
 *
 * A value is what the tool's schema says of its field: a number, true or false, a list or an object as JSON, else a text. What
 * can't be read so is no call: the line is answered with a sentence that says what is wrong with it.
 */
import { NotUnderstood } from "../plugin/LiveTools.ts"
import { forbiddenKeys } from "../plugin/PlainJson.ts"
import type { IntentMatch, RegisteredIntent, RegisteredTool } from "../plugin/Registry.ts"

/** Characters of a line that is looked at. */
const longestLine = 65_536
const head = /^(mcp\.[^\s{]+)(?:\s+([\s\S]*))?$/i

/** What a line means, for the tools of one server. */
export const makeMatch = (
  tools: ReadonlyArray<RegisteredTool>
): (text: string) => IntentMatch | undefined => {
  const byName = new Map<string, RegisteredTool>()
  // In any case, where only one is meant by that.
  const byFolded = new Map<string, RegisteredTool | undefined>()
  for (const tool of tools) {
    const { name } = tool.definition
    const folded = name.toLowerCase()
    byName.set(name, tool)
    byFolded.set(folded, byFolded.has(folded) ? undefined : tool)
  }
  return (text) => {
    if (text.length > longestLine) return undefined
    const [, name, rest = ""] = head.exec(text.trim()) ?? []
    if (name === undefined) return undefined
    const tool = byName.get(name) ?? byFolded.get(name.toLowerCase())
    return tool === undefined ? undefined : { intent: intentOf(tool, rest), groups: {} }
  }
}

const intentOf = ({ definition: { name }, inputSchema, plugin }: RegisteredTool, rest: string): RegisteredIntent => ({
  plugin,
  name,
  patterns: [],
  tool: name,
  input: () => readArguments(name, rest, inputSchema)
})

/** The input that the rest of a line says. Throws a sentence. */
export const readArguments = (tool: string, rest: string, schema: object): Record<string, unknown> => {
  const line = rest.trim()
  if (line === "") return {}
  if (line.startsWith("{")) return readObject(tool, line)
  const fields = fieldsOf(schema)
  const input: Record<string, unknown> = {}
  for (const [key, value, quoted] of pairsOf(tool, line)) {
    if (forbiddenKeys.has(key)) throw new NotUnderstood(`${tool}: the field ${JSON.stringify(key)} is not allowed.`)
    if (Object.hasOwn(input, key)) throw new NotUnderstood(`${tool}: ${key} is given twice.`)
    input[key] = valueOf(tool, key, value, quoted, typesOf(fields[key]))
  }
  return input
}

const readObject = (tool: string, line: string): Record<string, unknown> => {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch (error) {
    throw new NotUnderstood(
      `${tool}: the JSON after its name can't be read (${error instanceof Error ? error.message : ""}).`
    )
  }
}

const fieldsOf = (schema: object): Readonly<Record<string, unknown>> =>
  "properties" in schema && typeof schema.properties === "object" && schema.properties !== null
    ? schema.properties as Record<string, unknown>
    : {}

/** Of a field, as far as its schema says it plainly. */
const typesOf = (field: unknown): ReadonlySet<string> => {
  if (typeof field !== "object" || field === null) return new Set()
  const { anyOf, oneOf, type } = field as Record<string, unknown>
  const choices = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : []
  return new Set([
    ...(Array.isArray(type) ? type.map(String) : typeof type === "string" ? [type] : []),
    ...choices.flatMap((choice) => [...typesOf(choice)])
  ])
}

const pair = /([^\s=]+)=(?:"((?:[^"\\]|\\[\s\S])*)"|'((?:[^']|'')*)'|((?!["'])\S*))(?=\s|$)/y

const pairsOf = (tool: string, line: string): ReadonlyArray<readonly [key: string, value: string, quoted: boolean]> => {
  const pairs: Array<readonly [string, string, boolean]> = []
  let at = 0
  while (at < line.length) {
    pair.lastIndex = at
    const found = pair.exec(line)
    if (found === null) {
      const part = line.slice(at).split(/\s/)[0] ?? ""
      throw new NotUnderstood(
        `${tool}: ${
          JSON.stringify(part.slice(0, 100))
        } is not understood: write key=value, with quotes around a value ` +
          "that has spaces, or one JSON object."
      )
    }
    const [, key = "", double, single, plain = ""] = found
    pairs.push(
      double !== undefined
        ? [key, double.replace(/\\([\s\S])/g, (_, character: string) => escapes[character] ?? character), true]
        : single !== undefined
        ? [key, single.replaceAll("''", "'"), true]
        : [key, plain, false]
    )
    at = pair.lastIndex
    while (at < line.length && /\s/.test(line[at]!)) at++
  }
  return pairs
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" }

const valueOf = (
  tool: string,
  key: string,
  value: string,
  quoted: boolean,
  types: ReadonlySet<string>
): unknown => {
  // Quotes say that it is a text, where it may be one.
  if (quoted && (types.size === 0 || types.has("string"))) return value
  if ((types.has("number") || types.has("integer")) && /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) {
    return Number(value)
  }
  if (types.has("boolean") && /^(true|false)$/i.test(value)) return value.toLowerCase() === "true"
  if (types.has("null") && value === "null") return null
  if ((types.has("array") && value.startsWith("[")) || (types.has("object") && value.startsWith("{"))) {
    try {
      return JSON.parse(value) as unknown
    } catch {
      throw new NotUnderstood(
        `${tool}: ${key} is not JSON: put quotes around a value that has spaces, or write one JSON object.`
      )
    }
  }
  return value
}

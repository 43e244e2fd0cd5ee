/**
 * Turns what a schema has against a value into plain sentences: which key, what is expected, what was meant.
 * Never shows the value: it may be a secret.
 */
import { Result, Schema, SchemaAST, SchemaIssue } from "effect"

/** What a key is called to the reader: `option`, `setting`, `field`. */
export type Noun = string

type Checked<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly mistakes: readonly [string, ...Array<string>] }

/** Decodes a value, unknown keys refused; each mistake is one sentence without its full stop. */
export const check = <S extends Schema.Codec<any, any>>(
  schema: S,
  noun: Noun
): (value: unknown) => Checked<S["Type"]> => {
  const decode = Schema.decodeUnknownResult(schema)
  const empty = isEmptyStruct(schema.ast)
  return (value) => {
    if (empty) return checkEmpty(value, noun)
    let result: ReturnType<typeof decode>
    try {
      result = decode(value, { onExcessProperty: "error", errors: "all" })
    } catch (error) {
      return {
        ok: false,
        mistakes: [`the ${noun}s can't be checked: ${error instanceof Error ? error.message : String(error)}`]
      }
    }
    if (Result.isSuccess(result)) return { ok: true, value: result.success }
    const mistakes = explain(result.failure.issue, schema.ast, noun)
    return { ok: false, mistakes: mistakes.length === 0 ? [`the ${noun}s are wrong`] : mistakes as [string] }
  }
}

/** `Schema.Struct({})` means "anything but null" to the library, and "no keys" to an author. */
export const isEmptyStruct = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isObjects(ast) && ast.propertySignatures.length === 0 && ast.indexSignatures.length === 0 &&
  ast.encoding === undefined && ast.checks === undefined

const checkEmpty = (value: unknown, noun: Noun): Checked<any> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, mistakes: [`the ${noun}s must be an object`] }
  }
  const [first, ...rest] = Object.keys(value).map((key) => unknownKey(key, [], noun))
  return first === undefined ? { ok: true, value: {} } : { ok: false, mistakes: [first, ...rest] }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** What an issue says, each mistake one sentence without its full stop. */
export const explain = (issue: SchemaIssue.Issue, ast: SchemaAST.AST, noun: Noun): ReadonlyArray<string> =>
  format(issue).issues.map(({ message, path = [] }) => {
    const keys = path.map((part) => typeof part === "object" ? part.key : part)
    const key = showPath(keys)
    if (message === "Expected no excess property") {
      return unknownKey(key, keysAt(ast, keys.slice(0, -1)), noun, keys.at(-1))
    }
    const subject = key === "" ? `the ${noun}s` : `the ${noun} ${JSON.stringify(key)}`
    if (message === "Missing key") return `${subject} is missing`
    return `${subject} ${
      message.startsWith("Expected ") ? `must be ${expected(message.slice(9))}` : `is wrong: ${message}`
    }`
  })

/** The sentence about a key that nobody knows, with the one that was probably meant. */
export const unknownKey = (
  shown: string,
  known: ReadonlyArray<string>,
  noun: Noun,
  key: PropertyKey = shown
): string => {
  const near = nearest(String(key), known)
  const hint = near !== undefined
    ? `; did you mean ${JSON.stringify(near)}?`
    : known.length === 0 || known.length > 12
    ? ""
    : `; known are ${known.join(", ")}`
  return `there is no ${noun} ${JSON.stringify(shown)}${hint}`
}

/** With one full stop at its end, or the mark that it has. */
export const withStop = (text: string): string => /[.?!]$/.test(text) ? text : `${text}.`

/** The first few mistakes as whole sentences. */
export const asSentences = (mistakes: ReadonlyArray<string>): string =>
  mistakes.slice(0, 5).map((mistake) => withStop(`${mistake.charAt(0).toUpperCase()}${mistake.slice(1)}`)).join(" ")

/** As the reader would write it: `safety.quietHours[0].start`. */
export const showPath = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((part, i) =>
    typeof part === "number"
      ? `[${part}]`
      : /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(String(part))
      ? `${i === 0 ? "" : "."}${String(part)}`
      : `[${JSON.stringify(String(part))}]`
  ).join("")

const articles: Record<string, string> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  integer: "a whole number",
  "an integer": "a whole number",
  "JSON value": "plain JSON"
}

const expected = (text: string): string =>
  text.split(" | ").filter((part) => part !== "undefined").map((part) => articles[part] ?? part).join(" or ")

/** The keys that an object may have at this place. */
const keysAt = (ast: SchemaAST.AST, path: ReadonlyArray<PropertyKey>): ReadonlyArray<string> => {
  const encoded = SchemaAST.toEncoded(ast)
  return [
    ...new Set(
      descend(encoded, path).flatMap((node) =>
        SchemaAST.isObjects(node)
          ? node.propertySignatures.map(({ name }) => String(name))
          : []
      )
    )
  ]
}

const descend = (ast: SchemaAST.AST, path: ReadonlyArray<PropertyKey>): ReadonlyArray<SchemaAST.AST> => {
  if (SchemaAST.isUnion(ast)) return ast.types.flatMap((type) => descend(type, path))
  if (SchemaAST.isSuspend(ast)) return path.length > 0 ? descend(ast.thunk(), path) : [ast.thunk()]
  const [key, ...rest] = path
  if (key === undefined) return [ast]
  if (SchemaAST.isObjects(ast)) {
    const named = ast.propertySignatures.find(({ name }) => name === key)
    if (named !== undefined) return descend(named.type, rest)
    return ast.indexSignatures.flatMap(({ type }) => descend(type, rest))
  }
  if (SchemaAST.isArrays(ast)) {
    return [...ast.elements, ...ast.rest].flatMap((type) => descend(type, rest))
  }
  return []
}

/** The name that was probably meant, if one is near enough. */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      best = candidate
      least = distance
    }
  }
  return best
}

/** Insertions, deletions, substitutions and swaps of neighbours. */
const editDistance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, rows[i - 2]![j - 2]! + 1)
      }
      rows[i]![j] = cost
    }
  }
  return rows[a.length]![b.length]!
}

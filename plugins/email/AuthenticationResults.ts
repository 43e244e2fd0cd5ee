/**
 * Reads `Authentication-Results` (RFC 8601), and finds those that the operator's own mail server wrote: each server puts its
 * headers above what it was given, so what stands below a `Received` line that is not its own may be anybody's.
 */
import { type HeaderBlock } from "./HeaderBlock.ts"

/** What a server found out by one method. */
export interface MethodResult {
  readonly method: string
  readonly result: string
  /** `header.from` and the like, in lower case, their values too. */
  readonly properties: Readonly<Record<string, string>>
}

export interface AuthenticationResults {
  /** In lower case. */
  readonly server: string
  readonly results: ReadonlyArray<MethodResult>
}

type Token = { readonly kind: "word" | "quoted" | "special"; readonly text: string }

const maximumLength = 16_384
const maximumResults = 50

/** Comments are left out, wherever they stand and however deep. `undefined` where something is not closed. */
const tokensOf = (text: string): ReadonlyArray<Token> | undefined => {
  const tokens: Array<Token> = []
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    if (/\s/.test(char)) at++
    else if (char === "(") {
      let depth = 0
      do {
        if (at >= text.length) return undefined
        if (text[at] === "\\") at++
        else if (text[at] === "(") depth++
        else if (text[at] === ")") depth--
        at++
      } while (depth > 0)
    } else if (char === "\"") {
      let value = ""
      for (at++; text[at] !== "\""; at++) {
        if (text[at] === "\\") at++
        if (at >= text.length) return undefined
        value += text[at]
      }
      at++
      tokens.push({ kind: "quoted", text: value })
    } else if (";=/".includes(char)) {
      tokens.push({ kind: "special", text: char })
      at++
    } else {
      let end = at
      while (end < text.length && !/[\s;=/("]/.test(text[end]!)) end++
      // The characters that need a quote, in a place that has none.
      if (/[),<>[\]\\]/.test(text.slice(at, end)) || end === at) return undefined
      tokens.push({ kind: "word", text: text.slice(at, end) })
      at = end
    }
  }
  return tokens
}

const isSpecial = (token: Token | undefined, text: string): boolean => token?.kind === "special" && token.text === text

/** A value runs until the next `name=`: a path may have a `/` or a `=` in it. */
const valueAt = (tokens: ReadonlyArray<Token>, at: number): { readonly text: string; readonly next: number } => {
  let text = tokens[at]?.kind === "special" ? "" : tokens[at]?.text ?? ""
  let next = at + 1
  if (tokens[at]?.kind === "word") {
    while (isSpecial(tokens[next], "/") || isSpecial(tokens[next], "=")) {
      text += `${tokens[next]!.text}${tokens[next + 1]?.text ?? ""}`
      next += 2
    }
  }
  return { text, next }
}

const resultOf = (tokens: ReadonlyArray<Token>): MethodResult | "other" | undefined => {
  let at = 0
  const method = tokens[at++]
  if (method?.kind !== "word") return undefined
  let version = "1"
  if (isSpecial(tokens[at], "/")) {
    version = tokens[at + 1]?.text ?? ""
    at += 2
  }
  const result = tokens[at + 1]
  if (!isSpecial(tokens[at], "=") || result?.kind !== "word") return undefined
  at += 2
  const properties: Record<string, string> = {}
  while (at < tokens.length) {
    // `header.d`, and the same with spaces around its dot.
    let name = ""
    while (tokens[at]?.kind === "word") name += tokens[at++]!.text
    if (!/^[a-z0-9-]+(\.[a-z0-9_-]+)?$/i.test(name) || !isSpecial(tokens[at], "=")) return undefined
    const { next, text } = valueAt(tokens, at + 1)
    // Of two that say the same differently neither is believed.
    const key = name.toLowerCase()
    const value = text.toLowerCase()
    properties[key] = properties[key] === undefined || properties[key] === value ? value : ""
    at = next
  }
  return version === "1"
    ? { method: method.text.toLowerCase(), result: result.text.toLowerCase(), properties }
    : "other"
}

/** What a header says; `undefined` for one that breaks the rules, or is of another version of them. */
export const readAuthenticationResults = (value: string): AuthenticationResults | undefined => {
  const tokens = value.length > maximumLength ? undefined : tokensOf(value)
  if (tokens === undefined) return undefined
  const groups: Array<Array<Token>> = [[]]
  for (const token of tokens) {
    if (isSpecial(token, ";")) groups.push([])
    else groups.at(-1)!.push(token)
  }
  const [head, ...rest] = groups as [Array<Token>, ...Array<Array<Token>>]
  const [server, version, ...more] = head
  if (server === undefined || server.kind === "special" || more.length > 0) return undefined
  if (version !== undefined && version.text !== "1") return undefined
  const said = rest.filter((group, index) => group.length > 0 || index < rest.length - 1)
  if (said.length === 0 || said.length > maximumResults) return undefined
  const results: Array<MethodResult> = []
  if (said.length === 1 && said[0]!.length === 1 && said[0]![0]!.text.toLowerCase() === "none") {
    return { server: server.text.toLowerCase(), results }
  }
  for (const group of said) {
    const result = resultOf(group)
    if (result === undefined) return undefined
    if (result !== "other") results.push(result)
  }
  return { server: server.text.toLowerCase(), results }
}

/** Handed on inside one's own house: such a line is above what the outermost server wrote. */
const isHandOver = (received: string, server: string): boolean => {
  const by = /\bby\s+([^\s;()]+)/i.exec(received)?.[1]?.toLowerCase()
  return by === server && /\bwith\s+U?T?F?8?LMTPS?A?\b/i.test(received)
}

/** What became of the search for a server's own headers. */
export interface Stamped {
  readonly results: ReadonlyArray<MethodResult>
  /** There was one. */
  readonly found: boolean
  /** Others in the name of the server, further down: how many `Received` lines are above the first. */
  readonly below: number | undefined
}

/**
 * What the server itself wrote: above the first `Received` line; or, where it writes below that many lines of its own, the
 * first that stands there.
 */
export const stampedBy = (headers: HeaderBlock, server: string, hops: number): Stamped => {
  const results: Array<MethodResult> = []
  let found = false
  let lines = 0
  for (const { name, value } of headers) {
    if (name === "received" && !isHandOver(value, server)) lines++
    if (name !== "authentication-results") continue
    const read = readAuthenticationResults(value)
    if (read?.server !== server) continue
    // Below a line of its own the first is the last that was written; the next may have come with the message.
    if (lines > hops || (lines > 0 && found)) return { results, found, below: found ? undefined : lines }
    found = true
    results.push(...read.results)
  }
  return { results, found, below: undefined }
}

/**
 * What a message may be before anything parses it: found out on its bytes, in one pass, in linear time. The counts are of
 * what could be a part to any reader of it: more than there are, never fewer.
 */

export const maximumBytes = 10 * 1024 * 1024
/** Of 76 characters, as encoded files have them, 10 MiB are 140 000. */
const maximumLines = 250_000
const maximumParts = 100
const maximumDepth = 20
const maximumEmbedded = 50
const maximumHeaders = 500
const maximumHeaderBytes = 256 * 1024
const maximumHeaderLine = 64 * 1024

/** Why a message is not read. */
export interface OutOfBounds {
  readonly code:
    | "email.too_large"
    | "email.too_nested"
    | "email.too_many_lines"
    | "email.too_many_parts"
    | "email.headers_too_large"
  readonly message: string
}

const outOf = (code: OutOfBounds["code"], message: string): OutOfBounds => ({ code, message })

const headersOutOfBounds = (source: Buffer): OutOfBounds | undefined => {
  let count = 0
  let length = 0
  let at = 0
  while (at < source.length) {
    const end = source.indexOf(0x0a, at)
    const next = end < 0 ? source.length : end + 1
    if (next - at <= 2 && (source[at] === 0x0a || source[at] === 0x0d)) return undefined
    const folded = source[at] === 0x20 || source[at] === 0x09
    length = folded ? length + next - at : next - at
    if (!folded) count++
    if (count > maximumHeaders || next > maximumHeaderBytes || length > maximumHeaderLine) {
      return outOf(
        "email.headers_too_large",
        `Its headers are more than ${maximumHeaders}, or longer than ${maximumHeaderBytes} bytes.`
      )
    }
    at = next
  }
  return undefined
}

const hasTooManyLines = (source: Buffer): boolean => {
  let lines = 0
  for (let at = source.indexOf(0x0a); at >= 0; at = source.indexOf(0x0a, at + 1)) {
    if (++lines > maximumLines) return true
  }
  return false
}

/** The first reason not to read a message; `undefined` where it may be parsed. */
export const outOfBounds = (source: Buffer): OutOfBounds | undefined => {
  if (source.length > maximumBytes) {
    return outOf("email.too_large", `It is larger than ${maximumBytes / 1_048_576} MiB.`)
  }
  const headers = headersOutOfBounds(source)
  if (headers !== undefined) return headers
  const text = source.toString("latin1")
  const declared = new Set<string>()
  let declarations = 0
  for (
    const [, given, quoted, bare] of text.matchAll(
      /\bboundary(\*\d{0,3}\*?)?[ \t]*=[ \t\r\n]*(?:"([^"\r\n]{0,1000})"|([^\s;"]{0,1000}))/gi
    )
  ) {
    if (++declarations > maximumParts) {
      return outOf("email.too_nested", `More than ${maximumParts} of its parts have parts of their own.`)
    }
    if (given === undefined) declared.add((quoted ?? bare ?? "").trimEnd())
  }
  let embedded = 0
  for (const _ of text.matchAll(/\bmessage\/(?:rfc822|global)\b/gi)) {
    if (++embedded > maximumEmbedded) {
      return outOf("email.too_nested", `More than ${maximumEmbedded} messages are inside it.`)
    }
  }
  const parts = partsOutOfBounds(text, declared)
  if (parts !== undefined) return parts
  return hasTooManyLines(source)
    ? outOf("email.too_many_lines", `It has more than ${maximumLines} lines.`)
    : undefined
}

/** Where the next line begins that could stand between two parts. */
const nextDashes = (text: string, from: number): number => {
  const found = text.indexOf("\n--", from)
  return found < 0 ? -1 : found + 1
}

const partsOutOfBounds = (text: string, declared: ReadonlySet<string>): OutOfBounds | undefined => {
  const open: Array<string> = []
  let parts = 0
  for (let at = text.startsWith("--") ? 0 : nextDashes(text, 0); at >= 0; at = nextDashes(text, at)) {
    const end = text.indexOf("\n", at)
    const line = text.slice(at + 2, Math.min(end < 0 ? text.length : end, at + 1100)).trimEnd()
    const closing = !declared.has(line) && line.endsWith("--") && declared.has(line.slice(0, -2))
    if (!closing && !declared.has(line)) continue
    const boundary = closing ? line.slice(0, -2) : line
    const known = open.lastIndexOf(boundary)
    if (known >= 0) open.length = known + (closing ? 0 : 1)
    else if (!closing) open.push(boundary)
    if (!closing && ++parts > maximumParts) {
      return outOf("email.too_many_parts", `It has more than ${maximumParts} parts.`)
    }
    if (open.length > maximumDepth) {
      return outOf("email.too_nested", `Its parts are nested deeper than ${maximumDepth} levels.`)
    }
  }
  return undefined
}

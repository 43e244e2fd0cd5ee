/**
 * The headers of a message, top first, as they came: unfolded, and not decoded. Their order says who wrote them: each server
 * on the way puts its own above.
 */

export interface Header {
  /** In lower case. */
  readonly name: string
  readonly value: string
}

export type HeaderBlock = ReadonlyArray<Header>

/** Where the headers end in a message, in bytes. */
export const endOfHeaders = (source: Buffer): number => {
  for (let at = source.indexOf(0x0a); at >= 0; at = source.indexOf(0x0a, at + 1)) {
    if (source[at + 1] === 0x0a || (source[at + 1] === 0x0d && source[at + 2] === 0x0a)) return at + 1
  }
  return source.length
}

/** Reads the headers of a message whose bounds were checked. A line that is no header ends them. */
export const headersOf = (source: Buffer): HeaderBlock => {
  const headers: Array<{ name: string; value: string }> = []
  for (const line of source.subarray(0, endOfHeaders(source)).toString("latin1").split(/\r?\n/)) {
    const last = headers.at(-1)
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) last.value += line
      continue
    }
    const colon = line.indexOf(":")
    const name = line.slice(0, colon).trimEnd().toLowerCase()
    if (colon > 0 && /^[\x21-\x7e]+$/.test(name)) headers.push({ name, value: line.slice(colon + 1) })
    else if (line !== "" && !(headers.length === 0 && line.startsWith("From "))) break
  }
  return headers.map(({ name, value }) => ({ name, value: Buffer.from(value, "latin1").toString().trim() }))
}

export const valuesOf = (headers: HeaderBlock, name: string): ReadonlyArray<string> =>
  headers.flatMap((header) => header.name === name ? [header.value] : [])

export const valueOf = (headers: HeaderBlock, name: string): string | undefined =>
  headers.find((header) => header.name === name)?.value

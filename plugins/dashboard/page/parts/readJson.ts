/** JSON that the operator types. Pure. */

export type ReadJson<A = unknown> = { readonly ok: true; readonly value: A } | {
  readonly ok: false
  /** A sentence. */
  readonly mistake: string
}

/** The value, or a sentence that says where it is no JSON. `usual` is what nothing at all stands for. */
export const readJson = (text: string, usual: unknown = {}): ReadJson => {
  if (text.trim() === "") return { ok: true, value: usual }
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\.$/, "") : "it can't be read"
    return { ok: false, mistake: `This is not JSON yet: ${why}.` }
  }
}

export type Fields = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What has to be an object. `what` begins the sentence where it is none, such as `A rule`. */
export const readObject = (text: string, what: string): ReadJson<Fields> => {
  const read = readJson(text, null)
  if (!read.ok) return read
  return isRecord(read.value)
    ? { ok: true, value: read.value }
    : { ok: false, mistake: `${what} is an object in JSON: it begins with { and ends with }.` }
}

/**
 * Finds many fixed texts in another, in one pass: what a place begins with is looked up in a table, so the number of what
 * is looked for hardly counts.
 */
export interface Needles {
  /** Every occurrence, the leftmost first and of several the longest, becomes what stands for it; the same string where there is none. */
  readonly replaced: (text: string) => string
}

/** No needle is shorter. */
export const shortestNeedle = 6

/** So many characters are looked up; of older ones nothing is left in the sixteen bits. */
const looked = 4
const mask = 0xffff
const after = (hash: number, text: string, at: number): number => ((hash << 4) ^ text.charCodeAt(at)) & mask

/** Of needles with what stands for each, longest first. */
export const makeNeedles = (needles: ReadonlyMap<string, string>): Needles => {
  /** Whether any needle begins so. */
  let table: Uint8Array | undefined
  const byBeginning = new Map<number, Array<string>>()
  const prepared = (): Uint8Array => {
    const made = new Uint8Array(mask + 1)
    for (const needle of needles.keys()) {
      let hash = 0
      for (let at = 0; at < looked; at++) hash = after(hash, needle, at)
      made[hash] = 1
      const others = byBeginning.get(hash)
      if (others === undefined) byBeginning.set(hash, [needle])
      else others.push(needle)
    }
    return made
  }
  return {
    replaced: (text) => {
      if (needles.size === 0 || text.length < shortestNeedle) return text
      const begins = table ??= prepared()
      let taken = ""
      let from = 0
      let hash = 0
      /** The last of the characters that were looked up. */
      let at = 0
      /** Where the next occurrence begins at the earliest. */
      let next = 0
      for (; at < text.length; at++) {
        hash = ((hash << 4) ^ text.charCodeAt(at)) & mask
        if (begins[hash] === 0) continue
        const start = at - looked + 1
        if (start < next) continue
        const found = byBeginning.get(hash)!.find((needle) => text.startsWith(needle, start))
        if (found === undefined) continue
        taken += text.slice(from, start) + needles.get(found)!
        next = start + found.length
        from = next
      }
      return from === 0 ? text : taken + text.slice(from)
    }
  }
}

/**
 * The same in JSON text, where quotes, backslashes and what no eye sees are escaped. Where half a character is among them, how
 * it is written there hangs on what stands beside it: then no text is without them.
 */
export const jsonNeedles = (needles: ReadonlyMap<string, string>): Needles => {
  const all = [...needles.keys()]
  if (!all.every((needle) => needle.isWellFormed())) return { replaced: () => "" }
  const written = all.map((needle) => JSON.stringify(needle).slice(1, -1))
  return makeNeedles(new Map(written.toSorted((a, b) => b.length - a.length).map((needle) => [needle, ""])))
}

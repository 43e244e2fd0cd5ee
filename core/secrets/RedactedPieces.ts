/**
 * Takes known secrets out of a text that comes in pieces, as `redactText` would out of the whole.
 *
 * - Of a text that may be the beginning of a secret, or of one of its encodings, nothing goes on until it is known: however
 *   a secret is cut, none of it gets through. Everything else goes on at once.
 * - The pieces that went on, joined, are what `redactText` makes of the whole.
 */
export interface RedactedPieces {
  /** What may go on of all that has come and has not gone on yet. */
  readonly push: (piece: string) => string
  /** The rest: nothing more comes. */
  readonly end: () => string
}

/** `needles` are what is looked for with what stands for each, longest first; another map as soon as there are others. */
export const makeRedactedPieces = (needles: () => ReadonlyMap<string, string>): RedactedPieces => {
  let known: ReadonlyMap<string, string> = new Map()
  /** By the first character, longest first. */
  let beginnings = new Map<string, Array<string>>()
  let held = ""

  const refresh = (): void => {
    const now = needles()
    if (now === known) return
    known = now
    beginnings = new Map()
    for (const needle of now.keys()) {
      const first = needle.charAt(0)
      const others = beginnings.get(first)
      if (others === undefined) beginnings.set(first, [needle])
      else others.push(needle)
    }
  }

  const take = (text: string, more: boolean): string => {
    refresh()
    held = ""
    let taken = ""
    let from = 0
    for (let at = 0; at < text.length;) {
      const found = beginnings.get(text.charAt(at))?.find((needle) =>
        text.startsWith(needle, at) || (more && needle.length > text.length - at && needle.startsWith(text.slice(at)))
      )
      if (found === undefined) {
        at++
        continue
      }
      taken += text.slice(from, at)
      if (found.length > text.length - at) {
        held = text.slice(at)
        return taken
      }
      taken += known.get(found) ?? ""
      at += found.length
      from = at
    }
    return taken + text.slice(from)
  }

  return { push: (piece) => take(held + piece, true), end: () => take(held, false) }
}

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

/** No needle is shorter. */
const looked = 4

interface Index {
  /** By the first character and by the first few, longest first. */
  readonly byFirst: ReadonlyMap<string, ReadonlyArray<string>>
  readonly byBeginning: ReadonlyMap<string, ReadonlyArray<string>>
}
/** Made once, for all texts. */
const indexes = new WeakMap<ReadonlyMap<string, string>, Index>()

const indexOf = (needles: ReadonlyMap<string, string>): Index => {
  let index = indexes.get(needles)
  if (index === undefined) {
    index = {
      byFirst: Map.groupBy(needles.keys(), (needle) => needle.charAt(0)),
      byBeginning: Map.groupBy(needles.keys(), (needle) => needle.slice(0, looked))
    }
    indexes.set(needles, index)
  }
  return index
}

/** `needles` are what is looked for with what stands for each, longest first; another map as soon as there are others. */
export const makeRedactedPieces = (needles: () => ReadonlyMap<string, string>): RedactedPieces => {
  let held = ""

  const take = (text: string, more: boolean): string => {
    const known = needles()
    const { byBeginning, byFirst } = indexOf(known)
    held = ""
    let taken = ""
    let from = 0
    for (let at = 0; at < text.length;) {
      const begun = byFirst.get(text.charAt(at))
      // What is shorter than what is looked at may be the beginning of any of them.
      const perhaps = begun === undefined || text.length - at < looked
        ? begun
        : byBeginning.get(text.slice(at, at + looked))
      const found = perhaps?.find((needle) =>
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

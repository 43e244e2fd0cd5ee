/**
 * Text of strangers as an event can hold it: without NUL, without half characters, no longer than there is room for.
 */

/** Longest text of an event, in UTF-16 code units. */
export const maximumText = 65_536

/** Cut to a length; what was cut off is shown by an ellipsis. */
export const clip = (text: string, longest: number): string => {
  const clean = text.replaceAll("\0", "")
  return (clean.length > longest ? `${clean.slice(0, longest - 1)}…` : clean).toWellFormed()
}

/** The same on one line. */
export const clipLine = (text: string, longest: number): string =>
  // oxlint-disable-next-line no-control-regex -- it is what is taken out
  clip(text.replace(/[\s\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, " ").trim(), longest)

const maximumLinks = 100

/** The web addresses in texts, each once. */
export const linksIn = (...texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const links = new Set<string>()
  for (const text of texts) {
    for (const [found] of text.matchAll(/\bhttps?:\/\/[^\s<>"'`()[\]{}|\\^]{1,2040}/gi)) {
      let end = found.length
      while (".,;:!?".includes(found[end - 1] ?? " ")) end--
      const link = found.slice(0, end).replaceAll("&amp;", "&").replaceAll("\0", "").toWellFormed()
      if (URL.canParse(link)) links.add(link)
      if (links.size >= maximumLinks) return [...links]
    }
  }
  return [...links]
}

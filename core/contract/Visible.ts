/**
 * Text from outside, as it may be shown in a terminal:
 *
 * - control, bidi, zero-width and other invisible characters are written out (`<U+202E>`), never sent;
 * - nothing is left out in silence: a cut says how much is missing;
 * - emoji stay whole.
 */

// Cf has the bidi and zero-width ones, DI what renders as nothing (fillers, variation selectors, tags).
const unseen = /\p{RGI_Emoji}|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/gv
const unseenInJson = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/gu

const isEmoji = (match: string) => /^\p{RGI_Emoji}$/v.test(match)

const spelled = (character: string) =>
  character === "\t"
    ? "\\t"
    : character === "\n"
    ? "\\n"
    : character === "\r"
    ? "\\r"
    : `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`

/** On one line. */
export const visible = (text: string): string =>
  text.replace(unseen, (match) => isEmoji(match) ? match : spelled(match))

/** Over as many lines as it has. */
export const visibleLines = (text: string): ReadonlyArray<string> => text.split(/\r\n|\n/).map(visible)

/** On one line of at most `length` characters, not counting the note on what was cut. */
export const clipped = (text: string, length: number): string => {
  if (text.length <= length) return visible(text)
  const cut = text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")
  return `${visible(cut)}… (${text.length - cut.length} more characters)`
}

/** JSON that means the same and shows all that it holds. */
export const visibleJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    unseenInJson,
    (character) =>
      character === "\n"
        ? character
        : Array.from({ length: character.length }, (_, i) =>
          `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")
  )

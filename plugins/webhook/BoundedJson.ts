/**
 * Parses JSON from outside with its bounds checked on the text, before any object is built.
 */

const maximumDepth = 64
const maximumKeys = 10_000
/** Longest text that an event takes. */
export const maximumText = 65_536

const forbidden = new Set(["__proto__", "constructor", "prototype"])

/** The value; a sentence for the sender where it can't be taken. */
export const parseBounded = (text: string): { readonly value: unknown } | { readonly problem: string } => {
  let depth = 0
  let deepest = 0
  let keys = 0
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++
    } else if (char === 0x7b || char === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (char === 0x7d || char === 0x5d) depth--
    else if (char === 0x3a) keys++
  }
  if (deepest > maximumDepth) return { problem: `The body is nested deeper than ${maximumDepth} levels.` }
  if (keys > maximumKeys) return { problem: `The body has more than ${maximumKeys} keys.` }
  try {
    return {
      value: JSON.parse(text, (key, value: unknown) => {
        if (forbidden.has(key)) throw new Error(`The body has the key "${key}", which is not allowed.`)
        return value
      })
    }
  } catch (error) {
    return { problem: error instanceof SyntaxError ? "The body is not JSON." : (error as Error).message }
  }
}

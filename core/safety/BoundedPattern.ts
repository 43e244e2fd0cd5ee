/**
 * Regular expressions of RE2 whose effort is bounded, whatever the expression and the text: linear time alone may be
 * seconds for 64 KiB. RE2JS walks a text with an automaton that it makes as it goes; one like `[ab]*a[ab]{100}[cd]` needs
 * another state for nearly each character.
 *
 * - An expression has at most 1 000 instructions.
 * - What a walk makes of the automaton is counted, and it ends without a match once that is too much. A walk that could
 *   need so much begins without what others left, so that its end hangs on the expression and the text alone.
 */
import { RE2JS } from "re2js"

/** Longest text that an expression looks at, UTF-16 units. */
export const maximumText = 65_536
const maximumPattern = 1_000
const maximumInstructions = 1_000

/** What a walk may make: its states, each with the instructions that it stands for. Takes about 4 ms. */
const maximumEffort = 20_000
/** Of each state, besides its instructions. */
const effortOfState = 20

class TooMuch extends Error {}
const tooMuch = new TooMuch("the expression takes too long on this text")

/** Whether a text has a match anywhere; or what is wrong with the expression: a sentence without subject and full stop. */
export const boundedPattern = (pattern: unknown): ((text: string) => boolean) | string => {
  if (typeof pattern !== "string" || pattern === "" || pattern.length > maximumPattern) {
    return `must be a regular expression of 1 to ${maximumPattern} characters`
  }
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(pattern)
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error)
    return `can't be matched in linear time (${why}): write it as RE2 has it, without look-around and back references`
  }
  const instructions = compiled.programSize()
  if (instructions > maximumInstructions) {
    return `is too large (${instructions} instructions, and ${maximumInstructions} are allowed): repeat less, as in x{100}`
  }
  let left = maximumEffort
  const { dfa } = compiled.re2()
  const make = dfa.getState.bind(dfa)
  dfa.getState = (instructionsOf: ReadonlyArray<unknown>, ...more: [unknown, unknown]) => {
    left -= effortOfState + instructionsOf.length
    if (left < 0) throw tooMuch
    return make(instructionsOf, ...more)
  }
  // One state for each character, one for the start and one for the end.
  const most = (text: string): number => (text.length + 2) * (effortOfState + instructions)
  return (text) => {
    if (text.length > maximumText) return false
    if (left < most(text)) {
      // What is kept of walks before stays small, too.
      dfa.clearCache()
      left = maximumEffort
    }
    try {
      return compiled.test(text)
    } catch (error) {
      if (error === tooMuch) return false
      throw error
    }
  }
}

/**
 * Hands the text of an answer on while it comes, over several attempts: of one at a time, never twice without saying so,
 * and nothing once the question is over.
 */
import type { CompletionRequest } from "./CompletionProvider.ts"

/** Calls somebody else's function; whatever it throws, now or later, harms nobody. */
export const callSafely = <A extends ReadonlyArray<unknown>>(
  callback: ((...args: A) => unknown) | undefined,
  ...args: A
): void => {
  try {
    const given = callback?.(...args)
    if (given instanceof Promise) given.catch(() => {})
  } catch {
    // Whoever listens can't fail the answer.
  }
}

export interface Attempt {
  /** Missing where nobody listens. */
  readonly onText: ((delta: string) => void) | undefined
  /** Nothing more is handed on. */
  readonly end: () => void
}

export interface TextRelay {
  /** Ends the attempt before, and says that what it handed on counts no more. */
  readonly begin: () => Attempt
  readonly end: () => void
}

export const makeTextRelay = ({ onRestart, onText }: Pick<CompletionRequest, "onRestart" | "onText">): TextRelay => {
  let current: object | undefined
  let handedOn = false
  let muted = onText === undefined
  return {
    begin: () => {
      const mine = {}
      current = mine
      if (handedOn) {
        handedOn = false
        muted ||= onRestart === undefined
        callSafely(onRestart)
      }
      return {
        onText: muted ? undefined : (delta) => {
          if (current !== mine || delta === "") return
          handedOn = true
          callSafely(onText, delta)
        },
        end: () => {
          if (current === mine) current = undefined
        }
      }
    },
    end: () => {
      current = undefined
    }
  }
}

/** Looks at a card a few times a second, and says whether it may be decided now. The rules are in `steady.ts`. */
import { type RefObject, useEffect, useRef, useState } from "react"
import { isStill, looked, type Steady, wasSeen } from "./steady.ts"

const everyMs = 200

export interface Steadiness {
  /** It was in sight long enough, and stood still: its buttons and keys work. */
  readonly isReady: boolean
  /** A sentence where a click now may have been meant for something else. */
  readonly why: () => string | undefined
}

const inSight = (element: HTMLElement): boolean => {
  if (document.hidden) return false
  const { bottom, height, top } = element.getBoundingClientRect()
  const seen = Math.min(bottom, innerHeight) - Math.max(top, 0)
  return seen >= Math.min(height, 100)
}

/** In its page, so that scrolling does not count; a list that scrolls by itself has the class `scrolls`. */
const placeOf = (element: HTMLElement): number =>
  element.getBoundingClientRect().top + scrollY + (element.closest(".scrolls")?.scrollTop ?? 0)

/** `card` is what has to be seen, `buttons` what has to stand still. */
export const useSteady = (
  card: RefObject<HTMLElement | null>,
  buttons: RefObject<HTMLElement | null>,
  isWanted: boolean
): Steadiness => {
  const steady = useRef<Steady>({})
  const [isReady, setReady] = useState(false)
  useEffect(() => {
    if (!isWanted) return
    const look = (): void => {
      if (card.current === null || buttons.current === null) return
      const at = performance.now()
      steady.current = looked(steady.current, { at, isSeen: inSight(card.current), place: placeOf(buttons.current) })
      // Buttons that work go on working where something above them grows: a button that has the focus would lose it.
      setReady((was) => wasSeen(steady.current, at) && (was || isStill(steady.current, at)))
    }
    look()
    const timer = setInterval(look, everyMs)
    return () => clearInterval(timer)
  }, [buttons, card, isWanted])
  return {
    isReady,
    why: () => {
      if (card.current === null || buttons.current === null) return undefined
      const at = performance.now()
      steady.current = looked(steady.current, { at, isSeen: inSight(card.current), place: placeOf(buttons.current) })
      return isStill(steady.current, at) ? undefined : "This card has just moved. Look at it, then press again."
    }
  }
}

/** The keys of the screen. None is taken while something is typed, with a modifier, held down, or while a dialog is open. Pure. */

export interface Pressed {
  readonly key: string
  readonly target: EventTarget | null
  readonly defaultPrevented: boolean
  readonly altKey: boolean
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  /** Held down: the first press counts. */
  readonly repeat: boolean
}

export type Deed = "approve" | "deny" | "edit" | "always"
const deeds: Readonly<Record<string, Deed>> = { a: "approve", d: "deny", e: "edit", w: "always" }

/** What is said of them. */
export const keysInWords: ReadonlyArray<readonly [key: string, words: string]> = [
  ["j or ↓", "to the next card"],
  ["k or ↑", "to the card before"],
  ["a", "approve the card that has the ring"],
  ["d", "deny it"],
  ["e", "edit its input"],
  ["w", "always allow its like …"],
  ["?", "show these keys"]
]

const fields = "input, textarea, select, [contenteditable], dialog"

interface Place {
  readonly closest: (selectors: string) => unknown
}
const isPlace = (target: unknown): target is Place =>
  typeof target === "object" && target !== null && "closest" in target && typeof target.closest === "function"

/** Whether it is a key of the screen at all. */
export const isOurs = ({ altKey, ctrlKey, defaultPrevented, metaKey, repeat, target }: Pressed): boolean =>
  !altKey && !ctrlKey && !defaultPrevented && !metaKey && !repeat &&
  !(isPlace(target) && target.closest(fields) !== null)

/** What a key does with the card that has the focus. */
export const keyOf = (pressed: Pressed): Deed | undefined =>
  isOurs(pressed) && Object.hasOwn(deeds, pressed.key) ? deeds[pressed.key] : undefined

/** Where a key leads. The arrows do so on a card only: elsewhere they scroll. */
export const moveOf = (pressed: Pressed, isOnCard: boolean): 1 | -1 | undefined => {
  if (!isOurs({ ...pressed, repeat: false })) return undefined
  const { key } = pressed
  if (key === "j" || (isOnCard && key === "ArrowDown")) return 1
  if (key === "k" || (isOnCard && key === "ArrowUp")) return -1
  return undefined
}

/** The lines of what an isolate printed: of bounded length, and of bounded number in a second. */

export const maximumLine = 8_192
export const linesPerSecond = 1_000

export interface Lines {
  readonly push: (text: string) => void
  /** What came last and had no end. */
  readonly end: () => void
}

export const boundedLines = (tell: (line: string) => void, now: () => number = () => performance.now()): Lines => {
  let begun = ""
  // The rest of a line that was too long.
  let skipping = false
  let second = now()
  let told = 0
  let dropped = 0
  const turn = (): void => {
    if (now() - second < 1_000) return
    second = now()
    told = 0
    if (dropped === 0) return
    const count = dropped
    dropped = 0
    tell(
      `… ${count} more ${count === 1 ? "line was" : "lines were"} left out: more than ${linesPerSecond} in a second.`
    )
  }
  const line = (text: string): void => {
    turn()
    if (told++ < linesPerSecond) tell(text)
    else dropped++
  }
  const add = (piece: string): void => {
    if (skipping) return
    begun += piece
    if (begun.length <= maximumLine) return
    line(`${begun.slice(0, maximumLine)}…`)
    begun = ""
    skipping = true
  }
  return {
    push: (text) => {
      let from = 0
      for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
        add(text.slice(from, at))
        if (!skipping) line(begun.endsWith("\r") ? begun.slice(0, -1) : begun)
        begun = ""
        skipping = false
        from = at + 1
      }
      add(text.slice(from))
    },
    end: () => {
      if (begun !== "") line(begun)
      begun = ""
      if (dropped > 0) {
        second = Number.NEGATIVE_INFINITY
        turn()
      }
    }
  }
}

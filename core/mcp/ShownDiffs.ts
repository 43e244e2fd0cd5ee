/**
 * What a tool in quarantine is shown with. Made when it is shown, once for each change, and never for longer than a moment at
 * a time: a server decides how much of it there is.
 */
import type { Diff } from "../contract/LineDiff.ts"
import { changedParts, diffOf } from "./DefinitionDiff.ts"
import type { ListedTool } from "./McpConnection.ts"

export interface Shown extends Diff {
  /** One sentence. */
  readonly reason: string
}

export interface ChangedRow {
  readonly pin: string
  readonly definition: ListedTool
  readonly changed_pin: string
  readonly changed: ListedTool
}

/** Kept of all servers together. */
const maximumKept = 2_000
const maximumCharacters = 4_000_000

export const reasonOf = (trusted: ListedTool, now: ListedTool): string => {
  const parts = changedParts(trusted, now)
  const words = parts.length < 2 ? parts[0] ?? "definition" : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`
  return `Its ${words} ${parts.length < 2 ? "is" : "are"} not what was trusted.`
}

export interface ShownDiffs {
  readonly kept: (pin: string, changed_pin: string) => Shown | undefined
  readonly make: (row: ChangedRow) => Shown
}

export const makeShownDiffs = (): ShownDiffs => {
  const all = new Map<string, Shown>()
  let characters = 0
  const keyOf = (pin: string, changed_pin: string): string => `${pin} ${changed_pin}`

  const keep = (key: string, shown: Shown): void => {
    all.set(key, shown)
    characters += shown.text.length
    for (const [oldest, { text }] of all) {
      if (all.size <= maximumKept && characters <= maximumCharacters) return
      all.delete(oldest)
      characters -= text.length
    }
  }

  return {
    kept: (pin, changed_pin) => all.get(keyOf(pin, changed_pin)),
    make: ({ changed, changed_pin, definition, pin }) => {
      const key = keyOf(pin, changed_pin)
      const found = all.get(key)
      if (found !== undefined) return found
      const shown = { ...diffOf(definition, changed), reason: reasonOf(definition, changed) }
      keep(key, shown)
      return shown
    }
  }
}

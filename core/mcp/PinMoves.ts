/**
 * The decision of a look at a server's list, pure: what is as it was trusted, what is not, what is new and what is gone.
 */
import type { PinnedTool } from "./Definition.ts"
import type { ListedTool } from "./McpConnection.ts"

/** A row of `mcp_tools`. */
export interface PinRow {
  readonly tool: string
  readonly pin: string
  readonly definition: ListedTool
  /** `first sight`, or `operator`. Written with the first row, and when the operator trusts what it is now. */
  readonly trusted_by?: string
  readonly changed_pin: string | null
  readonly changed: ListedTool | null
  readonly present: boolean
}

/** A row as it is written: one that is there keeps what was trusted, whatever is written here. */
export type Written = PinRow

export interface Look {
  /** As they are after it, by name. */
  readonly rows: ReadonlyMap<string, PinRow>
  readonly written: ReadonlyArray<Written>
  readonly added: ReadonlyArray<string>
  readonly quarantined: ReadonlyArray<string>
  /** As they were trusted, again. */
  readonly returned: ReadonlyArray<string>
  readonly gone: ReadonlyArray<string>
  /** There is nothing to decide about any more. */
  readonly silent: ReadonlyArray<string>
}

/** `allows`: tools that it does not are as if nobody had looked. */
export const lookAt = (
  before: ReadonlyArray<PinRow>,
  listed: ReadonlyMap<string, PinnedTool>,
  allows: (tool: string) => boolean
): Look => {
  const rows = new Map(before.map((row) => [row.tool, row]))
  const written: Array<Written> = []
  const [added, quarantined, returned, gone, silent] = [[], [], [], [], []] as [
    Array<string>,
    Array<string>,
    Array<string>,
    Array<string>,
    Array<string>
  ]
  const write = (row: PinRow): void => {
    rows.set(row.tool, row)
    written.push(row)
  }
  const names = [...new Set([...rows.keys(), ...listed.keys()])].filter(allows).toSorted()
  for (const tool of names) {
    const row = rows.get(tool)
    const now = listed.get(tool)
    if (row === undefined) {
      if (now === undefined) continue
      write({ tool, pin: now.pin, definition: now.definition, changed_pin: null, changed: null, present: true })
      added.push(tool)
    } else if (now === undefined) {
      if (!row.present) continue
      if (row.changed_pin !== null) silent.push(tool)
      write({ ...row, changed_pin: null, changed: null, present: false })
      gone.push(tool)
    } else if (now.pin === row.pin) {
      if (row.present && row.changed_pin === null) continue
      if (row.changed_pin !== null) silent.push(tool)
      write({ ...row, changed_pin: null, changed: null, present: true })
      returned.push(tool)
    } else if (now.pin !== row.changed_pin) {
      write({ ...row, changed_pin: now.pin, changed: now.definition, present: true })
      quarantined.push(tool)
    }
  }
  return { rows, written, added, quarantined, returned, gone, silent }
}

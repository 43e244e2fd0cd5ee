/**
 * What the stand-in keeps over its own death: a line for each call and each state, written before anything else is said of
 * it, so that SIGKILL loses none.
 */
import * as fs from "node:fs"
import type { NewArea, NewDevice, NewEntity, ServiceCall, State } from "./Types.ts"

export type Line =
  | { readonly call: ServiceCall }
  | { readonly state: State }
  | { readonly removed: string }
  | { readonly entity: NewEntity }
  | { readonly area: NewArea }
  | { readonly device: NewDevice }
  | { readonly update: readonly [string, object] }

export interface Journal {
  readonly read: () => ReadonlyArray<Line>
  readonly write: (line: Line) => void
  readonly close: () => void
}

export const noJournal: Journal = { read: () => [], write: () => {}, close: () => {} }

export const openJournal = (file: string): Journal => {
  const handle = fs.openSync(file, "a+")
  return {
    // A last line without its end was being written at the kill.
    read: () => fs.readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line) as Line),
    write: (line) => void fs.writeSync(handle, `${JSON.stringify(line)}\n`),
    close: () => fs.closeSync(handle)
  }
}

/**
 * Tool names on the wire: a function is `^[a-zA-Z0-9_-]{1,64}$` there, and ours have dots and may be long.
 *
 * `coffee.brew` becomes `coffee_brew`. A name that is too long, or that would be another tool's, ends in a piece of its
 * hash instead. The same list of tools gives the same names.
 */
import { digest } from "../database/Ids.ts"

const longest = 64

/** The name with everything in its place that the wire does not take. */
export const plainForm = (name: string): string => name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, longest) || "_"

/** The same with a piece of its hash, of `length` digits. */
export const hashedForm = (name: string, length = 8): string =>
  `${plainForm(name).slice(0, longest - length - 1)}_${digest(name).slice(0, length)}`

export interface WireNames {
  /** What a tool is called on the wire; one that was not offered too, as an older answer may name it. */
  readonly toWire: (name: string) => string
  /** Our name of what the model called; accepts our own, and answers what nobody offered as it is. */
  readonly fromWire: (name: string) => string
}

export const wireNames = (names: ReadonlyArray<string>): WireNames => {
  const wires = new Map<string, string>()
  const ours = new Map<string, string>()
  const take = (name: string, wire: string): void => {
    wires.set(name, wire)
    ours.set(wire, name)
  }
  const fits = (name: string): boolean => plainForm(name) === name
  // A name that needs no change keeps itself, wherever it stands in the list.
  for (const name of names) if (fits(name)) take(name, name)
  for (const name of names) {
    if (wires.has(name)) continue
    const plain = plainForm(name)
    let wire = name.length > longest || ours.has(plain) ? hashedForm(name) : plain
    for (let length = 9; ours.has(wire); length++) wire = hashedForm(name, length)
    take(name, wire)
  }
  return {
    toWire: (name) => wires.get(name) ?? plainForm(name),
    fromWire: (name) => ours.get(name) ?? name
  }
}

/**
 * What a rule's condition found in an event, as the tree that the condition is: the host answers its leaves in their order.
 * Pure.
 */
import type { RuleLeaf } from "syris/records"

export type Found =
  | { readonly is: "leaf"; readonly held: boolean; readonly leaf: RuleLeaf }
  | { readonly is: Kind; readonly held: boolean; readonly parts: ReadonlyArray<Found> }

type Kind = "all" | "any" | "none"

const kinds = ["all", "any", "none"] as const

const holds: Readonly<Record<Kind, (parts: ReadonlyArray<Found>) => boolean>> = {
  all: (parts) => parts.every(({ held }) => held),
  any: (parts) => parts.some(({ held }) => held),
  none: (parts) => !parts.some(({ held }) => held)
}

/** The tree; `undefined` where the leaves are not those of this condition: it has changed since. */
export const treeOf = (when: unknown, leaves: ReadonlyArray<RuleLeaf>): Found | undefined => {
  let next = 0
  const read = (condition: unknown): Found | undefined => {
    if (typeof condition !== "object" || condition === null) return undefined
    const given = condition as Readonly<Record<string, unknown>>
    const kind = kinds.find((one) => Array.isArray(given[one]))
    if (kind === undefined) {
      const leaf = leaves[next++]
      return leaf !== undefined && leaf.path === given["path"] && leaf.op === given["op"]
        ? { is: "leaf", held: leaf.matched, leaf }
        : undefined
    }
    const parts: Array<Found> = []
    for (const one of given[kind] as ReadonlyArray<unknown>) {
      const part = read(one)
      if (part === undefined) return undefined
      parts.push(part)
    }
    return { is: kind, held: holds[kind](parts), parts }
  }
  const tree = read(when)
  return next === leaves.length ? tree : undefined
}

export const kindInWords: Readonly<Record<Kind, string>> = {
  all: "All of these have to hold",
  any: "One of these has to hold",
  none: "None of these may hold"
}

/**
 * What can be said of a condition without the whole of its subject: the fields that it needs, for an index, and whether
 * it could still be true where only some fields are known (Kleene's logic of true, false and unknown).
 */
import type { ConditionOp } from "../plugin/Configuration.ts"
import type { Test } from "./ConditionOps.ts"
import type { Field } from "./FieldPath.ts"

export type ConditionTree =
  | { readonly kind: "leaf"; readonly op: ConditionOp; readonly need: Need }
  | { readonly kind: "all" | "any" | "none"; readonly parts: ReadonlyArray<ConditionTree> }

export interface Need {
  readonly field: Field
  /** Of what the field holds. */
  readonly test: Test
  /** The test is that the field has one of these values. */
  readonly values?: ReadonlyArray<string | number | boolean>
}

/** Needs of which one at least holds where the condition does; never empty. */
export type Choice = ReadonlyArray<Need>

/** Whether what an event has at a path is known. */
export type Known = (path: string) => boolean

export const isByValue = (needs: Choice): boolean => needs.every(({ values }) => values !== undefined)

/**
 * All sets of needs that could find the condition, of `known` fields only; a part of `all` is enough for the whole.
 * They find what is `possibleIn` the same known fields, too.
 */
export const choicesOf = (tree: ConditionTree, known: Known): ReadonlyArray<Choice> => {
  switch (tree.kind) {
    case "leaf":
      return tree.op !== "changed" && known(tree.need.field.path) ? [[tree.need]] : []
    case "all":
      return tree.parts.flatMap((part) => choicesOf(part, known))
    case "any": {
      const parts = tree.parts.map((part) => choicesOf(part, known))
      if (parts.length === 0 || parts.some((choices) => choices.length === 0)) return []
      // Parts are mostly written alike, so that what is at one place in each of them goes together.
      const most = Math.max(...parts.map((choices) => choices.length))
      const alike = most === 1 ? 0 : most
      return [
        parts.flatMap(usualOf),
        ...Array.from({ length: alike }, (_, i) => parts.flatMap((choices) => choices[i] ?? choices.at(-1) ?? []))
      ]
    }
    case "none":
      return []
  }
}

/** The choice that is good without knowing of other conditions; empty where there is none. */
export const usualOf = (choices: ReadonlyArray<Choice>): Choice =>
  choices.find(isByValue) ?? choices.toSorted((a, b) => a.length - b.length)[0] ?? []

export const changedPathsOf = (tree: ConditionTree): ReadonlyArray<string> =>
  tree.kind === "leaf"
    ? tree.op === "changed" ? [tree.need.field.path] : []
    : [...new Set(tree.parts.flatMap(changedPathsOf))]

type Ask = (subject: unknown) => boolean

/** What a subject could be for a condition; `undefined` is the answer that is always yes. */
interface Possibility {
  readonly true: Ask | undefined
  readonly false: Ask | undefined
}

/**
 * Whether the condition could be true of a subject of which only the fields at known paths are seen. `known` is asked
 * once for each leaf. What a leaf `changed` compares with is never known.
 */
export const possibleIn = (tree: ConditionTree, known: Known): (subject: unknown) => boolean =>
  possibilityOf(tree, known).true ?? (() => true)

const possibilityOf = (tree: ConditionTree, known: Known): Possibility => {
  if (tree.kind === "leaf") return leafPossibility(tree.op, tree.need, known)
  const parts = tree.parts.map((part) => possibilityOf(part, known))
  const trues = parts.map((part) => part.true)
  const falses = parts.map((part) => part.false)
  switch (tree.kind) {
    case "all":
      return { true: every(trues), false: some(falses) }
    case "any":
      return { true: some(trues), false: every(falses) }
    case "none":
      return { true: every(falses), false: some(trues) }
  }
}

const leafPossibility = (op: ConditionOp, { field: { path, read }, test }: Need, known: Known): Possibility => {
  if (!known(path)) return { true: undefined, false: undefined }
  if (op === "changed") return { true: (subject) => read(subject) !== undefined, false: undefined }
  return { true: (subject) => test(read(subject)), false: (subject) => !test(read(subject)) }
}

const every = (asks: ReadonlyArray<Ask | undefined>): Ask | undefined => {
  const open = asks.filter((ask) => ask !== undefined)
  return open.length < 2 ? open[0] : (subject) => open.every((ask) => ask(subject))
}

const some = (asks: ReadonlyArray<Ask | undefined>): Ask | undefined => {
  const open = asks.filter((ask) => ask !== undefined)
  if (open.length < asks.length) return undefined
  return open.length === 1 ? open[0] : (subject) => open.some((ask) => ask(subject))
}

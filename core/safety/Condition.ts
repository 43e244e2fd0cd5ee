/**
 * The one language of conditions, for policies, standing rules and rules: a leaf `{ path, op, value }`, or a tree
 * `{ all }`, `{ any }`, `{ none }` of conditions.
 *
 * - Compiled once, then pure and quick. It answers for every subject and throws for none (a `Proxy` aside).
 * - Bounded: trees nest 5 deep and hold 20 leaves, an empty list counts as one; patterns take linear time.
 * - Only own properties are seen (`FieldPath.ts`).
 * - A field that is missing makes every leaf false but `exists: false`, `neq`, `not_in` and `not_contains`.
 */
import type { Condition, ConditionOp } from "../plugin/Configuration.ts"
import { nearest, unknownKey } from "../plugin/Explain.ts"
import { NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import { systemTimezone } from "../plugin/TimeWindowSetting.ts"
import { conditionOps, isConditionOp, type Test } from "./ConditionOps.ts"
import {
  changedPathsOf,
  type Choice,
  choicesOf,
  type ConditionTree,
  type Known,
  type Need,
  possibleIn,
  usualOf
} from "./ConditionTree.ts"
import { type Field, fieldOf, keysOf } from "./FieldPath.ts"

export type { Choice, Known, Need }

const maximumDepth = 5
const maximumLeaves = 20

/** What one leaf found. */
export interface LeafReport {
  readonly path: string
  readonly op: ConditionOp
  readonly value: unknown
  /** What was there; `undefined` where nothing was. */
  readonly actual: unknown
  readonly matched: boolean
}

export interface CompiledCondition {
  /** As it was given, in fresh plain data. */
  readonly source: Condition
  /** 0 to 20. Without any, the subject does not matter. */
  readonly leaves: number
  /** It has a leaf with op `changed`, which matches nothing without a subject before. */
  readonly needsPrevious: boolean
  /** The paths of those leaves, each once: of the subject before nothing else is read. */
  readonly changedPaths: ReadonlyArray<string>
  /** Without one of these it can't match, so that many conditions can be searched by their fields; empty: not known. */
  readonly needs: ReadonlyArray<Need>
  /** Every set of needs that could be used so, for an index that knows which is the rarest; none: not known. */
  readonly choices: ReadonlyArray<Choice>
  readonly matches: (subject: unknown, previous?: unknown) => boolean
  /**
   * Compiles the question whether it could be true of a subject where only the fields at `known` paths count as they
   * are. True wherever `matches` is; without unknown paths and `changed` it is the same.
   */
  readonly possible: (known: Known) => (subject: unknown) => boolean
  /** The `choices` that find what is `possible(known)`. */
  readonly choicesAmong: (known: Known) => ReadonlyArray<Choice>
  /** All leaves in the order in which they are written, whether they decided or not. */
  readonly explain: (subject: unknown, previous?: unknown) => ReadonlyArray<LeafReport>
}

export type Compiled =
  | { readonly ok: true; readonly value: CompiledCondition }
  | { readonly ok: false; readonly mistakes: readonly [string, ...Array<string>] }

export interface CompileOptions {
  /** Where the condition is, for the sentences: `policy[0].when`. Default: nothing. */
  readonly at?: string
  /** Of a time window that names none. Default: the system's. */
  readonly timezone?: string
  /** The keys that a path may begin with. Default: any. */
  readonly roots?: ReadonlyArray<string>
}

/** Compiles what a person or a program wrote; each mistake is a sentence without its full stop, about a key of `noun`. */
export const compileCondition = (given: unknown, noun = "field", options: CompileOptions = {}): Compiled => {
  const at = options.at ?? ""
  const reading: Reading = {
    noun,
    at,
    roots: options.roots,
    timezone: options.timezone ?? systemTimezone(),
    mistakes: [],
    leaves: 0,
    bounded: 0
  }
  try {
    const source = toPlainJson(given)
    const node = compile(source, at, 1, reading)
    const [first, ...rest] = reading.mistakes
    if (first !== undefined || node === undefined) {
      return { ok: false, mistakes: [first ?? "the condition is wrong", ...rest] }
    }
    const { leaves } = reading
    const { tree } = node
    const changedPaths = changedPathsOf(tree)
    const choices = choicesOf(tree, () => true)
    return {
      ok: true,
      value: {
        source: source as Condition,
        leaves,
        needsPrevious: changedPaths.length > 0,
        changedPaths,
        needs: usualOf(choices),
        choices,
        matches: node.matches,
        possible: (known) => possibleIn(tree, known),
        choicesAmong: (known) => choicesOf(tree, known),
        explain: (subject, previous) => node.reports.map((report) => report(subject, previous))
      }
    }
  } catch (error) {
    const why = error instanceof NotPlainJson ? error.message : "can't be read"
    return { ok: false, mistakes: [`${subjectOf(at, noun)} ${why}`] }
  }
}

interface Reading {
  readonly noun: string
  /** Of the whole condition. */
  readonly at: string
  readonly roots: ReadonlyArray<string> | undefined
  readonly timezone: string
  readonly mistakes: Array<string>
  leaves: number
  /** Leaves and empty lists. */
  bounded: number
}

interface Node {
  readonly tree: ConditionTree
  readonly matches: (subject: unknown, previous?: unknown) => boolean
  readonly reports: ReadonlyArray<(subject: unknown, previous: unknown) => LeafReport>
}

const subjectOf = (at: string, noun: string): string =>
  at === "" ? "the condition" : `the ${noun} ${JSON.stringify(at)}`
const under = (at: string, key: string): string => at === "" ? key : `${at}.${key}`

const shape = "must be a condition: { path, op, value }, { all: [ … ] }, { any: [ … ] } or { none: [ … ] }"
const trees = ["all", "any", "none"] as const
const leafKeys = ["path", "op", "value"]

/** The node, or nothing where `reading.mistakes` has more than before. */
const compile = (given: unknown, at: string, depth: number, reading: Reading): Node | undefined => {
  const { mistakes, noun } = reading
  const refuse = (is: string, place = at): undefined => {
    mistakes.push(`${subjectOf(place, noun)} ${is}`)
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return refuse(shape)
  }
  const keys = Object.keys(given)
  const [kind, ...others] = trees.filter((tree) => keys.includes(tree))
  if (kind === undefined) {
    return keys.includes("path") || keys.includes("op")
      ? compileLeaf(given as Record<string, unknown>, at, reading)
      : refuse(shape)
  }
  if (others.length > 0) return refuse(`has both ${kind} and ${others.join(" and ")}: put one into the other`)
  const unknown = keys.filter((key) => key !== kind)
  if (unknown.length > 0) {
    mistakes.push(...unknown.map((key) => unknownKey(under(at, key), [kind], noun, key)))
    return undefined
  }
  const list: unknown = (given as Record<string, unknown>)[kind]
  if (!Array.isArray(list)) return refuse("must be a list of conditions", under(at, kind))
  if (depth > maximumDepth) return refuse(`is nested deeper than ${maximumDepth} levels: make it flatter`)
  if (list.length === 0 && isTooMany(reading)) return undefined
  const nodes: Array<Node> = []
  for (const [index, one] of list.entries()) {
    const node = compile(one, `${under(at, kind)}[${index}]`, depth + 1, reading)
    if (reading.bounded > maximumLeaves) return undefined
    if (node !== undefined) nodes.push(node)
  }
  return {
    tree: { kind, parts: nodes.map((node) => node.tree) },
    matches: join[kind](nodes.map((node) => node.matches)),
    reports: nodes.flatMap((node) => node.reports)
  }
}

const join = {
  all: (parts: ReadonlyArray<Node["matches"]>): Node["matches"] => {
    const [first, second] = parts
    if (first !== undefined && parts.length === 1) return first
    if (first !== undefined && second !== undefined && parts.length === 2) {
      return (subject, previous) => first(subject, previous) && second(subject, previous)
    }
    return (subject, previous) => parts.every((part) => part(subject, previous))
  },
  any: (parts: ReadonlyArray<Node["matches"]>): Node["matches"] => (subject, previous) =>
    parts.some((part) => part(subject, previous)),
  none: (parts: ReadonlyArray<Node["matches"]>): Node["matches"] => (subject, previous) =>
    !parts.some((part) => part(subject, previous))
}

const isTooMany = (reading: Reading): boolean => {
  if (++reading.bounded <= maximumLeaves) return false
  reading.mistakes.push(`${subjectOf(reading.at, reading.noun)} has more than ${maximumLeaves} leaves: split it`)
  return true
}

const compileLeaf = (given: Record<string, unknown>, at: string, reading: Reading): Node | undefined => {
  if (isTooMany(reading)) return undefined
  reading.leaves++
  const { mistakes, noun, timezone } = reading
  const { op, path, value } = given
  const before = mistakes.length
  const refuse = (key: string, is: string) => mistakes.push(`${subjectOf(under(at, key), noun)} ${is}`)
  for (const key of Object.keys(given)) {
    if (!leafKeys.includes(key)) mistakes.push(unknownKey(under(at, key), [...leafKeys, ...trees], noun, key))
  }
  const field = typeof path === "string" ? fieldOf(path) : undefined
  if (path === undefined) refuse("path", "is missing")
  else if (field === undefined) refuse("path", "must be keys joined by dots, such as \"input.to\"")
  else if (!isRooted(field.path, reading.roots)) refuse("path", `must begin with ${reading.roots?.join(", ")}`)
  let test: Test | undefined
  if (op === undefined) refuse("op", "is missing")
  else if (!isConditionOp(op)) refuse("op", `must be one of ${Object.keys(conditionOps).join(", ")}${meant(op)}`)
  else {
    const made = conditionOps[op](value, timezone)
    if (typeof made === "string") refuse("value", made)
    else if (path === "state.time" && op !== "within" && op !== "exists") {
      refuse("op", "must be within: state.time is a moment, and its value a time window")
    } else test = made
  }
  if (mistakes.length > before || test === undefined || field === undefined) return undefined
  return leafOf(field, op as ConditionOp, value, test)
}

const leafOf = (field: Field, op: ConditionOp, value: unknown, test: Test): Node => {
  const { read } = field
  const matches: Node["matches"] = op === "changed"
    ? (subject, previous) => previous !== undefined && test(read(subject), read(previous))
    : (subject) => test(read(subject))
  const values = op === "eq" ? [value] : op === "in" ? value as ReadonlyArray<unknown> : undefined
  const need: Need = {
    field,
    test,
    ...(values?.every(isKey) === true ? { values } : {})
  }
  return {
    tree: { kind: "leaf", op, need },
    matches,
    reports: [(subject, previous) => ({
      path: field.path,
      op,
      value,
      actual: read(subject),
      matched: matches(subject, previous)
    })]
  }
}

const isRooted = (path: string, roots: ReadonlyArray<string> | undefined): boolean =>
  roots === undefined || roots.includes(keysOf(path)?.[0] ?? "")

const isKey = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const meant = (op: unknown): string => {
  const near = typeof op === "string" ? nearest(op, Object.keys(conditionOps)) : undefined
  return near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`
}

/**
 * The thing that an event is about: one sensor of many that write on one connector. A rule that remembers (`changed`, a
 * hold) does so for each thing.
 *
 * - It is told by the channel, the connector and the value at `per`, or at the first of three usual paths that is there.
 * - A rule must look at an event unless it could be true of no event about the same thing: `reachOf`.
 */
import canonicalize from "canonicalize"
import { createHash } from "node:crypto"
import type { Choice, CompiledCondition, Known } from "../safety/Condition.ts"
import { type Field, fieldOf } from "../safety/FieldPath.ts"

const sourcePaths = ["source.channel", "source.connector_id"]
const usualPaths = ["content.structured.entity_id", "content.structured.topic", "context.device_id"] as const

const fieldsOf = (paths: ReadonlyArray<string>): ReadonlyArray<Field> => paths.flatMap((path) => fieldOf(path) ?? [])

const sourceFields = fieldsOf(sourcePaths)
const usualFields = fieldsOf(usualPaths)

/** Longest key, UTF-16 units; beyond, its hash stands for it. */
const maximumKey = 500

const givenFields = new Map<string, ReadonlyArray<Field>>()
const maximumGiven = 10_000

const thingFields = (per: string | undefined): ReadonlyArray<Field> => {
  if (per === undefined) return usualFields
  const known = givenFields.get(per)
  if (known !== undefined) return known
  if (givenFields.size >= maximumGiven) givenFields.clear()
  const fields = fieldsOf([per])
  givenFields.set(per, fields)
  return fields
}

/** The key of the thing; two subjects have the same one exactly where they are about the same thing. */
export const thingOf = (subject: unknown, per: string | undefined): string => {
  const parts = sourceFields.map(({ read }) => read(subject))
  for (const { path, read } of thingFields(per)) {
    const value = read(subject)
    if (value === undefined) continue
    parts.push(path, value)
    break
  }
  return keyOf(parts)
}

const keyOf = (parts: ReadonlyArray<unknown>): string => {
  const isSimple = parts.every((part) => typeof part !== "object")
  const key = isSimple ? JSON.stringify(parts) : canonicalize(parts) ?? ""
  return key.length <= maximumKey ? key : `sha256:${createHash("sha256").update(key).digest("hex")}`
}

/** Which events a rule that remembers must look at. */
export interface Reach {
  /** The condition could be true of some event about the same thing. */
  readonly covers: (subject: unknown) => boolean
  /** For an index of what `covers`. */
  readonly choices: ReadonlyArray<Choice>
}

/**
 * Of the usual paths only those up to the first that is there are the same in all events about the thing: where an event
 * has an `entity_id`, the next one may come by another `topic`. So the index has the `entity_id` alone, unless `per` says
 * what counts.
 */
export const reachOf = (condition: CompiledCondition, per: string | undefined): Reach => {
  const [first] = usualPaths
  const choices = condition.choicesAmong(knownBy([per ?? first]))
  if (per !== undefined) return { covers: condition.possible(knownBy([per])), choices }
  const asks = usualPaths.map((_, i) => condition.possible(knownBy(usualPaths.slice(0, i + 1))))
  return {
    covers: (subject) => {
      const there = usualFields.findIndex(({ read }) => read(subject) !== undefined)
      // Where none is there (-1), that is known of all three: the last one.
      return asks.at(there)?.(subject) ?? true
    },
    choices
  }
}

const knownBy = (paths: ReadonlyArray<string>): Known => {
  const all = new Set([...sourcePaths, ...paths])
  return (path) => all.has(path)
}

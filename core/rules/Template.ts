/**
 * JSON with places for the values of an event: `{{path}}` in a string, its path as in a condition.
 *
 * - A string that is one `{{path}}` and nothing else becomes the value itself; where the event has none, its key is left
 *   out of an object, and it is null in a list or alone. In other text a value is text, a missing one or null is empty.
 * - What is filled in is data: braces in it mean nothing, and keys that reach a prototype are left out.
 * - A filled value takes at most 64 KiB as JSON. Where it would be longer, the longest texts are cut, down to one length,
 *   and end in `…`; an object or list longer than that counts as missing.
 * - `\{{` is two braces. Keys are not filled. Filling never throws and takes linear time.
 */
import { NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import { type Field, fieldOf } from "../safety/FieldPath.ts"
import { partsOf, type TextPart } from "./TemplateText.ts"
import { cut, type Insertable, insertableOf, maximumJson, measured } from "./TemplateValue.ts"

/** Most places in one template. */
const maximumPlaces = 200

export interface Template {
  /** Without any place the same frozen value for every event. */
  readonly fill: (subject: unknown) => unknown
  /** What it takes from an event, each path once. */
  readonly paths: ReadonlyArray<string>
}

export type CompiledTemplate =
  | { readonly ok: true; readonly value: Template }
  | { readonly ok: false; readonly mistakes: readonly [string, ...Array<string>] }

/** Each mistake is a sentence without its full stop, about a key of `noun`; `at` is where the value is: `then[0].emit`. */
export const compileTemplate = (value: unknown, at: string, noun = "field"): CompiledTemplate => {
  const mistakes: Array<string> = []
  const sentence = (where: string, is: string) =>
    `${where === "" ? "the template" : `the ${noun} ${JSON.stringify(where)}`} ${is}`
  const reading: Reading = { slots: new Map(), places: 0, refuse: (where, is) => mistakes.push(sentence(where, is)) }
  let source: unknown
  try {
    source = toPlainJson(value)
  } catch (error) {
    return { ok: false, mistakes: [sentence(at, error instanceof NotPlainJson ? error.message : "can't be read")] }
  }
  const node = read(source, at, reading)
  const budget = maximumJson - Buffer.byteLength(JSON.stringify(source))
  if (budget < 0) reading.refuse(at, `is longer than ${maximumJson / 1024} KiB`)
  if (reading.places > maximumPlaces) reading.refuse(at, `has more than ${maximumPlaces} places in {{ }}: split it`)
  const [first, ...rest] = mistakes
  if (first !== undefined) return { ok: false, mistakes: [first, ...rest] }
  const slots = [...reading.slots.values()]
  return {
    ok: true,
    value: {
      paths: slots.map(({ field }) => field.path),
      fill: typeof node === "function"
        ? (subject) => node(fitting(slots, subject, budget)) ?? null
        : () => node.value
    }
  }
}

/** Whether an event decides on a part of it. What can't be read counts as such. */
export const takesFromEvent = (value: unknown): boolean => {
  if (value === undefined) return false
  const compiled = compileTemplate(value, "")
  return !compiled.ok || compiled.value.paths.length > 0
}

interface Reading {
  readonly slots: Map<string, Slot>
  readonly refuse: (where: string, is: string) => void
  places: number
}

/** One path of the template; its value is read once. */
interface Slot {
  readonly field: Field
  readonly index: number
  /** Places that are a whole string, and those among other text. */
  wholes: number
  texts: number
}

/** What has no place is its own value, frozen. */
type Node = { readonly value: unknown } | ((values: ReadonlyArray<Insertable>) => unknown)

const read = (given: unknown, at: string, reading: Reading): Node => {
  if (typeof given === "string") return readText(given, at, reading)
  if (typeof given !== "object" || given === null) return { value: given }
  if (Array.isArray(given)) {
    const items = given.map((item, i) => read(item, `${at}[${i}]`, reading))
    const still = items.filter((item) => typeof item !== "function").map(({ value }) => value)
    if (still.length === items.length) return { value: Object.freeze(still) }
    return (values) => items.map((item) => typeof item === "function" ? item(values) ?? null : item.value)
  }
  const entries = Object.entries(given).map(([key, item]) =>
    [key, read(item, at === "" ? key : `${at}.${key}`, reading)] as const
  )
  const filled = (values: ReadonlyArray<Insertable>) => {
    const out: Record<string, unknown> = {}
    for (const [key, item] of entries) {
      const value = typeof item === "function" ? item(values) : item.value
      if (value !== undefined) out[key] = value
    }
    return out
  }
  return entries.some(([, item]) => typeof item === "function") ? filled : { value: Object.freeze(filled([])) }
}

const readText = (text: string, at: string, reading: Reading): Node => {
  const parts = partsOf(text)
  if (typeof parts === "string") {
    reading.refuse(at, parts)
    return { value: text }
  }
  const [only, ...others] = parts
  if (only === undefined || (typeof only === "string" && others.length === 0)) return { value: only ?? "" }
  if (typeof only === "object" && others.length === 0) {
    const slot = slotOf(only, reading)
    slot.wholes++
    return (values) => values[slot.index]?.whole
  }
  const pieces = parts.map((part) => {
    if (typeof part === "string") return part
    const slot = slotOf(part, reading)
    slot.texts++
    return slot.index
  })
  return (values) => {
    let out = ""
    for (const piece of pieces) out += typeof piece === "string" ? piece : values[piece]?.text ?? ""
    return out
  }
}

const slotOf = ({ path }: Exclude<TextPart, string>, reading: Reading): Slot => {
  reading.places++
  const { slots } = reading
  const known = slots.get(path)
  if (known !== undefined) return known
  const field = fieldOf(path) ?? { path, read: () => undefined }
  const slot: Slot = { field, index: slots.size, wholes: 0, texts: 0 }
  slots.set(path, slot)
  return slot
}

/** The values, cut where all of them together would take more than `budget`. */
const fitting = (slots: ReadonlyArray<Slot>, subject: unknown, budget: number): ReadonlyArray<Insertable> => {
  const rough = slots.map(({ field }) => insertableOf(field.read(subject)))
  if (bytesOf(slots, rough) <= budget) return rough
  const exact = rough.map(measured)
  if (bytesOf(slots, exact) <= budget) return exact
  const cap = capOf(slots, exact, budget)
  return exact.map((value) => cut(value, cap))
}

const bytesOf = (slots: ReadonlyArray<Slot>, values: ReadonlyArray<Insertable>): number =>
  slots.reduce((sum, { index, texts, wholes }) => {
    const value = values[index]
    return sum + texts * (value?.textBytes ?? 0) + wholes * (value?.wholeBytes ?? 0)
  }, 0)

/** The length that the longest may have: what short ones leave is for the longer. */
const capOf = (slots: ReadonlyArray<Slot>, values: ReadonlyArray<Insertable>, budget: number): number => {
  const sizes = slots.flatMap(({ index, texts, wholes }) => {
    const value = values[index]
    return [{ bytes: value?.textBytes ?? 0, places: texts }, { bytes: value?.wholeBytes ?? 0, places: wholes }]
  }).toSorted((a, b) => a.bytes - b.bytes)
  let places = sizes.reduce((sum, size) => sum + size.places, 0)
  let left = budget
  for (const size of sizes) {
    if (size.bytes * places > left) return Math.floor(left / places)
    left -= size.bytes * size.places
    places -= size.places
  }
  return left
}

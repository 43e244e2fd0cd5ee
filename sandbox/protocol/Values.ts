/**
 * What plain JSON has no words for: bytes, and references to secrets. Runs on both sides.
 */
import { isSecretRef, secret, type SecretRef } from "../../core/plugin/Secret.ts"
import type { Bytes } from "./Answers.ts"

export const bytesKey = "~bytes"
export const secretKey = "~secret"

/** In pieces: a spread of many bytes is a stack that overflows. */
const step = 0x80_00

export const encodeBytes = (bytes: Uint8Array): Bytes => {
  let text = ""
  for (let at = 0; at < bytes.length; at += step) text += String.fromCharCode(...bytes.subarray(at, at + step))
  return { [bytesKey]: btoa(text) }
}

/** `undefined` for what are no bytes. */
export const decodeBytes = (given: unknown): Uint8Array | undefined => {
  if (!isTagged(given, bytesKey)) return undefined
  const text: unknown = given[bytesKey]
  if (typeof text !== "string") return undefined
  try {
    const characters = atob(text)
    // A loop by hand: `Uint8Array.from` holds the host up for a second where there are eight million of them.
    const bytes = new Uint8Array(characters.length)
    for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at)
    return bytes
  } catch {
    return undefined
  }
}

const isTagged = (given: unknown, key: string): given is Readonly<Record<string, unknown>> =>
  typeof given === "object" && given !== null && Object.keys(given).length === 1 && Object.hasOwn(given, key)

const deepest = 64

/** Options as an operator wrote them. Throws an error whose message is a sentence's end: `has a function at "run"`. */
export const encodeOptions = (given: unknown, path = "", depth = 1): unknown => {
  const at = path === "" ? "" : ` at ${JSON.stringify(path)}`
  if (depth > deepest) throw new Error(`is nested deeper than ${deepest} levels, or in a circle`)
  switch (typeof given) {
    case "undefined":
      return undefined
    case "string":
    case "boolean":
      return given
    case "number":
      if (Number.isFinite(given)) return given
      throw new Error(`has the number ${given}${at}, which JSON can't carry`)
    case "object":
      break
    default:
      throw new Error(`has a ${typeof given}${at}, which can't be handed to an isolate`)
  }
  if (given === null) return null
  if (isSecretRef(given)) return { [secretKey]: [given.name, given.key] }
  if (given instanceof Uint8Array) return encodeBytes(given)
  if (Array.isArray(given)) {
    return given.map((item, i) => encodeOptions(item, `${path}[${i}]`, depth + 1) ?? null)
  }
  const prototype: unknown = Object.getPrototypeOf(given)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new Error(`has a ${given.constructor?.name ?? "class instance"}${at}, which can't be handed to an isolate`)
  }
  return Object.fromEntries(
    Object.entries(given).flatMap(([key, item]) => {
      const value = encodeOptions(item, path === "" ? key : `${path}.${key}`, depth + 1)
      return value === undefined ? [] : [[key, value]]
    })
  )
}

export const decodeOptions = (given: unknown): unknown => {
  if (typeof given !== "object" || given === null) return given
  if (Array.isArray(given)) return given.map(decodeOptions)
  const ref = readSecretReference(given)
  if (ref !== undefined) return ref
  const bytes = decodeBytes(given)
  if (bytes !== undefined) return bytes
  return Object.fromEntries(Object.entries(given).map(([key, item]) => [key, decodeOptions(item)]))
}

export const readSecretReference = (given: unknown): SecretRef | undefined => {
  if (!isTagged(given, secretKey)) return undefined
  const pair: unknown = given[secretKey]
  if (!Array.isArray(pair)) return undefined
  const [name, key] = pair as ReadonlyArray<unknown>
  return typeof name === "string" && typeof key === "string" ? secret(name, key) : undefined
}

/**
 * What the fields of a service may hold, with the words that HA has for what is wrong.
 */
import { ServiceError } from "./Types.ts"

/** What is wrong with a value; `undefined` where nothing is. */
export type Check = (value: unknown) => string | undefined

export type Fields = Readonly<Record<string, Check>>

export const number = (min: number, max: number): Check => (value) => {
  const given = typeof value === "number" ? value : typeof value === "string" ? Number(value.trim() || "?") : Number.NaN
  if (Number.isNaN(given)) return "expected float"
  if (given < min) return `value must be at least ${min}`
  if (given > max) return `value must be at most ${max}`
  return undefined
}

export const text: Check = (value) => typeof value === "string" ? undefined : "string value is None"

export const truth: Check = (value) => typeof value === "boolean" ? undefined : "invalid boolean value"

export const anything: Check = () => undefined

export const colour: Check = (value) =>
  Array.isArray(value) && value.length === 3 && value.every((part) => number(0, 255)(part) === undefined)
    ? undefined
    : "expected a list of three values from 0 to 255"

export const oneOf = (...values: ReadonlyArray<string>): Check => (value) =>
  values.includes(String(value)) ? undefined : `value must be one of ${JSON.stringify(values)}`

/** Throws what HA answers of data that a service does not take. */
export const check = (fields: Fields, data: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(data)) {
    const field = fields[name]
    if (field === undefined) throw new ServiceError("invalid_format", `extra keys not allowed @ data['${name}']`)
    const wrong = field(value)
    if (wrong !== undefined) {
      throw new ServiceError("invalid_format", `${wrong} for dictionary value @ data['${name}']`)
    }
  }
}

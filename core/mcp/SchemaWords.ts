/**
 * What a JSON Schema has against a value, in the sentences of `core/plugin/Explain.ts`: which field, what is expected, what
 * was meant. Never shows the value: it may be a secret. What it shows of the schema is a stranger's, so it is bounded and visible.
 */
import type { ErrorObject } from "ajv"
import { clipped } from "../contract/Visible.ts"
import { showPath, unknownKey } from "../plugin/Explain.ts"

const typeWords: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  null: "null"
}

const typesOf = (type: unknown): ReadonlyArray<string> =>
  (Array.isArray(type) ? type : [type]).map((one) => typeWords[String(one)] ?? clipped(String(one), 40))

const pathOf = (pointer: string): ReadonlyArray<string | number> =>
  pointer.split("/").slice(1).map((part) =>
    /^(0|[1-9]\d*)$/.test(part) ? Number(part) : part.replaceAll("~1", "/").replaceAll("~0", "~")
  )

const shownPath = (path: ReadonlyArray<string | number>): string => clipped(showPath(path), 200)

const subject = (path: ReadonlyArray<string | number>): string =>
  path.length === 0 ? "the input" : `the field ${JSON.stringify(shownPath(path))}`

const listed = (values: ReadonlyArray<unknown>): string =>
  values.length > 20
    ? `one of ${values.length} values that its schema lists`
    : `${values.length === 1 ? "" : "one of "}${clipped(values.map((value) => JSON.stringify(value)).join(", "), 300)}`

const fields = (count: unknown): string => `${String(count)} field${count === 1 ? "" : "s"}`
const items = (count: unknown): string => `${String(count)} item${count === 1 ? "" : "s"}`
const characters = (count: unknown): string => `${String(count)} character${count === 1 ? "" : "s"}`

/** Of a keyword: what is expected, after the subject. */
const expectations: Readonly<Record<string, (params: Readonly<Record<string, any>>) => string>> = {
  type: ({ type }) => `must be ${typesOf(type).join(" or ")}`,
  enum: ({ allowedValues }) => `must be ${listed(allowedValues as ReadonlyArray<unknown>)}`,
  const: ({ allowedValue }) => `must be ${listed([allowedValue])}`,
  pattern: ({ pattern }) => `must match the pattern ${clipped(String(pattern), 200)}`,
  format: ({ format }) => `must have the format ${clipped(String(format), 40)}`,
  minimum: ({ limit }) => `must be ${limit} or more`,
  maximum: ({ limit }) => `must be ${limit} or less`,
  exclusiveMinimum: ({ limit }) => `must be more than ${limit}`,
  exclusiveMaximum: ({ limit }) => `must be less than ${limit}`,
  multipleOf: ({ multipleOf }) => `must be a multiple of ${multipleOf}`,
  minLength: ({ limit }) => `must have at least ${characters(limit)}`,
  maxLength: ({ limit }) => `must have at most ${characters(limit)}`,
  minItems: ({ limit }) => `must have at least ${items(limit)}`,
  maxItems: ({ limit }) => `must have at most ${items(limit)}`,
  minProperties: ({ limit }) => `must have at least ${fields(limit)}`,
  maxProperties: ({ limit }) => `must have at most ${fields(limit)}`,
  uniqueItems: () => "must not have the same item twice",
  contains: () => "lacks an item that its schema asks for",
  dependentRequired: ({ missingProperty }) =>
    `needs the field ${JSON.stringify(clipped(String(missingProperty), 100))}, too`,
  not: () => "is what its schema rules out",
  anyOf: () => "fits none of the forms that its schema allows",
  oneOf: ({ passingSchemas }) =>
    passingSchemas === null
      ? "fits none of the forms that its schema allows"
      : "fits several of the forms of which its schema allows one",
  "false schema": () => "is not allowed"
}

const known = (error: ErrorObject): ReadonlyArray<string> => {
  const { properties } = (error.parentSchema ?? {}) as { readonly properties?: object }
  return Object.keys(properties ?? {}).filter((key) => key.length <= 100)
}

/** Of several errors, the one that says most: the last sums up what the others say of its branches. */
const told = (errors: ReadonlyArray<ErrorObject>): ErrorObject | undefined => {
  const last = errors.at(-1)
  return last !== undefined && ["if", "propertyNames", "$ref", "$dynamicRef"].includes(last.keyword) ? errors[0] : last
}

/** One mistake, without its full stop. */
export const mistakeOf = (errors: ReadonlyArray<ErrorObject>): string => {
  const error = told(errors)
  if (error === undefined) return "the input is not what its schema asks for"
  const path = pathOf(error.instancePath)
  const params = error.params as Readonly<Record<string, unknown>>
  const own = (key: unknown): string => shownPath([...path, String(key)])
  switch (error.keyword) {
    case "required":
      return `the field ${JSON.stringify(own(params["missingProperty"]))} is missing`
    case "additionalProperties":
    case "unevaluatedProperties": {
      const key = String(params["additionalProperty"] ?? params["unevaluatedProperty"])
      return unknownKey(own(key), known(error), "field", key)
    }
    case "anyOf":
    case "oneOf": {
      const branches = errors.slice(0, -1)
      // A choice of plain types is one.
      if (
        branches.length > 0 &&
        branches.every((one) => one.keyword === "type" && one.instancePath === error.instancePath)
      ) {
        const types = branches.flatMap(({ params: { type } }) => typesOf(type))
        return `${subject(path)} must be ${[...new Set(types)].join(" or ")}`
      }
      break
    }
  }
  const expectation = expectations[error.keyword]
  return `${subject(path)} ${
    expectation === undefined ? clipped(error.message ?? "is not what its schema asks for", 200) : expectation(params)
  }`
}

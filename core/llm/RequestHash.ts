/**
 * The hash of a request to a model, by which a replay knows that the same is asked again.
 *
 * Most of a request are the schemas of its tools, which the registry keeps as they are from one question to the next: each is
 * written once.
 */
import canonicalize from "canonicalize"
import * as crypto from "node:crypto"
import type { OfferedTool } from "./CompletionProvider.ts"
import type { StoredRequest } from "./Completions.ts"

/** By the schema itself, which nobody changes: another one is another object. */
const schemas = new WeakMap<object, string>()

const canonical = (value: unknown): string => canonicalize(value) ?? "null"

const schemaOf = (schema: object): string => {
  const before = schemas.get(schema)
  if (before !== undefined) return before
  const now = canonical(schema)
  schemas.set(schema, now)
  return now
}

/** An object's canonical JSON, of that of its fields. */
const record = (fields: ReadonlyArray<readonly [name: string, json: string]>): string =>
  `{${fields.toSorted(([a], [b]) => a < b ? -1 : 1).map(([name, json]) => `"${name}":${json}`).join(",")}}`

const fieldsOf = (value: object): ReadonlyArray<readonly [name: string, json: string]> =>
  Object.entries(value).filter(([, field]) => field !== undefined).map(([name, field]) => [name, canonical(field)])

const toolOf = ({ parameters, ...rest }: OfferedTool): string =>
  record([...fieldsOf(rest), ["parameters", schemaOf(parameters)]])

/** SHA-256 over the canonical JSON, hex. */
export const requestHash = ({ tools, ...rest }: StoredRequest): string =>
  crypto.hash("sha256", record([...fieldsOf(rest), ["tools", `[${tools.map(toolOf).join(",")}]`]]))

/**
 * The fields that a tool's input has, by its JSON Schema: straight, or behind references and `allOf`.
 */

type Json = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** References that lead further than this are not followed. */
const deepest = 16

const resolved = (schema: unknown, root: Json, depth: number): Json | undefined => {
  if (!isRecord(schema) || depth > deepest) return undefined
  const { $ref } = schema
  if (typeof $ref !== "string") return schema
  const name = /^#\/(\$defs|definitions)\/(.+)$/.exec($ref)
  const defs = name === null ? undefined : root[name[1] ?? ""]
  const key = (name?.[2] ?? "").replaceAll("~1", "/").replaceAll("~0", "~")
  return isRecord(defs) ? resolved(defs[key], root, depth + 1) : undefined
}

interface Fields {
  readonly properties: Json
  /** Nothing else is taken. */
  readonly closed: boolean
}

const read = (schema: unknown, root: Json, depth: number): Fields | undefined => {
  const own = resolved(schema, root, depth)
  if (own === undefined || "anyOf" in own || "oneOf" in own || "patternProperties" in own) return undefined
  const { additionalProperties, allOf, properties } = own
  const parts = Array.isArray(allOf) ? allOf.map((part) => read(part, root, depth + 1)) : []
  if (parts.includes(undefined)) return undefined
  return {
    properties: Object.assign(
      {},
      ...parts.map((part) => part?.properties),
      isRecord(properties) ? properties : {}
    ) as Json,
    closed: additionalProperties === false || parts.some((part) => part?.closed === true)
  }
}

/** The schemas of the fields; nothing where they can't be told. */
export const fieldsOf = (schema: unknown): Json | undefined =>
  isRecord(schema) ? read(schema, schema, 0)?.properties : undefined

/** The names of all fields that there can be; nothing where others may come, or nobody can tell. */
export const closedFieldsOf = (schema: unknown): ReadonlyArray<string> | undefined => {
  const fields = isRecord(schema) ? read(schema, schema, 0) : undefined
  return fields?.closed === true ? Object.keys(fields.properties) : undefined
}

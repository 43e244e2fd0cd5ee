/**
 * How long a check by a stranger's schema can take at the most, by what the schema is made of: where each of its words costs
 * no more than the value is long, and none leads back (references, which multiply) or runs an expression (which may never
 * end), the time grows with the size of both and nothing else. Any other word, also one of tomorrow, counts as without bound.
 */

/** Words that look at the value once. */
const plain = new Set([
  "type",
  "required",
  "enum",
  "const",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "$schema",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly"
])
/** Words with a schema, with a list of them, and with one for each name. */
const within = new Set(["additionalProperties", "items", "not"])
const lists = new Set(["allOf", "anyOf", "oneOf"])

const maximumDepth = 50

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isBounded = (schema: unknown, depth = 0): boolean => {
  if (typeof schema === "boolean") return true
  if (!isRecord(schema) || depth > maximumDepth) return false
  return Object.entries(schema).every(([word, said]) =>
    plain.has(word) ||
    (within.has(word) && isBounded(said, depth + 1)) ||
    (lists.has(word) && Array.isArray(said) && said.every((one) => isBounded(one, depth + 1))) ||
    (word === "properties" && isRecord(said) && Object.values(said).every((one) => isBounded(one, depth + 1)))
  )
}

/** Characters of the schema times those of the value: some tens of milliseconds at the very most. */
const maximumSteps = 16_000_000

/** Says of a value whether checking it by the schema ends soon, whatever is in both. */
export const endsSoon = (schema: object): (value: unknown) => boolean => {
  if (!isBounded(schema)) return () => false
  const longest = maximumSteps / JSON.stringify(schema).length
  return (value) => (JSON.stringify(value) ?? "").length <= longest
}

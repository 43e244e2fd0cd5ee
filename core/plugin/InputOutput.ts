/**
 * The way in and the way out of a tool or a task by its schemas: JSON Schema, decoding, encoding.
 *
 * An input is a JSON object; unknown keys are refused by name. An output is plain JSON of at most 1 MiB and 64 levels.
 */
import { Effect, Result, Schema } from "effect"
import { check, explain, isEmptyStruct, withStop } from "./Explain.ts"
import { isTooLong, NotPlainJson, toPlainJson } from "./PlainJson.ts"

type AnySchema = Schema.Codec<any, any>

/** Whose they are, for sentences. */
interface Named {
  readonly name: string
}

export interface InputOutput {
  readonly inputSchema: Record<string, unknown>
  readonly outputSchema: Record<string, unknown> | undefined
  /** Decodes an input from JSON; fails with a sentence that names the field. */
  readonly decodeInput: (input: unknown) => Effect.Effect<any, string>
  /** Encodes an output in fresh objects; fails with a sentence. */
  readonly encodeOutput: (output: unknown) => Effect.Effect<unknown, string>
  /** Of one that is elsewhere. */
  readonly apart?: Apart
}

export interface Apart {
  /** SHA-256 of the code that it is a part of. */
  readonly hash: string
  /** Nobody vouches for what is said of it. */
  readonly strange: boolean
  /** Why nothing can be asked of it now: a sentence. */
  readonly away: () => string | undefined
  /** Of a task: the steps for an input that was decoded, in the shape of `POST /tasks`. */
  readonly steps?: (input: unknown) => ReadonlyArray<unknown>
}

const elsewhere = Symbol("syris/InputOutput")

/**
 * Marks a definition whose schemas are not here, since its plugin runs apart from the host: this is its way in and out. Not
 * for plugins.
 */
export const decodedElsewhere = <A extends object>(definition: A, boundary: InputOutput): A => ({
  ...definition,
  [elsewhere]: boundary
})

/** Of a definition, or what is wrong with its schemas: a sentence without its full stop. `what` is `tool` or `task`. */
export const inputOutput = (
  what: string,
  definition: Named & { readonly input: AnySchema; readonly output?: AnySchema | undefined }
): InputOutput | string => {
  const given = (definition as { readonly [elsewhere]?: InputOutput })[elsewhere]
  if (given !== undefined) {
    return isObjectSchema(given.inputSchema) ? given : `the input of ${what} ${definition.name} must be an object`
  }
  let inputSchema: Record<string, unknown>
  let outputSchema: Record<string, unknown> | undefined
  try {
    inputSchema = jsonSchema(definition.input)
    outputSchema = definition.output === undefined ? undefined : jsonSchema(definition.output)
  } catch (error) {
    return `${what} ${definition.name} has a schema that JSON Schema can't express: ${firstLine(error)}`
  }
  if (!isObjectSchema(inputSchema)) {
    return `the input of ${what} ${definition.name} must be an object: use Schema.Struct`
  }
  return {
    inputSchema,
    outputSchema,
    decodeInput: inputDecoder(definition.name, definition.input),
    encodeOutput: outputEncoder(definition.name, definition.output)
  }
}

const jsonSchema = (schema: AnySchema): Record<string, unknown> => {
  if (isEmptyStruct(schema.ast)) return { type: "object", properties: {}, additionalProperties: false }
  const document = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  return Object.keys(document.definitions).length === 0
    ? document.schema
    : { ...document.schema, $defs: document.definitions }
}

const isObjectSchema = (schema: Record<string, unknown>): boolean => {
  const resolve = (node: unknown, depth: number): boolean => {
    if (typeof node !== "object" || node === null || depth > 8) return false
    const { $ref, allOf, anyOf, oneOf, type } = node as Record<string, unknown>
    if (typeof $ref === "string") {
      return resolve(
        (schema["$defs"] as Record<string, unknown> | undefined)?.[$ref.replace("#/$defs/", "")],
        depth + 1
      )
    }
    const choices = anyOf ?? oneOf
    if (Array.isArray(choices)) return choices.every((choice) => resolve(choice, depth + 1))
    if (type === undefined && Array.isArray(allOf)) return allOf.some((part) => resolve(part, depth + 1))
    return type === "object"
  }
  return resolve(schema, 0)
}

/** Decodes plain JSON of at most 1 MiB; `read` answers what it means, or what is wrong with it. */
export const inputReader =
  (name: string, read: (json: unknown) => Effect.Effect<any, string>): InputOutput["decodeInput"] => (input) =>
    Effect.suspend(() => {
      const refuse = (rest: string) => Effect.fail(`The input of ${name}: ${withStop(rest)}`)
      let json: unknown
      try {
        json = toPlainJson(input ?? {})
      } catch (error) {
        if (error instanceof NotPlainJson) return refuse(`it ${error.message}`)
        throw error
      }
      if (isTooLong(json)) return refuse("it is longer than 1 MiB")
      return Effect.catch(read(json), refuse)
    })

const inputDecoder = (name: string, schema: AnySchema): InputOutput["decodeInput"] => {
  const decode = check(isEmptyStruct(schema.ast) ? schema : Schema.toCodecJson(schema), "field")
  return inputReader(name, (json) => {
    const checked = decode(json)
    return checked.ok ? Effect.succeed(checked.value) : Effect.fail(checked.mistakes[0])
  })
}

/** Without a schema: whatever is plain JSON of at most 1 MiB. */
export const outputEncoder = (name: string, schema: AnySchema | undefined): InputOutput["encodeOutput"] => {
  const encode = schema === undefined ? undefined : Schema.encodeUnknownResult(Schema.toCodecJson(schema))
  return (output) =>
    Effect.suspend(() => {
      const refuse = (rest: string) => Effect.fail(`The output of ${name} ${rest}.`)
      let value: unknown = output ?? null
      try {
        if (encode !== undefined) {
          const encoded = encode(output)
          if (Result.isFailure(encoded)) {
            const [first = "it can't be encoded"] = explain(encoded.failure.issue, schema!.ast, "field")
            return refuse(`breaks its schema: ${first}`)
          }
          value = encoded.success
        }
        value = toPlainJson(value)
      } catch (error) {
        return refuse(error instanceof NotPlainJson ? error.message : "can't be read: it throws when it is looked at")
      }
      return isTooLong(value) ? refuse("is longer than 1 MiB") : Effect.succeed(value)
    })
}

const firstLine = (error: unknown): string => {
  const [line = "", place = ""] = (error instanceof Error ? error.message : String(error)).split("\n")
  return `${line}${place === "" ? "" : ` ${place.trim()}`}`
}

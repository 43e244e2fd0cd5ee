/**
 * A stranger's JSON Schema (2020-12, 2019-09 or draft-07), made into a check of inputs.
 *
 * - Nothing is fetched: what it refers to is in it. Nothing is filled in either: what was shown is what runs.
 * - Both the making and each check end after a while, whatever is in it: schemas that multiply by their references, and
 *   expressions that never end. Expressions run on RE2 where RE2 can say them. The watch costs more than most checks do, so a
 *   value that is well is checked without it where nothing in its schema could take long (`BoundedSchema.ts`).
 * - The library is loaded when a schema is needed first, and a schema is made when its tool is: 2 000 tools cost no start.
 */
import type { Ajv, AnySchemaObject, ErrorObject, ValidateFunction } from "ajv"
import { clipped } from "../contract/Visible.ts"
import { boundedPattern, maximumText } from "../safety/BoundedPattern.ts"
import { endsSoon } from "./BoundedSchema.ts"
import { mistakeOf } from "./SchemaWords.ts"
import { TooSlow, within } from "./TimeLimit.ts"

/** What is wrong with a value, without a full stop; nothing where it is well. */
export type Check = (value: unknown) => string | undefined

/** Real milliseconds. */
const longestMaking = 1_000
const longestCheck = 250

const tooSlow = "It takes too long to be understood."

const newest = "2020-12"
const drafts: ReadonlyMap<unknown, string> = new Map([
  [undefined, newest],
  ["https://json-schema.org/draft/2020-12/schema", newest],
  ["https://json-schema.org/draft/2019-09/schema", "2019-09"],
  ["http://json-schema.org/draft-07/schema", "draft-07"]
])

interface Makers {
  readonly make: (draft: string) => Ajv
}

let loading: Promise<Makers> | undefined

/** Loads what checks, so that the first input need not wait for it. */
export const prepare = (): Promise<Makers> => loading ??= load()

const load = async (): Promise<Makers> => {
  const [{ Ajv2020 }, { Ajv2019 }, { Ajv }, formats] = await Promise.all([
    import("ajv/dist/2020.js"),
    import("ajv/dist/2019.js"),
    import("ajv"),
    import("ajv-formats")
  ])
  const options = {
    // What it does not know, a schema may say all the same.
    strict: false,
    logger: false,
    // Takes a time that grows with the square of the schema, as the improvement of what was made does.
    inlineRefs: false,
    verbose: true,
    code: { optimize: false, regExp: Object.assign(expression, { code: "expression" }) }
  } as const
  const addFormats = formats.default.default
  return {
    make: (draft) => {
      const ajv = draft === "draft-07"
        ? new Ajv(options)
        : draft === "2019-09"
        ? new Ajv2019(options)
        : new Ajv2020(options)
      addFormats(ajv)
      return ajv
    }
  }
}

/** An expression of a schema. One that RE2 can't say runs as it is: it ends with the check that it is in. */
const expression = (pattern: string, flags: string) => {
  const native = new RegExp(pattern, flags)
  const linear = boundedPattern(pattern)
  return {
    test: (text: string): boolean =>
      typeof linear === "string" || text.length > maximumText ? native.test(text) : linear(text),
    // By this it is told from others.
    toString: () => String(native)
  }
}

/** For each draft, while nothing was cut short in it. */
const kept = new Map<string, Ajv>()

/** The check of a schema, or what is wrong with it: one sentence. */
export const makeCheck = async (schema: AnySchemaObject): Promise<Check | string> => {
  const { make } = await prepare()
  const said: unknown = schema["$schema"]
  const draft = drafts.get(typeof said === "string" ? said.replace(/#$/, "") : said)
  if (draft === undefined) {
    return `It is written in ${
      clipped(JSON.stringify(said), 100)
    }, and only JSON Schema 2020-12, 2019-09 and draft-07 are known.`
  }
  const first = compile(make, draft, schema)
  // Who does not say which may mean the older one, where a tuple is a list of `items`.
  if (typeof first === "string" && said === undefined && first !== tooSlow) {
    const older = compile(make, "draft-07", schema)
    return typeof older === "string" ? first : older
  }
  return first
}

const compile = (make: Makers["make"], draft: string, schema: AnySchemaObject): Check | string => {
  let validate: ValidateFunction
  try {
    validate = within(longestMaking, () => {
      const ajv = kept.get(draft) ?? make(draft)
      // What is cut short may be half done: it comes back only from here. And an id may have been that of a schema of the library.
      kept.delete(draft)
      let sound = !("$id" in schema)
      try {
        const made = ajv.compile(schema)
        sound = true
        return made
      } finally {
        ajv.removeSchema(schema)
        if (sound) kept.set(draft, ajv)
      }
    })
  } catch (error) {
    return error instanceof TooSlow ? tooSlow : compileWords(error)
  }
  if ("$async" in validate) return "It asks to be checked asynchronously (\"$async\"), which no schema can."
  const isSoon = endsSoon(schema)
  return (value) => {
    try {
      if (isSoon(value) && validate(value) === true) return undefined
      return within(longestCheck, () => {
        if (validate(value) === true) return undefined
        return mistakeOf(validate.errors as ReadonlyArray<ErrorObject> | null ?? [])
      })
    } catch (error) {
      return error instanceof TooSlow
        ? "its schema takes too long to check it: make it shorter, or ask for a simpler schema"
        : `its schema can't be applied to it (${clipped(messageOf(error), 200)})`
    } finally {
      // Verbose errors hold the value.
      validate.errors = null
    }
  }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const compileWords = (error: unknown): string => {
  const missing: unknown = typeof error === "object" && error !== null && "missingRef" in error
    ? error.missingRef
    : undefined
  if (typeof missing === "string") {
    return `It refers to ${clipped(missing, 200)}, which is not in it: nothing is fetched for a schema.`
  }
  return `It can't be understood: ${clipped(messageOf(error), 300)}.`
}

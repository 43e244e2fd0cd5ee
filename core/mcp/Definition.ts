/**
 * A tool in a server's own words: what it must be to be used at all, and its pin.
 *
 * The pin is SHA-256 over the canonical JSON of name, description, inputSchema and outputSchema, as the server said them:
 * the same words have the same pin on every machine, in whichever order their keys came.
 */
import canonicalize from "canonicalize"
import { createHash } from "node:crypto"
import { clipped, visible } from "../contract/Visible.ts"
import { isText, NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import type { ListedTool } from "./McpConnection.ts"

/** A definition that was trusted: what is registered, shown and called. */
export interface PinnedTool {
  /** The server's own name for it. */
  readonly tool: string
  readonly pin: string
  readonly definition: ListedTool
  /** The operator has looked at it and trusts it. */
  readonly vouched?: boolean
}

/** Tools of one server that are used. */
export const maximumTools = 1_000

const namePattern = /^[A-Za-z0-9_.-]{1,128}$/
const maximumDescription = 8_192
const maximumSchema = 65_536
const maximumLevels = 32

/** Only what is pinned, in objects of our own. */
export const definitionOf = ({ description, inputSchema, name, outputSchema }: ListedTool): ListedTool => ({
  name,
  ...(description === undefined ? {} : { description }),
  inputSchema,
  ...(outputSchema === undefined || outputSchema === null ? {} : { outputSchema })
})

export const pinOf = (definition: ListedTool): string =>
  createHash("sha256").update(canonicalize(definitionOf(definition)) ?? "").digest("hex")

/** A name as it may be shown, however strange it is. */
export const shownName = (name: unknown): string => typeof name === "string" ? clipped(name, 200) : "(no name)"

/** What is wrong with it as it is, one sentence; nothing where it can be used. */
export const definitionProblem = (listed: ListedTool): string | undefined => {
  const { description, inputSchema, name, outputSchema } = listed as { readonly [Key in keyof ListedTool]: unknown }
  if (typeof name !== "string" || !namePattern.test(name)) {
    return "Its name has other characters than letters, digits, _, - and dots, or is longer than 128 of them."
  }
  if (description !== undefined && (typeof description !== "string" || !isText(description))) {
    return "Its description is not a text that can be kept."
  }
  if (description !== undefined && Buffer.byteLength(description) > maximumDescription) {
    return "Its description is longer than 8 KiB."
  }
  const input = schemaProblem("input", inputSchema)
  if (input !== undefined) return input
  return outputSchema === undefined || outputSchema === null ? undefined : schemaProblem("output", outputSchema)
}

const schemaProblem = (which: string, schema: unknown): string | undefined => {
  const say = (rest: string): string => `Its ${which} schema ${rest}.`
  if (typeof schema !== "object" || schema === null) return say("is not an object")
  let plain: unknown
  try {
    plain = toPlainJson(schema)
  } catch (error) {
    if (!(error instanceof NotPlainJson)) throw error
    return say(`${clipped(error.message, 300)}`)
  }
  if (typeof plain !== "object" || plain === null || Array.isArray(plain)) return say("is not an object")
  if ((plain as { readonly type?: unknown }).type !== "object") return say("does not say that it is of type \"object\"")
  if (Buffer.byteLength(JSON.stringify(plain)) > maximumSchema) return say("is longer than 64 KiB")
  if (levelsOf(plain) > maximumLevels) return say(`is nested deeper than ${maximumLevels} levels`)
  const hidden = hiddenText(plain, "")
  return hidden === undefined
    ? undefined
    : say(`has invisible characters at ${clipped(hidden, 200)}, which would hide something from whoever reads it`)
}

const levelsOf = (value: unknown): number =>
  typeof value !== "object" || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(levelsOf))

/** What is only read by people and models: it is shown with what is invisible written out. */
const wordKeys: ReadonlySet<string> = new Set([
  "title",
  "description",
  "$comment",
  "default",
  "examples",
  "errorMessage"
])

export const isWordKey = (key: string, value: unknown): boolean => wordKeys.has(key) && typeof value === "string"

const isHidden = (text: string): boolean => {
  const line = text.replace(/[\t\n\r]/g, " ")
  return visible(line) !== line
}

/** Where a name or a value, which can't be rewritten, has what nobody sees. */
const hiddenText = (value: unknown, path: string): string | undefined => {
  if (typeof value === "string") return isHidden(value) ? (path === "" ? "its top" : path) : undefined
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, item] of Object.entries(value)) {
    const here = path === "" ? key : `${path}.${key}`
    if (isHidden(key)) return here
    const found = isWordKey(key, item) ? undefined : hiddenText(item, here)
    if (found !== undefined) return found
  }
  return undefined
}

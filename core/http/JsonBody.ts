/**
 * The one way from bytes to a JSON value: UTF-8, bounds, syntax, text, in that order, each refusal a sentence.
 */
import { isUtf8 } from "node:buffer"
import { checkJson, findBadText, maximumDepth, maximumKeys } from "./JsonBounds.ts"
import { problem, type Problem } from "./Problem.ts"

/** Refuses a content type that is not JSON in UTF-8, and any content encoding. */
export const checkContentType = (type: string | undefined, encoding: string | undefined): Problem<415> | undefined => {
  if (encoding !== undefined && encoding !== "identity") {
    return problem("request.content_type", "Send the body as it is, without a Content-Encoding.")
  }
  if (type === "application/json") return undefined
  if (type === undefined) return problem("request.content_type", "Send the body with Content-Type: application/json.")
  const [media, ...parameters] = type.toLowerCase().split(";").map((part) => part.trim())
  const charset = parameters.find((part) => part.startsWith("charset="))?.slice(8).replaceAll("\"", "")
  return media === "application/json" && (charset === undefined || charset === "utf-8" || charset === "utf8")
    ? undefined
    : problem("request.content_type", "The body must be application/json in UTF-8.")
}

/** A JSON value, or the problem with it. */
export type Parsed = { readonly value: unknown; readonly problem?: undefined } | {
  readonly problem: Problem<400>
  /** The value, where it could be read and only its text is refused. */
  readonly value?: unknown
}

export const parseJson = (bytes: Buffer): Parsed => {
  if (!isUtf8(bytes)) return { problem: problem("request.not_json", "The body is not UTF-8.") }
  const text = bytes.toString("utf8")
  const bounds = checkJson(text)
  if (!bounds.ok) {
    switch (bounds.reason) {
      case "too_deep":
        return { problem: problem("request.too_deep", `The body may be nested at most ${maximumDepth} levels deep.`) }
      case "too_many_keys":
        return { problem: problem("request.too_many_keys", `The body may have at most ${maximumKeys} keys.`) }
      case "forbidden_key":
        return { problem: problem("request.forbidden_key", `The key "${bounds.key}" is never accepted.`) }
    }
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { problem: problem("request.not_json", text === "" ? "The body is empty." : "The body is not valid JSON.") }
  }
  if (bounds.badText) {
    const field = findBadText(value)
    if (field !== undefined) {
      const detail = `${JSON.stringify(field)} holds a NUL character or half of a surrogate pair. Remove it.`
      return { problem: problem("request.forbidden_text", detail), value }
    }
  }
  return { value }
}

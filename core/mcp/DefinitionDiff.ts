/**
 * What a tool was when it was trusted against what its server says now, line by line, for a person who decides. Invisible
 * characters are written out.
 */
import canonicalize from "canonicalize"
import { broken, type Diff, diffOfLines } from "../contract/LineDiff.ts"
import { visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import type { ListedTool } from "./McpConnection.ts"

/** `description`, `inputSchema` and such that are not the same, in words. */
export const changedParts = (trusted: ListedTool, now: ListedTool): ReadonlyArray<string> =>
  ([["description", "description"], ["inputSchema", "input schema"], ["outputSchema", "output schema"]] as const)
    .filter(([key]) => canonicalize(trusted[key]) !== canonicalize(now[key]))
    .map(([, words]) => words)

export const diffOf = (trusted: ListedTool, now: ListedTool): Diff => diffOfLines(linesOf(trusted), linesOf(now))

const linesOf = ({ description, inputSchema, name, outputSchema }: ListedTool): ReadonlyArray<string> =>
  [
    `name: ${visible(name)}`,
    ...block("description", description === undefined ? undefined : visibleLines(description)),
    ...block("input schema", schemaLines(inputSchema)),
    ...block("output schema", outputSchema === undefined ? undefined : schemaLines(outputSchema))
  ].flatMap(broken)

const block = (title: string, lines: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  lines === undefined ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)]

/** In one order of keys: what only moved is the same. */
const schemaLines = (schema: unknown): ReadonlyArray<string> =>
  visibleJson(JSON.parse(canonicalize(schema) ?? "null"), 2).split("\n")

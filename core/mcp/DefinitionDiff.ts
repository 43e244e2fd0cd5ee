/**
 * What a tool was when it was trusted against what its server says now, line by line, for a person who decides. Invisible
 * characters are written out, long lines are broken and not cut, and where the whole is cut that is said.
 */
import canonicalize from "canonicalize"
import { visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import type { ListedTool } from "./McpConnection.ts"

const longestLine = 160
const maximumLines = 400
/** Same lines that are shown before and after what differs. */
const around = 3
/** Where so many lines differ, they are not compared one by one. */
const maximumCompared = 1_500

/** `description`, `inputSchema` and such that are not the same, in words. */
export const changedParts = (trusted: ListedTool, now: ListedTool): ReadonlyArray<string> =>
  ([["description", "description"], ["inputSchema", "input schema"], ["outputSchema", "output schema"]] as const)
    .filter(([key]) => canonicalize(trusted[key]) !== canonicalize(now[key]))
    .map(([, words]) => words)

export const diffOf = (trusted: ListedTool, now: ListedTool): string => {
  const lines = compare(linesOf(trusted), linesOf(now))
  const shown = collapse(lines)
  return shown.length <= maximumLines
    ? shown.join("\n")
    : [...shown.slice(0, maximumLines), ` … ${shown.length - maximumLines} more lines, which are not shown`].join("\n")
}

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

const broken = (line: string): ReadonlyArray<string> => {
  if (line.length <= longestLine) return [line]
  const characters = Array.from(line)
  const parts: Array<string> = []
  for (let i = 0; i < characters.length; i += longestLine) {
    parts.push(`${i === 0 ? "" : "    "}${characters.slice(i, i + longestLine).join("")}`)
  }
  return parts
}

type Line = readonly [mark: " " | "-" | "+", text: string]

const compare = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let end = 0
  while (
    end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)
  ) end++
  const same = (text: string): Line => [" ", text]
  return [
    ...before.slice(0, start).map(same),
    ...between(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(same)
  ]
}

/** By the longest common subsequence. */
const between = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const gone = (text: string): Line => ["-", text]
  const come = (text: string): Line => ["+", text]
  if (before.length > maximumCompared || after.length > maximumCompared) {
    return [...before.map(gone), ...after.map(come)]
  }
  const width = after.length + 1
  const lengths = new Uint16Array((before.length + 1) * width)
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: Array<Line> = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push([" ", before[i]!])
      i++
      j++
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) lines.push(gone(before[i++]!))
    else lines.push(come(after[j++]!))
  }
  return lines
}

/** Runs of lines that are the same, but those beside what differs. */
const collapse = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const near = lines.map(() => false)
  lines.forEach(([mark], i) => {
    if (mark === " ") return
    for (let k = Math.max(0, i - around); k <= Math.min(lines.length - 1, i + around); k++) near[k] = true
  })
  const shown: Array<string> = []
  let left = 0
  const say = (): void => {
    if (left > 0) shown.push(` … ${left} ${left === 1 ? "line" : "lines"} the same`)
    left = 0
  }
  lines.forEach(([mark, text], i) => {
    if (near[i] !== true) {
      left++
      return
    }
    say()
    shown.push(`${mark}${text}`)
  })
  say()
  return shown
}

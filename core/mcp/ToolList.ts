/**
 * Reads the list of a server's tools page by page, as far as its bounds go: number, size, pages and time.
 *
 * What is no tool at all is left out; a tool whose schemas are no schemas is not, so that it can be shown why it is refused.
 */
import type { Client } from "@modelcontextprotocol/client"
import type { ListedTool } from "./McpConnection.ts"
import { rawResult } from "./MessageFlow.ts"

const maximumTools = 1_000
const maximumBytes = 4 * 1_048_576
const maximumPages = 200
const maximumCursor = 65_536
/** Milliseconds. */
export const pageTimeoutMs = 10_000
const listTimeoutMs = 30_000

export interface Listed {
  readonly tools: ReadonlyArray<ListedTool>
  readonly more: boolean
}

export const listTools = async (client: Client, signal: AbortSignal): Promise<Listed> => {
  if (client.getServerCapabilities()?.tools === undefined) return { tools: [], more: false }
  const until = performance.now() + listTimeoutMs
  const tools: Array<ListedTool> = []
  const cursors = new Set<string>()
  let bytes = 0
  let cursor: string | undefined
  for (let page = 0; page < maximumPages; page++) {
    const left = Math.ceil(Math.min(pageTimeoutMs, until - performance.now()))
    if (left <= 0) return { tools, more: true }
    const result = rawResult(
      await client.request(
        { method: "tools/list", ...(cursor === undefined ? {} : { params: { cursor } }) },
        { timeout: left, signal }
      )
    )
    for (const given of Array.isArray(result["tools"]) ? result["tools"] as ReadonlyArray<unknown> : []) {
      const tool = toolOf(given)
      if (tool === undefined) continue
      bytes += sizeOf(tool)
      if (tools.length === maximumTools || bytes > maximumBytes) return { tools, more: true }
      tools.push(tool)
    }
    const next = result["nextCursor"]
    if (typeof next !== "string") return { tools, more: false }
    // In a circle, or no cursor any more.
    if (cursors.has(next) || next.length > maximumCursor) return { tools, more: true }
    cursors.add(next)
    cursor = next
  }
  return { tools, more: true }
}

const toolOf = (given: unknown): ListedTool | undefined => {
  if (typeof given !== "object" || given === null) return undefined
  const { description, inputSchema, name, outputSchema } = given as Readonly<Record<string, unknown>>
  return typeof name === "string"
    ? {
      name,
      ...(typeof description === "string" ? { description } : {}),
      inputSchema,
      ...(outputSchema === undefined ? {} : { outputSchema })
    }
    : undefined
}

/** One that is too deep to be written is too large. */
const sizeOf = (tool: ListedTool): number => {
  try {
    return Buffer.byteLength(JSON.stringify(tool))
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

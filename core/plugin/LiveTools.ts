/**
 * Tools that come and go while the host runs: those of servers that it is connected to. `Registry` shows them beside the
 * tools of plugins, whose names they can't take.
 */
import { Context, Layer } from "effect"
import type { IntentMatch, RegisteredTool } from "./Registry.ts"

/** Whether a tool of this name can come later than the start: nothing that names it is refused then. */
export const isLive = (tool: string): boolean => tool.startsWith("mcp.")

/** What is said of a tool that is not there. One that can come may be back soon. */
export const absentTool = (tool: string): string =>
  isLive(tool)
    ? `There is no tool ${tool} now: see \`syris integrations\` for its server, whether it is connected and whether the tool ` +
      "is in quarantine."
    : `There is no tool ${tool} any more.`

/** Thrown by the `input` of an intent: what was named is clear, and what is said of it is not. The message is the answer. */
export class NotUnderstood extends Error {
  override readonly name = "NotUnderstood"
}

export interface LiveSource {
  readonly tools: ReadonlyArray<RegisteredTool>
  /** What a text means that names one of its tools; `undefined` where it names none. Takes no longer than a look into a map. */
  readonly match: (text: string) => IntentMatch | undefined
}

export class LiveTools extends Context.Service<LiveTools, {
  /** Replaces all of what a source brings, at once. Names begin with `mcp.<source>.`. */
  readonly set: (source: string, brings: LiveSource) => void
  readonly remove: (source: string) => void
  readonly tool: (name: string) => RegisteredTool | undefined
  /** The same list until something changes, sources in the order in which they came first. */
  readonly tools: () => ReadonlyArray<RegisteredTool>
  readonly match: (text: string) => IntentMatch | undefined
}>()("syris/plugin/LiveTools") {
  static readonly layer = Layer.sync(LiveTools, () => make())
}

const make = (): LiveTools["Service"] => {
  const sources = new Map<string, LiveSource>()
  let byName = new Map<string, RegisteredTool>()
  let list: ReadonlyArray<RegisteredTool> = []
  const rebuild = (): void => {
    list = [...sources.values()].flatMap(({ tools }) => tools)
    byName = new Map(list.map((tool) => [tool.definition.name, tool]))
  }
  return {
    set: (source, brings) => {
      sources.set(source, brings)
      rebuild()
    },
    remove: (source) => {
      if (sources.delete(source)) rebuild()
    },
    tool: (name) => byName.get(name),
    tools: () => list,
    match: (text) => {
      for (const source of sources.values()) {
        const found = source.match(text)
        if (found !== undefined) return found
      }
      return undefined
    }
  }
}

/** What the host understands about memory without a model. */
import type { Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"

/** Over several lines, too. */
const words = (group: string): string => `(?<${group}>[\\s\\S]+?)`
const ask = "(?:can|could|would|will) you "

const query = ({ query: given }: Record<string, string | undefined>) =>
  given === undefined ? {} : { query: given.trim() }

export const memorySentences: ReadonlyArray<Intent> = [
  {
    name: "memory.remember",
    tool: "memory.remember",
    input: ({ text = "" }) => ({ text: text.trim() }),
    patterns: [
      sentence(`(?:${ask})?remember(?:,? that|:)?\\s+${words("text")}`),
      sentence(`(?:don['’]t|do not|never) forget that\\s+${words("text")}`)
    ]
  },
  {
    name: "memory.recall",
    tool: "memory.recall",
    input: query,
    patterns: [
      sentence(`what do you (?:know|remember) about\\s+${words("query")}`),
      sentence("what do you remember"),
      sentence(`what (?:have i told you|did i tell you) about\\s+${words("query")}`),
      sentence(`do you remember\\s+${words("query")}`),
      sentence(`recall(?: what you know about| everything about)?\\s+${words("query")}`)
    ]
  },
  {
    name: "memory.forget",
    tool: "memory.forget",
    input: ({ which = "" }) => ({ which: which.trim() }),
    patterns: [
      sentence("forget (?:the |my |this )?memory\\s+(?<which>[0-9a-f-]{6,36})"),
      sentence(`(?:${ask})?forget(?:,? that|:)?\\s+${words("which")}`)
    ]
  }
]

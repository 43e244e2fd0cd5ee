/**
 * What the host understands about tasks without a model. The sentences say "task" or ask for the status, so that they take
 * nothing from what plugins understand; and those come first anyway.
 */
import type { Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"

const now = "(?: now| right now| at the moment)?"
const the = "(?:the |my |this )?"

/** Words in the place of a name that name nothing. */
const pronouns = new Set(["the", "this", "my", "a", "it", "task", "tasks", "current", "running"])

const input = ({ which = "" }: Record<string, string | undefined>) => {
  const name = which.trim().replace(/^["'“”‘’«»]+|["'“”‘’«»]+$/gu, "")
  return { which: pronouns.has(name.toLowerCase()) ? "" : name }
}

export const taskSentences: ReadonlyArray<Intent> = [
  {
    name: "task.status",
    tool: "task.status",
    input,
    patterns: [
      sentence(`what(?: are|['’]re) you (?:doing|working on|up to)${now}`),
      sentence(`what(?: is|['’]s)(?: currently)? running${now}`),
      sentence(`is (?:anything|something)(?: still)? running${now}`),
      sentence(`(?:what|which) tasks are (?:running|open|there)${now}`),
      sentence(`(?:(?:show|list)(?: me)? )?(?:the |my |all )?(?:open |running )?tasks`),
      sentence("(?:task )?status"),
      sentence(`(?:what(?: is|['’]s) )?(?:the )?status of ${the}(?<which>.+?)(?: task)?`),
      sentence(`how(?: is|['’]s) (?:the |my |this )?(?:(?<which>.+?) )?task (?:going|doing|coming along)`),
      sentence(`how(?: is|['’]s) task (?<which>.+?) (?:going|doing|coming along)`),
      sentence(`is ${the}(?<which>.+?) task (?:still )?(?:running|done|finished|ready)(?: yet)?`)
    ]
  },
  {
    name: "task.cancel",
    tool: "task.cancel",
    input,
    patterns: [
      sentence("(?:cancel|stop|abort) (?:the|my|this) task"),
      sentence(`(?:cancel|stop|abort) ${the}(?<which>.+?) task`),
      sentence(`(?:cancel|stop|abort) (?:the )?task (?:called |named )?(?<which>.+?)`)
    ]
  }
]

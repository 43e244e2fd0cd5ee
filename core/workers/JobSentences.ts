/**
 * What the host understands about jobs without a model. The sentences say "job", so that they take nothing from what plugins
 * understand; and those come first anyway.
 */
import type { Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"

const now = "(?: now| right now| at the moment)?"
const the = "(?:the |my |this )?"

/** Words in the place of a name that name nothing. */
const pronouns = new Set(["the", "this", "my", "a", "it", "job", "jobs", "current", "running"])

const input = ({ which = "" }: Record<string, string | undefined>) => {
  const name = which.trim().replace(/^["'“”‘’«»]+|["'“”‘’«»]+$/gu, "")
  return { which: pronouns.has(name.toLowerCase()) ? "" : name }
}

export const jobSentences: ReadonlyArray<Intent> = [
  {
    name: "job.list",
    tool: "job.list",
    input,
    patterns: [
      sentence(`(?:what|which) jobs are (?:running|open|there)${now}`),
      sentence(`are (?:there )?any jobs(?: running)?${now}`),
      sentence(`(?:(?:show|list)(?: me)? )?(?:the |my |all )?(?:open |running )?jobs`),
      sentence(`how(?: is|['’]s) (?:the |my |this )?(?:(?<which>.+?) )?job (?:going|doing|coming along)`),
      sentence(`how(?: is|['’]s) job (?<which>.+?) (?:going|doing|coming along)`),
      sentence(`is ${the}(?<which>.+?) job (?:still )?(?:running|done|finished|ready)(?: yet)?`)
    ]
  },
  {
    name: "job.cancel",
    tool: "job.cancel",
    input,
    patterns: [
      sentence("(?:cancel|stop|abort) (?:the|my|this) job"),
      sentence(`(?:cancel|stop|abort) ${the}(?<which>.+?) job`),
      sentence("(?:cancel|stop|abort) (?:the )?job (?:called |named )?(?<which>.+?)")
    ]
  }
]

/**
 * What the host understands about autonomy and pause without a model. "pause" and "resume" alone are the whole system's;
 * sentences about a task always say so.
 */
import type { Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"

const autonomy = "(?:the |my |your )?(?:current )?autonomy(?: level)?"
const level = "(?<level>a[0-4])"
const everything = "(?: everything| it all| all)?(?: now| for now)?"

export const controlSentences: ReadonlyArray<Intent> = [
  {
    name: "autonomy.set",
    tool: "autonomy.set",
    input: ({ level: given = "" }) => ({ level: given.toUpperCase() }),
    patterns: [
      sentence(`(?:set|change|switch|raise|lower|put|turn) ${autonomy} (?:to )?${level}`),
      sentence(`${autonomy} (?:to )?${level}`)
    ]
  },
  {
    name: "autonomy.show",
    tool: "autonomy.show",
    input: () => ({}),
    patterns: [
      sentence(`(?:what(?: is|['’]s) |(?:show|tell)(?: me)? )?${autonomy}(?: now| right now)?`),
      sentence(`(?:what|which) autonomy(?: level)? (?:is (?:it|set|on)|are you (?:on|at))(?: now| right now)?`)
    ]
  },
  {
    name: "control.pause",
    tool: "control.pause",
    input: ({ reason }) => reason === undefined ? {} : { reason: reason.trim() },
    patterns: [
      sentence(`pause${everything}`),
      sentence(`pause${everything},? because (?<reason>.+?)`),
      sentence("(?:stop|halt) everything(?: now)?")
    ]
  },
  {
    name: "control.resume",
    tool: "control.resume",
    input: () => ({}),
    patterns: [sentence(`(?:resume|unpause)${everything}`), sentence("(?:start|begin) again")]
  }
]

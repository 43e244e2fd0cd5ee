/**
 * What the host understands about schedules without a model: `remind me tomorrow at 5pm to call Sam`, `set an alarm for 7:30`,
 * `schedule backup every weekday at 7:30`, `list schedules`, `pause schedule backup`.
 *
 * The patterns find what is meant for whom; when it is meant, `Words.ts` says. What plugins understand comes first.
 */
import type { Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"
import { splitWhen } from "./Words.ts"

const weekday = "(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
/** What a sentence begins with that says first when. */
const begins = "(?:every|each|on|at|in|next|this|today|tonight|tomorrow|daily|weekly|monthly|yearly|hourly|weekdays|" +
  `weekends|${weekday})`
/** What only a time has: `schedule a meeting` is for a model, `schedule backup at 7:30` is not. */
const timely = "(?:every|each|daily|weekly|monthly|yearly|hourly|today|tonight|tomorrow|weekdays|weekends|next \\w+|" +
  `(?:at|in|on|@) (?:an? |the )?(?:\\d|${weekday}|noon|midnight)|${weekday})`

/** `to call Sam` is what to say; `about`, `that` and `of` too. */
const bare = (text: string): string =>
  text.trim().replace(/^(?:to|about|that|of)\s+/i, "").replace(/[\s,.!]+$/, "").trim()

const reminder = (when: string | undefined, what: string) => ({
  ...(when === undefined ? {} : { when }),
  notify: what === "" ? "Reminder" : `Reminder: ${what}`,
  ...(what === "" ? {} : { name: what.slice(0, 200) })
})

const remindIn = (words: string) => {
  const split = splitWhen(words)
  return split === undefined ? reminder(undefined, bare(words)) : reminder(split.when, bare(split.rest))
}

const alarmIn = (words: string) => {
  // `for 7` is a time of day here, and nowhere else.
  const given = words.trim().replace(/^(?:up )?(?:for |at )?(?=\d)/i, "at ").replace(/^(?:up|for)\s+/i, "")
  const split = splitWhen(given)
  if (split === undefined) return { when: given }
  const label = split.rest.replace(/^(?:called|named|for|to|saying)\s+/i, "").replace(/[\s,.!]+$/, "").trim()
  return { when: split.when, ...(label === "" ? {} : { label }) }
}

const scheduleIn = (words: string) => {
  const split = splitWhen(words)
  if (split === undefined) return { text: words.trim() }
  const text = split.rest.trim().replace(/,$/, "").trim()
  return { when: split.when, text: text === "" ? words.trim() : text }
}

const kind = "(?:schedule|alarm|reminder|timer)"
const which = "(?<which>.+?)"
const whichOf = ({ which: given = "" }: Record<string, string | undefined>) => ({
  which: given.trim().replace(/^["'“”‘’«»]+|["'“”‘’«»]+$/gu, "")
})
const named = (verbs: string) => [
  sentence(`(?:${verbs}) (?:the |my )?${kind} (?:called |named )?${which}`),
  sentence(`(?:${verbs}) (?:the |my )${which} ${kind}`)
]

export const scheduleSentences: ReadonlyArray<Intent> = [
  {
    name: "schedule.list",
    tool: "schedule.list",
    input: () => ({}),
    patterns: [
      sentence("(?:(?:show|list)(?: me)? )?(?:the |my |all )?(?:schedules|reminders|timers)"),
      // The others are those of the system.
      sentence("(?:(?:show|list)(?: me)? )?my alarms"),
      sentence("(?:what(?: is|['’]s)|which (?:schedules|alarms|reminders|timers) are) (?:scheduled|coming(?: up)?|set)")
    ]
  },
  {
    name: "schedule.cancel",
    tool: "schedule.cancel",
    input: whichOf,
    patterns: named("cancel|delete|remove|drop")
  },
  {
    name: "schedule.pause",
    tool: "schedule.pause",
    input: whichOf,
    patterns: named("pause|disable|switch off|turn off")
  },
  {
    name: "schedule.resume",
    tool: "schedule.resume",
    input: whichOf,
    patterns: named("resume|unpause|enable|switch on|turn on")
  },
  {
    name: "alarm.set",
    tool: "alarm.set",
    input: ({ words = "" }) => alarmIn(words),
    patterns: [
      sentence("(?:(?:set|make|create)(?: me)? )?(?:an |the )?alarm (?<words>.+?)"),
      sentence("wake me (?<words>.+?)")
    ]
  },
  {
    name: "schedule.remind",
    tool: "schedule.create",
    input: ({ what = "", when, words }) => words === undefined ? reminder(when, bare(what)) : remindIn(words),
    patterns: [
      sentence("remind me (?<words>.+?)"),
      sentence(`(?<when>${begins}(?: .+?)?),? remind me (?<what>.+?)`)
    ]
  },
  {
    name: "schedule.create",
    tool: "schedule.create",
    input: ({ text, when, words }) => words === undefined ? { when, text } : scheduleIn(words),
    patterns: [
      sentence(`schedule (?<words>(?:.* )?${timely}.*?)`),
      sentence(`(?<when>every .+?),? (?:run|do) (?<text>.+?)`)
    ]
  }
]

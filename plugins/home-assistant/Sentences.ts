/**
 * Sentences about the house that need no model. What is meant by the names in them is found when the call is bound.
 */
import type { Intent } from "syris"
import { otherName } from "./OtherWords.ts"
import { colorNames, whiteNames } from "./Colors.ts"

/** Where there are several houses, each is named: "turn off the lights at the cabin". */
const place = (where: string | undefined): string =>
  where === undefined ? "" : ` (?:at|in) (?:the )?${where.replaceAll(/[^a-z0-9]+/gi, "[ ._-]")}`

const target = "(?<target>.+?)"
/** Not a rule, a schedule and such. */
const thing = `(?<target>${otherName})`
const percent = "(?<percent>\\d{1,3}) ?(?:%|percent|per cent)"
const degrees = "(?<degrees>-?\\d{1,3}(?:[.,]\\d)?) ?(?:degrees|°)(?: ?(?:c|f|celsius|fahrenheit))?"
const color = `(?<color>${[...whiteNames, ...colorNames].join("|")}|#[0-9a-f]{6})`
/** Things that open, so that "open the issue" is left to others. */
const opens = "(?:door|gate|garage|blind|curtain|shade|shutter|awning|window|cover|valve)s?"
const opened = `(?<target>(?:.+ )?${opens}(?: (?:in|of|at|on) .+?)?)`

type Groups = Readonly<Record<string, string | undefined>>

const numberOf = (text: string | undefined): number => Number((text ?? "").replace(",", "."))

export const sentences = (
  names: { readonly control: string; readonly state: string },
  where?: string
): ReadonlyArray<Intent> => {
  const at = place(where)
  const sentence = (body: string): RegExp =>
    new RegExp(`(?:please )?(?:(?:can|could|would|will) you )?(?:please )?(?:${body})${at}(?:,? please)?[.!?]?`)
  const suffix = where === undefined ? "" : `.${where}`
  const control = (name: string, input: (groups: Groups) => object, ...bodies: ReadonlyArray<string>): Intent => ({
    name: `ha${suffix}.${name}`,
    tool: names.control,
    patterns: bodies.map(sentence),
    input: (groups) => ({ target: groups["target"], ...input(groups) })
  })
  const action = ({ action }: Groups) => ({ action: action?.toLowerCase() })
  return [
    control(
      "dim",
      ({ percent }) => ({ action: "dim", brightness_pct: Math.min(100, numberOf(percent)) }),
      `dim ${target} (?:to|down to) ${percent}`,
      `(?:set|put|turn|bring) (?:the brightness of )?${target} (?:to|down to|up to) ${percent}`
    ),
    control(
      "temperature",
      ({ degrees }) => ({ action: "temperature", temperature: numberOf(degrees) }),
      `(?:set|put|turn|heat) (?:the temperature (?:of|in|on) )?${target} (?:to|up to|down to) ${degrees}`
    ),
    control(
      "color",
      ({ color }) => ({ action: "color", color: color?.toLowerCase() }),
      `(?:set|turn|make|change) (?:the colou?r of )?${target} to ${color}`,
      `(?:turn|make) ${target} ${color}`
    ),
    control(
      "switch",
      action,
      `(?:turn|switch|put) (?<action>on|off) ${thing}`,
      `(?:turn|switch|put) ${thing} (?<action>on|off)`
    ),
    control("toggle", () => ({ action: "toggle" }), `toggle ${target}`),
    control("lock", action, `(?<action>lock|unlock) ${target}`),
    control(
      "open",
      ({ action }) => ({ action: action?.toLowerCase() === "open" ? "open" : "close" }),
      `(?<action>open|close|shut) ${opened}`
    ),
    {
      name: `ha${suffix}.is`,
      tool: names.state,
      patterns: [sentence(`(?:is|are) ${target} (?<is>on|off|open|closed|locked|unlocked)`)],
      input: ({ is, target }) => ({ target, is: is?.toLowerCase() })
    },
    {
      name: `ha${suffix}.state`,
      tool: names.state,
      patterns: [sentence(`what(?:'s| is) the state of ${target}`)]
    },
    {
      name: `ha${suffix}.measured`,
      tool: names.state,
      patterns: [sentence(`what(?:'s| is) the (?<what>temperature|humidity) (?:in|of|at) ${target}`)],
      input: ({ target, what }) => ({ target: `${target ?? ""} ${what ?? ""}` })
    }
  ]
}

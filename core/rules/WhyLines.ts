/**
 * Why an event led to what it did, as sentences: what it was, how it was routed, and for each rule whether it fired, was
 * held back and why, or which part of its condition did not hold. Rules that are far from it are only counted. Pure.
 */
import type { MessageEvent } from "../contract/Event.ts"
import type { RoutingDecision } from "../contract/RoutingDecision.ts"
import { clipped, visible } from "../contract/Visible.ts"
import { leafInWords } from "../contract/words/ConditionWords.ts"
import type { Explanation } from "./RuleExplain.ts"

type Leaf = Explanation["leaves"][number]

type Mark = (text: string) => string

/** How the lines are written where they are read. */
export interface WhyStyle {
  readonly red: Mark
  readonly green: Mark
  readonly yellow: Mark
  readonly dim: Mark
  readonly bold: Mark
  readonly time: (iso: string) => string
}

const same: Mark = (text) => text

/** Without colours, times as they are stored. */
export const plainStyle: WhyStyle = { red: same, green: same, yellow: same, dim: same, bold: same, time: same }

export const eventLines = (
  { actor, content, event_id, ingested_at, security, source }: MessageEvent,
  decision: RoutingDecision | undefined,
  style: WhyStyle
): ReadonlyArray<string> => [
  `${style.bold(`${visible(source.channel)}/${visible(source.connector_id)}`)}  ${
    content.text === undefined ? "" : `${clipped(JSON.stringify(content.text), 300)}  `
  }${
    style.dim(
      `${style.time(ingested_at)}  from ${visible(actor.actor_id)}, ${visible(security.trust)}  ${visible(event_id)}`
    )
  }`,
  ...(Object.keys(content.structured).length === 0 ? [] : [`  ${clipped(JSON.stringify(content.structured), 500)}`]),
  ...(decision === undefined
    ? ["  It was not routed (yet)."]
    : [
      `  ${visible(decision.lane)} lane${decision.tool === undefined ? "" : `, ${visible(decision.tool)}`}`,
      ...decision.notes.map((note) => `  ${style.dim(clipped(note, 300))}`)
    ])
]

const missed = ({ leaves }: Explanation): number => leaves.filter(({ matched }) => !matched).length

const order = ["triggered", "suppressed", "waiting", "not_asked"]

/** `more`: where one is told of a rule that is only counted, by its id as a shell takes it. */
export const ruleLines = (
  all: ReadonlyArray<Explanation>,
  style: WhyStyle,
  more?: (rule: string) => string
): ReadonlyArray<string> => {
  if (all.length === 0) return ["There are no rules."]
  const met = all.filter(({ outcome }) => outcome !== "not_matched")
    .toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome))
  const near = all.filter((one) => one.outcome === "not_matched" && one.leaves.length > 1 && missed(one) === 1)
  const rest = all.length - met.length - near.length
  const [other] = all.filter((one) => !met.includes(one) && !near.includes(one))
  return [
    ...met.map((one) => headLine(one, style)),
    ...near.flatMap((one) => [
      headLine(one, style),
      ...one.leaves.filter(({ matched }) => !matched).map((leaf) => leafLine(leaf, style))
    ]),
    ...(rest === 0 || other === undefined ? [] : [
      style.dim(
        `${rest === 1 ? "1 rule is" : `${rest} rules are`} not about this event.${
          more === undefined ? "" : ` See one: ${more(spelled(visible(other.rule_id)))}`
        }`
      )
    ])
  ]
}

/** As a shell takes it for one word. */
const spelled = (word: string): string => /^[\w.-]+$/.test(word) ? word : `"${word}"`

export const headLine = (one: Explanation, style: WhyStyle): string => {
  const { name, outcome, previous_event_id, rule_id, said } = one
  const mark = outcome === "triggered"
    ? style.green("fired    ")
    : outcome === "suppressed"
    ? style.yellow("held back")
    : outcome === "waiting"
    ? style.yellow("waits    ")
    : outcome === "not_asked"
    ? style.yellow("not asked")
    : "missed   "
  const before = previous_event_id === undefined ? "" : `, compared with ${visible(previous_event_id.slice(-12))}`
  return `${mark}  ${visible(name)}  ${clipped(said, 300)} ${style.dim(`(${visible(rule_id)}${before})`)}`
}

const shown = (value: unknown): string => clipped(JSON.stringify(value) ?? "nothing", 200)

export const leafLine = ({ actual, matched, op, path, value }: Leaf, style: WhyStyle): string => {
  const seen = actual === undefined ? "nothing is there" : `it is ${shown(actual)}`
  const words = leafInWords({ path, op, value }, { path: visible, value: shown })
  return `  ${matched ? style.green("yes") : style.red("no ")}  ${words}: ${seen}`
}

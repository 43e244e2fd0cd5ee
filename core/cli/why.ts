/**
 * `syris why`: why an event led to what it did. What the event was, how it was routed, and for each rule whether it fired,
 * was held back and why, or which part of its condition did not hold. Rules that are far from it are only counted.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { MessageEvent } from "../contract/Event.ts"
import type { RoutingDecision } from "../contract/RoutingDecision.ts"
import type { Rule } from "../contract/Rule.ts"
import { Client } from "./client.ts"
import { failed } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { localTime, type Paints, paints } from "./layout.ts"
import { isWholeId, listed, meantId } from "./list.ts"
import { conditionInWords } from "./ruleInWords.ts"
import { theRule } from "./theRule.ts"
import { clipped, visible, visibleJson } from "./visible.ts"

interface Leaf {
  readonly path: string
  readonly op: string
  readonly value?: unknown
  readonly actual?: unknown
  readonly matched: boolean
}

interface Explanation {
  readonly rule_id: string
  readonly name: string
  readonly enabled: boolean
  readonly matched: boolean
  readonly leaves: ReadonlyArray<Leaf>
  readonly outcome: "triggered" | "suppressed" | "not_matched" | "waiting" | "not_asked"
  readonly reason?: string
  readonly previous_event_id?: string
  readonly said: string
}

/** Events in which the end of an id is looked for. */
const searched = 500

export const why = Command.make(
  "why",
  {
    event: Argument.String("event").pipe(
      Argument.withDescription("An event, or the beginning or end of its id (default: the newest)"),
      Argument.optional
    ),
    rule: Flag.String("rule").pipe(
      Flag.withDescription(
        "Only this rule, with all of its condition: its id, the beginning or end of it, or its name"
      ),
      Flag.optional
    ),
    json
  },
  Effect.fn(function*(given) {
    const client = yield* Client
    const event = yield* eventOf(Option.getOrUndefined(given.event))
    const { event_id } = event
    const { body } = yield* client.request(`/traces/${encodeURIComponent(event.correlation.trace_id)}`)
    const decision = (body as { readonly decisions?: ReadonlyArray<RoutingDecision> }).decisions
      ?.find((one) => one.event_id === event_id)
    const rules = Option.isSome(given.rule)
      ? [yield* theRule(given.rule.value)]
      : (yield* listed<Rule>("/rules", {}, 10_000)).items
    const explained = yield* Effect.forEach(
      rules,
      ({ rule_id }) =>
        client.request(`/rules/${encodeURIComponent(rule_id)}/explain`, { query: { event_id } }).pipe(
          Effect.map(({ body }) => body as Explanation)
        ),
      { concurrency: 8 }
    )
    if (given.json) return yield* Console.log(visibleJson({ event, decision, rules: explained }, 2))
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const say = yield* spell
    for (const line of eventLines(event, decision, paint)) yield* Console.log(line)
    const lines = Option.isSome(given.rule)
      ? explained.flatMap((one) => [headOf(one, paint), ...one.leaves.map((leaf) => leafLine(leaf, paint))])
      : rulesInWords(explained, (id) => say("why", event_id.slice(-12), "--rule", id), paint)
    for (const line of lines) yield* Console.log(line)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Say why an event led to what it did: how it was routed, which rules fired or were held back, and which ones missed it by " +
      "one part of their condition"
  ),
  Command.withShortDescription("Say why an event led to what it did"),
  Command.withExamples([
    { command: "syris why", description: "The newest event" },
    { command: "syris why 6f1d2e3f --rule porch", description: "Every part of one rule's condition" }
  ])
)

const eventOf = Effect.fn("why.event")(function*(part: string | undefined) {
  const client = yield* Client
  const read = (id: string) =>
    Effect.map(client.request(`/events/${encodeURIComponent(id)}`), ({ body }) => body as MessageEvent)
  if (part !== undefined && isWholeId(part)) return yield* read(part)
  const { items } = yield* listed<MessageEvent>("/events", {}, part === undefined ? 1 : searched)
  const [newest] = items
  if (newest === undefined) return yield* failed("There is no event yet. Try: syris send \"set a timer for 5 minutes\"")
  if (part === undefined) return newest
  const event_id = yield* meantId(part, items.map((one) => one.event_id), `last ${searched} events`)
  return items.find((one) => one.event_id === event_id) ?? (yield* read(event_id))
})

const eventLines = (
  { actor, content, event_id, ingested_at, security, source }: MessageEvent,
  decision: RoutingDecision | undefined,
  paint: Paints
): ReadonlyArray<string> => [
  `${paint.bold(`${visible(source.channel)}/${visible(source.connector_id)}`)}  ${
    content.text === undefined ? "" : `${clipped(JSON.stringify(content.text), 300)}  `
  }${
    paint.dim(
      `${localTime(ingested_at)}  from ${visible(actor.actor_id)}, ${visible(security.trust)}  ${visible(event_id)}`
    )
  }`,
  ...(Object.keys(content.structured).length === 0 ? [] : [`  ${clipped(JSON.stringify(content.structured), 500)}`]),
  ...(decision === undefined
    ? ["  It was not routed (yet)."]
    : [
      `  ${visible(decision.lane)} lane${decision.tool === undefined ? "" : `, ${visible(decision.tool)}`}`,
      ...decision.notes.map((note) => `  ${paint.dim(clipped(note, 300))}`)
    ])
]

const missed = ({ leaves }: Explanation): number => leaves.filter(({ matched }) => !matched).length

const rulesInWords = (
  all: ReadonlyArray<Explanation>,
  more: (rule: string) => string,
  paint: Paints
): ReadonlyArray<string> => {
  if (all.length === 0) return ["There are no rules."]
  const order = ["triggered", "suppressed", "waiting", "not_asked"]
  const met = all.filter(({ outcome }) => outcome !== "not_matched")
    .toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome))
  const near = all.filter((one) => one.outcome === "not_matched" && one.leaves.length > 1 && missed(one) === 1)
  const rest = all.length - met.length - near.length
  const [other] = all.filter((one) => !met.includes(one) && !near.includes(one))
  return [
    ...met.map((one) => headOf(one, paint)),
    ...near.flatMap((one) => [
      headOf(one, paint),
      ...one.leaves.filter(({ matched }) => !matched).map((leaf) => leafLine(leaf, paint))
    ]),
    ...(rest === 0 || other === undefined ? [] : [
      paint.dim(
        `${rest === 1 ? "1 rule is" : `${rest} rules are`} not about this event. See one: ${
          more(spelled(visible(other.rule_id)))
        }`
      )
    ])
  ]
}

/** As a shell takes it for one word. */
const spelled = (word: string): string => /^[\w.-]+$/.test(word) ? word : `"${word}"`

const headOf = (one: Explanation, paint: Paints): string => {
  const { name, outcome, previous_event_id, rule_id, said } = one
  const mark = outcome === "triggered"
    ? paint.green("fired    ")
    : outcome === "suppressed"
    ? paint.yellow("held back")
    : outcome === "waiting"
    ? paint.yellow("waits    ")
    : outcome === "not_asked"
    ? paint.yellow("not asked")
    : "missed   "
  const before = previous_event_id === undefined ? "" : `, compared with ${visible(previous_event_id.slice(-12))}`
  return `${mark}  ${visible(name)}  ${clipped(said, 300)} ${paint.dim(`(${visible(rule_id)}${before})`)}`
}

const leafLine = ({ actual, matched, op, path, value }: Leaf, paint: Paints): string => {
  const seen = actual === undefined ? "nothing is there" : `it is ${clipped(JSON.stringify(actual), 200)}`
  const words = conditionInWords({ path, op, ...(value === undefined ? {} : { value }) })
  return `  ${matched ? paint.green("yes") : paint.red("no ")}  ${words}: ${seen}`
}

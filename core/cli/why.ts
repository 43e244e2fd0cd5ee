/**
 * `syris why`: why an event led to what it did. What the event was, how it was routed, and for each rule whether it fired,
 * was held back and why, or which part of its condition did not hold. Rules that are far from it are only counted.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { MessageEvent } from "../contract/Event.ts"
import type { RoutingDecision } from "../contract/RoutingDecision.ts"
import type { Rule } from "../contract/Rule.ts"
import { visibleJson } from "../contract/Visible.ts"
import type { Explanation } from "../rules/RuleExplain.ts"
import { eventLines, headLine, leafLine, ruleLines } from "../rules/WhyLines.ts"
import { Client } from "./client.ts"
import { failed } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { localTime, paints } from "./layout.ts"
import { isWholeId, listed, meantId } from "./list.ts"
import { theRule } from "./theRule.ts"

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
    const style = { ...paints(canColor), time: localTime }
    const say = yield* spell
    for (const line of eventLines(event, decision, style)) yield* Console.log(line)
    const lines = Option.isSome(given.rule)
      ? explained.flatMap((one) => [headLine(one, style), ...one.leaves.map((leaf) => leafLine(leaf, style))])
      : ruleLines(explained, style, (id) => say("why", event_id.slice(-12), "--rule", id))
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

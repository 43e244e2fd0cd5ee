/**
 * `syris rules`: the standing rules, what became of them, one of them in words, switched off or on; `syris rules test` is in
 * `ruleTest.ts`. A rule is meant by its id, the beginning or end of it, or its name.
 */
import { Clock, Console, Effect } from "effect"
import { Argument, Command, TerminalCapabilities } from "effect/cli"
import type { Rule } from "../contract/Rule.ts"
import { ruleInWords } from "../contract/words/RuleWords.ts"
import { Client } from "./client.ts"
import { json, spell } from "./flags.ts"
import { duration, localTime, type Paints, paints, table } from "./layout.ts"
import { listed } from "./list.ts"
import { theRule } from "./theRule.ts"
import { test } from "./ruleTest.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

const maximum = 10_000

const show = Effect.fn("rules.show")(function*(json: boolean) {
  const { items, more } = yield* listed<Rule>("/rules", {}, maximum)
  if (json) return yield* Effect.forEach(items, (rule) => Console.log(visibleJson(rule)), { discard: true })
  const say = yield* spell
  if (items.length === 0) {
    return yield* Console.log("There are no rules: write one in the configuration, or POST it to /rules.")
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const head = ["RULE", "NAME", "STATE", "ORIGIN", "RISK", "HITS", "SUPPRESSED", "LAST FIRED"].map(paint.dim)
  for (const line of table([head, ...items.map((rule) => row(rule, now, paint))])) yield* Console.log(line)
  if (more) yield* Console.log(paint.dim("There are more."))
  yield* Console.log(
    paint.dim(`What one does: ${say("rules", "show", "RULE")}. Why one fired or did not: ${say("why", "EVENT")}`)
  )
})

/** Of an id that was made the end; others are short and say something. */
const shown = ({ origin, rule_id }: Rule): string =>
  origin === "api" ? visible(rule_id.slice(-12)) : clipped(rule_id, 60)

const row = (rule: Rule, now: number, paint: Paints): ReadonlyArray<string> => [
  shown(rule),
  clipped(rule.name, 40),
  rule.enabled ? paint.green("on") : paint.yellow("off"),
  visible(rule.origin),
  visible(rule.risk),
  String(rule.hit_count),
  String(rule.suppressed_count),
  rule.last_fired_at === undefined ? "never" : `${duration(Math.max(0, now - Date.parse(rule.last_fired_at)))} ago`
]

const list = Command.make("list", { json }, ({ json }) => show(json)).pipe(
  Command.provide(Client.layer),
  Command.withDescription("List the rules in the order in which they are looked at; with --json one object a line"),
  Command.withShortDescription("List the rules")
)

const id = Argument.String("rule").pipe(
  Argument.withDescription("A rule: its id, the beginning or end of it, or its name")
)

const one = Command.make(
  "show",
  { id, json },
  Effect.fn(function*({ id, json }) {
    const rule = yield* theRule(id)
    if (json) return yield* Console.log(visibleJson(rule, 2))
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const fired = rule.last_fired_at === undefined ? "never" : localTime(rule.last_fired_at)
    for (
      const line of [
        `${paint.bold(visible(rule.name))}  ${rule.enabled ? paint.green("on") : paint.yellow("off")}  ${
          paint.dim(visible(rule.rule_id))
        }`,
        visible(ruleInWords(rule)),
        `priority ${rule.priority}, of ${rule.origin}, at its worst of risk ${rule.risk}`,
        `fired ${rule.hit_count}, held back ${rule.suppressed_count}, last fired ${fired}`
      ]
    ) yield* Console.log(line)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Show one rule: what it does, where, and what became of it; with --json as it is stored")
)

const change = (name: "enable" | "disable", enabled: boolean, described: string) =>
  Command.make(
    name,
    { id, json },
    Effect.fn(function*({ id, json }) {
      const client = yield* Client
      const { rule_id } = yield* theRule(id)
      const { body } = yield* client.request(`/rules/${encodeURIComponent(rule_id)}`, {
        method: "PATCH",
        body: { enabled }
      })
      const rule = body as Rule
      yield* Console.log(
        json
          ? visibleJson(rule, 2)
          : `The rule ${visible(rule.name)} is ${enabled ? "on" : "off: it does nothing any more"}.`
      )
    })
  ).pipe(Command.provide(Client.layer), Command.withDescription(described))

export const rules = Command.make("rules", { json }, ({ json }) => Effect.provide(show(json), Client.layer)).pipe(
  Command.withDescription(
    "List the standing rules: whether they are on, how bad they can be, how often they fired and were held back. Show one, " +
      "switch one off or on, try one on events of the past"
  ),
  Command.withShortDescription("List, show, switch and try the rules"),
  Command.withExamples([
    { command: "syris rules" },
    { command: "syris rules disable porch" },
    {
      command: "syris rules test porch.json --since 2d",
      description: "On which events of two days it would have fired"
    }
  ]),
  Command.withSubcommands([
    list,
    one,
    change("enable", true, "Switch a rule on"),
    change("disable", false, "Switch a rule off: it does nothing any more"),
    test
  ])
)

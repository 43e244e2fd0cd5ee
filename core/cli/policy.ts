/**
 * `syris policy`: the standing rules that "always allow" made, and the end of one; `syris policy test` is in
 * `policyTest.ts`. The id of a rule may be its beginning or end.
 */
import { Console, Effect } from "effect"
import { Argument, Command, TerminalCapabilities } from "effect/cli"
import { Client } from "./client.ts"
import { json, spell } from "./flags.ts"
import { localTime, paints, table } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"
import { test } from "./policyTest.ts"
import { conditionInWords, type StandingRule } from "./ruleInWords.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

interface ListedRule extends StandingRule {
  readonly reason?: string
  readonly created_by: string
}

const maximum = 500

const show = Effect.fn("policy.show")(function*(json: boolean) {
  const { items, more } = yield* listed<ListedRule>("/policy", {}, maximum)
  if (json) return yield* Effect.forEach(items, (rule) => Console.log(visibleJson(rule)), { discard: true })
  const say = yield* spell
  if (items.length === 0) {
    return yield* Console.log(
      `There is no standing rule. Policies of the configuration are tested with: ${say("policy", "test")}`
    )
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const head = ["RULE", "TOOL", "RISK", "UNTIL", "BY", "WHERE"].map(paint.dim)
  const rows = items.map(({ created_by, expires_at, policy_id, reason, risk, tool, when }) => [
    shortId(policy_id),
    clipped(tool, 40),
    visible(risk),
    localTime(visible(expires_at)).slice(0, 16),
    clipped(created_by, 30),
    `${conditionInWords(when)}${reason === undefined ? "" : ` (${clipped(reason, 120)})`}`
  ])
  for (const line of table([head, ...rows])) yield* Console.log(line)
  if (more) yield* Console.log(paint.dim("There are more."))
  yield* Console.log(paint.dim(`End one: ${say("policy", "revoke", "RULE")}`))
})

const list = Command.make("list", { json }, ({ json }) => show(json)).pipe(
  Command.provide(Client.layer),
  Command.withDescription("List the standing rules, newest first; with --json one object a line"),
  Command.withShortDescription("List the standing rules")
)

const revoke = Command.make(
  "revoke",
  { id: Argument.String("id").pipe(Argument.withDescription("A standing rule, or the beginning or end of its id")) },
  Effect.fn(function*({ id }) {
    const client = yield* Client
    const policy_id = isWholeId(id) ? id : yield* find(id)
    yield* client.request(`/policy/${policy_id}`, { method: "DELETE" })
    yield* Console.log(
      `The standing rule ${shortId(policy_id)} is revoked: calls that it let pass are asked about again.`
    )
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("End a standing rule now"),
  Command.withExamples([{ command: "syris policy revoke 0c5b6f1d2e40", description: "The end of an id is enough" }])
)

const find = Effect.fn("policy.find")(function*(part: string) {
  const { items } = yield* listed<ListedRule>("/policy", {}, maximum)
  return yield* meantId(part, items.map((rule) => rule.policy_id), "standing rules")
})

export const policy = Command.make("policy", {}, () => Effect.provide(show(false), Client.layer)).pipe(
  Command.withDescription(
    "Show the standing rules that say which calls need no question; revoke one; test the policies of the configuration"
  ),
  Command.withShortDescription("Show, revoke and test what needs no question"),
  Command.withExamples([
    { command: "syris policy" },
    { command: "syris policy test --recorded", description: "Try the configuration on its examples and past calls" }
  ]),
  Command.withSubcommands([list, revoke, test])
)

/**
 * `syris policy test`: tries the policies of the configuration on the examples beside them, and on recorded calls.
 * Without `--recorded` it needs no running host.
 *
 * A call is tried as one of the operator's on `chat`: who brought a recorded call is not part of its record.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import type { ToolCall } from "../contract/ToolCall.ts"
import { Environment } from "../database/Environment.ts"
import type { PolicyExample } from "../plugin/PolicySettings.ts"
import type { LeafReport } from "../safety/Condition.ts"
import type { PolicyRule, PolicySubject } from "../safety/Policy.ts"
import { Client } from "./client.ts"
import { CommandFailed, failed, misused } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { type Paints, paints } from "./layout.ts"
import { listed, shortId } from "./list.ts"
import { conditionInWords } from "./ruleInWords.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

interface Failure {
  readonly example: PolicyExample
  /** Empty where the rule is not for the tool, or has no condition. */
  readonly leaves: ReadonlyArray<LeafReport>
}

interface Tried {
  readonly rule: PolicyRule
  readonly examples: number
  readonly failures: ReadonlyArray<Failure>
}

interface Differing {
  readonly call: ToolCall
  readonly rule: PolicyRule
}

export const test = Command.make(
  "test",
  {
    recorded: Flag.Int("recorded").pipe(
      Flag.withDescription("Also on so many of the newest recorded calls (alone: 200); only shows, never fails"),
      Flag.withOptionalValue("200"),
      Flag.optional
    ),
    json
  },
  Effect.fn(function*({ json, recorded }) {
    if (Option.isSome(recorded) && (recorded.value < 1 || recorded.value > 10_000)) {
      return yield* misused("--recorded takes 1 to 10000.")
    }
    const { makePolicy, meansTool } = yield* Effect.promise(() => import("../safety/Policy.ts"))
    const settings = yield* configuration
    const now = new Date(yield* Clock.currentTimeMillis)
    const subject = (tool: string, input: unknown, time = now): PolicySubject => ({
      input,
      tool,
      source: { channel: "chat", connector_id: "chat" },
      actor: { actor_id: "operator" },
      security: { trust: "operator" },
      state: { autonomy: settings.autonomy, time, health: "healthy" }
    })

    const tried = settings.policy.map((rule): Tried => {
      const examples = settings.policyExamples.filter((example) => example.rule === rule.id)
      const failures = examples.flatMap((example): ReadonlyArray<Failure> => {
        const means = meansTool(rule.tool, example.tool)
        const on = subject(example.tool, example.input)
        return (means && (rule.when?.matches(on) ?? true)) === example.matches
          ? []
          : [{ example, leaves: means ? rule.when?.explain(on) ?? [] : [] }]
      })
      return { rule, examples: examples.length, failures }
    })

    const { match } = makePolicy(settings.policy)
    const calls = Option.isNone(recorded)
      ? undefined
      : (yield* Effect.provide(listed<ToolCall>("/tool-calls", {}, recorded.value), Client.layer)).items
    const differing = calls?.flatMap((call): ReadonlyArray<Differing> => {
      const at = new Date(call.created_at)
      const rule = match(call.tool, subject(call.tool, call.input, at), at.getTime()).config
      return rule === undefined || rule.risk === call.risk ? [] : [{ call, rule }]
    })

    const wrong = tried.some(({ failures }) => failures.length > 0)
    if (json) yield* Console.log(visibleJson(asJson(!wrong, tried, differing), 2))
    else {
      const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
      const paint = paints(canColor)
      for (const line of drawTried(tried, paint)) yield* Console.log(line)
      if (calls !== undefined) {
        for (const line of drawRecorded(calls.length, differing ?? [], paint)) yield* Console.log(line)
      }
    }
    if (wrong) return yield* new CommandFailed({ sentence: "", exit_code: 1 })
  })
).pipe(
  Command.withDescription(
    "Try the policies of the configuration on the examples beside them, and with --recorded on past calls too. " +
      "Exit code 1 where an example is not as it says."
  ),
  Command.withShortDescription("Try the policies of the configuration"),
  Command.withExamples([
    { command: "syris policy test" },
    {
      command: "syris policy test --recorded=1000",
      description: "And show which past calls they would count otherwise"
    }
  ])
)

const configuration = Effect.gen(function*() {
  const { config } = yield* Environment
  const { loadConfiguration } = yield* Effect.promise(() => import("../plugin/ConfigLoader.ts"))
  return yield* loadConfiguration(config)
}).pipe(
  Effect.catchTag("ConfigError", ({ detail, more }) => Effect.fail(failed([detail, ...more].map(visible).join(" ")))),
  Effect.provide(Environment.layer)
)

const drawTried = (tried: ReadonlyArray<Tried>, paint: Paints): ReadonlyArray<string> =>
  tried.length === 0 ? ["The configuration has no policy."] : tried.flatMap(({ examples, failures, rule }) => [
    `${failures.length > 0 ? paint.red("fail") : examples > 0 ? paint.green("ok  ") : paint.yellow("--  ")}  ${
      ruleInBrief(rule)
    }: ${examples === 0 ? "no examples" : `${examples - failures.length} of ${examples} examples are as they say`}`,
    ...failures.flatMap(({ example, leaves }) => [
      `        ${shown(example.input)} ${
        example.matches ? "should be meant, and is not" : "should not be meant, and is"
      }${example.note === undefined ? "" : ` (${clipped(example.note, 200)})`}`,
      ...leaves.map((leaf) => `          ${leafInWords(leaf, paint)}`)
    ])
  ])

const ruleInBrief = ({ id, risk, tool, when }: PolicyRule): string =>
  `${id}  ${tool} is ${risk}${when === undefined ? "" : ` where ${conditionInWords(when.source)}`}`

const leafInWords = ({ actual, matched, op, path, value }: LeafReport, paint: Paints): string =>
  `${matched ? paint.green("yes") : paint.red("no ")}  ${
    conditionInWords({ path, op, ...(value === undefined ? {} : { value }) })
  }: ${actual === undefined ? "there is none" : `it is ${shown(actual)}`}`

const drawRecorded = (
  looked: number,
  differing: ReadonlyArray<Differing>,
  paint: Paints
): ReadonlyArray<string> => {
  if (differing.length === 0) {
    return [`Of ${looked} recorded calls none would be of another risk by these policies.`]
  }
  return [
    `Of ${looked} recorded calls ${differing.length} would be of another risk by these policies:`,
    ...differing.map(({ call, rule }) =>
      `  ${shortId(call.tool_call_id)}  ${clipped(call.tool, 40)}  ${
        visible(call.risk)
      } → ${rule.risk} by ${rule.id}  ${shown(call.input)}`
    ),
    paint.dim("A recorded risk counts what was added to it then, such as one more in quiet hours.")
  ]
}

const shown = (value: unknown): string => clipped(JSON.stringify(value) ?? "nothing", 200)

const asJson = (ok: boolean, tried: ReadonlyArray<Tried>, differing: ReadonlyArray<Differing> | undefined) => ({
  ok,
  rules: tried.map(({ examples, failures, rule }) => ({
    rule: rule.id,
    tool: rule.tool,
    risk: rule.risk,
    examples,
    failures: failures.map(({ example: { input, matches, note, tool }, leaves }) => ({
      tool,
      input,
      matches,
      ...(note === undefined ? {} : { note }),
      leaves
    }))
  })),
  ...(differing === undefined ? {} : {
    recorded: differing.map(({ call, rule }) => ({
      tool_call_id: call.tool_call_id,
      tool: call.tool,
      recorded_risk: call.risk,
      risk: rule.risk,
      rule: rule.id
    }))
  })
})

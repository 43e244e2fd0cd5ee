/**
 * The host's own tools for rules: which there are, one switched off or on, a new one. They act only in the host's database, in
 * the transaction of their outcome; every host knows it with the commit.
 *
 * - Only the operator switches a rule. To switch one on, or to make one, lets something act later: a person is asked, at every
 *   level, and is shown in words what it does and how bad it can be.
 * - A rule is as good as the worst in the trace that made it: what it makes of a better event is no better than that.
 */
import { Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { appendRows, type Fact } from "../audit/Audit.ts"
import { Risk } from "../contract/Enums.ts"
import { RuleDefinition } from "../contract/Rule.ts"
import { ruleInWords } from "../contract/words/RuleWords.ts"
import { version } from "../health/Version.ts"
import { asksAtLeast } from "../plugin/AsksAtLeast.ts"
import { withStop } from "../plugin/Explain.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import { worseThan } from "../safety/Risk.ts"
import { trustOfMade } from "../tools/TraceTrust.ts"
import type { LiveRule } from "./LiveRule.ts"
import { meantRule } from "./MeantRule.ts"
import type { RuleDesk } from "./RuleDesk.ts"
import { ruleSentences } from "./RuleSentences.ts"
import { type GradedRule, insertRule, RuleRefused, switchRule, takenName } from "./RuleStore.ts"

type Desks = RuleDesk["Service"]

/** Rules in one answer; the message counts the rest. */
const most = 50

const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(300))
const Said = Schema.Struct({ message: Schema.String, rule_id: Schema.String })

const atLeastMedium = (risk: Risk): Risk => worseThan(risk, "medium") ? risk : "medium"

const tellBy = (desks: Desks) => (fact: Fact): Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> =>
  appendRows([desks.desk().row(fact)])

const theOne = (desks: Desks, which: string): LiveRule => {
  const rule = meantRule(which, desks.desk().rules())
  if (typeof rule === "string") throw new ToolRefused(rule)
  return rule
}

const meant = (desks: Desks, which: string): Effect.Effect<LiveRule, ToolRefused> =>
  Effect.try({ try: () => theOne(desks, which), catch: (error) => error as ToolRefused })

/** The rule, graded, or what is wrong with it. */
const graded = (desks: Desks, body: unknown): GradedRule | string => {
  const read = Effect.runSyncExit(desks.desk().read(body))
  if (read._tag === "Success") return read.value
  const refused = read.cause.reasons.find((reason) => reason._tag === "Fail")?.error
  return refused instanceof RuleRefused ? refused.message : "it can't be checked"
}

const Listed = Schema.Struct({
  rule_id: Schema.String,
  name: Schema.String,
  enabled: Schema.Boolean,
  does: Schema.String,
  risk: Risk,
  hit_count: Schema.Int
})

const list = (desks: Desks) =>
  defineTool({
    name: "rule.list",
    description: "Say which standing rules there are: whether they are on, what they do, and how often they fired.",
    input: Schema.Struct({}),
    output: Schema.Struct({ message: Schema.String, rules: Schema.Array(Listed) }),
    effect: "read",
    risk: "low",
    scopes: ["rules.read"],
    guarantee: "transactional",
    // They are called by the words that they came from, whoever wrote them.
    trust: "untrusted",
    run: () =>
      Effect.gen(function*() {
        const all = desks.desk().rules()
        const shown = all.slice(0, most)
        const sql = yield* SqlClient.SqlClient
        const states = yield* sql<{ readonly rule_id: string; readonly hit_count: bigint }>`
          select rule_id, hit_count from rule_states where rule_id = any(${
          shown.map(({ owed }) => owed.rule_id)
        }::text[])`
        const hits = new Map(states.map(({ hit_count, rule_id }) => [rule_id, Number(hit_count)]))
        const rules = shown.map(({ enabled, owed: { definition, rule_id }, risk }): typeof Listed.Type => ({
          rule_id,
          name: definition.name,
          enabled,
          does: ruleInWords(definition),
          risk,
          hit_count: hits.get(rule_id) ?? 0
        }))
        return {
          message: rules.length === 0
            ? "There are no rules."
            : [
              `${all.length === 1 ? "There is 1 rule" : `There are ${all.length} rules`}${
                all.length > most ? `; the first ${most}` : ""
              }:`,
              ...rules.map(({ does, enabled, hit_count, name }) =>
                `${name} (${enabled ? "on" : "off"}, fired ${hit_count === 1 ? "once" : `${hit_count} times`}): ${does}`
              )
            ].join("\n"),
          rules
        }
      })
  })

const isKnown = (rule: LiveRule | string): true | string => typeof rule === "string" ? rule : true

const switching = (desks: Desks, enabled: boolean) => {
  const word = enabled ? "on" : "off"
  return defineTool({
    name: enabled ? "rule.enable" : "rule.disable",
    description: `Switch a standing rule ${word}, by its name or its id. Only the operator may.`,
    // Nobody is asked about one that is not there.
    input: Schema.Struct({
      which: enabled ? Name.check(Schema.makeFilter((which) => isKnown(meantRule(which, desks.desk().rules())))) : Name
    }),
    output: Said,
    effect: "write",
    risk: ({ which }) => enabled ? atLeastMedium(theOne(desks, which).risk) : "low",
    scopes: ["rules.write"],
    guarantee: "transactional",
    preview: ({ which }) => {
      const { owed: { definition }, risk } = theOne(desks, which)
      return `would switch ${word} the rule ${definition.name}: ${ruleInWords(definition)}` +
        (enabled ? `. At its worst it is of risk ${risk}` : "")
    },
    run: ({ which }, ctx) =>
      Effect.gen(function*() {
        const rule = yield* meant(desks, which)
        const { definition: { name }, origin, rule_id } = rule.owed
        if (rule.enabled === enabled) return { message: `The rule ${name} is ${word} already.`, rule_id }
        const sql = yield* SqlClient.SqlClient
        const there = origin === "api" ? yield* sql`select 1 from rules where rule_id = ${rule_id}` : [rule]
        if (there.length === 0) return yield* Effect.fail(new ToolRefused(`The rule ${name} was removed.`))
        const author = { by: "operator (chat)", trace_id: ctx.traceId }
        yield* switchRule(rule.owed, enabled, author, ctx.now(), tellBy(desks))
        return { message: `The rule ${name} is ${word} now.`, rule_id }
      })
  })
}

const disable = (desks: Desks) => forOperatorOnly(switching(desks, false))
const enable = (desks: Desks) => forOperatorOnly(asksAtLeast(switching(desks, true), () => true))

const create = (desks: Desks) =>
  asksAtLeast(
    defineTool({
      name: "rule.create",
      description:
        "Make a standing rule: what is done (then) whenever an event fulfils a condition (when). The whole rule as " +
        "in POST /rules. A person is asked before it is made.",
      // What is wrong with it is said before anybody is asked.
      input: RuleDefinition.check(Schema.makeFilter((given) => {
        const rule = graded(desks, given)
        return typeof rule !== "string" || `Expected those of a rule that can work: ${rule.replace(/\.$/, "")}`
      })),
      output: Said,
      effect: "write",
      risk: (given) => {
        const rule = graded(desks, given)
        return typeof rule === "string" ? "high" : atLeastMedium(rule.risk)
      },
      scopes: ["rules.write"],
      guarantee: "transactional",
      preview: (given) => {
        const rule = graded(desks, given)
        if (typeof rule === "string") return rule
        const { definition, reasons, risk } = rule
        return `would make the rule ${definition.name}: ${
          ruleInWords(definition)
        }. At its worst it is of risk ${risk} (${reasons.join("; ")})`
      },
      run: (given, ctx) =>
        Effect.gen(function*() {
          const rule = yield* Effect.catchTag(
            desks.desk().read(given),
            "RuleRefused",
            (error) => Effect.fail(new ToolRefused(error.message))
          )
          const { definition: { name }, risk } = rule
          const sql = yield* SqlClient.SqlClient
          const [call] = yield* sql<{ readonly tool_call_id: string }>`
            select tool_call_id from tool_call_keys where idempotency_key = ${ctx.idempotencyKey}`
          const trust = yield* trustOfMade(ctx)
          const rule_id = yield* insertRule(
            rule,
            {
              trace_id: ctx.traceId,
              trust,
              by: "operator (chat)",
              ...(call === undefined ? {} : { made_by: call.tool_call_id })
            },
            ctx.now(),
            tellBy(desks)
          )
          if (rule_id === undefined) return yield* Effect.fail(new ToolRefused(takenName(name)))
          const worst = trust === "operator" ? "" : ` What it makes counts as ${trust}, as the words that it came from.`
          return {
            message: `${withStop(`The rule ${name} is made: at its worst it is of risk ${risk}`)}${worst}`,
            rule_id
          }
        })
    }),
    () => true
  )

/** Part of the host; see `HostPlugins`. */
export const ruleTools = (desks: Desks) =>
  definePlugin({
    name: "rules",
    version,
    setup: () => ({
      tools: [list(desks), disable(desks), enable(desks), create(desks)],
      intents: ruleSentences
    })
  })()

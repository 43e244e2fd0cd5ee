/**
 * One gate decision with everything that it may look at: a thousand rules of the policy, quiet hours, where the words come
 * from, blast radius, target, and twenty secrets that the input is searched for. It is one function call: it can't query.
 *
 * The control is what a call costs before it is decided on at all: its input as canonical JSON, and the hash of that.
 */
import { Redacted, Schema } from "effect"
import type { BoundLog } from "../core/plugin/PluginLog.ts"
import { registerTool } from "../core/plugin/ToolRegistration.ts"
import { decide, type GateQuestion, type GateState } from "../core/safety/Gates.ts"
import { compilePolicyCondition, makePolicy, policyHash, type PolicyRule } from "../core/safety/Policy.ts"
import { isWithin } from "../core/safety/TimeWindow.ts"
import { makeRedaction } from "../core/secrets/Redactor.ts"
import { hashOf } from "../core/tools/InputHash.ts"
import { figure, median, type Options, percentile, target, title } from "./Report.ts"

const silent: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }

const tool = registerTool("email", {
  name: "email.send",
  description: "Send a mail.",
  input: Schema.Struct({ to: Schema.String, subject: Schema.String, body: Schema.String, amount: Schema.Number }),
  effect: "write",
  guarantee: "none",
  risk: "medium",
  scopes: ["email.send"],
  target: (input: { readonly to: string }) => input.to,
  action: () => "send",
  blastRadius: () => 1,
  run: () => undefined
}, silent)

/** Of the kinds that operators write: most name a value, some a part of one, some have to be looked at each time. */
const ruleAt = (index: number): Pick<PolicyRule, "tool" | "risk"> & { readonly when: unknown } => {
  switch (index % 10) {
    case 0:
      return { tool: "email.*", risk: "high", when: { path: "input.amount", op: "gt", value: 1_000 + index } }
    case 1:
      return {
        tool: "*",
        risk: "high",
        when: {
          all: [
            { path: "source.channel", op: "eq", value: `channel-${index}` },
            { path: "input.subject", op: "contains", value: `urgent ${index}` }
          ]
        }
      }
    case 2:
    case 3:
      return {
        tool: "email.send",
        risk: "low",
        when: { path: "input.to", op: "ends_with", value: `@house-${index}.org` }
      }
    case 4:
      return { tool: `lamp.room-${index}`, risk: "low", when: { path: "input.on", op: "eq", value: true } }
    default:
      return {
        tool: "email.send",
        risk: "low",
        when: { path: "input.to", op: "eq", value: `friend-${index}@example.org` }
      }
  }
}

const rules = (count: number): ReadonlyArray<PolicyRule> =>
  Array.from({ length: count }, (_, index): PolicyRule => {
    const { risk, tool, when } = ruleAt(index)
    const condition = compilePolicyCondition(when)
    if (!condition.ok) throw new Error(condition.mistakes.join("; "))
    const rule = { tool, risk, when: condition.value }
    return {
      ...rule,
      id: `config.${index}`,
      origin: index % 2 === 0 ? "config" : "standing",
      hash: policyHash(rule),
      ...(index % 2 === 0 ? {} : { expiresAt: Date.now() + 86_400_000 })
    }
  })

const secrets = Array.from(
  { length: 20 },
  (_, index) => ({ key: `key-${index}`, value: `a-secret-of-some-length-${index}` })
)
const redaction = makeRedaction({
  revision: () => 1,
  values: () => secrets.map(({ key, value }) => [key, Redacted.make(value)] as const)
}, () => {})

const night = { start: "22:00", end: "07:00", timezone: "Europe/London" }

const stateOf = (count: number): GateState => ({
  match: makePolicy(rules(count)).match,
  health: () => "healthy",
  quiet: (at) => ({ quiet: isWithin(night, at), window: "22:00 to 07:00 Europe/London" }),
  blastRadius: 5,
  recent: () => false,
  hasSecret: (json) => redaction.redactJson(json) !== json
})

const questionAt = (index: number): GateQuestion => {
  if (typeof tool === "string") throw new Error(tool)
  const input = {
    to: index % 4 === 0 ? `friend-${index % 1_000}@example.org` : `stranger-${index}@elsewhere.net`,
    subject: `About the ${index}th thing`,
    body: `Dear all, this is what we spoke about (${index}). `.repeat(20),
    amount: index % 500
  }
  return {
    tool,
    input,
    json: input,
    risk: "medium",
    autonomy: index % 2 === 0 ? "A2" : "A3",
    trust: index % 3 === 0 ? "untrusted" : "operator",
    source: { channel: "email", connector_id: "inbox", actor_id: "somebody" },
    granted: ["email.*"],
    by_model: index % 5 === 0,
    dry: true,
    // Through a day, a hundred calls in each of its minutes: a minute is shared by what happens in it.
    at: new Date(Date.UTC(2026, 10, 22) + Math.floor(index / 100) * 144 * 60_000 + index)
  }
}

/** One call at a time, microseconds. */
const time = (count: number, one: (index: number) => unknown): ReadonlyArray<number> => {
  const times = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    const from = performance.now()
    one(index)
    times[index] = (performance.now() - from) * 1_000
  }
  return [...times]
}

export const gates = (options: Options): Promise<void> => {
  title("Gates: one decision, all adjusters, 1,000 policy rules, 20 secrets")
  const count = options.quick ? 20_000 : 200_000
  const questions = Array.from({ length: 1_000 }, (_, index) => questionAt(index))
  const questionOf = (index: number): GateQuestion => questions[index % questions.length] ?? questionAt(index)
  const many = stateOf(1_000)
  const one = stateOf(1)
  // What is compiled while it runs is not what a host that is up would see.
  for (const state of [many, one]) time(5_000, (index) => decide(questionOf(index), state))
  time(5_000, (index) => hashOf(questionOf(index).json))
  const rounds = Array.from({ length: 5 }, () => ({
    decided: time(count / 5, (index) => decide(questionOf(index), many)),
    withOne: time(count / 5, (index) => decide(questionOf(index), one)),
    hashed: time(count / 5, (index) => hashOf(questionOf(index).json))
  }))
  const all = (of: (round: (typeof rounds)[number]) => ReadonlyArray<number>): ReadonlyArray<number> =>
    rounds.flatMap(of)
  const decided = all((round) => round.decided)
  figure("a decision, median", median(decided), "µs")
  target("a decision, p99", percentile(decided, 0.99), "µs", "at most", 50)
  figure("a decision with one rule, median", median(all((round) => round.withOne)), "µs")
  figure("control: hash of the input, median", median(all((round) => round.hashed)), "µs")
  const ratios = (over: (round: (typeof rounds)[number]) => ReadonlyArray<number>) =>
    median(rounds.map((round) => median(round.decided) / median(over(round))))
  figure("a decision / the hash of its input", ratios((round) => round.hashed), "")
  figure("a decision with 1,000 rules / with one", ratios((round) => round.withOne), "")
  return Promise.resolve()
}

/**
 * What the operator has said of tools: rules that give a call its risk, from the configuration and standing ones that
 * "always allow" made. Pure, in memory, and indexed: a thousand rules cost about what one does.
 *
 * - Of several rules of the configuration that match, the one with the strictest risk wins, the first of them on a tie.
 * - Of several standing ones the one that holds up to the highest risk; one that has expired never matches.
 */
import canonicalize from "canonicalize"
import { createHash } from "node:crypto"
import { Risk } from "../contract/Enums.ts"
import { isLive } from "../plugin/LiveTools.ts"
import { type Compiled, type CompiledCondition, compileCondition, type CompileOptions, type Need } from "./Condition.ts"

export interface PolicyRule {
  /** `config.1` for the first of the configuration. */
  readonly id: string
  /** A tool's name, all of a prefix (`email.*`), or `*`. */
  readonly tool: string
  /** Default: every call. */
  readonly when?: CompiledCondition
  readonly risk: Risk
  readonly origin: "config" | "standing"
  /** Milliseconds of the epoch; from then on it matches nothing. */
  readonly expiresAt?: number
  /** Of tool, condition and risk (`policyHash`): the same rule has the same one everywhere. */
  readonly hash: string
  readonly reason?: string
}

/** What a condition of a policy sees. */
export interface PolicySubject {
  readonly input: unknown
  readonly tool: string
  readonly source: { readonly channel: string; readonly connector_id: string }
  readonly actor: { readonly actor_id: string }
  readonly security: { readonly trust: string }
  readonly state: { readonly autonomy: string; readonly time: Date; readonly health: string }
}

export interface Policy {
  /** The rules that decide on a call; `now` in milliseconds of the epoch. */
  readonly match: (tool: string, subject: unknown, now: number) => {
    readonly config: PolicyRule | undefined
    readonly standing: PolicyRule | undefined
  }
}

/** SHA-256 over the canonical JSON of what a rule says, hex. */
export const policyHash = ({ risk, tool, when }: Pick<PolicyRule, "tool" | "when" | "risk">): string =>
  createHash("sha256").update(canonicalize({ tool, when: when?.source, risk }) ?? "").digest("hex")

const roots: ReadonlyArray<keyof PolicySubject> = ["input", "tool", "source", "actor", "security", "state"]

/** The condition of a policy: its paths begin where a `PolicySubject` does, and there is no call before to compare with. */
export const compilePolicyCondition = (given: unknown, noun?: string, options: CompileOptions = {}): Compiled => {
  const compiled = compileCondition(given, noun, { roots, ...options })
  if (!compiled.ok || !compiled.value.needsPrevious) return compiled
  const where = options.at === undefined ? "the condition" : `the ${noun ?? "field"} ${JSON.stringify(options.at)}`
  return { ok: false, mistakes: [`${where} has the op changed, and a policy has nothing before it to compare with`] }
}

/** Whether the `tool` of a rule means this tool. */
export const meansTool = (given: string, name: string): boolean =>
  given === name || given === "*" || (given.endsWith(".*") && name.startsWith(given.slice(0, -1)))

/** What rules name and no plugin provides, each once. */
export const unknownPolicyTools = (
  rules: ReadonlyArray<Pick<PolicyRule, "tool">>,
  toolNames: Iterable<string>
): ReadonlyArray<string> => {
  const names = [...toolNames]
  return [...new Set(rules.map((rule) => rule.tool))].filter((tool) =>
    !isLive(tool) && !names.some((name) => meansTool(tool, name))
  )
}

export const makePolicy = (rules: ReadonlyArray<PolicyRule>): Policy => {
  const config = preferring(rules.filter((rule) => rule.origin === "config"), (a, b) => severity(b) - severity(a))
  const standing = preferring(rules.filter((rule) => rule.origin === "standing"), (a, b) => severity(b) - severity(a))
  return {
    match: (tool, subject, now) => ({
      config: config(tool, subject, now),
      standing: standing(tool, subject, now)
    })
  }
}

const severity = ({ risk }: PolicyRule): number => Risk.literals.indexOf(risk)

type Find = (tool: string, subject: unknown, now: number) => PolicyRule | undefined

interface Ranked {
  /** The least one that matches wins. */
  readonly rank: number
  readonly rule: PolicyRule
}

/** Finds the first match in an order of preference; those that are equal keep their order. */
const preferring = (rules: ReadonlyArray<PolicyRule>, order: (a: PolicyRule, b: PolicyRule) => number): Find => {
  const ranked = rules.toSorted(order).map((rule, rank): Ranked => ({ rank, rule }))
  const byTool = new Map(
    [...Map.groupBy(ranked, ({ rule }) => rule.tool)].map(([tool, group]) => [tool, indexed(group)])
  )
  return (tool, subject, now) => {
    let best: Ranked | undefined
    const look = (named: string) => {
      const search = byTool.get(named)
      if (search !== undefined) best = search(subject, now, best)
    }
    look(tool)
    for (let dot = tool.indexOf("."); dot >= 0; dot = tool.indexOf(".", dot + 1)) look(`${tool.slice(0, dot)}.*`)
    look("*")
    return best?.rule
  }
}

type Search = (subject: unknown, now: number, best: Ranked | undefined) => Ranked | undefined

/** Rules of one tool, least rank first, by the field that each of them needs; it is read once for all. */
const indexed = (group: ReadonlyArray<Ranked>): Search => {
  const needing = group.flatMap((one) => (one.rule.when?.needs ?? []).map((need) => ({ ...one, need })))
  const fields = [...Map.groupBy(needing, ({ need }) => need.field.path).values()].map((same) => ({
    read: same[0]?.need.field.read ?? (() => undefined),
    byValue: byValue(same),
    byTest: same.filter(({ need }) => need.values === undefined)
  }))
  const rest = group.filter(({ rule }) => (rule.when?.needs ?? []).length === 0)
  return (subject, now, best) => {
    for (const { byTest, byValue, read } of fields) {
      const actual = read(subject)
      const there = byValue.get(actual)
      if (there !== undefined) best = firstOf(there, subject, now, best)
      for (const one of byTest) {
        if (best !== undefined && one.rank > best.rank) break
        if (one.need.test(actual) && holds(one, subject, now)) best = one
      }
    }
    return firstOf(rest, subject, now, best)
  }
}

const byValue = (
  needing: ReadonlyArray<Ranked & { readonly need: Need }>
): ReadonlyMap<unknown, ReadonlyArray<Ranked>> =>
  new Map(
    [...Map.groupBy(
      needing.flatMap((one) => [...new Set(one.need.values)].map((value) => ({ one, value }))),
      ({ value }) => value
    )].map(([value, entries]) => [value, entries.map(({ one }) => one)])
  )

const holds = ({ rule: { expiresAt, when } }: Ranked, subject: unknown, now: number): boolean =>
  (expiresAt === undefined || now < expiresAt) && (when === undefined || when.matches(subject))

const firstOf = (sorted: ReadonlyArray<Ranked>, subject: unknown, now: number, best: Ranked | undefined) => {
  for (const one of sorted) {
    if (best !== undefined && one.rank > best.rank) return best
    if (holds(one, subject, now)) return one
  }
  return best
}

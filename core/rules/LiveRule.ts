/**
 * A rule as a host has it in memory: checked, compiled, and with what the index of rules needs.
 */
import type { OwedRule } from "../contract/Rows.ts"
import type { Risk } from "../contract/Enums.ts"
import type { RuleDefinition } from "../contract/Rule.ts"
import type { Registry } from "../plugin/Registry.ts"
import { isStateful, type ReadRule, ruleRoots } from "../plugin/RuleReading.ts"
import type { Settings } from "../plugin/Settings.ts"
import { type Choice, compileCondition, type CompiledCondition } from "../safety/Condition.ts"
import { reachOf } from "./Thing.ts"

export interface LiveRule {
  readonly owed: OwedRule
  readonly enabled: boolean
  readonly priority: number
  readonly stop: boolean
  readonly condition: CompiledCondition
  /** Whether it has to look at an event: its condition holds, or it could hold for the thing that the event is about. */
  readonly concerns: (subject: unknown) => boolean
  readonly choices: ReadonlyArray<Choice>
  /** The worst that it can do. */
  readonly risk: Risk
}

export const liveRule = (
  rule: ReadRule,
  given: Omit<OwedRule, "definition" | "stateful"> & { readonly risk: Risk; readonly enabled: boolean | undefined }
): LiveRule => {
  const { condition, definition } = rule
  const { enabled, risk, ...owed } = given
  const stateful = isStateful(rule)
  const reach = stateful ? reachOf(condition, definition.per) : undefined
  return {
    owed: { ...owed, definition, ...(stateful ? { stateful: true as const } : {}) },
    enabled: enabled ?? definition.enabled ?? true,
    priority: definition.priority ?? 0,
    stop: definition.stop ?? false,
    condition,
    concerns: reach?.covers ?? condition.matches,
    choices: reach?.choices ?? condition.choices,
    risk
  }
}

/** Those of the configuration and of plugins, by the ids that they have everywhere. */
export const ownRules = (
  settings: Pick<Settings["Service"], "rules">,
  registry: Pick<Registry["Service"], "rules">
) => [
  ...settings.rules.map((rule) => ({
    rule,
    rule_id: `config.${rule.definition.name}`,
    origin: "config" as const,
    trust: "operator" as const
  })),
  ...registry.rules().map((rule) => ({
    rule,
    rule_id: `${rule.plugin}.${rule.definition.name}`,
    origin: "plugin" as const,
    trust: rule.trust ?? "operator" as const
  }))
]

const compiled = new Map<string, CompiledCondition>()
/** Conditions kept at once, by their text. */
const maximumCompiled = 5_000

/** The condition of a stored rule, which was checked before it was stored; nothing where this version can't read it. */
export const conditionOf = ({ when }: RuleDefinition, timezone: string): CompiledCondition | undefined => {
  const key = `${timezone} ${JSON.stringify(when)}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const made = compileCondition(when, "field", { timezone, roots: ruleRoots })
  if (!made.ok) return undefined
  if (compiled.size >= maximumCompiled) compiled.clear()
  compiled.set(key, made.value)
  return made.value
}

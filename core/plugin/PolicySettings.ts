/**
 * The policies of the configuration, checked and compiled; the examples beside them are for `syris policy test`.
 */
import { Schema } from "effect"
import { Risk } from "../contract/Enums.ts"
import { compilePolicyCondition, policyHash, type PolicyRule } from "../safety/Policy.ts"

/** A call of which a policy says whether it means it. */
export interface PolicyExample {
  /** The id of its rule. */
  readonly rule: string
  /** Whose call it is. Default: what the rule says, also where that is a prefix. */
  readonly tool: string
  readonly input: unknown
  readonly matches: boolean
  readonly note?: string
}

const PolicyTool = Schema.String.check(
  Schema.isPattern(/^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)+|[a-z0-9_-]+(\.[a-z0-9_-]+)*\.\*)$/, {
    expected: "a tool such as \"email.send\", or all of a prefix such as \"email.*\""
  })
)

const optional = Schema.optional

export const PolicySetting = Schema.Array(Schema.Struct({
  tool: PolicyTool,
  when: optional(Schema.Unknown),
  risk: Risk,
  reason: optional(Schema.String.check(Schema.isMaxLength(500, { expected: "at most 500 characters" }))),
  examples: optional(Schema.Array(Schema.Struct({
    tool: optional(Schema.String),
    input: Schema.Unknown,
    matches: Schema.Boolean,
    note: optional(Schema.String)
  })))
}))

export interface PolicySettings {
  readonly policy: ReadonlyArray<PolicyRule>
  readonly policyExamples: ReadonlyArray<PolicyExample>
}

/** The rules `config.1`, `config.2`, … in their order, or what is wrong with them. */
export const readPolicy = (
  config: typeof PolicySetting.Type,
  timezone: string
): { readonly ok: true; readonly value: PolicySettings } | {
  readonly ok: false
  readonly mistakes: ReadonlyArray<string>
} => {
  const policy: Array<PolicyRule> = []
  const policyExamples: Array<PolicyExample> = []
  const mistakes: Array<string> = []
  for (const [index, { examples = [], reason, risk, tool, when }] of config.entries()) {
    const id = `config.${index + 1}`
    const compiled = when === undefined
      ? undefined
      : compilePolicyCondition(when, "setting", { at: `policy[${index}].when`, timezone })
    if (compiled?.ok === false) {
      mistakes.push(...compiled.mistakes)
      continue
    }
    const said = { tool, risk, ...(compiled === undefined ? {} : { when: compiled.value }) }
    policy.push({
      id,
      ...said,
      origin: "config",
      hash: policyHash(said),
      ...(reason === undefined ? {} : { reason })
    })
    policyExamples.push(...examples.map(({ input, matches, note, tool: called }) => ({
      rule: id,
      tool: called ?? tool,
      input,
      matches,
      ...(note === undefined ? {} : { note })
    })))
  }
  return mistakes.length > 0 ? { ok: false, mistakes } : { ok: true, value: { policy, policyExamples } }
}

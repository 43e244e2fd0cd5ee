/** Switches a rule on or off. One of the configuration or of a plugin stays so over restarts, too. */
import type { Rule } from "syris/records"
import { patch } from "../../api/client.ts"
import { useAction } from "../../parts/Action.tsx"
import { Switch } from "../../parts/Switch.tsx"
import { short } from "../../parts/Words.tsx"

export const ruleAddress = (rule_id: string): string => `/rules/${encodeURIComponent(rule_id)}`

export const RuleSwitch = ({ rule: { enabled, name, rule_id } }: { readonly rule: Rule }) => {
  const change = useAction({
    run: (on: boolean) => patch<Rule>(ruleAddress(rule_id), { enabled: on }),
    touches: ["rules"],
    done: (rule) => `The rule ${short(rule.name)} is ${rule.enabled ? "on" : "off: it does nothing any more"}.`
  })
  return <Switch on={enabled} busy={change.isPending} label={`The rule ${short(name)}`} onChange={change.mutate} />
}

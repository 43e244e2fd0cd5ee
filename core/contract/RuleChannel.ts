/** The channel of what rules make, unless they say otherwise. */
export const ruleChannel = "rule_engine"

/**
 * `syris/words`: what is said of a rule, a condition, a value and the autonomy levels, the same in the terminal, in the chat and
 * on the page. Pure, and nothing but text: a browser loads it.
 */
export { autonomyInWords } from "./AutonomyWords.ts"
export { brief } from "./Brief.ts"
export { conditionInWords, leafInWords, ofCalls } from "./ConditionWords.ts"
export { ruleInWords } from "./RuleWords.ts"

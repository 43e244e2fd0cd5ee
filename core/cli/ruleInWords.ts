/**
 * A standing rule in words: over which tool, when, up to which risk, until when. Pure.
 */
import { conditionInWords as inWords, ofCalls } from "../contract/words/ConditionWords.ts"
import { localTime } from "./layout.ts"
import { clipped, visible } from "../contract/Visible.ts"

/** The record of `POST /policy`, as far as it is said. */
export interface StandingRule {
  readonly policy_id: string
  readonly tool: string
  readonly when: unknown
  readonly risk: string
  readonly expires_at: string
}

export const ruleInWords = ({ expires_at, policy_id, risk, tool, when }: StandingRule): string =>
  `From now until ${localTime(visible(expires_at))} ${visible(tool)} runs without asking where ${
    conditionInWords(when)
  }, up to risk ${visible(risk)} (rule ${visible(policy_id)}).`

const shown = (value: unknown): string => clipped(JSON.stringify(value) ?? "nothing", 200)

/** `input.to is "a" and input.subject is "b"`; what is no condition is shown as it is. */
export const conditionInWords = (condition: unknown): string =>
  inWords(condition, { path: visible, value: shown, wording: ofCalls })

/**
 * A rule: a condition over events, and what is done where it holds. This is its shape over HTTP and in the database; in
 * code the keys are camelCase.
 */
import { Schema } from "effect"
import { Risk } from "./Enums.ts"
import { QuietChoice } from "./Schedule.ts"

/** `{{path}}` in a string takes a value from the event. */
export const RuleAction = Schema.Union([
  /** A child event, on the channel `rule_engine` unless it says otherwise. */
  Schema.Struct({ emit: Schema.Record(Schema.String, Schema.Json) }),
  /** As the body of `POST /tasks`. */
  Schema.Struct({ task: Schema.Record(Schema.String, Schema.Json) }),
  Schema.Struct({ tool: Schema.String, input: Schema.optionalKey(Schema.Json) }),
  /** Without a channel in the chat. */
  Schema.Struct({
    notify: Schema.Struct({
      text: Schema.String,
      channel: Schema.optionalKey(Schema.String),
      urgency: Schema.optionalKey(Schema.Literals(["low", "normal", "high"]))
    })
  })
])
export type RuleAction = typeof RuleAction.Type

const whole = (minimum: number, maximum: number, expected: string) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }, { expected }))

/** Longest time that a rule remembers or waits, milliseconds: 30 days. */
export const longestWindowMs = 30 * 86_400_000
const Window = whole(1, longestWindowMs, "a whole number of milliseconds, at most 30 days")

/** What the operator says of a rule. */
export const RuleDefinition = Schema.Struct({
  /** Unique among the rules of its origin. */
  name: Schema.String.check(
    Schema.isPattern(/^\S(.*\S)?$/u, { expected: "a name without spaces at its ends" }),
    Schema.isMaxLength(100, { expected: "at most 100 characters" })
  ),
  /** Default true. */
  enabled: Schema.optionalKey(Schema.Boolean),
  /** The highest first; default 0. */
  priority: Schema.optionalKey(whole(-1_000_000, 1_000_000, "a whole number from -1000000 to 1000000")),
  /** A condition over the event, in its shape of `GET /events`, and over `state.autonomy`, `state.health`, `state.time`. */
  when: Schema.Unknown,
  then: Schema.Array(RuleAction).check(
    Schema.makeFilter((given) => given.length > 0 && given.length <= 10, { expected: "a list of 1 to 10 actions" })
  ),
  /** It claims the event where its condition holds: no rule after it, no intent and no model sees it. Default false. */
  stop: Schema.optionalKey(Schema.Boolean),
  /** Least time between two firings. Default 0. */
  debounce_ms: Schema.optionalKey(whole(0, longestWindowMs, "a whole number of milliseconds, at most 30 days")),
  /** The same is done once in a window. `key` is a text with `{{path}}`; default: the whole content of the event. */
  dedupe: Schema.optionalKey(Schema.Struct({
    key: Schema.optionalKey(
      Schema.String.check(
        Schema.isMinLength(1, { expected: "a text that is not empty" }),
        Schema.isMaxLength(500, { expected: "at most 500 characters" })
      )
    ),
    window_ms: Window
  })),
  quiet_hours: Schema.optionalKey(QuietChoice),
  /** How long the condition has to stay true before the rule fires. */
  held_for_ms: Schema.optionalKey(Window),
  /**
   * The field that tells one thing from another, for `changed` and `held_for_ms`. Default: the first that is there of
   * `content.structured.entity_id`, `content.structured.topic` and `context.device_id`.
   */
  per: Schema.optionalKey(Schema.String)
})
export type RuleDefinition = typeof RuleDefinition.Type

/** A rule with what became of it. */
export const Rule = Schema.Struct({
  ...RuleDefinition.fields,
  rule_id: Schema.String,
  enabled: Schema.Boolean,
  priority: Schema.Int,
  stop: Schema.Boolean,
  debounce_ms: Schema.Int,
  origin: Schema.Literals(["config", "plugin", "api"]),
  /** The worst that it can do. */
  risk: Risk,
  last_fired_at: Schema.optionalKey(Schema.String),
  hit_count: Schema.Int,
  suppressed_count: Schema.Int
})
export type Rule = typeof Rule.Type

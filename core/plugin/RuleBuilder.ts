/**
 * Rules with the help of the editor: `defineRule({ name, when: all(field("source.channel").eq("ha_event"), …), then })`.
 * What comes out is plain data, as it could have been written by hand.
 */
import type { Condition, ConditionOp, RuleConfiguration } from "./Configuration.ts"

/** Identity plus types. */
export const defineRule = (rule: RuleConfiguration): RuleConfiguration => rule

/** All of them hold. */
export const all = (...conditions: ReadonlyArray<Condition>): Condition => ({ all: conditions })
/** One of them holds. */
export const any = (...conditions: ReadonlyArray<Condition>): Condition => ({ any: conditions })
/** None of them holds. */
export const none = (...conditions: ReadonlyArray<Condition>): Condition => ({ none: conditions })

/** What can be asked of a field. A field that is missing makes all false but `missing`, `neq`, `notIn`, `notContains`. */
export interface FieldTests {
  readonly eq: (value: unknown) => Condition
  readonly neq: (value: unknown) => Condition
  readonly in: (...values: ReadonlyArray<unknown>) => Condition
  readonly notIn: (...values: ReadonlyArray<unknown>) => Condition
  /** A part of a string, or an item of a list. */
  readonly contains: (value: unknown) => Condition
  readonly notContains: (value: unknown) => Condition
  readonly startsWith: (text: string) => Condition
  readonly endsWith: (text: string) => Condition
  /** A glob of the whole text: `*` and `?`. */
  readonly matches: (glob: string) => Condition
  /** RE2, anywhere in the text; in linear time, so without look-around and back references. */
  readonly regex: (pattern: string) => Condition
  readonly lt: (value: number | string) => Condition
  readonly lte: (value: number | string) => Condition
  readonly gt: (value: number | string) => Condition
  readonly gte: (value: number | string) => Condition
  readonly exists: () => Condition
  readonly missing: () => Condition
  /** Another value than in the event before, of the same channel, connector and thing. */
  readonly changed: () => Condition
}

/** A field of the event by its path, in the event's shape over HTTP: `content.structured.state`. */
export const field = (path: string): FieldTests => {
  const leaf = (op: ConditionOp) => (value?: unknown): Condition =>
    value === undefined ? { path, op } : { path, op, value }
  return {
    eq: leaf("eq"),
    neq: leaf("neq"),
    in: (...values) => ({ path, op: "in", value: values }),
    notIn: (...values) => ({ path, op: "not_in", value: values }),
    contains: leaf("contains"),
    notContains: leaf("not_contains"),
    startsWith: leaf("starts_with"),
    endsWith: leaf("ends_with"),
    matches: leaf("matches"),
    regex: leaf("regex"),
    lt: leaf("lt"),
    lte: leaf("lte"),
    gt: leaf("gt"),
    gte: leaf("gte"),
    exists: () => ({ path, op: "exists" }),
    missing: () => ({ path, op: "exists", value: false }),
    changed: () => ({ path, op: "changed" })
  }
}

type TimeWindow = {
  /** `HH:MM`. */
  readonly start: string
  /** `HH:MM`; before `start`: on the next day. */
  readonly end: string
  /** IANA name. Default: that of the configuration. */
  readonly timezone?: string
  readonly days?: ReadonlyArray<"mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun">
}

/** What a rule can ask of the system, as it is when the event comes. */
export const state = {
  autonomy: field("state.autonomy"),
  /** `healthy`, `degraded` or `down`. */
  health: field("state.health"),
  /** The time of day. */
  within: (window: TimeWindow): Condition => ({ path: "state.time", op: "within", value: window })
}

/**
 * Random rules and events: the compiled condition answers as a reading of its tree does that knows nothing of it, the
 * index finds at least what matches, and what is told of a part of an event holds for the whole.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import type { EventRow } from "../contract/Rows.ts"
import type { Condition, ConditionOp } from "../plugin/Configuration.ts"
import { type Choice, type CompiledCondition, compileCondition } from "../safety/Condition.ts"
import { makeIndex } from "./RuleIndex.ts"
import { ruleRoots, type RuleSubject, subjectOf } from "./Subject.ts"
import { type Reach, reachOf, thingOf } from "./Thing.ts"

// The reference: no early end, no index, another regular expression engine.

type Leaf = Extract<Condition, { readonly op: ConditionOp }>

const valueAt = (subject: unknown, path: string): unknown =>
  path.replaceAll("\\.", "\u0001").split(".").map((key) => key.replaceAll("\u0001", ".")).reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null && Object.keys(at).includes(key)
        ? (at as Record<string, unknown>)[key]
        : undefined,
    subject
  )

const globRegex = (glob: string): RegExp =>
  new RegExp(`^${glob.replace(/[.+^$()|[\]{}]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`, "su")

const hoursAhead: Record<string, number> = { UTC: 0, "Asia/Tokyo": 9 }

const isInWindow = (window: any, actual: unknown): boolean => {
  const isMoment = actual instanceof Date || (typeof actual === "string" && /^\d{4}-.*Z$/.test(actual))
  if (!isMoment) return false
  const local = new Date(new Date(actual).getTime() + (hoursAhead[window.timezone] ?? 0) * 3_600_000)
  const time = local.toISOString().slice(11, 16)
  const dayOf = (date: Date) => date.toUTCString().slice(0, 3).toLowerCase()
  const begins = (date: Date) => window.days === undefined || window.days.includes(dayOf(date))
  const yesterday = new Date(local.getTime() - 86_400_000)
  if (window.start < window.end) return begins(local) && window.start <= time && time < window.end
  return time >= window.start ? begins(local) : time < window.end && begins(yesterday)
}

const compare = (op: string, a: any, b: any): boolean =>
  op === "lt" ? a < b : op === "lte" ? a <= b : op === "gt" ? a > b : a >= b

const leafHolds = ({ op, path, value }: Leaf, subject: unknown, previous: unknown): boolean => {
  const actual = valueAt(subject, path)
  const wanted: any = value
  switch (op) {
    case "eq":
      return isDeepStrictEqual(actual, wanted)
    case "neq":
      return !isDeepStrictEqual(actual, wanted)
    case "in":
      return wanted.some((one: unknown) => isDeepStrictEqual(actual, one))
    case "not_in":
      return wanted.every((one: unknown) => !isDeepStrictEqual(actual, one))
    case "contains":
    case "not_contains": {
      const has = typeof actual === "string"
        ? typeof wanted === "string" && actual.includes(wanted)
        : Array.isArray(actual) && actual.some((item) => isDeepStrictEqual(item, wanted))
      return has === (op === "contains")
    }
    case "starts_with":
      return typeof actual === "string" && actual.slice(0, wanted.length) === wanted
    case "ends_with":
      return typeof actual === "string" && actual.length >= wanted.length && actual.slice(-wanted.length) === wanted
    case "matches":
      return typeof actual === "string" && globRegex(wanted).test(actual)
    case "regex":
      return typeof actual === "string" && new RegExp(wanted).test(actual)
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return typeof actual === typeof wanted && compare(op, actual, wanted)
    case "exists":
      return (actual !== undefined) === (wanted ?? true)
    case "within":
      return isInWindow(wanted, actual)
    case "changed":
      return previous !== undefined && actual !== undefined && !isDeepStrictEqual(actual, valueAt(previous, path))
  }
}

const reference = (condition: Condition, subject: unknown, previous?: unknown): boolean => {
  if ("all" in condition) return condition.all.filter((part) => !reference(part, subject, previous)).length === 0
  if ("any" in condition) return condition.any.filter((part) => reference(part, subject, previous)).length > 0
  if ("none" in condition) return condition.none.filter((part) => reference(part, subject, previous)).length === 0
  return leafHolds(condition, subject, previous)
}

// Few words and few values, so that much is the same.

const words = ["a", "b", "ab", "abb", "on", "off", "sensor.a", "sensor.b", "ha_event", "mqtt", "chat"]
const word = fc.constantFrom(...words)
const scalar = fc.oneof(
  { weight: 4, arbitrary: word },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(true, false, null) }
)
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 2 }) },
  { weight: 1, arbitrary: fc.record({ n: scalar, m: scalar }, { requiredKeys: [] }) }
)

const structuredPaths = ["entity_id", "topic", "x", "x.n", "list", "list.0", "a\\.b"].map((key) =>
  `content.structured.${key}`
)
const path = fc.oneof(
  fc.constantFrom(...structuredPaths),
  fc.constantFrom(
    "source.channel",
    "source.connector_id",
    "source.thread_id",
    "actor.actor_id",
    "content.text",
    "content.links.0",
    "context.device_id",
    "state.autonomy",
    "security.trust",
    "content.toString"
  )
)
const clock = fc.constantFrom("00:00", "07:00", "09:30", "15:00", "22:00")
const window = fc.record({
  start: clock,
  end: clock,
  timezone: fc.constantFrom(...Object.keys(hoursAhead)),
  days: fc.uniqueArray(fc.constantFrom("mon", "tue", "wed", "sat", "sun"), { minLength: 1, maxLength: 4 })
}, { requiredKeys: ["start", "end", "timezone"] })

const valueOf: Record<Exclude<ConditionOp, "within" | "changed">, fc.Arbitrary<unknown>> = {
  eq: value,
  neq: value,
  in: fc.array(value, { minLength: 1, maxLength: 4 }),
  not_in: fc.array(value, { minLength: 1, maxLength: 4 }),
  contains: value,
  not_contains: value,
  starts_with: word,
  ends_with: word,
  matches: fc.array(fc.constantFrom("*", "?", "a", "b", "o", "."), { minLength: 1, maxLength: 4 }).map((all) =>
    all.join("")
  ),
  regex: fc.array(fc.constantFrom("a", "b+", "(a|o)", "[^a]", ".", "n?", "^o", "f$", "(b*)*"), {
    minLength: 1,
    maxLength: 3
  }).map((all) => all.join("")),
  lt: fc.oneof(word, fc.nat(3)),
  lte: fc.oneof(word, fc.nat(3)),
  gt: fc.oneof(word, fc.nat(3)),
  gte: fc.oneof(word, fc.nat(3)),
  exists: fc.boolean()
}
/** About what events often have. */
const likely: fc.Arbitrary<Condition> = fc.tuple(
  fc.constantFrom(
    ["source.channel", "ha_event"],
    ["source.channel", "mqtt"],
    ["source.connector_id", "a"],
    ["content.structured.entity_id", "sensor.a"],
    ["content.structured.topic", "a"],
    ["context.device_id", "b"],
    ["security.trust", "trusted"]
  ),
  fc.constantFrom("eq", "eq", "neq", "in", "not_in")
).map(([[path = "", wanted], op]) => ({
  path,
  op: op as ConditionOp,
  value: op.endsWith("in") ? [wanted, "else"] : wanted
}))

const leaf: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 6, arbitrary: likely },
  {
    weight: 1,
    arbitrary: fc.record({
      path: fc.constantFrom("content.text", "content.structured.list", "content.structured.x"),
      op: fc.constantFrom("contains", "not_contains"),
      value: fc.constantFrom("a", "b", "on", 1)
    })
  },
  {
    weight: 10,
    arbitrary: fc.constantFrom(...Object.keys(valueOf) as Array<keyof typeof valueOf>).chain((op) =>
      fc.record({ path, op: fc.constant(op), value: valueOf[op] })
    )
  },
  { weight: 1, arbitrary: path.map((path) => ({ path, op: "changed" as const })) },
  {
    weight: 1,
    arbitrary: fc.record({
      path: fc.constantFrom("state.time", "occurred_at", "content.text"),
      op: fc.constant("within" as const),
      value: window
    })
  }
)

const treeOf = (depth: number): fc.Arbitrary<Condition> => {
  if (depth === 0) return leaf
  const parts = fc.oneof(
    { weight: 9, arbitrary: fc.array(treeOf(depth - 1), { minLength: 1, maxLength: 3, size: "max" }) },
    { weight: 1, arbitrary: fc.constant([]) }
  )
  return fc.oneof(
    { weight: 2, arbitrary: leaf },
    { weight: 3, arbitrary: parts.map((all) => ({ all })) },
    { weight: 2, arbitrary: parts.map((any) => ({ any })) },
    { weight: 1, arbitrary: parts.map((none) => ({ none })) }
  )
}
const partsOf = (condition: Condition): ReadonlyArray<Condition> | undefined =>
  "all" in condition
    ? condition.all
    : "any" in condition
    ? condition.any
    : "none" in condition
    ? condition.none
    : undefined
const sizeOf = (condition: Condition): number => {
  const parts = partsOf(condition)
  return parts === undefined || parts.length === 0 ? 1 : parts.reduce((sum, part) => sum + sizeOf(part), 0)
}
const condition = fc.oneof(...[0, 1, 2, 3, 4, 5].map((depth) => ({ weight: depth + 1, arbitrary: treeOf(depth) })))
  .filter((one) => sizeOf(one) <= 20)

const subject: fc.Arbitrary<RuleSubject> = fc.record({
  row: fc.record({
    channel: fc.constantFrom("ha_event", "mqtt", "chat"),
    connector_id: fc.constantFrom("a", "b"),
    actor_id: word,
    text: fc.option(fc.array(word, { maxLength: 3 }).map((all) => all.join("")), { nil: undefined }),
    thread_id: fc.option(word, { nil: undefined }),
    device_id: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
    links: fc.array(word, { maxLength: 2 }),
    trust: fc.constantFrom("operator" as const, "trusted" as const, "untrusted" as const),
    structured: fc.record({
      entity_id: fc.constantFrom("sensor.a", "sensor.b"),
      topic: fc.constantFrom("a", "b", null),
      x: value,
      list: fc.array(scalar, { maxLength: 3 }),
      "a.b": scalar
    }, { requiredKeys: [] })
  }),
  at: fc.date({ min: new Date("2026-01-01Z"), max: new Date("2027-01-01Z"), noInvalidDate: true })
}).map(({ at, row }) =>
  subjectOf({
    event_id: "e",
    trace_id: "t",
    schema_version: "1.0",
    occurred_at: at.toISOString(),
    ingested_at: at.toISOString(),
    actor_type: "system",
    attachment_refs: [],
    timezone: "UTC",
    locale: "en",
    sensitivity: "low",
    redaction_policy_id: "default",
    depth: 0,
    ...row
  } as EventRow, { autonomy: "A2", health: "healthy", time: at })
)

const compiled = (given: unknown): CompiledCondition => {
  const result = compileCondition(given, "field", { roots: ruleRoots })
  if (!result.ok) throw new Error(result.mistakes.join("; "))
  return result.value
}

const isWithPrevious = fc.option(subject, { nil: undefined })
const rulesAndEvents = fc.tuple(
  fc.array(condition, { minLength: 32, maxLength: 36 }),
  fc.array(fc.tuple(subject, isWithPrevious), { minLength: 3, maxLength: 6 })
)
const runs = { numRuns: 32, seed: 20_260_101 }

/** The property of an engine: it agrees with the reference on all rules and events. */
const agrees = (engine: (given: Condition) => Pick<CompiledCondition, "matches">) =>
  fc.property(rulesAndEvents, ([conditions, events]) => {
    for (const given of conditions) {
      const { matches } = engine(given)
      for (const [event, previous] of events) {
        assert.strictEqual(matches(event, previous), reference(given, event, previous), JSON.stringify(given))
      }
    }
  })

/** The property of an index: it keeps the order and leaves nothing out that matches. */
const finds = (choicesOf: (condition: CompiledCondition) => ReadonlyArray<Choice>) =>
  fc.property(rulesAndEvents, ([conditions, events]) => {
    const all = conditions.map(compiled)
    const index = makeIndex(all, choicesOf)
    for (const [event, previous] of events) {
      const candidates = index.candidates(event)
      const inOrder = all.filter((one) => candidates.includes(one))
      assert.deepStrictEqual(candidates, inOrder)
      const matching = all.filter((one) => reference(one.source, event, previous))
      assert.deepStrictEqual(candidates.filter((one) => one.matches(event, previous)), matching)
    }
  })

const knownPaths = fc.uniqueArray(path, { maxLength: 12 }).map((paths) => new Set(paths))

/** The property of what is told of a part: it is true wherever the whole can be, and its choices find that. */
const isSound = (
  possible: (condition: CompiledCondition, known: (path: string) => boolean) => (of: unknown) => boolean
) =>
  fc.property(rulesAndEvents, knownPaths, ([conditions, events], paths) => {
    const known = (path: string) => paths.has(path)
    const all = conditions.map(compiled)
    const index = makeIndex(all, (one) => one.choicesAmong(known))
    for (const one of all) {
      const could = possible(one, known)
      const exact = possible(one, () => true)
      for (const [event, previous] of events) {
        const wanted = reference(one.source, event, previous)
        if (wanted) assert.isTrue(could(event), JSON.stringify(one.source))
        if (could(event)) assert.isTrue(index.candidates(event).includes(one), JSON.stringify(one.source))
        if (!one.needsPrevious) assert.strictEqual(exact(event), wanted, JSON.stringify(one.source))
        else if (wanted) assert.isTrue(exact(event))
      }
    }
  })

/** The property of what a rule looks at: where it matches one event about a thing, it looks at all about that thing. */
const reaches = (reachOf: (condition: CompiledCondition, per: string | undefined) => Reach, counts = { pairs: 0 }) =>
  fc.property(
    rulesAndEvents,
    fc.constantFrom(undefined, undefined, "content.structured.topic", "content.structured.x"),
    fc.array(subject, { minLength: 20, maxLength: 20 }),
    ([conditions], per, events) => {
      const all = conditions.map(compiled).map((one) => ({ ...one, reach: reachOf(one, per) }))
      const index = makeIndex(all, (one) => one.reach.choices)
      const candidates = new Map(events.map((event) => [event, new Set(index.candidates(event))]))
      for (const same of Map.groupBy(events, (event) => thingOf(event, per)).values()) {
        for (const one of all) {
          const before = [undefined, {}, same[0]]
          if (!same.some((event) => before.some((previous) => reference(one.source, event, previous)))) continue
          counts.pairs += same.length
          for (const event of same) {
            assert.isTrue(one.reach.covers(event) && candidates.get(event)?.has(one), JSON.stringify(one.source))
          }
        }
      }
    }
  )

/** `none` read as `any`: the mistake that the control makes. */
const noneAsAny = (given: Condition): Condition =>
  "none" in given
    ? { any: given.none.map(noneAsAny) }
    : "all" in given
    ? { all: given.all.map(noneAsAny) }
    : "any" in given
    ? { any: given.any.map(noneAsAny) }
    : given

const fails = (property: fc.IProperty<any>): boolean => fc.check(property, { ...runs, endOnFailure: true }).failed

describe("random rules and events", () => {
  it("match as the tree says", () => fc.assert(agrees(compiled), runs))

  it("match often and often not, every op of them", () => {
    const seen = new Map<string, [yes: number, no: number]>()
    const look = (given: Condition, event: unknown, previous: unknown): void => {
      const parts = partsOf(given)
      for (const part of parts ?? []) look(part, event, previous)
      const kind = "op" in given ? given.op : Object.keys(given)[0] ?? ""
      const counts = seen.get(kind) ?? [0, 0]
      counts[reference(given, event, previous) ? 0 : 1]++
      seen.set(kind, counts)
    }
    for (const [conditions, events] of fc.sample(rulesAndEvents, runs)) {
      for (const given of conditions) for (const [event, previous] of events) look(given, event, previous)
    }
    assert.strictEqual(seen.size, 17 + 3)
    for (const [kind, [yes, no]] of seen) assert.isAbove(Math.min(yes, no), 20, kind)
  })

  it("are found by the index, in their order", () => fc.assert(finds((one) => one.choices), runs))

  it("are possible where they match, and found by what is known", () =>
    fc.assert(isSound((one, known) => one.possible(known)), runs))

  it("reach every event about a thing that they could be true of", () => {
    const counts = { pairs: 0 }
    fc.assert(reaches(reachOf, counts), runs)
    assert.isAbove(counts.pairs, 1_000)
  })
})

describe("a broken engine is seen", () => {
  it("that takes none for any", () => assert.isTrue(fails(agrees((given) => compiled(noneAsAny(given))))))

  it("whose index takes one part of any for the whole", () =>
    assert.isTrue(fails(finds((one) => {
      const parts = "any" in one.source ? one.source.any : []
      return parts.length < 2 ? one.choices : compiled(parts[0]).choices
    }))))

  it("that takes what is not known for false", () =>
    assert.isTrue(fails(isSound((one, known) => (event) => {
      const seen = compiled(JSON.parse(JSON.stringify(one.source), (_, part: any) =>
        part?.path === undefined || known(part.path) ? part : { any: [] }))
      return seen.matches(event)
    }))))

  it("that takes a topic for the same in all events of an entity", () => {
    const known = (path: string) => /^source\.|\.(entity_id|topic|device_id)$/.test(path)
    assert.isTrue(
      fails(
        reaches((one, per) =>
          per === undefined ? { covers: one.possible(known), choices: one.choicesAmong(known) } : reachOf(one, per)
        )
      )
    )
  })
})

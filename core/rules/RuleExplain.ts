/**
 * Why a rule did what it did: each leaf of its condition with the value that it saw, for an event of the past, and what a
 * rule would have done on many of them. Nothing is written and nothing fires.
 *
 * Autonomy and health are those of now: they are not kept with an event. The time is that of the event.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { present } from "../audit/Page.ts"
import type { EventRow } from "../contract/Rows.ts"
import { isUuid } from "../database/Ids.ts"
import { normalise } from "../pipeline/Normaliser.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import type { LeafReport } from "../safety/Condition.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { type LiveRule, liveRule } from "./LiveRule.ts"
import { RuleNotFound, type RuleRefused, RuleStore } from "./RuleStore.ts"
import { RuleSet } from "./RuleSet.ts"
import { type Tried, tryRule } from "./RuleTrial.ts"
import { thingOf } from "./Thing.ts"

export class EventNotFound extends Schema.TaggedError<EventNotFound>()("EventNotFound", { event_id: Schema.String }) {
  override get message() {
    return `There is no event ${this.event_id}.`
  }
}

/** What became of a rule for an event. */
export type RuleOutcome = "triggered" | "suppressed" | "not_matched" | "waiting" | "not_asked"

export interface Explanation {
  readonly rule_id: string
  readonly name: string
  readonly event_id: string
  readonly enabled: boolean
  /** Whether the condition holds, as far as it can be told today. */
  readonly matched: boolean
  readonly leaves: ReadonlyArray<LeafReport>
  /** What happened then, as the audit has it. */
  readonly outcome: RuleOutcome
  /** Of a suppression: debounce, dedupe, quiet_hours, cascade, disabled, failed. */
  readonly reason?: string
  /** The event that `changed` compares with. */
  readonly previous_event_id?: string
  /** One sentence for a person. */
  readonly said: string
}

/** What a rule would have done on one event, with the id of a stored one. */
export interface Tested extends Tried {
  readonly event_id?: string
}

/** An event that it was to be tried on is none; `detail` is a sentence that names it. */
export class TestRefused extends Schema.TaggedError<TestRefused>()("TestRefused", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface TestRequest {
  /** The id of a rule, or a rule in the shape of `POST /rules`. */
  readonly rule: unknown
  /** Raw events, as they would come, at their `occurred_at`; without one now. */
  readonly events?: ReadonlyArray<unknown> | undefined
  /** The stored events since then, oldest first. Default: the newest. */
  readonly since?: Date | undefined
  /** How many stored events, at most. Default 500. */
  readonly limit?: number | undefined
}

/** Stored events that are looked at for the one before. */
const lookBack = 500

export class RuleExplain extends Context.Service<RuleExplain, {
  readonly explain: (
    rule_id: string,
    event_id: string
  ) => Effect.Effect<Explanation, RuleNotFound | EventNotFound | SqlError.SqlError>
  readonly test: (
    request: TestRequest
  ) => Effect.Effect<ReadonlyArray<Tested>, RuleNotFound | RuleRefused | TestRefused | SqlError.SqlError>
}>()("syris/rules/RuleExplain") {
  static readonly layer = Layer.effect(RuleExplain, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const quietHours = yield* QuietHours
  const redactor = yield* Redactor
  const registry = yield* Registry
  const set = yield* RuleSet
  const { timezone } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const store = yield* RuleStore

  const shown = (leaves: ReadonlyArray<LeafReport>): ReadonlyArray<LeafReport> => redactor.redactJson(leaves)

  const find = Effect.fnUntraced(function*(rule_id: string) {
    if (set.byId(rule_id) === undefined) yield* set.refresh
    return set.byId(rule_id) ?? (yield* new RuleNotFound({ rule_id }))
  })

  /** The one before, that the rule had looked at: of the same channel, connector and thing. */
  const before = Effect.fnUntraced(function*(rule: LiveRule, event: EventRow, thing: string) {
    const rows = yield* sql<{ readonly event: EventRow }>`
      select to_jsonb(e) as event
      from events e
      where e.event_id < ${event.event_id}::uuid and e.channel = ${event.channel} and e.connector_id = ${event.connector_id}
      order by e.event_id desc
      limit ${lookBack}`
    return rows.map((row) => present(row.event)).find((one) => {
      const subject = set.subjectOf(one)
      return rule.concerns(subject) && thingOf(subject, rule.owed.definition.per) === thing
    })
  })

  const happened = (rule_id: string, { event_id, trace_id }: EventRow) =>
    sql<{ readonly type: string; readonly reason: string | null; readonly summary: string }>`
      select type, data->>'reason' as reason, summary
      from audit_events
      where trace_id = ${trace_id}::uuid and type in ('rule.triggered', 'rule.suppressed')
        and refs->>'rule_id' = ${rule_id} and refs->>'event_id' = ${event_id}
      order by xid, seq
      limit 1`

  const explain = Effect.fnUntraced(function*(rule_id: string, event_id: string) {
    const rule = yield* find(rule_id)
    const [found] = isUuid(event_id)
      ? yield* sql<
        { readonly event: EventRow }
      >`select to_jsonb(e) as event from events e where e.event_id = ${event_id}::uuid`
      : []
    if (found === undefined) return yield* new EventNotFound({ event_id })
    const event: EventRow = present(found.event)
    const subject = set.subjectOf(event)
    const { condition, owed: { definition: { name, per } } } = rule
    const previous = condition.needsPrevious ? yield* before(rule, event, thingOf(subject, per)) : undefined
    const earlier = previous === undefined ? undefined : set.subjectOf(previous)
    const matched = condition.matches(subject, earlier)
    const [audited] = yield* happened(rule_id, event)
    const waits = audited !== undefined ? [] : yield* sql`
      select 1 from rule_work r
      where r.event_id = ${event_id}::uuid and r.rules @> ${JSON.stringify([{ rule_id }])}::jsonb`
    const outcome: RuleOutcome = audited?.type === "rule.triggered"
      ? "triggered"
      : audited !== undefined
      ? "suppressed"
      : waits.length > 0
      ? "waiting"
      : matched
      ? "not_asked"
      : "not_matched"
    return {
      rule_id,
      name,
      event_id,
      enabled: rule.enabled,
      matched,
      leaves: shown(condition.explain(subject, earlier)),
      outcome,
      ...(typeof audited?.reason === "string" ? { reason: audited.reason } : {}),
      ...(previous === undefined ? {} : { previous_event_id: previous.event_id }),
      said: sentenceOf(rule, outcome, audited?.summary)
    } satisfies Explanation
  })

  const stored = ({ limit = 500, since }: Pick<TestRequest, "since" | "limit">) =>
    Effect.map(
      since === undefined
        ? sql<{ readonly event: EventRow }>`
            select to_jsonb(n) as event from (select * from events order by event_id desc limit ${limit}) n order by n.event_id`
        : sql<{ readonly event: EventRow }>`
            select to_jsonb(e) as event
            from events e
            where e.event_id >= uuid_floor(${since}::timestamptz - interval '1 minute') and e.ingested_at >= ${since}
            order by e.event_id
            limit ${limit}`,
      (rows) => rows.map(({ event }): EventRow => present(event))
    )

  const test = Effect.fnUntraced(function*({ events, limit, rule: given, since }: TestRequest) {
    const rule = typeof given === "string" ? yield* find(given) : yield* asLive(given)
    if (events === undefined) {
      const known = yield* stored({ since, limit })
      const at = known.map((event) => ({ event, at: new Date(event.ingested_at) }))
      const tried = yield* tryRule(rule, at, { subjectOf: set.subjectOf, quietHours, until: new Date() })
      return tried.map((one, i): Tested => ({ event_id: known[i]?.event_id ?? "", ...one, leaves: shown(one.leaves) }))
    }
    const raw = yield* Effect.forEach(events, (one, i) =>
      normalise(one, { timezone, trustOf: registry.trustOf }).pipe(
        Effect.map(({ event }) => ({ event, at: new Date(event.occurred_at) })),
        Effect.mapError(({ message }) => new TestRefused({ detail: `events[${i}]: ${message}` }))
      ))
    const tried = yield* tryRule(rule, raw, { subjectOf: set.subjectOf, quietHours })
    return tried.map((one): Tested => ({ ...one, leaves: shown(one.leaves) }))
  })

  const asLive = (given: unknown) =>
    Effect.map(
      store.read(given),
      (read) => liveRule(read, { rule_id: "test", origin: "api", trust: "operator", risk: read.risk, enabled: true })
    )

  return RuleExplain.of({ explain, test })
})

const sentenceOf = (rule: LiveRule, outcome: RuleOutcome, audited: string | undefined): string => {
  const { name } = rule.owed.definition
  switch (outcome) {
    case "triggered":
    case "suppressed":
      return audited ?? `The rule ${name} was ${outcome}.`
    case "waiting":
      return rule.owed.definition.held_for_ms === undefined
        ? `The rule ${name} is about to look at it.`
        : `The rule ${name} waits for its condition to have held long enough.`
    case "not_matched":
      return `The condition of the rule ${name} did not hold.`
    case "not_asked":
      return rule.enabled
        ? `The condition of the rule ${name} holds today; when the event came the rule was not there, another one, or not asked.`
        : `The condition of the rule ${name} holds, and the rule is switched off.`
  }
}

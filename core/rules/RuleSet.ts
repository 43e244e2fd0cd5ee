/**
 * All rules of this host in memory: those of the configuration, of plugins and of the API, the highest priority first.
 *
 * - Which rules an event is for is decided without asking anybody. What must hold across hosts (debounce, dedupe, holds,
 *   `changed`) is decided when they are fired (`RuleRunner.ts`).
 * - A change through the API is heard at once, and found within 5 s where the message was lost. The host that made it
 *   knows it at once.
 * - A rule of the configuration or of a plugin that can't do what it says ends the start with a sentence.
 */
import { Context, Effect, Layer, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Risk, Trust } from "../contract/Enums.ts"
import type { RuleDefinition } from "../contract/Rule.ts"
import type { EventRow } from "../contract/Rows.ts"
import { keepFresh } from "../database/Notifications.ts"
import { Health } from "../health/Health.ts"
import { type RulesAnswer, Rules } from "../pipeline/Router.ts"
import { withStop } from "../plugin/Explain.ts"
import { Registry } from "../plugin/Registry.ts"
import { readRule } from "../plugin/RuleReading.ts"
import { ConfigError, Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { type LiveRule, liveRule, ownRules } from "./LiveRule.ts"
import { ruleMistakes } from "./RuleActions.ts"
import { gradeOf } from "./RuleGrade.ts"
import { makeRouting } from "./RuleRouting.ts"
import { type RuleSubject, subjectOf } from "./Subject.ts"

/** The rules changed. */
export const rulesChannel = "syris_rules"

export class RuleSet extends Context.Service<RuleSet, {
  /** All of them, those that are switched off too, in the order in which they are looked at. */
  readonly all: () => ReadonlyArray<LiveRule>
  readonly byId: (rule_id: string) => LiveRule | undefined
  /** What a condition sees of an event now. */
  readonly subjectOf: (event: EventRow, at?: Date) => RuleSubject
  readonly route: (event: EventRow) => RulesAnswer
  /** Reads those of the API and what the operator said of the others. */
  readonly refresh: Effect.Effect<void, SqlError.SqlError>
}>()("syris/rules/RuleSet") {
  static readonly layer = Layer.effect(RuleSet, Effect.suspend(() => make))
  /** `Rules` of the router. */
  static readonly layerRules = Layer.effect(
    Rules,
    Effect.map(RuleSet, ({ route }) => (event: EventRow) => Effect.sync(() => route(event)))
  )
}

interface StoredRule {
  readonly rule_id: string
  readonly definition: RuleDefinition
  readonly trust: Trust
  readonly risk: Risk
}

const make = Effect.gen(function*() {
  const control = yield* Control
  const health = yield* Health
  const quietHours = yield* QuietHours
  const registry = yield* Registry
  const settings = yield* Settings
  const sql = yield* SqlClient.SqlClient

  /** Those of this host, which change only with its configuration. */
  const listed = ownRules(settings, registry)
  const own: Array<typeof listed[number]> = []
  for (const one of listed) {
    const { origin, rule: { definition }, rule_id } = one
    const [mistake, ...more] = yield* ruleMistakes(definition, { quietHours, registry }, "quietHours")
    if (mistake === undefined) {
      own.push(one)
      continue
    }
    // Of a plugin in an isolate, which never stops the start.
    if ("trust" in one.rule && one.rule.trust !== undefined) {
      yield* Effect.logWarning(`The rule ${rule_id} is left out: ${withStop(mistake)}`)
      continue
    }
    const where = origin === "config"
      ? `${settings.file}: the rule ${JSON.stringify(definition.name)}`
      : `The rule ${rule_id}`
    return yield* new ConfigError({
      detail: `${where}: ${withStop(mistake)}`,
      more: more.map((one) => `${where}: ${withStop(one)}`)
    })
  }
  const graded = yield* Effect.forEach(
    own,
    (one) =>
      Effect.map(
        gradeOf(one.rule, { registry, hasModel: settings.llm !== undefined }),
        ({ risk }) => ({ ...one, risk })
      )
  )

  let rules: ReadonlyArray<LiveRule> = []
  let ids: ReadonlyMap<string, LiveRule> = new Map()
  let routing = makeRouting([])
  let version = 0n

  const take = (stored: ReadonlyArray<StoredRule>, switched: ReadonlyMap<string, boolean>): void => {
    const ofApi = stored.flatMap(({ definition, risk, rule_id, trust }): ReadonlyArray<LiveRule> => {
      const read = readRule(definition, { style: "wire", timezone: settings.timezone })
      // Of a newer version: that host fires it.
      if (!read.ok) return []
      return [liveRule(read.value, { rule_id, origin: "api", trust, risk, enabled: switched.get(rule_id) })]
    })
    rules = [
      ...graded.map(({ origin, risk, rule, rule_id, trust }) =>
        // Configuration counts as the operator's word, and so does what it lists but for what runs apart from the host.
        liveRule(rule, { rule_id, origin, trust, risk, enabled: switched.get(rule_id) })
      ),
      ...ofApi
    ].toSorted((a, b) => b.priority - a.priority)
    ids = new Map(rules.map((rule) => [rule.owed.rule_id, rule]))
    routing = makeRouting(rules)
  }
  take([], new Map())

  const read = Effect.fnUntraced(function*(always: boolean) {
    // Before the rows: they are at least as new as the version that is claimed for them.
    const [row] = yield* sql<{ readonly version: bigint }>`select rules_version as version from control`
    if (!always && row?.version === version) return
    const stored = yield* sql<StoredRule>`
      select rule_id, definition, trust, risk from rules order by created_at, rule_id`
    const states = yield* sql<{ readonly rule_id: string; readonly enabled: boolean }>`
      select rule_id, enabled from rule_states where enabled is not null`
    take(stored, new Map(states.map(({ enabled, rule_id }) => [rule_id, enabled])))
    version = row?.version ?? 0n
  })
  // In turn: what was read earlier never takes the place of what was read later.
  const oneAtATime = yield* Semaphore.make(1)
  const refresh = oneAtATime.withPermit(read(true))

  const subject = (event: EventRow, at = new Date(event.ingested_at)): RuleSubject =>
    subjectOf(event, { autonomy: control.current().autonomy, health: health.status(), time: at })

  const route = (event: EventRow): RulesAnswer => routing(subject(event))

  yield* keepFresh(rulesChannel, oneAtATime.withPermit(read(false)))
  yield* refresh
  return RuleSet.of({ all: () => rules, byId: (id) => ids.get(id), subjectOf: subject, route, refresh })
})

/**
 * Sees rules that fire more often than anybody wants: more than 120 times within a minute on this host opens an alarm, which
 * is resolved once the rule is calm on all hosts. Nothing is held back: debounce and dedupe are for that.
 */
import { Context, Effect, Layer, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { Alarms } from "../health/Alarms.ts"

/** Firings of one rule within a minute. */
export const stormLimit = 120
const period = 60_000

/** How often it looks whether a rule is calm again. */
const lookEvery = "15 seconds"

const keyOf = (ruleId: string): string => `rule.storm:${ruleId}`

export class RuleStorm extends Context.Service<RuleStorm, {
  /** Rules that were fired, one for each time. */
  readonly fired: (ruleIds: ReadonlyArray<string>) => void
}>()("syris/rules/RuleStorm") {
  static readonly layer = Layer.effect(RuleStorm, Effect.suspend(() => make))
}

interface Count {
  from: number
  fired: number
}

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const sql = yield* SqlClient.SqlClient
  const counts = new Map<string, Count>()
  const storms = yield* Queue.sliding<string>(100)

  const fired = (ruleIds: ReadonlyArray<string>): void => {
    const now = performance.now()
    for (const id of ruleIds) {
      const known = counts.get(id)
      const count = known === undefined || now - known.from > period ? { from: now, fired: 0 } : known
      count.fired++
      counts.set(id, count)
      if (count.fired === stormLimit + 1) Queue.offerUnsafe(storms, id)
    }
  }

  yield* Queue.take(storms).pipe(
    Effect.flatMap((rule_id) =>
      alarms.open({
        type: "rule.storm",
        severity: "warning",
        dedupe_key: keyOf(rule_id),
        message:
          `The rule ${rule_id} fired more than ${stormLimit} times within a minute: give it a debounce, or switch it ` +
          `off with: syris rules disable ${rule_id}`,
        refs: { rule_id }
      })
    ),
    Effect.ignoreCause,
    Effect.forever,
    Effect.forkScoped
  )

  /** How often the rules of open alarms had fired at the last look. */
  let before = new Map<string, bigint>()
  const look = Effect.gen(function*() {
    const open = yield* sql<{ readonly dedupe_key: string; readonly hits: bigint }>`
      select a.dedupe_key, coalesce(s.hit_count, 0) as hits
      from alarms a left join rule_states s on s.rule_id = a.refs->>'rule_id'
      where a.status <> 'resolved' and a.type = 'rule.storm'`
    for (const { dedupe_key, hits } of open) {
      const last = before.get(dedupe_key)
      if (last !== undefined && hits - last < BigInt(stormLimit) / 8n) yield* alarms.resolveKey(dedupe_key)
    }
    before = new Map(open.map(({ dedupe_key, hits }) => [dedupe_key, hits]))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.ignoreCause(look), lookEvery)))

  return RuleStorm.of({ fired })
})

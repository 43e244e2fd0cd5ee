/**
 * Opens an alarm for each quiet hours that a rule names and that are gone: nothing holds that rule back any more. It is over
 * once this host sees them again, or no rule that names them.
 */
import { type Duration, Effect, Layer } from "effect"
import { Alarms } from "../health/Alarms.ts"
import { withStop } from "../plugin/Explain.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { RuleSet } from "./RuleSet.ts"

const type = "quiet_hours.missing"

const make = Effect.fnUntraced(function*(lookEvery: Duration.Input) {
  const alarms = yield* Alarms
  const quietHours = yield* QuietHours
  const set = yield* RuleSet
  /** Those that this host has told of. */
  const told = new Set<string>()

  const look = Effect.gen(function*() {
    const missing = new Map<string, { readonly name: string; readonly rule_id: string; readonly wrong: string }>()
    for (const { enabled, owed: { definition: { name, quiet_hours }, rule_id } } of set.all()) {
      if (!enabled || typeof quiet_hours !== "string" || missing.has(quiet_hours)) continue
      const wrong = quietHours.unknown(quiet_hours)
      if (wrong !== undefined) missing.set(quiet_hours, { name, rule_id, wrong })
    }
    for (const [id, { name, rule_id, wrong }] of missing) {
      if (told.has(id)) continue
      yield* alarms.open({
        type,
        severity: "warning",
        dedupe_key: `${type}:${id}`,
        message: withStop(`Nothing holds back the rule ${name} in its quiet hours: ${wrong}`),
        refs: { rule_id }
      })
      told.add(id)
    }
    for (const id of told) {
      if (missing.has(id)) continue
      yield* alarms.resolveKey(`${type}:${id}`)
      told.delete(id)
    }
  })
  yield* Effect.ignoreCause(look).pipe(
    Effect.andThen(Effect.sleep(lookEvery)),
    Effect.forever,
    Effect.forkScoped
  )
})

/** Looks for as long as the layer lives. */
export const layerWith = (lookEvery: Duration.Input) => Layer.effectDiscard(make(lookEvery))
export const layer = layerWith("1 minute")

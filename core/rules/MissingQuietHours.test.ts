import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { RuleDefinition } from "../contract/Rule.ts"
import { Alarms, type NewAlarm } from "../health/Alarms.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import type { LiveRule } from "./LiveRule.ts"
import { layerWith } from "./MissingQuietHours.ts"
import { RuleSet } from "./RuleSet.ts"

const rule = (name: string, quiet_hours: RuleDefinition["quiet_hours"], enabled = true) =>
  ({ enabled, owed: { rule_id: name, definition: { name, quiet_hours } } }) as unknown as LiveRule

it.live("quiet hours that are gone are an alarm, until they are back", () =>
  Effect.gen(function*() {
    const opened: Array<NewAlarm> = []
    const over: Array<string> = []
    const gone = new Set(["config.2", "night"])
    const world = Layer.mergeAll(
      Layer.mock(Alarms)({
        open: (alarm) => Effect.sync(() => opened.push(alarm) > 0),
        resolveKey: (key) => Effect.sync(() => over.push(key) > 0)
      }),
      Layer.mock(QuietHours)({
        now: () => ({ quiet: false }),
        holding: () => undefined,
        version: () => 1,
        unknown: (choice) =>
          typeof choice === "string" && gone.has(choice)
            ? `there are no quiet hours "${choice}"; none are set`
            : undefined
      }),
      Layer.mock(RuleSet)({
        all: () => [
          rule("a", "config.2"),
          rule("b", "config.2"),
          rule("c", true),
          rule("d", "night", false),
          rule("e", "there")
        ],
        byId: () => undefined,
        route: () => ({ rule_ids: [], note: "", owed: [] }),
        subjectOf: () => {
          throw new Error("Nobody asks.")
        }
      })
    )
    yield* Effect.gen(function*() {
      yield* Effect.sleep("60 millis")
      gone.delete("config.2")
      yield* Effect.sleep("60 millis")
    }).pipe(Effect.provide(layerWith("10 millis").pipe(Layer.provide(world))))
    assert.deepEqual(opened, [{
      type: "quiet_hours.missing",
      severity: "warning",
      dedupe_key: "quiet_hours.missing:config.2",
      message: "Nothing holds back the rule a in its quiet hours: there are no quiet hours \"config.2\"; none are set.",
      refs: { rule_id: "a" }
    }])
    assert.deepEqual(over, ["quiet_hours.missing:config.2"])
  }))

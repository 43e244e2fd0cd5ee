/**
 * What the host knew when a decision was made, as the records have it: the level, the operator's policies and quiet hours,
 * the rules. It stands where a running host has its memory, so that the same code decides by it.
 */
import { Context, Effect, Layer } from "effect"
import type { Autonomy } from "../contract/Enums.ts"
import type { QuietChoice } from "../contract/Schedule.ts"
import type { Filter } from "../pipeline/Router.ts"
import { Registry } from "../plugin/Registry.ts"
import { readRule } from "../plugin/RuleReading.ts"
import { Settings } from "../plugin/Settings.ts"
import { isTimezone, systemTimezone } from "../plugin/TimeWindowSetting.ts"
import { liveRule, type LiveRule, ownRules } from "../rules/LiveRule.ts"
import { makeRouting } from "../rules/RuleRouting.ts"
import { subjectOf } from "../rules/Subject.ts"
import type { EventRow } from "../contract/Rows.ts"
import { makePolicy } from "../safety/Policy.ts"
import { standingPolicy } from "../safety/Standing.ts"
import { type Day, isWithin, showWindow, type TimeWindow } from "../safety/TimeWindow.ts"
import type { Records } from "./Records.ts"

/** The task whose question an event answered. */
export interface Asking {
  readonly task_id: string
  readonly step_id: string
  readonly name: string
}

interface Window extends TimeWindow {
  readonly quiet_hours_id: string
  readonly enabled: boolean
}

/** The trace that is replayed, and the moment that is decided about. */
export interface SceneState {
  readonly open: (records: Records) => void
  readonly records: () => Records
  /** The moment, and the level that held then. */
  readonly at: (moment: Date, autonomy: Autonomy) => void
  readonly moment: () => Date
  readonly autonomy: () => Autonomy
  readonly levelAt: (moment: Date) => Autonomy
  readonly policy: (moment: Date) => ReturnType<typeof makePolicy>
  readonly quiet: (moment: Date) => { readonly quiet: boolean; readonly window?: string }
  readonly holding: (choice: QuietChoice, moment: Date) => string | undefined
  readonly rules: () => ReadonlyArray<LiveRule>
  /** Of the trace that is open: one list, with others in it for each trace. */
  readonly filters: Array<Filter>
  /** What a condition of a rule sees of an event. */
  readonly subjectOf: (event: EventRow, moment?: Date) => ReturnType<typeof subjectOf>
  readonly route: (event: EventRow) => ReturnType<ReturnType<typeof makeRouting>>
  /** The question that is answered by the event that is routed now. */
  asking: Asking | undefined
  /** Why no model was asked about it: other traces had used up the day. */
  spent: string | undefined
}

export class Scene extends Context.Service<Scene, SceneState>()("syris/replay/Scene") {
  static readonly layer = Layer.effect(Scene, Effect.suspend(() => make))
}

/** Nothing of the health of then is on record. */
export const assumedHealth = "healthy"

const make = Effect.gen(function*() {
  const registry = yield* Registry
  const settings = yield* Settings
  let records: Records | undefined
  let moment = new Date(0)
  let autonomy: Autonomy = settings.autonomy
  const fixed = makePolicy(settings.policy)
  const configured = settings.safety.quietHours.map((window, index): Window => ({
    ...window,
    quiet_hours_id: `config.${index + 1}`,
    enabled: true
  }))

  const theRecords = (): Records => {
    if (records === undefined) throw new Error("No trace is replayed.")
    return records
  }

  const levelAt = (at: Date): Autonomy => {
    const { level, levels } = theRecords()
    const before = levels.findLast((change) => change.at <= at.getTime())
    return before?.to ?? levels[0]?.from ?? level
  }

  const policy = (at: Date): ReturnType<typeof makePolicy> => {
    const standing = theRecords().standing.filter(({ created_at, revoked_at }) =>
      Date.parse(created_at) <= at.getTime() && (revoked_at === undefined || Date.parse(revoked_at) > at.getTime())
    )
    return standing.length === 0
      ? fixed
      : makePolicy([...settings.policy, ...standing.flatMap((row) => standingPolicy(row, settings.timezone))])
  }

  /** Those of this configuration, then those of the API as they were set last before. */
  const windowsAt = (at: Date): ReadonlyArray<Window> => {
    const own = new Map<string, Window>()
    for (const change of theRecords().quiet) {
      const window = change.window as unknown as Window
      if (change.at <= at.getTime()) own.set(window.quiet_hours_id, window)
    }
    return [...configured, ...[...own.values()].toSorted((a, b) => a.quiet_hours_id < b.quiet_hours_id ? -1 : 1)]
      .filter(({ enabled, timezone }) => enabled && isTimezone(timezone))
  }

  const quiet: SceneState["quiet"] = (at) => {
    const window = windowsAt(at).find((one) => isWithin(one, at))
    return window === undefined ? { quiet: false } : { quiet: true, window: showWindow(window) }
  }

  const holding: SceneState["holding"] = (choice, at) => {
    if (typeof choice === "boolean") return choice ? quiet(at).window : undefined
    if (typeof choice === "string") {
      const window = windowsAt(at).find(({ quiet_hours_id }) => quiet_hours_id === choice)
      return window !== undefined && isWithin(window, at) ? showWindow(window) : undefined
    }
    const { days, end, start, timezone = systemTimezone() } = choice
    const window = { start, end, timezone, ...(days === undefined ? {} : { days: days as ReadonlyArray<Day> }) }
    return isTimezone(timezone) && isWithin(window, at) ? showWindow(window) : undefined
  }

  /** Rules of this configuration and of plugins, and those of the API that were there by a moment. */
  const rulesAt = (at: Date): ReadonlyArray<LiveRule> => {
    const { rules, switched } = theRecords()
    return [
      ...ownRules(settings, registry).map(({ origin, rule, rule_id, trust }) =>
        liveRule(rule, { rule_id, origin, trust, risk: "low", enabled: switched.get(rule_id) })
      ),
      ...rules.filter(({ created_at }) => Date.parse(created_at) <= at.getTime()).flatMap(
        ({ definition, rule_id, trust }) => {
          const read = readRule(definition, { style: "wire", timezone: settings.timezone })
          if (!read.ok) return []
          return [liveRule(read.value, { rule_id, origin: "api", trust, risk: "low", enabled: switched.get(rule_id) })]
        }
      )
    ].toSorted((a, b) => b.priority - a.priority)
  }

  const seen: SceneState["subjectOf"] = (event, at = new Date(event.ingested_at)) =>
    subjectOf(event, { autonomy, health: assumedHealth, time: at })

  return Scene.of({
    open: (given) => {
      records = given
    },
    records: theRecords,
    at: (to, level) => {
      moment = to
      autonomy = level
    },
    moment: () => moment,
    autonomy: () => autonomy,
    levelAt,
    policy,
    quiet,
    holding,
    rules: () => rulesAt(moment),
    filters: [],
    subjectOf: seen,
    route: (event) => makeRouting(rulesAt(moment))(seen(event)),
    asking: undefined,
    spent: undefined
  })
})

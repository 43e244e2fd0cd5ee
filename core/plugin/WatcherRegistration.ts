/**
 * Checks a watcher and makes it ready to run. A mistake ends the start with a sentence that names the plugin.
 */
import { Trust } from "../contract/Enums.ts"
import { toMillis } from "./DurationInput.ts"
import { dotted, onlyKeys, Refused } from "./PartChecks.ts"
import type { Watcher } from "./Plugin.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredWatcher } from "./Registry.ts"

const week = 7 * 86_400_000

/** Longest watcher_id: it is a part of a path. */
const longestId = 100

/** What a watcher is where it says nothing else. */
export const watcherDefaults = {
  timeoutMs: 30_000,
  trust: "trusted",
  throttle: { events: 60, perMs: 60_000 },
  alarmAfter: 5
} as const

/** Ids that begin so are those of the host's own watchers. */
const ownPrefix = /^(system|syris)\./

export const registerWatcher = (plugin: string, given: Watcher, log: BoundLog): RegisteredWatcher => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "watchers", mistake)
  }
  if (typeof given !== "object" || given === null) return refuse("a watcher must be an object")
  const { alarmAfter = watcherDefaults.alarmAfter, name, throttle, trust = watcherDefaults.trust } = given
  if (typeof name !== "string" || !dotted.test(name)) {
    return refuse(`a watcher is named ${JSON.stringify(name)}: use lower-case letters, digits, _, - and dots`)
  }
  const watcher_id = name.includes(".") ? name : `${plugin}.${name}`
  const what = `watcher ${watcher_id}`
  if (watcher_id.length > longestId) return refuse(`${what} has too long a name: at most ${longestId} characters`)
  if (ownPrefix.test(watcher_id)) {
    return refuse(`${what}: names that begin with "system." or "syris." are the host's own, so choose another one`)
  }
  onlyKeys(plugin, "watchers", what, given, ["name", "interval", "timeout", "trust", "throttle", "alarmAfter", "tick"])
  if (typeof given.tick !== "function") return refuse(`${what} needs tick to be a function`)
  const intervalMs = toMillis(given.interval)
  if (intervalMs === undefined || !(intervalMs >= 1_000 && intervalMs <= week)) {
    return refuse(`${what} needs an interval from 1 second to 7 days, such as "30 seconds"`)
  }
  const timeoutMs = given.timeout === undefined ? watcherDefaults.timeoutMs : toMillis(given.timeout)
  if (timeoutMs === undefined || !(timeoutMs > 0 && timeoutMs <= 3_600_000)) {
    return refuse(`${what} needs a timeout above zero and of at most 1 hour, such as "30 seconds"`)
  }
  if (!Trust.literals.some((literal) => literal === trust)) {
    return refuse(`${what} needs trust: "operator", "trusted" or "untrusted"`)
  }
  if (!(Number.isSafeInteger(alarmAfter) && alarmAfter >= 1)) {
    return refuse(`${what} needs an alarmAfter of 1 or more, a whole number`)
  }
  return {
    plugin,
    watcher_id,
    intervalMs: Math.round(intervalMs),
    timeoutMs,
    trust,
    throttle: throttle === undefined ? watcherDefaults.throttle : throttleOf(plugin, what, throttle),
    alarmAfter,
    tick: given.tick.bind(given),
    log: log.with({ watcher: watcher_id })
  }
}

const throttleOf = (
  plugin: string,
  what: string,
  given: NonNullable<Watcher["throttle"]>
): RegisteredWatcher["throttle"] => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "watchers", mistake)
  }
  if (typeof given !== "object" || given === null) {
    return refuse(`${what} needs throttle to be an object, such as { events: 60, per: "1 minute" }`)
  }
  onlyKeys(plugin, "watchers", `${what}, throttle`, given, ["events", "per"])
  const { events } = given
  const perMs = toMillis(given.per)
  if (!(Number.isSafeInteger(events) && events >= 1 && events <= 1_000)) {
    return refuse(`${what} needs throttle.events from 1 to 1000, a whole number`)
  }
  if (perMs === undefined || !(perMs >= 1_000 && perMs <= week)) {
    return refuse(`${what} needs throttle.per from 1 second to 7 days, such as "1 minute"`)
  }
  return { events, perMs }
}

/**
 * Runs the watchers of this host, its own and those of plugins, for as long as the layer lives.
 *
 * - At most one tick of a watcher at a time, across the hosts of a database: a tick is claimed under a new fence, and its
 *   outcome, its events and its audit are one commit under that fence. A holder whose claim is gone writes nothing.
 * - What a host held that has ended, or let its lease lapse, is run again with the old state.
 * - One that is switched off begins no tick; the outcome of one that runs is still written.
 * - Past `alarmAfter` errors in a row an alarm is open and the host's health has its name, until a good tick.
 */
import { Cause, Clock, Effect, Layer, Queue, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import { isTransient } from "../database/Transient.ts"
import { Alarms } from "../health/Alarms.ts"
import { Health } from "../health/Health.ts"
import { HostLease } from "../health/HostLease.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import { makePluginLog } from "../plugin/PluginLog.ts"
import { type RegisteredWatcher, Registry } from "../plugin/Registry.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { messageOf } from "../tools/Ending.ts"
import { OwnWatchers } from "./OwnWatchers.ts"
import { runTick, type Ticked } from "./Tick.ts"
import { outcomeOf, periodOf } from "./TickOutcome.ts"
import { failingWatcher, watcherAlarmKey } from "./WatcherAlarm.ts"
import {
  type Claim,
  claim,
  register,
  release,
  settle,
  type Standing,
  standing,
  watchersChannel
} from "./WatcherStore.ts"

/** Longest pause between two looks, milliseconds. */
const lookEvery = 5_000

const make = Effect.gen(function*() {
  const { hostId } = yield* HostLease
  const alarms = yield* Alarms
  const audit = yield* Audit
  const auditWake = yield* AuditWake
  const health = yield* Health
  const notifications = yield* Notifications
  const queue = yield* WorkQueue
  const redactor = yield* Redactor
  const registry = yield* Registry
  const secrets = yield* SecretsStore
  const settings = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const promise = Effect.runPromiseWith(yield* Effect.context<never>())

  const ownLog = yield* makePluginLog
  const watchers = new Map<string, RegisteredWatcher>()
  for (const own of (yield* OwnWatchers).all) {
    watchers.set(own.watcher_id, { ...own, plugin: "syris", log: ownLog({ watcher: own.watcher_id }) })
  }
  for (const one of registry.watchers()) watchers.set(one.watcher_id, one)
  const ids = [...watchers.keys()]

  const running = new Set<string>()
  const wakes = yield* Queue.sliding<void>(1)
  const wake = () => void Queue.offerUnsafe(wakes, undefined)

  const write = Effect.fnUntraced(function*(watcher: RegisteredWatcher, held: Claim, ticked: Ticked, trace_id: string) {
    const at = new Date(yield* Clock.currentTimeMillis)
    const outcome = yield* outcomeOf({ audit, registry, settings }, watcher, held, ticked, trace_id, at)
    const { consecutive_errors, error, watcher_id } = outcome.end
    const settled = yield* sql.withTransaction(Effect.gen(function*() {
      const mine = yield* settle(hostId, outcome.end, outcome.emitted, outcome.told)
      if (mine === undefined) return false
      if (outcome.emitted.length > 0) yield* queue.wakeAll
      if (error === undefined) {
        if (held.consecutive_errors > 0) yield* alarms.resolveKey(watcherAlarmKey(watcher_id))
      } else if (mine.enabled && consecutive_errors >= watcher.alarmAfter) {
        yield* alarms.open(failingWatcher(watcher_id, consecutive_errors, error, trace_id))
      }
      return true
    })).pipe(
      Effect.provideService(SqlClient.SqlClient, sql),
      Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 10, while: isTransient })
    )
    if (settled) yield* auditWake.wake
    if (settled && outcome.emitted.length > 0) queue.wake()
  })

  const run = Effect.fnUntraced(function*(watcher: RegisteredWatcher, held: Claim) {
    const trace_id = newId()
    const ticked = redacted(
      watcher.watcher_id,
      trace_id,
      yield* runTick({
        watcher,
        now: held.now,
        state: held.state,
        traceId: trace_id,
        allowance: periodOf(watcher.throttle, held).left,
        secret: (first, key) => promise(readSecret(secrets, first, key))
      })
    )
    yield* write(watcher, held, ticked, trace_id).pipe(
      // The database has read what it left and refused it.
      Effect.catchIf(
        (error) => !isTransient(error),
        (error) => write(watcher, held, refusedTick(ticked, messageOf(error)), trace_id)
      ),
      Effect.uninterruptible
    )
  })

  /** What is stored of a tick, without known secrets. */
  const redacted = (watcher_id: string, trace_id: string, ticked: Ticked): Ticked => {
    const given = { ending: ticked.ending, emitted: ticked.emitted }
    const leak = () => ({ where: `what the watcher ${watcher_id} gave back`, trace_id })
    return { ...ticked, ...redactor.watched(given, redactor.redactJson(given), leak) }
  }

  const begin = (held: Claim) => {
    const watcher = watchers.get(held.watcher_id)
    if (watcher === undefined) return Effect.void
    running.add(held.watcher_id)
    return run(watcher, held).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          // The claim is given up after a pause: then it runs again.
          : Effect.logWarning(`The outcome of the watcher ${held.watcher_id} was not written.`, Cause.squash(cause))
            .pipe(
              Effect.andThen(Effect.sleep(lookEvery))
            )
      ),
      Effect.ensuring(Effect.sync(() => {
        running.delete(held.watcher_id)
        wake()
      })),
      Effect.forkScoped
    )
  }

  const showHealth = ({ consecutive_errors, enabled, last_error, watcher_id }: Standing) => {
    const name = `watcher ${watcher_id}`
    return enabled && consecutive_errors >= (watchers.get(watcher_id)?.alarmAfter ?? Infinity)
      ? health.degrade(name, `It failed ${consecutive_errors} times in a row: ${last_error ?? "no reason is known"}`)
      : health.recover(name)
  }

  /** One look. Answers after how many milliseconds the next one is due at the latest. */
  const look = Effect.gen(function*() {
    const all = yield* standing(ids)
    yield* Effect.forEach(all, showHealth, { discard: true })
    const resting = all.filter((one) => !running.has(one.watcher_id))
    const lost = resting.filter((one) => one.abandoned || one.claimed_by === hostId)
    if (lost.length > 0) yield* release(lost)
    const free = resting.filter((one) => one.enabled && (one.claimed_by === null || lost.includes(one)))
    const due = free.filter((one) => one.due_in_ms <= 0)
    if (due.length > 0) {
      const claimed = yield* claim(hostId, due.map((one) => one.watcher_id))
      yield* Effect.forEach(claimed, begin, { discard: true })
    }
    return Math.min(lookEvery, ...free.filter((one) => one.due_in_ms > 0).map((one) => Math.ceil(one.due_in_ms)))
  }).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.catchCause((cause) =>
      Effect.as(Effect.logWarning("The watchers can't be looked after.", Cause.squash(cause)), lookEvery)
    )
  )

  yield* Effect.provideService(register([...watchers.values()]), SqlClient.SqlClient, sql)
  yield* notifications.listen(watchersChannel, wake)
  yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
    const next = yield* look
    yield* Effect.timeoutOption(Queue.take(wakes), Math.max(1, next))
  })))
})

const refusedTick = (ticked: Ticked, message: string): Ticked => ({
  ...ticked,
  ending: { ok: false, error: `What it gave back can't be stored: ${message}` },
  emitted: [],
  suppressed: 0
})

export const layer = Layer.effectDiscard(make)

/**
 * Looks at the schedules as they come due: sleeps until the next slot, and is told when one comes earlier.
 *
 * - The clock is the database's. A host whose own clock is wrong fires in time.
 * - It looks every 5 s by itself, for what a lost message would have told; that is one look into an index, however many
 *   schedules there are.
 * - What can't be written now is tried again: nothing is lost but time.
 */
import { Cause, Context, Effect, Layer, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Notifications } from "../database/Notifications.ts"
import { Alarms } from "../health/Alarms.ts"
import { HostLease } from "../health/HostLease.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import * as AwakeSince from "./AwakeSince.ts"
import { makeBacklog } from "./Backlog.ts"
import { nextStatement } from "./FireStatement.ts"
import { layerOwnConnections } from "./OwnConnections.ts"
import { atOnce, Look, type Looked } from "./Look.ts"

/** A slot comes earlier than hosts knew; the triggers of migrations/0004 notify it. */
export const schedulesChannel = "syris_schedules"

/** How often it looks by itself, milliseconds; more often at first, until notifications are heard. */
const lookEvery = 5_000
const lookFirst = 50

/** Before it looks again at what another host has in hand, and after an error, milliseconds. */
const othersWork = 20
const afterError = 500

interface Next {
  readonly now: number
  readonly next: number | null
  readonly since: number | null
}

export class Scheduler extends Context.Service<Scheduler, {
  /** Brings one schedule up to now, where it is due: before it is changed. */
  readonly catchUp: (schedule_id: string) => Effect.Effect<Looked, SqlError.SqlError>
}>()("syris/scheduler/Scheduler") {
  /** Needs to end before whoever claims work does. */
  static readonly layer = Layer.effect(Scheduler, Effect.suspend(() => make)).pipe(
    Layer.provideMerge(Look.layer),
    Layer.provide(layerOwnConnections)
  )
}

const make = Effect.gen(function*() {
  const backlog = makeBacklog(yield* Alarms)
  const { hostId } = yield* HostLease
  const look = yield* Look
  const notifications = yield* Notifications
  const queue = yield* WorkQueue
  const sql = yield* SqlClient.SqlClient
  const awake = AwakeSince.make()
  const woken = yield* Queue.sliding<void>(1)
  let itself = lookFirst
  /** Whoever claims work was not told of all that was fired. */
  let untold = false

  /** Takes note of whether this host has slept. */
  const note = (reading: AwakeSince.Reading): number => {
    awake.note(reading)
    return awake.at() ?? reading.database
  }

  /**
   * Asks the database for its time and the next slot. What other hosts read of this one is put right where it is not so: it
   * was never written, or the lease took it back.
   */
  const ask = Effect.gen(function*() {
    const before = performance.now()
    const [found = { now: 0, next: null, since: null }] = yield* sql.unsafe<Next>(nextStatement, [hostId])
    const since = note({ before, after: performance.now(), database: found.now })
    if (found.since === null || Math.abs(found.since - since) >= 1) {
      yield* sql`
        update hosts set scheduling_since = to_timestamp(${since}::float8 / 1000) where host_id = ${hostId}::uuid`
    }
    return found
  })

  /** Slots that came while no host ran are no backlog. */
  const waited = ({ next, now }: Next): number => next === null ? 0 : now - Math.max(next, awake.at() ?? now)

  const round = Effect.gen(function*() {
    const found = yield* ask
    yield* backlog(waited(found))
    const left = found.next === null ? lookEvery : found.next - found.now
    itself = Math.min(itself * 2, lookEvery)
    const schedules = left > 0 ? 0 : (yield* look.due(note)).schedules
    if (schedules === atOnce) untold = true
    else if (untold) {
      untold = false
      yield* queue.wakeAll
    }
    if (left <= 0) return schedules > 0 ? 0 : othersWork
    return Math.ceil(Math.min(left, itself))
  }).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.as(Effect.logWarning("The schedules can't be looked at.", Cause.squash(cause)), afterError)
    )
  )

  yield* notifications.listen(schedulesChannel, () => void Queue.offerUnsafe(woken, undefined))
  yield* Effect.flatMap(
    round,
    (pause) => pause === 0 ? Effect.void : Effect.timeoutOption(Queue.take(woken), pause)
  ).pipe(
    Effect.forever,
    Effect.forkScoped
  )

  return Scheduler.of({
    catchUp: (schedule_id) =>
      Effect.suspend(() => awake.at() === undefined ? Effect.asVoid(ask) : Effect.void).pipe(
        Effect.andThen(look.one(schedule_id, note))
      )
  })
})

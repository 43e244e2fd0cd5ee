/**
 * What the operator has set for the whole system: autonomy level, pause, policy version. In memory for the hot path;
 * the database is the truth, and every intent is checked against it in its own statement.
 *
 * - A change is heard at once, and found within 5 s where the message was lost.
 * - A pause is heeded, in this host's row, when no effect can begin here any more. An intent may have taken its snapshot
 *   before the pause and commit after it, so it counts (`enter`) from before it is sent. One that is sent after the pause
 *   was heard reads it.
 */
import { Context, Effect, Layer, Queue, Schedule, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Autonomy } from "../contract/Enums.ts"
import { keepFresh } from "../database/Notifications.ts"
import { HostLease } from "../health/HostLease.ts"
import { makeOpenings } from "./Openings.ts"

/** Something of `control` or of the policy changed. */
export const controlChannel = "syris_control"

export interface ControlState {
  readonly autonomy: Autonomy
  readonly paused: boolean
  readonly policy_version: number
}

/** A row of `control`. */
export interface ControlRow {
  readonly autonomy: Autonomy
  readonly paused: boolean
  readonly policy_version: bigint
  readonly pause_number: bigint
}

export const toState = (row: ControlRow): ControlState => ({
  autonomy: row.autonomy,
  paused: row.paused,
  policy_version: Number(row.policy_version)
})

export class Control extends Context.Service<Control, {
  /** As it was last read. */
  readonly current: () => ControlState
  /** Reads it again, after a statement found it changed. */
  readonly refresh: Effect.Effect<ControlState, SqlError.SqlError>
  /**
   * To be called by whoever is about to send an intent, before it is sent. What it answers is to be called when the
   * effect has begun, or will not begin; a second time it does nothing.
   */
  readonly enter: () => () => void
}>()("syris/safety/Control") {
  /** `initial` is the level at the very first start; after that the stored one holds. */
  static readonly layer = (initial: Autonomy) => Layer.effect(Control, Effect.suspend(() => make(initial)))
}

const make = Effect.fnUntraced(function*(initial: Autonomy) {
  const sql = yield* SqlClient.SqlClient
  const { hostId } = yield* HostLease
  const openings = makeOpenings()
  const pauses = yield* Queue.sliding<void>(1)
  const oneAtATime = yield* Semaphore.make(1)
  let row: ControlRow = { autonomy: initial, paused: false, policy_version: 1n, pause_number: 0n }
  let state = toState(row)
  let heeded = 0n

  yield* sql`insert into control (autonomy) values (${initial}) on conflict do nothing`

  // In turn: what was read earlier never takes the place of what was read later.
  const refresh = oneAtATime.withPermit(Effect.gen(function*() {
    const [read] = yield* sql<ControlRow>`select autonomy, paused, policy_version, pause_number from control`
    row = read ?? row
    state = toState(row)
    if (row.paused && row.pause_number > heeded) Queue.offerUnsafe(pauses, undefined)
    return state
  }))

  /** Only after the pause was read: whoever enters from now on reads it, too. */
  const heed = Effect.gen(function*() {
    const { pause_number, paused } = row
    if (!paused || pause_number <= heeded) return
    yield* openings.drained
    yield* sql`
      update hosts
      set heeded_pause = ${pause_number}
      where host_id = ${hostId} and heeded_pause < ${pause_number}`
    heeded = pause_number
  })

  yield* keepFresh(controlChannel, refresh)
  yield* refresh
  yield* Queue.take(pauses).pipe(
    Effect.andThen(Effect.retry(heed, Schedule.spaced("500 millis"))),
    Effect.forever,
    Effect.forkScoped
  )
  return Control.of({ current: () => state, refresh, enter: openings.enter })
})

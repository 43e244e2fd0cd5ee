/**
 * One look at the schedules that are due, as one transaction: the slots that have come, what became of each, and where the
 * schedules go on.
 *
 * - Hosts that look at the same time take different schedules, and a slot is one row: it is one event at most.
 * - A schedule whose slots can't be computed, or whose event is refused, costs its slot, with the reason and an alarm. It
 *   never hides the others: what the database refuses is written schedule by schedule.
 */
import { Cause, Clock, Context, Effect, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { digest } from "../database/Ids.ts"
import { isRefusal, isTransient } from "../database/Transient.ts"
import { Alarms } from "../health/Alarms.ts"
import { HostLease } from "../health/HostLease.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import { withStop } from "../plugin/Explain.ts"
import { Registry } from "../plugin/Registry.ts"
import { Admission } from "../safety/Admission.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import type { Reading } from "./AwakeSince.ts"
import { fireParameters, fireStatement, takeOneStatement, takeStatement } from "./FireStatement.ts"
import { type Due, type Known, makeOutcome, type Outcome } from "./SlotOutcome.ts"

/** Most schedules in one look. */
export const atOnce = 200

/** Slots in one look: of all schedules together, and of one. */
const slotsAtOnce = 4_000
const fewestSlots = 20
const mostSlots = 1_000

/** What one look makes, in bytes at most; besides the event's own words a slot takes about so many. */
const bytesAtOnce = 8 * 1024 * 1024
const bytesOfSlot = 2_000

export interface Looked {
  readonly schedules: number
  readonly fired: number
}

export class Look extends Context.Service<Look, {
  /**
   * Takes what is due, at most `atOnce` schedules. After a look that was full there may be more, and whoever claims work is
   * not told yet: what is due comes first.
   */
  readonly due: (awakeSince: AwakeAt) => Effect.Effect<Looked, SqlError.SqlError>
  /** The same for one schedule, where it is due. */
  readonly one: (schedule_id: string, awakeSince: AwakeAt) => Effect.Effect<Looked, SqlError.SqlError>
}>()("syris/scheduler/Look") {
  static readonly layer = Layer.effect(Look, Effect.suspend(() => make))
}

/** From when on slots were looked at as they came, once the database's clock has been read with what is due. */
export type AwakeAt = (reading: Reading) => number

interface Broken {
  readonly schedule: Due
  /** Why it can't go on as it is. */
  readonly broken: string
}

/** The alarm of a schedule that can't go on as it is. */
export const brokenKey = (schedule_id: string): string => `schedule:${schedule_id}`

/** What lies under all, in the words of the database. */
const rootOf = (error: unknown): string => {
  let root = error
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  return withStop(root instanceof Error ? root.message : String(root))
}

/** What passes by itself is left to the next look; whatever else went wrong, a defect too, is for `otherwise`. */
const unlessPassing = <A>(
  effect: Effect.Effect<A, SqlError.SqlError>,
  otherwise: (error: unknown) => Effect.Effect<A, SqlError.SqlError>
): Effect.Effect<A, SqlError.SqlError> =>
  Effect.catchCause(effect, (cause) => {
    const error = Cause.squash(cause)
    return Cause.hasInterrupts(cause) || isTransient(error) ? Effect.failCause(cause) : otherwise(error)
  })

/** What one slot's event takes in the statement, about. */
const bytesOf = ({ notify, payload }: Due): number =>
  bytesOfSlot + Buffer.byteLength(JSON.stringify(payload) ?? "") + 2 * Buffer.byteLength(notify ?? "")

/** A UUID of a digest in hexadecimal. */
const uuidOf = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-")

const make = Effect.gen(function*() {
  const admission = yield* Admission
  const alarms = yield* Alarms
  const audit = yield* Audit
  const { hostId } = yield* HostLease
  const queue = yield* WorkQueue
  const quietHours = yield* QuietHours
  const registry = yield* Registry
  const sql = yield* SqlClient.SqlClient
  const wake = yield* AuditWake

  /** A slot of the limit of notifications for what is told of one schedule's slot. The same slot once more passes again. */
  const mayTell = Effect.fnUntraced(function*({ schedule_id }: Due, slot: number, trace_id: string) {
    const answer = yield* admission.admit({
      tool_call_id: uuidOf(digest("slot", schedule_id, String(slot))),
      tool: "schedule",
      action: "notify",
      target: undefined,
      notification: true,
      trace_id
    })
    return answer.admitted
  })

  /** From when on any host that lives has looked at every slot as it came. */
  const liveSince = Effect.fnUntraced(function*(awakeSince: number, due: ReadonlyArray<Due>) {
    if (due.every((one) => one.next_run_at.getTime() >= awakeSince)) return awakeSince
    const [others] = yield* sql<{ readonly since: number | null }>`
      select (extract(epoch from min(h.scheduling_since)) * 1000)::float8 as since
      from hosts h
      where h.ended_at is null and h.lease_until > clock_timestamp() and h.host_id <> ${hostId}::uuid`
    return Math.min(awakeSince, others?.since ?? awakeSince)
  })

  /** Which of the traces before are not settled: something of them is still owed. */
  const runningOf = Effect.fnUntraced(function*(due: ReadonlyArray<Due>) {
    const traces = due.flatMap(({ last_trace_id, overrun, type }) =>
      type === "one_shot" || overrun === "allow" || last_trace_id === null ? [] : [last_trace_id]
    )
    if (traces.length === 0) return new Set<string>()
    const rows = yield* sql<{ readonly trace_id: string }>`
      select distinct w.trace_id from work w
      where w.trace_id = any(${traces}::uuid[])
        -- A rule that watches whether its condition holds on is no part of the run.
        and not (w.kind = 'rule' and coalesce(w.waits_for, '') = 'time')`
    return new Set(rows.map((row) => row.trace_id))
  })

  const recordedOf = Effect.fnUntraced(function*(due: ReadonlyArray<Due>) {
    const held = due.flatMap((one) => one.held ? [one.schedule_id] : [])
    if (held.length === 0) return new Map<string, number>()
    const rows = yield* sql<{ readonly schedule_id: string; readonly slot: Date }>`
      select h.schedule_id, o.slot
      from unnest(${held}::uuid[]) h(schedule_id)
           cross join lateral (
             select o.slot from occurrences o where o.schedule_id = h.schedule_id order by o.slot desc limit 1) o`
    return new Map(rows.map((row) => [row.schedule_id, row.slot.getTime()]))
  })

  const work = Effect.fnUntraced(function*(due: ReadonlyArray<Due>, awakeSince: number, refused?: string) {
    if (due.length === 0) return { schedules: 0, fired: 0, broken: [] }
    const known: Known = {
      liveSince: yield* liveSince(awakeSince, due),
      running: yield* runningOf(due),
      recorded: yield* recordedOf(due)
    }
    const at = new Date(yield* Clock.currentTimeMillis)
    const limit = Math.min(mostSlots, Math.max(fewestSlots, Math.floor(slotsAtOnce / due.length)))
    const outcomes: Array<Outcome> = []
    let full = false
    const outcomeOf = makeOutcome({
      audit,
      quietHours,
      trustOf: registry.trustOf,
      // One that was refused is answer enough for the others of this look.
      mayTell: (schedule, slot, trace_id) =>
        full ? Effect.succeed(false) : Effect.tap(mayTell(schedule, slot, trace_id), (may) =>
          Effect.sync(() => {
            full = !may
          }))
    })
    let bytes = 0
    for (const [index, schedule] of due.entries()) {
      const each = bytesOf(schedule)
      // The others stay due.
      if (index > 0 && bytes + each > bytesAtOnce) break
      const room = Math.max(1, Math.floor((bytesAtOnce - bytes) / each))
      const outcome = yield* outcomeOf(schedule, known, Math.min(limit, room), at, refused)
      outcomes.push(outcome)
      for (const { event } of outcome.recorded) bytes += event === undefined ? bytesOfSlot : each
      // Whoever waits in this process has its turn.
      if (index % 100 === 99) yield* Effect.yieldNow
    }
    const [written] = yield* sql.unsafe<{ readonly fired: number }>(
      fireStatement,
      fireParameters(
        outcomes.flatMap((one) => one.recorded),
        outcomes.map((one) => one.moved),
        due.length < atOnce
      )
    )
    return {
      schedules: due.length,
      fired: written?.fired ?? 0,
      broken: outcomes.flatMap(({ broken }, index): ReadonlyArray<Broken> => {
        const schedule = due[index]
        return broken === undefined || schedule === undefined ? [] : [{ schedule, broken }]
      })
    }
  })

  const raise = ({ broken, schedule: { name, schedule_id } }: Broken) =>
    alarms.open({
      type: "schedule.broken",
      severity: "error",
      dedupe_key: brokenKey(schedule_id),
      message: `The schedule ${name.slice(0, 200)} can't run: ${withStop(broken)} ` +
        `Change it with PATCH /schedules/${schedule_id}, or delete it.`,
      refs: { schedule_id }
    })

  const told = Effect.fnUntraced(function*(looked: ReturnType<typeof work>) {
    const { broken, fired, schedules } = yield* sql.withTransaction(looked)
    if (fired > 0 && schedules < atOnce) queue.wake()
    if (schedules > 0) yield* wake.wake
    yield* Effect.forEach(broken, raise, { discard: true })
    return { schedules, fired }
  })

  const take = Effect.fnUntraced(
    function*(taking: Effect.Effect<ReadonlyArray<Due>, SqlError.SqlError>, awake: AwakeAt) {
      const before = performance.now()
      const due = yield* taking
      const [first] = due
      // Time has passed since the clock was read last: the host may have been frozen in between.
      const awakeSince = first === undefined
        ? undefined
        : awake({ before, after: performance.now(), database: first.now })
      return { due, awakeSince: awakeSince ?? 0 }
    }
  )

  const alone = (schedule_id: string, awake: AwakeAt, refused?: string) =>
    told(Effect.flatMap(
      take(sql.unsafe<Due>(takeOneStatement, [schedule_id]), awake),
      ({ awakeSince, due }) => work(due, awakeSince, refused)
    ))

  const one = (schedule_id: string, awake: AwakeAt) =>
    unlessPassing(
      alone(schedule_id, awake),
      (error) =>
        alone(
          schedule_id,
          awake,
          isRefusal(error)
            ? `the database refused what it makes: ${rootOf(error)}`
            : `what it makes can't be written: ${rootOf(error)}`
        )
    )

  /** One that can't even be written as skipped: it is looked at again later, and the others now. */
  const putOff = Effect.fnUntraced(function*(schedule_id: string, error: unknown) {
    yield* Effect.logError(`What the schedule ${schedule_id} makes can't be written.`, error)
    yield* sql`
      update schedules set look_at = clock_timestamp() + interval '1 minute' where schedule_id = ${schedule_id}::uuid`
    return { schedules: 1, fired: 0 }
  })

  const due = Effect.fnUntraced(function*(awake: AwakeAt) {
    let taken: ReadonlyArray<Due> = []
    const all = told(Effect.gen(function*() {
      const { awakeSince, due } = yield* take(sql.unsafe<Due>(takeStatement, [atOnce]), awake)
      taken = due
      return yield* work(due, awakeSince)
    }))
    return yield* unlessPassing(all, (error) => {
      if (taken.length === 0) return SqlError.isSqlError(error) ? Effect.fail(error) : Effect.die(error)
      return Effect.map(
        Effect.forEach(
          taken,
          ({ schedule_id }) => unlessPassing(one(schedule_id, awake), (error) => putOff(schedule_id, error))
        ),
        (each) => ({ schedules: taken.length, fired: each.reduce((sum, { fired }) => sum + fired, 0) })
      )
    })
  })

  return Look.of({ due, one })
})

/**
 * One look at the schedules that are due, as one transaction: the slots that have come, what became of each, and where the
 * schedules go on.
 *
 * - Hosts that look at the same time take different schedules, and a slot is one row: it is one event at most.
 * - A schedule whose slots can't be computed, or whose event is refused, costs its slot, with the reason and an alarm. It
 *   never hides the others: what the database refuses is written schedule by schedule.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { isRefusal } from "../database/Transient.ts"
import { Alarms } from "../health/Alarms.ts"
import { HostLease } from "../health/HostLease.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import { withStop } from "../plugin/Explain.ts"
import { Registry } from "../plugin/Registry.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { fireParameters, fireStatement, takeOneStatement, takeStatement } from "./FireStatement.ts"
import { type Due, type Known, makeOutcome, type Outcome } from "./SlotOutcome.ts"

/** Most schedules in one look. */
export const atOnce = 200

/** Slots in one look: of all schedules together, and of one. */
const slotsAtOnce = 4_000
const fewestSlots = 20
const mostSlots = 1_000

export interface Looked {
  readonly schedules: number
  readonly fired: number
}

export class Look extends Context.Service<Look, {
  /**
   * Takes what is due, at most `atOnce` schedules. Slots from `awakeSince` on were looked at as they came. After a look that
   * was full there may be more, and whoever claims work is not told yet: what is due comes first.
   */
  readonly due: (awakeSince: number) => Effect.Effect<Looked, SqlError.SqlError>
  /** The same for one schedule, where it is due. */
  readonly one: (schedule_id: string, awakeSince: number) => Effect.Effect<Looked, SqlError.SqlError>
}>()("syris/scheduler/Look") {
  static readonly layer = Layer.effect(Look, Effect.suspend(() => make))
}

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

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const { hostId } = yield* HostLease
  const queue = yield* WorkQueue
  const quietHours = yield* QuietHours
  const registry = yield* Registry
  const sql = yield* SqlClient.SqlClient
  const wake = yield* AuditWake
  const outcomeOf = makeOutcome({ audit, quietHours, trustOf: registry.trustOf })

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
      select distinct w.trace_id from work w where w.trace_id = any(${traces}::uuid[])`
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
    for (const [index, schedule] of due.entries()) {
      outcomes.push(yield* outcomeOf(schedule, known, limit, at, refused))
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
    const { broken, fired, schedules } = yield* sql.withTransaction(looked).pipe(
      // A rollback over a lost connection is a defect to the client; here it is the lost connection.
      Effect.catchDefect((defect) => SqlError.isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect))
    )
    if (fired > 0 && schedules < atOnce) queue.wake()
    if (schedules > 0) yield* wake.wake
    yield* Effect.forEach(broken, raise, { discard: true })
    return { schedules, fired }
  })

  const alone = (schedule_id: string, awakeSince: number, refused?: string) =>
    told(Effect.flatMap(
      sql.unsafe<Due>(takeOneStatement, [schedule_id]),
      (due) => work(due, awakeSince, refused)
    ))

  const one = (schedule_id: string, awakeSince: number) =>
    Effect.catchIf(
      alone(schedule_id, awakeSince),
      isRefusal,
      (error) => alone(schedule_id, awakeSince, `the database refused what it makes: ${rootOf(error)}`)
    )

  /** One that can't even be written as skipped: it is looked at again later, and the others now. */
  const putOff = Effect.fnUntraced(function*(schedule_id: string, error: SqlError.SqlError) {
    yield* Effect.logError(`What the schedule ${schedule_id} makes can't be written.`, error)
    yield* sql`
      update schedules set look_at = clock_timestamp() + interval '1 minute' where schedule_id = ${schedule_id}::uuid`
    return { schedules: 1, fired: 0 }
  })

  const due = Effect.fnUntraced(function*(awakeSince: number) {
    let taken: ReadonlyArray<Due> = []
    const all = told(Effect.gen(function*() {
      taken = yield* sql.unsafe<Due>(takeStatement, [atOnce])
      return yield* work(taken, awakeSince)
    }))
    return yield* Effect.catchIf(all, isRefusal, () =>
      Effect.map(
        Effect.forEach(taken, ({ schedule_id }) =>
          Effect.catchIf(one(schedule_id, awakeSince), isRefusal, (error) =>
            putOff(schedule_id, error))),
        (each) => ({
          schedules: taken.length,
          fired: each.reduce((sum, { fired }) =>
            sum + fired, 0)
        })
      ))
  })

  return Look.of({ due, one })
})

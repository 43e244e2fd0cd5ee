/**
 * What a look makes of one schedule that is due: the rows of its slots, their events and what is told of them, and where the
 * schedule goes on. Nothing is written here.
 */
import { Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { Audit, Fact } from "../audit/Audit.ts"
import type { Trust } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { asSentences, withStop } from "../plugin/Explain.ts"
import type { QuietHours } from "../safety/QuietHours.ts"
import { judge, type Judged } from "./DueSlots.ts"
import type { Moved, Recorded } from "./FireStatement.ts"
import type { ScheduleRow } from "./ScheduleRows.ts"
import { slotEvent } from "./SlotEvent.ts"
import { readSlots } from "./Slots.ts"
import { isZone } from "./Zone.ts"

/** How long a slot that is held waits until somebody looks again, milliseconds. */
const heldFor = 500

/** Until a host looks again that knows the zone, perhaps; not all at once. Milliseconds. */
const zoneUnknownFor = (): number => 30_000 + Math.random() * 60_000

const tooMany = "too many notifications in the last hour"

export interface Due extends ScheduleRow {
  readonly next_run_at: Date
  readonly look_at: Date
  /** By the database's clock, milliseconds. */
  readonly now: number
}

/** What is known of others when a look begins. */
export interface Known {
  /** Slots before it came while no host ran. */
  readonly liveSince: number
  /** Traces that are not settled. */
  readonly running: ReadonlySet<string>
  /** The last slot that has a row, of schedules with a slot that is held. */
  readonly recorded: ReadonlyMap<string, number>
}

export interface Outcome {
  readonly recorded: ReadonlyArray<Recorded>
  readonly moved: Moved
  /** Why it can't go on as it is: for an alarm. */
  readonly broken?: string
}

export interface Around {
  readonly audit: Audit["Service"]
  readonly quietHours: Pick<QuietHours["Service"], "holding">
  readonly trustOf: (channel: string) => Trust
  /** Whether one more thing may be told that the operator has not said himself. */
  readonly mayTell: (schedule: Due, slot: number, trace_id: string) => Effect.Effect<boolean, SqlError.SqlError>
}

export const makeOutcome = ({ audit, mayTell, quietHours, trustOf }: Around) => {
  const factOf = (
    schedule: Due,
    { made_up = false, slot, status, reason }: Judged,
    trace_id: string,
    at: Date,
    event_id?: string
  ): Fact => {
    const lateness_ms = Math.max(0, Math.round(schedule.now - slot))
    const name = schedule.name.length > 200 ? `${schedule.name.slice(0, 199)}…` : schedule.name
    return {
      type: `schedule.${status}`,
      trace_id,
      at,
      summary: status === "fired"
        ? `The schedule ${name} was due${made_up ? " while no host ran, and is made up for" : ""}.`
        : withStop(`The schedule ${name} was due and ${status === "missed" ? "missed" : "held back"}: ${reason}`),
      refs: { schedule_id: schedule.schedule_id, ...(event_id === undefined ? {} : { event_id }) },
      actor: "scheduler",
      data: {
        slot: new Date(slot).toISOString(),
        lateness_ms,
        ...(reason === undefined ? {} : { reason }),
        ...(made_up ? { catch_up: true } : {})
      }
    }
  }

  const traceOf = ({ parent_event_id, trace_id, type }: Due): string =>
    type === "one_shot" && parent_event_id !== null ? trace_id : newId()

  const recordedAs = (schedule: Due, judged: Judged, at: Date): Recorded => {
    const trace_id = traceOf(schedule)
    return {
      schedule_id: schedule.schedule_id,
      slot: new Date(judged.slot),
      status: judged.status,
      reason: judged.reason,
      revision: schedule.revision,
      trace_id,
      rows: [audit.row(factOf(schedule, judged, trace_id, at))]
    }
  }

  /** A slot that fires, as its event; skipped, with the reason, where no event can be made of it. */
  const fire = Effect.fnUntraced(function*(schedule: Due, judged: Judged, at: Date, refused: string | undefined) {
    const made = yield* slotEvent(schedule, new Date(judged.slot), trustOf).pipe(
      // Whatever lies in the column: it costs its slot, not the look.
      Effect.catchDefect((defect) => Effect.fail({ message: `Its payload can't be read: ${String(defect)}.` })),
      Effect.result
    )
    const problem = refused ?? (made._tag === "Failure" ? made.failure.message : undefined)
    if (problem !== undefined || made._tag === "Failure") {
      const reason = (problem ?? "it can't become an event").slice(0, 500).toWellFormed()
      return { problem: reason, recorded: recordedAs(schedule, { slot: judged.slot, status: "skipped", reason }, at) }
    }
    const event = made.success
    if (
      schedule.notify !== null && schedule.trust !== "operator" &&
      !(yield* mayTell(schedule, judged.slot, event.trace_id))
    ) {
      return {
        problem: undefined,
        recorded: recordedAs(schedule, { ...judged, status: "skipped", reason: tooMany }, at)
      }
    }
    const recorded: Recorded = {
      schedule_id: schedule.schedule_id,
      slot: new Date(judged.slot),
      status: "fired",
      reason: judged.reason,
      revision: schedule.revision,
      trace_id: event.trace_id,
      event,
      ...(schedule.notify === null ? {} : { action: { by: `schedule ${schedule.name}`, say: schedule.notify } }),
      rows: [
        audit.row({
          type: "event.ingested",
          trace_id: event.trace_id,
          at,
          summary: `The schedule ${schedule.name} made an event on ${event.channel}.`.slice(0, 300),
          refs: { event_id: event.event_id, schedule_id: schedule.schedule_id },
          actor: event.actor_id,
          data: {
            channel: event.channel,
            connector_id: event.connector_id,
            trust: event.trust,
            ...(event.parent_event_id === undefined ? {} : { parent_event_id: event.parent_event_id })
          }
        }),
        audit.row(factOf(schedule, judged, event.trace_id, at, event.event_id))
      ]
    }
    return { problem: undefined, recorded }
  })

  return Effect.fnUntraced(function*(
    schedule: Due,
    { liveSince, recorded, running }: Known,
    limit: number,
    at: Date,
    refused: string | undefined
  ): Effect.fn.Return<Outcome, SqlError.SqlError> {
    const { schedule_id } = schedule
    // Another host may know it: an older one, or a newer one. The slot stays.
    if (refused === undefined && !isZone(schedule.timezone)) {
      return {
        recorded: [],
        moved: {
          schedule_id,
          next_run_at: schedule.next_run_at,
          look_at: new Date(schedule.now + zoneUnknownFor()),
          held: schedule.held
        },
        broken: `This host does not know the time zone ${JSON.stringify(schedule.timezone.slice(0, 100))}.`
      }
    }
    const read = readSlots(schedule)
    const slots = read.ok ? read.value : undefined
    const quiet = schedule.quiet_hours ?? false
    const judgement = read.ok
      ? judge({
        ...schedule,
        next_run_at: schedule.next_run_at.getTime(),
        last_run_at: schedule.last_run_at?.getTime()
      }, {
        now: schedule.now,
        liveSince,
        limit,
        next: (after) => slots?.next(new Date(after))?.getTime(),
        quiet: (moment) => quietHours.holding(quiet, new Date(moment)),
        running: schedule.last_trace_id !== null && running.has(schedule.last_trace_id),
        recorded: recorded.get(schedule_id)
      })
      : {
        slots: [{
          slot: schedule.next_run_at.getTime(),
          status: "skipped" as const,
          reason: `its slots can't be computed: ${asSentences(read.mistakes)}`
        }],
        next: undefined,
        held: false
      }
    const rows: Array<Recorded> = []
    let broken = read.ok ? undefined : asSentences(read.mistakes)
    for (const judged of judgement.slots) {
      if (judged.status !== "fired") {
        rows.push(recordedAs(schedule, judged, at))
        continue
      }
      const { problem, recorded } = yield* fire(schedule, judged, at, refused)
      broken ??= problem
      rows.push(recorded)
    }
    const { held, next } = judgement
    // What is left of a long downtime is due at once, behind whatever else is due.
    const lookAt = held ? schedule.now + heldFor : next === undefined ? undefined : Math.max(next, schedule.now)
    return {
      recorded: rows,
      moved: {
        schedule_id,
        next_run_at: next === undefined ? undefined : new Date(next),
        look_at: lookAt === undefined ? undefined : new Date(lookAt),
        held
      },
      ...(broken === undefined ? {} : { broken })
    }
  })
}

/**
 * The event that a slot becomes. A one-shot that was made inside a trace goes on with it, one event deeper; each slot of a
 * schedule that comes again begins a trace of its own.
 */
import { Effect } from "effect"
import type { Trust } from "../contract/Enums.ts"
import { worst } from "../safety/Provenance.ts"
import { normalise } from "../pipeline/Normaliser.ts"
import type { ScheduleRow } from "./ScheduleRows.ts"

/** The channel of what a schedule makes, where its payload names no other; its trust is that of whoever made the schedule. */
export const schedulerChannel = "scheduler"

export type EventMaker = Pick<
  ScheduleRow,
  "name" | "type" | "timezone" | "payload" | "trust" | "trace_id" | "parent_event_id" | "depth"
>

export const slotEvent = Effect.fnUntraced(function*(
  schedule: EventMaker,
  slot: Date,
  trustOf: (channel: string) => Trust
) {
  // A slot is there once, by its schedule: a message id of its sender would make all but the first a duplicate.
  const { message_id: _, ...payload } = schedule.payload
  const raw = {
    actor_type: "system",
    actor_id: `schedule:${schedule.name}`.slice(0, 200).toWellFormed(),
    timezone: schedule.timezone,
    ...payload,
    channel: payload.channel ?? schedulerChannel
  }
  const { event } = yield* normaliseAt(raw, slot, {
    timezone: schedule.timezone,
    trustOf: (channel) => channel === schedulerChannel ? schedule.trust : worst(trustOf(channel), schedule.trust),
    ...(schedule.type === "one_shot" && schedule.parent_event_id !== null
      ? {
        parent: {
          event_id: schedule.parent_event_id,
          trace_id: schedule.trace_id,
          depth: schedule.depth - 1,
          trust: schedule.trust
        }
      }
      : {})
  })
  return event
})

/** A clock of this host that is far off must not lose the slot. */
const normaliseAt = (raw: object, slot: Date, options: Parameters<typeof normalise>[1]) =>
  Effect.catchIf(
    normalise({ ...raw, occurred_at: slot.toISOString() }, options),
    ({ detail }) => detail.code === "event.occurred_at_invalid",
    () => normalise({ ...raw, occurred_at: undefined }, options)
  )

/**
 * What becomes of the slots of a schedule that are due: fired, skipped or missed, each with the reason. Pure.
 *
 * - Slots before `liveSince` came while no host ran: the schedule's catch-up policy decides, and which are the latest comes out
 *   right however many there are. What is made up does not ask whether the run before is over.
 * - Later ones are simply late. One that comes while the run before is not over is skipped, held or fired, as the schedule says.
 *   While the system is paused, events wait, so runs are not over, and `skip` holds the rest back: that is intended.
 * - At most `limit` slots at once; what is left is due at once.
 */
import type { CatchUp, OccurrenceStatus, Overrun, ScheduleType } from "../contract/Enums.ts"

export interface DueSchedule {
  readonly enabled: boolean
  readonly type: ScheduleType
  readonly timezone: string
  readonly catch_up: CatchUp
  readonly catch_up_cap: number
  readonly overrun: Overrun
  /** Milliseconds, as all times here. */
  readonly next_run_at: number
  readonly last_run_at: number | undefined
  /** The slot of `next_run_at` waits for the run before it. */
  readonly held: boolean
}

export interface Circumstances {
  readonly now: number
  readonly liveSince: number
  readonly limit: number
  /** The slot after one. */
  readonly next: (after: number) => number | undefined
  /** The quiet hours that hold a slot back: `22:00 to 07:00 Europe/London`. */
  readonly quiet: (at: number) => string | undefined
  /** The trace of the slot before is not settled. */
  readonly running: boolean
  /** Of a held one: the last slot that was recorded. */
  readonly recorded: number | undefined
}

export interface Judged {
  readonly slot: number
  readonly status: OccurrenceStatus
  readonly reason?: string
  /** Fired although no host ran when it was due. */
  readonly made_up?: boolean
}

export interface Judgement {
  /** In their order. */
  readonly slots: ReadonlyArray<Judged>
  /** The slot that is next; one that is held stays. */
  readonly next: number | undefined
  readonly held: boolean
}

export const judge = (schedule: DueSchedule, around: Circumstances): Judgement =>
  schedule.held ? judgeHeld(schedule, around) : judgeDue(schedule, around)

/** The slots from one on that have come, and of those that came while no host ran, which are missed. */
const comeFrom = (schedule: DueSchedule, { limit, liveSince, next, now }: Circumstances, first: number | undefined) => {
  const due: Array<number> = []
  let at = first
  while (at !== undefined && at <= now && due.length < limit) {
    due.push(at)
    at = next(at)
  }
  const most = madeUpAtMost(schedule)
  const down = due.filter((slot) => slot < liveSince).length
  let following = 0
  if (down > 0 && down === due.length) {
    for (let ahead = at; ahead !== undefined && ahead < liveSince && ahead <= now && following < most; following++) {
      ahead = next(ahead)
    }
  }
  const missed = (index: number): boolean => index < down && down - 1 - index + following >= most
  return { due, at, missed }
}

const noHost = (slot: number): Judged => ({ slot, status: "missed", reason: "no host ran" })
const madeUp = (slot: number): Judged => ({ slot, status: "fired", reason: "made up", made_up: true })

const judgeDue = (schedule: DueSchedule, around: Circumstances): Judgement => {
  const { liveSince } = around
  const { at, due, missed } = comeFrom(schedule, around, schedule.next_run_at)
  const recurring = schedule.type !== "one_shot"
  let runs = recurring && around.running ? schedule.last_run_at ?? schedule.next_run_at : undefined
  let held: number | undefined
  const slots: Array<Judged> = []
  for (const [index, slot] of due.entries()) {
    const back = heldBack(schedule, around, slot)
    if (held !== undefined) {
      slots.push(oneWaits(schedule, held, slot))
    } else if (missed(index)) {
      slots.push(noHost(slot))
    } else if (back !== undefined) {
      slots.push({ slot, status: "skipped", reason: back })
    } else if (slot < liveSince) {
      slots.push(madeUp(slot))
      runs = slot
    } else if (runs === undefined || !recurring || schedule.overrun === "allow") {
      slots.push({ slot, status: "fired" })
      runs = slot
    } else if (schedule.overrun === "queue_one") {
      held = slot
    } else {
      slots.push({ slot, status: "skipped", reason: `the run of ${timeOf(runs, schedule.timezone)} is not over` })
    }
  }
  return { slots, next: held ?? at, held: held !== undefined }
}

/** The slot that waits came while a host ran; those after it may have come while none did. */
const judgeHeld = (schedule: DueSchedule, around: Circumstances): Judgement => {
  const { liveSince, next, recorded, running } = around
  const waiting = schedule.next_run_at
  const back = heldBack(schedule, around, waiting)
  const goesOn = running && back === undefined && schedule.overrun !== "allow"
  const slots: Array<Judged> = goesOn
    ? []
    : [back === undefined ? { slot: waiting, status: "fired" } : { slot: waiting, status: "skipped", reason: back }]
  const { at, due, missed } = comeFrom(schedule, around, next(Math.max(waiting, recorded ?? waiting)))
  for (const [index, slot] of due.entries()) {
    const reason = slot < liveSince ? heldBack(schedule, around, slot) : undefined
    if (missed(index)) slots.push(noHost(slot))
    else if (reason !== undefined) slots.push({ slot, status: "skipped", reason })
    else slots.push(slot < liveSince ? madeUp(slot) : oneWaits(schedule, waiting, slot))
  }
  return { slots, next: goesOn ? waiting : at, held: goesOn }
}

const madeUpAtMost = ({ catch_up, catch_up_cap }: DueSchedule): number =>
  catch_up === "skip" ? 0 : catch_up === "run_once" ? 1 : catch_up_cap

/** By the schedule itself, or by the operator's quiet hours, at its time or now that it would run. */
const heldBack = ({ enabled }: DueSchedule, { now, quiet }: Circumstances, slot: number): string | undefined => {
  if (!enabled) return "disabled"
  const window = quiet(slot) ?? quiet(now)
  return window === undefined ? undefined : `quiet hours (${window})`
}

const oneWaits = ({ timezone }: DueSchedule, waiting: number, slot: number): Judged => ({
  slot,
  status: "skipped",
  reason: `the run of ${timeOf(waiting, timezone)} waits already`
})

/** `14:05:00`, by the clock of a zone. */
const timeOf = (at: number, timeZone: string): string =>
  new Intl.DateTimeFormat("en-GB", { timeZone, timeStyle: "medium", hourCycle: "h23" }).format(at)

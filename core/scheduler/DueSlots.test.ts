import { assert, describe, it } from "vitest"
import { type Circumstances, type DueSchedule, judge } from "./DueSlots.ts"

const second = 1_000
const at = (seconds: number) => Date.parse("2026-05-01T10:00:00Z") + seconds * second

const every = (seconds: number): DueSchedule => ({
  enabled: true,
  type: "interval",
  timezone: "UTC",
  catch_up: "run_once",
  catch_up_cap: 3,
  overrun: "skip",
  next_run_at: at(seconds),
  last_run_at: at(0),
  held: false
})

const around = (now: number, given: Partial<Circumstances> = {}): Circumstances => ({
  now,
  liveSince: at(0),
  limit: 1_000,
  next: (after) => after + second,
  quiet: () => undefined,
  running: false,
  recorded: undefined,
  ...given
})

/** `1 fired, 2 missed (no host ran)`. */
const shown = (schedule: DueSchedule, circumstances: Circumstances) => {
  const { held, next, slots } = judge(schedule, circumstances)
  return {
    slots: slots.map(({ reason, slot, status }) =>
      `${(slot - at(0)) / second} ${status}${reason === undefined ? "" : ` (${reason})`}`
    ),
    next: next === undefined ? undefined : (next - at(0)) / second,
    held
  }
}

describe("what becomes of a slot", () => {
  it("fires in its time, and goes on from the slot, not from now", () =>
    assert.deepEqual(shown(every(1), around(at(1.7))), { slots: ["1 fired"], next: 2, held: false }))

  it("a one-shot is over then", () =>
    assert.deepEqual(
      shown({ ...every(1), type: "one_shot" }, around(at(1), { next: () => undefined })),
      { slots: ["1 fired"], next: undefined, held: false }
    ))

  it("one that came while a host ran is simply late", () =>
    assert.deepEqual(
      shown({ ...every(1), overrun: "allow", catch_up: "skip" }, around(at(3.5))).slots,
      ["1 fired", "2 fired", "3 fired"]
    ))

  it("is held back when it is switched off, or in quiet hours, at its time or by now", () => {
    assert.deepEqual(shown({ ...every(1), enabled: false }, around(at(1))).slots, ["1 skipped (disabled)"])
    const quiet = (moment: number) => moment === at(1) ? "22:00 to 07:00 UTC" : undefined
    const reason = "skipped (quiet hours (22:00 to 07:00 UTC))"
    assert.deepEqual(shown(every(1), around(at(1.5), { quiet })).slots, [`1 ${reason}`])
    assert.deepEqual(shown(every(0), around(at(1), { quiet, limit: 1 })).slots, [`0 ${reason}`])
  })
})

describe("slots of a downtime", () => {
  const down = around(at(5), { liveSince: at(5) })
  it("skip: all are missed", () =>
    assert.deepEqual(shown({ ...every(1), catch_up: "skip" }, down), {
      slots: [1, 2, 3, 4].map((slot) => `${slot} missed (no host ran)`).concat("5 fired"),
      next: 6,
      held: false
    }))

  it("run_once: the latest is made up", () =>
    assert.deepEqual(shown({ ...every(1), overrun: "allow" }, down).slots, [
      ...[1, 2, 3].map((slot) => `${slot} missed (no host ran)`),
      "4 fired (made up)",
      "5 fired"
    ]))

  it("run_all_capped: the latest ones are made up, in order, and don't ask for one another", () =>
    assert.deepEqual(
      shown({ ...every(1), catch_up: "run_all_capped" }, around(at(4.5), { liveSince: at(4.4) })).slots,
      [
        "1 missed (no host ran)",
        ...[2, 3, 4].map((slot) => `${slot} fired (made up)`)
      ]
    ))

  it("the latest come out right however it is cut", () => {
    for (let limit = 1; limit < 12; limit++) {
      const slots: Array<string> = []
      let schedule: DueSchedule = { ...every(1), catch_up: "run_all_capped" }
      for (let rounds = 0; schedule.next_run_at <= at(10); rounds++) {
        assert.isBelow(rounds, 12)
        const circumstances = around(at(10), { liveSince: at(10.5), limit })
        const { next, slots: some } = judge(schedule, circumstances)
        slots.push(...some.map(({ slot, status }) => `${(slot - at(0)) / second} ${status}`))
        schedule = { ...schedule, next_run_at: next! }
      }
      assert.deepEqual(
        slots,
        [1, 2, 3, 4, 5, 6, 7].map((slot) => `${slot} missed`).concat([8, 9, 10].map((slot) => `${slot} fired`)),
        `${limit} at once`
      )
    }
  })
})

describe("a run that is not over", () => {
  const running = around(at(3.2), { running: true })
  const reason = "the run of 10:00:00 is not over"
  it("skip: the slots are held back", () =>
    assert.deepEqual(shown(every(1), running), {
      slots: [1, 2, 3].map((slot) => `${slot} skipped (${reason})`),
      next: 4,
      held: false
    }))

  it("skip: of several that are late the first runs", () =>
    assert.deepEqual(shown(every(1), around(at(2.2))).slots, [
      "1 fired",
      "2 skipped (the run of 10:00:01 is not over)"
    ]))

  it("allow: they run all the same", () =>
    assert.deepEqual(shown({ ...every(3), overrun: "allow" }, running).slots, ["3 fired"]))

  it("queue_one: the first is held, the others are held back, and it fires as itself", () => {
    const waits = "skipped (the run of 10:00:01 waits already)"
    const queue: DueSchedule = { ...every(1), overrun: "queue_one" }
    assert.deepEqual(shown(queue, running), { slots: [`2 ${waits}`, `3 ${waits}`], next: 1, held: true })
    const held: DueSchedule = { ...queue, held: true }
    assert.deepEqual(shown(held, around(at(4.2), { running: true, recorded: at(3) })), {
      slots: [`4 ${waits}`],
      next: 1,
      held: true
    })
    assert.deepEqual(shown(held, around(at(5.2), { recorded: at(4) })), {
      slots: ["1 fired", `5 ${waits}`],
      next: 6,
      held: false
    })
    assert.deepEqual(shown({ ...held, enabled: false }, around(at(5.2), { running: true, recorded: at(4) })), {
      slots: ["1 skipped (disabled)", `5 ${waits}`],
      next: 6,
      held: false
    })
  })

  it("queue_one: what came after the held one while no host ran goes by the catch-up policy", () => {
    const held: DueSchedule = { ...every(1), overrun: "queue_one", held: true, catch_up: "skip" }
    const down = around(at(6.2), { running: true, recorded: at(2), liveSince: at(5.5) })
    const missed = [3, 4, 5].map((slot) => `${slot} missed (no host ran)`)
    const waits = "6 skipped (the run of 10:00:01 waits already)"
    assert.deepEqual(shown(held, down), { slots: [...missed, waits], next: 1, held: true })
    assert.deepEqual(shown({ ...held, catch_up: "run_once" }, down).slots, [
      ...missed.slice(0, 2),
      "5 fired (made up)",
      waits
    ])
    assert.deepEqual(shown(held, { ...down, running: false }), {
      slots: ["1 fired", ...missed, waits],
      next: 7,
      held: false
    })
    // However it is cut.
    assert.deepEqual(shown({ ...held, catch_up: "run_once" }, { ...down, limit: 2 }).slots, missed.slice(0, 2))
  })
})

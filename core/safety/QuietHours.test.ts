/**
 * Quiet hours by the clock on the wall, and their windows on a real PostgreSQL with two hosts.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { Notifications } from "../database/Notifications.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { controlChannel } from "./Control.ts"
import { isWithin, QuietHours, type TimeWindow } from "./QuietHours.ts"

const london = (start: string, end: string, days?: TimeWindow["days"]): TimeWindow => ({
  start,
  end,
  timezone: "Europe/London",
  ...(days === undefined ? {} : { days })
})

/** For each moment whether it is within. */
const within = (window: TimeWindow, ...moments: ReadonlyArray<string>) =>
  moments.map((moment) => isWithin(window, new Date(moment)))

describe("a window", () => {
  it("begins with its start and ends before its end", () => {
    assert.deepEqual(
      within(
        london("09:00", "17:00"),
        "2026-01-05T08:59:59.999Z",
        "2026-01-05T09:00:00Z",
        "2026-01-05T16:59:59.999Z",
        "2026-01-05T17:00:00Z"
      ),
      [false, true, true, false]
    )
  })

  it("runs over midnight where it ends before it starts", () => {
    assert.deepEqual(
      within(
        london("22:00", "07:00"),
        "2026-01-05T21:59:00Z",
        "2026-01-05T22:00:00Z",
        "2026-01-06T00:00:00Z",
        "2026-01-06T06:59:00Z",
        "2026-01-06T07:00:00Z"
      ),
      [false, true, true, true, false]
    )
  })

  it("is the whole day where it ends as it starts", () => {
    assert.deepEqual(
      within(london("08:00", "08:00"), "2026-01-05T07:59:00Z", "2026-01-05T08:00:00Z", "2026-01-05T20:00:00Z"),
      [true, true, true]
    )
    // The Monday, until eight on Tuesday.
    assert.deepEqual(
      within(
        london("08:00", "08:00", ["mon"]),
        "2026-01-05T07:59:00Z",
        "2026-01-05T08:00:00Z",
        "2026-01-06T07:59:00Z",
        "2026-01-06T08:00:00Z"
      ),
      [false, true, true, false]
    )
  })

  it("belongs to the day on which it begins", () => {
    // The 5th is a Monday.
    assert.deepEqual(
      within(
        london("22:00", "07:00", ["mon"]),
        "2026-01-05T03:00:00Z",
        "2026-01-05T23:00:00Z",
        "2026-01-06T03:00:00Z",
        "2026-01-06T23:00:00Z"
      ),
      [false, true, true, false]
    )
    // From Sunday into the Monday of the next week.
    assert.deepEqual(
      within(london("22:00", "07:00", ["sun"]), "2026-01-05T03:00:00Z", "2026-01-06T03:00:00Z"),
      [true, false]
    )
  })

  it("goes by its own zone", () => {
    const tokyo = { start: "22:00", end: "07:00", timezone: "Asia/Tokyo" }
    assert.deepEqual(within(tokyo, "2026-01-05T12:59:00Z", "2026-01-05T13:00:00Z", "2026-01-05T22:00:00Z"), [
      false,
      true,
      false
    ])
    const kathmandu = { start: "00:00", end: "00:15", timezone: "Asia/Kathmandu" }
    assert.deepEqual(within(kathmandu, "2026-01-05T18:14:00Z", "2026-01-05T18:15:00Z", "2026-01-05T18:30:00Z"), [
      false,
      true,
      false
    ])
  })

  it("goes by the wall where the clock is put forward or back", () => {
    // On 29 March 2026 it is 02:00 after 00:59 GMT; on 25 October 2026 from 01:00 to 02:00 twice.
    assert.deepEqual(
      within(
        london("22:00", "07:00"),
        "2026-03-28T21:59:00Z",
        "2026-03-29T00:59:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-29T05:59:00Z",
        "2026-03-29T06:00:00Z"
      ),
      [false, true, true, true, false]
    )
    assert.deepEqual(
      within(london("01:30", "02:30"), "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"),
      [false, true, false]
    )
    assert.deepEqual(
      within(
        london("01:30", "02:30"),
        "2026-10-25T00:29:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:30:00Z"
      ),
      [false, true, false, true, false]
    )
  })

  it("is as the parts of the date say, at every quarter of an hour of a year", () => {
    const window = london("21:45", "06:15", ["fri", "sat"])
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone: "Europe/London",
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit"
    })
    for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 0, 1); at += 15 * 60_000) {
      const [day = "", time = ""] = format.format(at).split(" ")
      const name = day.replace(",", "")
      const expected = (time >= "21:45" && ["Fri", "Sat"].includes(name)) ||
        (time < "06:15" && ["Sat", "Sun"].includes(name))
      assert.strictEqual(isWithin(window, new Date(at)), expected, new Date(at).toISOString())
    }
  })
})

const layerWorld = Layer.mergeAll(Audit.layer, Notifications.layer).pipe(
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const noon = london("12:00", "13:00")
const night = { start: "22:00", end: "07:00", timezone: "Europe/London", enabled: true }

/** Quiet hours as one more host has them. */
const host = (windows: ReadonlyArray<TimeWindow> = [noon]) =>
  Effect.map(Layer.build(Layer.fresh(QuietHours.layer(windows))), (context) => Context.get(context, QuietHours))

const until = <A, E, R>(look: Effect.Effect<A, E, R>, holds: (found: A) => boolean) =>
  Effect.gen(function*() {
    for (const end = Date.now() + 30_000;;) {
      const found = yield* look
      if (holds(found)) return found
      if (Date.now() > end) return yield* Effect.die(new Error(`Still ${JSON.stringify(found)}`))
      yield* Effect.sleep("2 millis")
    }
  })

/** Messages are heard from now on. */
const listening = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  let heard = false
  yield* (yield* Notifications).listen(controlChannel, () => {
    heard = true
  })
  yield* until(Effect.as(sql`select pg_notify(${controlChannel}, '')`, undefined), () => heard)
})

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("the windows of a database", (it) => {
  it.effect("are heard of by every host at once, and raise the policy version with their audit row", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`insert into control (autonomy) values ('A2') on conflict do nothing`
      const one = yield* host()
      const other = yield* host()
      yield* listening
      const midnight = new Date("2026-01-05T00:00:00Z")
      assert.deepEqual(one.now(midnight), { quiet: false })
      const version = () => sql<{ readonly v: number }>`select policy_version::int as v from control`
      const [before] = yield* version()

      const record = yield* one.put("night", night)
      assert.deepEqual(record, { quiet_hours_id: "night", ...night, origin: "api" })
      assert.deepEqual(one.now(midnight), { quiet: true, window: "22:00 to 07:00 Europe/London" })
      // Far sooner than the five seconds after which it would look by itself.
      const heard = performance.now()
      yield* until(Effect.sync(() => other.now(midnight)), ({ quiet }) => quiet)
      assert.isBelow(performance.now() - heard, 4_500)

      const [after] = yield* version()
      assert.strictEqual((after?.v ?? 0) - (before?.v ?? 0), 1)
      const rows = yield* sql<{ readonly summary: string; readonly actor: string }>`
        select summary, actor from audit_events where type = 'operator.quiet_hours_changed'`
      assert.deepEqual(rows, [{
        summary: "Quiet hours \"night\" are 22:00 to 07:00 Europe/London.",
        actor: "operator"
      }])

      // The same again is no change.
      yield* other.put("night", night)
      assert.deepEqual(yield* version(), [{ v: after?.v ?? 0 }])

      yield* other.put("night", { ...night, days: ["fri"], enabled: false })
      assert.deepEqual(other.now(midnight), { quiet: false })
      yield* until(Effect.sync(() => one.now(midnight)), ({ quiet }) => !quiet)
      assert.deepEqual(yield* one.list, [
        { quiet_hours_id: "config.1", ...noon, enabled: true, origin: "config" },
        { quiet_hours_id: "night", ...night, days: ["fri"], enabled: false, origin: "api" }
      ])
    }).pipe(Effect.scoped))

  it.effect("leave those of the configuration alone", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const one = yield* host()
      assert.deepEqual(one.now(new Date("2026-01-05T12:30:00Z")), {
        quiet: true,
        window: "12:00 to 13:00 Europe/London"
      })
      const refused = yield* Effect.flip(one.put("config.1", night))
      assert.match(refused.message, /change safety\.quietHours there/)
      assert.deepEqual(yield* sql`select 1 from quiet_hours where quiet_hours_id like 'config.%'`, [])
    }).pipe(Effect.scoped))

  it.effect("that name a zone nobody here knows don't stop the decisions", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        insert into quiet_hours (quiet_hours_id, start, "end", timezone, enabled, updated_at)
        values ('mars', '00:00', '00:00', 'Mars/Olympus', true, now())`
      const one = yield* host([])
      assert.deepEqual(one.now(new Date("2026-01-05T12:30:00Z")), { quiet: false })
    }).pipe(Effect.scoped))
})

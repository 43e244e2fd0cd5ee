/**
 * Alarms and quiet hours on the wire, over scripted services: what is accepted, and what a wrong request is told.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Alarm } from "../contract/Alarm.ts"
import { AlarmMoveRefused, AlarmNotFound } from "../health/Alarms.ts"
import { type QuietHoursRecord, QuietHoursReadOnly } from "../safety/QuietHours.ts"
import { layerTestServer, send } from "./TestServer.ts"

const alarm: Alarm = {
  alarm_id: "0199b3f2-6c1e-7a51-9d3e-000000000001",
  type: "notifications.storm",
  severity: "warning",
  dedupe_key: "notifications.storm",
  status: "open",
  message: "Notifications are held back.",
  refs: {},
  opened_at: "2026-01-05T12:00:00.000Z"
}
const unknown = "0199b3f2-6c1e-7a51-9d3e-000000000404"

const told: Array<ReadonlyArray<unknown>> = []

const move = (status: "acked" | "resolved") => (alarm_id: string, note?: string) =>
  Effect.gen(function*() {
    if (alarm_id === unknown) return yield* new AlarmNotFound({ alarm_id })
    if (told.some((one) => one[0] === status)) {
      return yield* new AlarmMoveRefused({ detail: `This alarm was ${status}.` })
    }
    told.push([status, alarm_id, note])
    return { ...alarm, status }
  })

const noon: QuietHoursRecord = {
  quiet_hours_id: "config.1",
  start: "12:00",
  end: "13:00",
  timezone: "Europe/London",
  enabled: true,
  origin: "config"
}

layer(
  layerTestServer({
    alarms: {
      page: (filter, { limit }) =>
        Effect.sync(() => {
          told.push(["page", filter, limit])
          return { items: [alarm] }
        }),
      ack: move("acked"),
      resolve: move("resolved")
    },
    quietHours: {
      list: Effect.succeed([noon]),
      put: (quiet_hours_id, window) =>
        quiet_hours_id === "config.1"
          ? Effect.fail(new QuietHoursReadOnly({ detail: "Change the configuration." }))
          : Effect.succeed({ quiet_hours_id, ...window, origin: "api" })
    }
  }),
  { excludeTestServices: true, timeout: "60 seconds" }
)("over HTTP", (it) => {
  it.effect("alarms are listed, seen and over", () =>
    Effect.gen(function*() {
      const list = yield* send("/alarms?status=open&limit=7")
      assert.deepEqual([list.status, list.json], [200, { items: [alarm] }])
      const acked = yield* send(`/alarms/${alarm.alarm_id}/ack`, { method: "POST" })
      assert.deepEqual([acked.status, acked.json.status], [200, "acked"])
      const again = yield* send(`/alarms/${alarm.alarm_id}/ack`, { body: {} })
      assert.deepEqual([again.status, again.json.code, again.json.detail], [
        409,
        "alarm.state",
        "This alarm was acked."
      ])
      const resolved = yield* send(`/alarms/${alarm.alarm_id}/resolve`, { body: { note: "muted the sensor" } })
      assert.deepEqual([resolved.status, resolved.json.status], [200, "resolved"])
      assert.deepEqual(told, [
        ["page", { status: "open" }, 7],
        ["acked", alarm.alarm_id, undefined],
        ["resolved", alarm.alarm_id, "muted the sensor"]
      ])
      const nobody = yield* send(`/alarms/${unknown}/resolve`, { method: "POST" })
      assert.deepEqual([nobody.status, nobody.json.code], [404, "alarm.not_found"])
      assert.strictEqual((yield* send("/alarms/7/ack", { method: "POST" })).json.code, "request.path")
      assert.strictEqual((yield* send("/alarms?status=shut")).json.code, "request.parameter")
      const wrong = yield* send(`/alarms/${alarm.alarm_id}/ack`, { body: { notes: "x" } })
      assert.strictEqual(wrong.status, 400)
      assert.match(wrong.json.detail, /did you mean "note"/)
    }))

  it.effect("quiet hours are listed and put, and those of the configuration are not", () =>
    Effect.gen(function*() {
      assert.deepEqual((yield* send("/quiet-hours")).json, { items: [noon] })
      const put = (id: string, body: unknown) => send(`/quiet-hours/${id}`, { method: "PUT", body })
      const window = { start: "22:00", end: "07:00", timezone: "Europe/London" }
      const made = yield* put("night-1.a_B", { ...window, days: ["mon", "sun"] })
      assert.deepEqual([made.status, made.json], [200, {
        quiet_hours_id: "night-1.a_B",
        ...window,
        days: ["mon", "sun"],
        enabled: true,
        origin: "api"
      }])
      assert.isFalse((yield* put("night", { ...window, enabled: false })).json.enabled)
      const refused = yield* put("config.1", window)
      assert.deepEqual([refused.status, refused.json.code], [409, "quiet_hours.read_only"])

      for (
        const wrong of [
          { ...window, start: "24:00" },
          { ...window, end: "7:00" },
          { ...window, timezone: "Mars/Olympus" },
          { ...window, timezone: "+02:00" },
          { ...window, days: [] },
          { ...window, days: ["mon", "mon"] },
          { ...window, days: ["monday"] },
          { ...window, enabled: "yes" },
          { ...window, from: "x" },
          { start: "22:00", end: "07:00" }
        ]
      ) {
        const answer = yield* put("night", wrong)
        assert.deepEqual([answer.status, answer.json.code], [400, "request.field"], JSON.stringify(wrong))
      }
      assert.strictEqual((yield* put("x".repeat(100), window)).status, 200)
      for (const id of ["a%20b", "a%2Fb", "x".repeat(101), "%E2%98%83"]) {
        assert.strictEqual((yield* put(id, window)).status, 400, id)
      }
    }))
})

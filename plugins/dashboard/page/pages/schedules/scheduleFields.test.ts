import { expect, test } from "vitest"
import type { Schedule } from "syris/records"
import { bodyOf, fieldsOf, isRough, newFields, ownPreview, patchOf } from "./scheduleFields.ts"
import { doesInWords, quietInWords, wallClock } from "./scheduleWords.ts"

const morning: Schedule = {
  schedule_id: "s",
  name: "Morning",
  enabled: true,
  type: "cron",
  spec: "30 7 * * 1-5",
  timezone: "Europe/Berlin",
  catch_up: "run_once",
  catch_up_cap: 10,
  overrun: "skip",
  quiet_hours: { start: "22:00", end: "07:00", timezone: "Europe/Berlin", days: ["mon"] },
  payload: { text: "good morning", channel: "scheduler" },
  next_run_at: "2026-06-02T05:30:00.000Z",
  created_at: "2026-06-01T00:00:00.000Z",
  updated_at: "2026-06-01T00:00:00.000Z"
}

test("a schedule that is made asks for what its form says", () => {
  const made = bodyOf({
    ...newFields("Europe/Berlin"),
    name: " Sam ",
    when: "in 2 hours ",
    notify: "Call Sam",
    quiet: "any"
  })
  expect(made).toEqual({
    ok: true,
    body: {
      name: "Sam",
      when: "in 2 hours",
      timezone: "Europe/Berlin",
      payload: { text: "Call Sam" },
      notify: "Call Sam",
      catch_up: "run_once",
      catch_up_cap: 10,
      overrun: "skip",
      quiet_hours: true
    }
  })
})

test("an event that is no JSON makes no request", () => {
  const made = bodyOf({ ...newFields("UTC"), does: "json", json: "{" })
  expect(made.ok).toBe(false)
})

test("a form that was opened and not changed asks for nothing", () => {
  expect(patchOf(fieldsOf(morning), morning)).toEqual({ ok: true, body: {} })
  const told: Schedule = { ...morning, notify: "Up!", payload: { text: "Up!", channel: "scheduler" } }
  expect(patchOf(fieldsOf(told), told)).toEqual({ ok: true, body: {} })
  const posted: Schedule = { ...morning, payload: { channel: "webhook", structured: { a: 1 } } }
  expect(patchOf(fieldsOf(posted), posted)).toEqual({ ok: true, body: {} })
})

test("only what was changed is asked for, so that nothing else starts anew", () => {
  expect(patchOf({ ...fieldsOf(morning), name: "Early" }, morning)).toEqual({ ok: true, body: { name: "Early" } })
  expect(patchOf({ ...fieldsOf(morning), when: "every day at 7:00" }, morning))
    .toEqual({ ok: true, body: { when: "every day at 7:00", timezone: "Europe/Berlin" } })
  expect(patchOf({ ...fieldsOf(morning), quiet: "none" }, morning)).toEqual({ ok: true, body: { quiet_hours: null } })
  expect(patchOf({ ...fieldsOf(morning), does: "notify", notify: "Up!" }, morning))
    .toEqual({ ok: true, body: { payload: { text: "Up!" }, notify: "Up!" } })
})

test("an interval's slots are counted from one that it has; months near their end are said to be rough", () => {
  expect(ownPreview(morning)).toEqual({ type: "cron", spec: "30 7 * * 1-5", timezone: "Europe/Berlin" })
  const hourly = { type: "interval" as const, spec: "PT1H", timezone: "UTC", next_run_at: "2026-06-02T05:31:07.123Z" }
  expect(ownPreview(hourly).start_at).toBe("2026-06-02T05:31:07.123Z")
  expect(isRough(hourly)).toBe(false)
  expect(isRough({ type: "interval", spec: "P1M", next_run_at: "2026-02-28T05:00:00.000Z" })).toBe(true)
  expect(isRough({ type: "interval", spec: "P1M", next_run_at: "2026-02-15T05:00:00.000Z" })).toBe(false)
  expect(isRough({ type: "interval", spec: "PT30M", next_run_at: "2026-02-28T05:00:00.000Z" })).toBe(false)
})

test("what a schedule does, and when not, are words", () => {
  expect(doesInWords(morning)).toBe("says to SYRIS: good morning")
  expect(doesInWords({ payload: { channel: "scheduler" }, notify: "Up!" })).toBe("tells you: Up!")
  expect(quietInWords(morning.quiet_hours)).toBe("Held back from 22:00 to 07:00 the next day, Monday (Europe/Berlin).")
  expect(wallClock("2026-12-01T17:00:00.000Z", "America/New_York")).toMatch(/Tue,? 1 Dec,? (at )?12:00/)
  expect(wallClock("2026-12-01T17:00:00.000Z", "Nowhere/Land")).toBeUndefined()
})

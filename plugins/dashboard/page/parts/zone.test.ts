import { assert, describe, it } from "vitest"
import { instantOf, localOf } from "./zone.ts"

describe("a moment in the operator's zone", () => {
  it("is meant there, not where the browser is", () => {
    assert.strictEqual(instantOf("2026-07-01T12:00", "Asia/Tokyo", "first"), "2026-07-01T03:00:00.000Z")
    assert.strictEqual(instantOf("2026-07-01T12:00", "America/New_York", "first"), "2026-07-01T16:00:00.000Z")
    assert.strictEqual(instantOf("2026-07-01T12:00", "Asia/Kathmandu", "first"), "2026-07-01T06:15:00.000Z")
    assert.strictEqual(localOf("2026-07-01T06:15:30.500Z", "Asia/Kathmandu"), "2026-07-01T12:00")
  })

  it("is of the offset of its day, in summer and in winter", () => {
    assert.strictEqual(instantOf("2026-01-15T09:30", "Europe/Berlin", "first"), "2026-01-15T08:30:00.000Z")
    assert.strictEqual(instantOf("2026-06-15T09:30", "Europe/Berlin", "first"), "2026-06-15T07:30:00.000Z")
  })

  it("comes twice where the clocks are put back: from the first, until the last", () => {
    const twice = "2026-10-25T02:30"
    assert.strictEqual(instantOf(twice, "Europe/Berlin", "first"), "2026-10-25T00:30:00.000Z")
    assert.strictEqual(instantOf(twice, "Europe/Berlin", "last"), "2026-10-25T01:30:00.000Z")
    for (const which of ["first", "last"] as const) {
      assert.strictEqual(localOf(instantOf(twice, "Europe/Berlin", which), "Europe/Berlin"), twice)
      assert.strictEqual(instantOf("2026-10-25T03:30", "Europe/Berlin", which), "2026-10-25T02:30:00.000Z")
      assert.strictEqual(instantOf("2026-10-25T01:30", "Europe/Berlin", which), "2026-10-24T23:30:00.000Z")
    }
  })

  it("is an hour later where the clocks are put forward and no clock showed it", () => {
    assert.strictEqual(instantOf("2026-03-29T02:30", "Europe/Berlin", "first"), "2026-03-29T01:30:00.000Z")
    assert.strictEqual(localOf("2026-03-29T01:30:00.000Z", "Europe/Berlin"), "2026-03-29T03:30")
    assert.strictEqual(instantOf("2026-03-08T02:15", "America/New_York", "last"), "2026-03-08T07:15:00.000Z")
  })

  it("comes back as it was typed, over a year of two changes", () => {
    for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 0, 1); at += 1_800_000 * 29) {
      const local = localOf(new Date(at).toISOString(), "Australia/Lord_Howe")
      const back = instantOf(local, "Australia/Lord_Howe", "first")
      assert.strictEqual(localOf(back, "Australia/Lord_Howe"), local)
    }
  })

  it("is none where the field is not filled yet", () => {
    assert.isUndefined(instantOf("", "Europe/Berlin", "first"))
    assert.isUndefined(instantOf("2026-10", "Europe/Berlin", "first"))
    assert.strictEqual(localOf("yesterday", "Europe/Berlin"), "")
  })
})

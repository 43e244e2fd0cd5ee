/** Quiet hours are said as a person would say them, and sent as the host takes them. */
import { assert, describe, it } from "@effect/vitest"
import { bodyOf, days, windowInWords } from "./quietHours.ts"

const night = { start: "22:00", end: "07:00", timezone: "Europe/London" }

describe("quiet hours", () => {
  it("say when they end, and on which days they begin", () => {
    assert.strictEqual(windowInWords(night), "22:00 to 07:00 the next day, every day (Europe/London)")
    assert.strictEqual(
      windowInWords({ ...night, start: "12:00", end: "14:00", days: ["sun", "sat"] }),
      "12:00 to 14:00, Saturday and Sunday (Europe/London)"
    )
    assert.strictEqual(
      windowInWords({ ...night, end: "22:00", days: ["mon", "tue", "wed", "thu", "fri"] }),
      "22:00 to 22:00 the next day, 24 hours, Monday to Friday (Europe/London)"
    )
  })

  it("name no days where all are chosen, and else these in the order of the week", () => {
    assert.notProperty(bodyOf({ ...night, enabled: true, days }), "days")
    assert.deepEqual(bodyOf({ ...night, enabled: false, days: ["fri", "mon"] }), {
      ...night,
      enabled: false,
      days: ["mon", "fri"]
    })
  })
})

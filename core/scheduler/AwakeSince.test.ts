import { assert, describe, it } from "vitest"
import { make } from "./AwakeSince.ts"

const noon = Date.parse("2026-05-01T12:00:00Z")
const look = (monotonic: number, database: number, took = 1) => ({
  before: monotonic,
  after: monotonic + took,
  database: noon + database
})

describe("from when on a host has looked", () => {
  it("begins with the first look and holds while it looks", () => {
    const awake = make()
    assert.isUndefined(awake.at())
    assert.isTrue(awake.note(look(0, 0)))
    for (let i = 1; i < 10; i++) assert.isFalse(awake.note(look(i * 5_000, i * 5_000)))
    assert.strictEqual(awake.at(), noon)
  })

  it("begins anew after looks that are far apart", () => {
    const awake = make()
    awake.note(look(0, 0))
    assert.isFalse(awake.note(look(15_000, 15_000)))
    assert.isTrue(awake.note(look(30_001, 30_001)))
    assert.strictEqual(awake.at(), noon + 30_001)
  })

  it("begins anew when the database's clock ran ahead: it was put forward, or the machine was suspended", () => {
    const awake = make()
    awake.note(look(0, 0))
    assert.isFalse(awake.note(look(5_000, 6_900)))
    assert.isTrue(awake.note(look(10_000, 3_600_000)))
    assert.strictEqual(awake.at(), noon + 3_600_000)
  })

  it("a slow answer is no jump", () => {
    const awake = make()
    // The database was asked at once and answered late; then it was asked again.
    awake.note(look(0, 0, 4_000))
    assert.isFalse(awake.note(look(4_001, 4_001)))
    // The question waited, and was answered at once.
    assert.isFalse(awake.note(look(5_000, 9_000, 4_000)))
  })

  it("a clock that was put back does not leave it in the future", () => {
    const awake = make()
    awake.note(look(0, 0))
    assert.isTrue(awake.note(look(5_000, -3_600_000)))
    assert.strictEqual(awake.at(), noon - 3_600_000)
    assert.isFalse(awake.note(look(10_000, -3_595_000)))
  })

  it("an answer that another has overtaken says nothing new", () => {
    const awake = make()
    awake.note(look(10_000, 10_000))
    assert.isFalse(awake.note({ before: 9_000, after: 10_100, database: noon + 9_500 }))
    assert.strictEqual(awake.at(), noon + 10_000)
  })
})

import { assert, describe, it } from "vitest"
import { axisOf, barOf, type Span } from "./waterfall.ts"

const second = 1_000
const hour = 3_600_000
const noon = Date.parse("2026-11-30T12:00:00Z")
const span = (from: number, until?: number): Span => ({
  from: noon + from,
  open: false,
  ...(until === undefined ? {} : { until: noon + until })
})

describe("the waterfall", () => {
  it("is true to time where nothing waits for long", () => {
    const axis = axisOf([span(0), span(1 * second, 3 * second), span(3 * second, 4 * second)], noon)
    assert.deepStrictEqual(axis.pieces.map(({ isBreak }) => isBreak), [false])
    assert.deepStrictEqual(barOf(span(1 * second, 3 * second), axis, noon), { left: 0.25, width: 0.5 })
  })

  it("breaks the axis where an approval waits for two hours, and shows what came before and after", () => {
    const approval = span(20, 2 * hour)
    const axis = axisOf([span(0, 20), approval, span(2 * hour, 2 * hour + 80)], noon)
    assert.deepStrictEqual(axis.pieces.map(({ isBreak }) => isBreak), [false, true, false])
    const [, gap] = axis.pieces
    assert.strictEqual((gap?.until ?? 0) - (gap?.from ?? 0), 2 * hour - 20)
    assert.isBelow(gap?.width ?? 1, 0.1)
    const before = barOf(span(0, 20), axis, noon)
    const after = barOf(span(2 * hour, 2 * hour + 80), axis, noon)
    assert.isAbove(before?.width ?? 0, 0.15)
    assert.approximately((after?.width ?? 0) / (before?.width ?? 1), 4, 0.001)
  })

  it("does not break a call of 9 seconds, and not the only thing that there is", () => {
    assert.isFalse(axisOf([span(0, 1), span(1, 9 * second)], noon).pieces.some(({ isBreak }) => isBreak))
    assert.isFalse(axisOf([span(0, 5 * hour)], noon).pieces.some(({ isBreak }) => isBreak))
  })

  it("leaves half of the width for what happens, however often it waits", () => {
    const spans = Array.from({ length: 40 }, (_, n) => span(n * hour, n * hour + 10))
    const axis = axisOf(spans, noon)
    const breaks = axis.pieces.filter(({ isBreak }) => isBreak)
    assert.strictEqual(breaks.length, 39)
    assert.approximately(breaks.reduce((sum, { width }) => sum + width, 0), 0.5, 0.001)
    assert.approximately(axis.placeOf(noon + 39 * hour + 10), 1, 0.001)
  })

  it("lets what goes on end now, and has no bar for what has not begun", () => {
    const open: Span = { from: noon, open: true }
    const axis = axisOf([open, span(0, 2 * second)], noon + 4 * second)
    assert.deepStrictEqual(barOf(open, axis, noon + 4 * second), { left: 0, width: 1 })
    assert.isUndefined(barOf({ from: Number.NaN, open: false }, axis, noon))
  })

  it("has ticks at round times, in order and apart", () => {
    const axis = axisOf([span(130, 5_870)], noon)
    assert.deepStrictEqual(axis.ticks.map(({ at }) => at - noon), [1_000, 2_000, 3_000, 4_000, 5_000])
    axis.ticks.slice(1).forEach(({ left }, n) => assert.isAbove(left, axis.ticks[n]?.left ?? 1))
  })

  it("shows a single moment", () => {
    const axis = axisOf([span(0)], noon)
    assert.deepStrictEqual(barOf(span(0), axis, noon), { left: 0, width: 0 })
    assert.deepStrictEqual(axis.ticks, [{ at: noon, left: 0 }])
  })
})

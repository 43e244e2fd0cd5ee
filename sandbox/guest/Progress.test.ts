import { assert, describe, it } from "vitest"
import { makeProgress, type Said } from "./Progress.ts"

describe("the progress of a run", () => {
  it("is told at once, then seldom, and the newest before the end", () => {
    const told: Array<Said> = []
    const progress = makeProgress((said) => void told.push(said))
    progress.say({ percent: 0, message: "begins" })
    for (let percent = 1; percent <= 10_000; percent++) progress.say({ percent: percent / 100 })
    assert.deepEqual(told[0], { percent: 0, message: "begins" })
    // A turn of the loop takes no time worth mentioning; however long it took, each was 100 ms after the one before.
    assert.isBelow(told.length, 100)
    progress.say({ message: "ends" })
    progress.flush()
    assert.deepEqual(told.at(-1), { percent: 100, message: "ends" })
    const { length } = told
    progress.flush()
    assert.lengthOf(told, length)
  })

  it("is told though nothing more is said", async () => {
    const second = await new Promise<Said>((resolve) => {
      let count = 0
      const progress = makeProgress((said) => {
        if (++count === 2) resolve(said)
      })
      progress.say({ percent: 1 })
      progress.say({ percent: 2 })
    })
    assert.deepEqual(second, { percent: 2 })
  })
})

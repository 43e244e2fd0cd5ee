import { assert, describe, it } from "@effect/vitest"
import { makePace } from "./ChannelProxy.ts"

describe("the events of a stranger's channel", () => {
  it("come a hundred at once, then have to wait", async () => {
    const pace = makePace(() => 10_000)
    let through = 0
    for (let i = 0; i < 103; i++) {
      void pace().then(() => {
        through++
      })
    }
    await Promise.resolve()
    await Promise.resolve()
    assert.equal(through, 100)
  })
})

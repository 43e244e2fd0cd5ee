import { assert, describe, it } from "@effect/vitest"
import { makeOnceAtATime } from "./onceAtATime.ts"

describe("an act", () => {
  it("is done once by a double click, and again when it is over", async () => {
    const once = makeOnceAtATime<number>()
    let done = 0
    const act = async () => ++done
    assert.deepEqual(await Promise.all([once(act), once(act), once(act)]), [1, 1, 1])
    assert.strictEqual(await once(act), 2)
  })

  it("that was refused may be tried again", async () => {
    const once = makeOnceAtATime<string>()
    const refused = await once(() => Promise.reject(new Error("no"))).catch((error: Error) => error.message)
    assert.deepEqual([refused, await once(async () => "yes")], ["no", "yes"])
  })
})

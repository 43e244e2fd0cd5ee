import { assert, describe, it } from "vitest"
import { type Answered, makePages, type PagesOptions } from "./pages.ts"

const most = 10_000

/** A host with so many rows, whose cursors are where the next page begins. It answers when it is told to. */
const hostOf = (
  rows: number,
  pageOf: (from: number) => number = () => 500,
  more: Partial<PagesOptions<number>> = {}
) => {
  const asked: Array<number> = []
  const waiting: Array<() => void> = []
  const pages = makePages<number>({
    ask: (cursor, signal) => {
      const from = Number(cursor ?? 0)
      asked.push(from)
      return new Promise<Answered<number>>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("stopped")))
        waiting.push(() => {
          const to = Math.min(rows, from + 500)
          const items = Array.from({ length: Math.min(pageOf(from), to - from) }, (_, n) => from + n)
          resolve({ items, ...(to < rows ? { next_cursor: String(to), searched_until: `until ${to}` } : {}) })
        })
      })
    },
    pageSize: 500,
    near: 200,
    most,
    tries: 5,
    ...more
  })
  /** Answers until nothing is asked any more. */
  const settle = async (): Promise<void> => {
    while (waiting.length > 0) {
      waiting.shift()?.()
      await new Promise((resolve) => setTimeout(resolve, 0))
    }
  }
  return { asked, pages, settle }
}

describe("a list by its pages", () => {
  it("asks for the next page when the end comes near, and not before", async () => {
    const { asked, pages, settle } = hostOf(2_000)
    pages.start()
    await settle()
    assert.deepStrictEqual(asked, [0])
    pages.view(0, 299)
    await settle()
    assert.deepStrictEqual(asked, [0])
    pages.view(280, 310)
    await settle()
    assert.deepStrictEqual(asked, [0, 500])
    assert.deepStrictEqual(pages.seen(), { count: 1_000, standing: { is: "more" } })
    assert.strictEqual(pages.at(777), 777)
    assert.isUndefined(pages.at(1_000))
  })

  it("holds no more rows than it may over 100 000, and asks again for those that come back into view", async () => {
    const { asked, pages, settle } = hostOf(100_000)
    pages.start()
    await settle()
    let held = 0
    while (pages.seen().standing.is !== "end") {
      const { count } = pages.seen()
      pages.view(count - 40, count - 1)
      await settle()
      held = Math.max(held, pages.held())
    }
    assert.strictEqual(pages.seen().count, 100_000)
    assert.strictEqual(asked.length, 200)
    assert.isAtMost(held, most)
    assert.strictEqual(pages.at(99_999), 99_999)
    // What is far away is gone, and its place is kept.
    assert.isUndefined(pages.at(3_210))
    pages.view(3_200, 3_240)
    assert.strictEqual(asked.length, 201)
    await settle()
    assert.strictEqual(asked.at(-1), 3_000)
    assert.strictEqual(pages.at(3_210), 3_210)
    assert.isAtMost(pages.held(), most)
  })

  it("goes on through pages without a hit, then waits and says how far it has come", async () => {
    const { asked, pages, settle } = hostOf(50_000, (from) => from === 1_000 ? 2 : 0)
    pages.start()
    await settle()
    assert.deepStrictEqual(asked, [0, 500, 1_000, 1_500, 2_000])
    assert.deepStrictEqual(pages.seen(), { count: 2, standing: { is: "paused", until: "until 2500" } })
    // Being looked at makes it go on no further.
    pages.view(0, 1)
    await settle()
    assert.strictEqual(asked.length, 5)
    pages.goOn()
    await settle()
    assert.strictEqual(asked.length, 10)
    assert.strictEqual(pages.at(1), 1_001)
  })

  it("keeps each row at its place when a page that is asked again comes in two parts", async () => {
    let few = false
    const { pages, settle } = hostOf(3_000, () => few ? 100 : 500, { most: 1_000 })
    pages.start()
    await settle()
    for (const at of [400, 900, 1_400, 1_900]) {
      pages.view(at, at + 40)
      await settle()
    }
    assert.isUndefined(pages.at(10))
    few = true
    pages.view(0, 40)
    await settle()
    assert.strictEqual(pages.at(10), 10)
    assert.strictEqual(pages.at(40), 40)
  })

  it("says what failed, and goes on where it was", async () => {
    let isDown = false
    const pages = makePages<number>({
      ask: (cursor) =>
        isDown
          ? Promise.reject(new Error("The host does not answer."))
          : Promise.resolve({ items: [Number(cursor ?? 0)], next_cursor: String(Number(cursor ?? 0) + 1) }),
      pageSize: 1,
      near: 1,
      most,
      tries: 5
    })
    const settle = () => new Promise((resolve) => setTimeout(resolve, 0))
    isDown = true
    pages.start()
    await settle()
    assert.strictEqual(pages.seen().standing.is, "failed")
    isDown = false
    pages.goOn()
    await settle()
    assert.strictEqual(pages.at(0), 0)
    assert.strictEqual(pages.seen().standing.is, "more")
  })

  it("asks for nothing when it has stopped, and can start again", async () => {
    const { asked, pages, settle } = hostOf(2_000)
    pages.start()
    pages.stop()
    pages.view(0, 10)
    await settle()
    assert.strictEqual(pages.seen().count, 0)
    pages.start()
    await settle()
    assert.deepStrictEqual(asked, [0, 0])
    assert.strictEqual(pages.seen().count, 500)
  })
})

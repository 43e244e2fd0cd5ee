/** A stream goes on where it was, says when it does not, and leaves nothing behind; against a host that is a function. */
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { onSessionOver } from "../api/client.ts"
import { type EventStream, makeEventStream } from "./EventStream.ts"

interface Asked {
  readonly after: string | null
  readonly signal: AbortSignal
  /** What the host answers; a stream, unless it is something else. */
  readonly answer: (status?: number) => void
  readonly write: (...ids: ReadonlyArray<number>) => void
  readonly end: () => void
  readonly fail: () => void
}

const asked: Array<Asked> = []
const seen: Array<string> = []
const anew: Array<boolean> = []
const tab = Object.assign(new EventTarget(), { hidden: false })
const browser = new EventTarget()
let stream: EventStream

const fakeFetch = (_: unknown, { headers, signal }: RequestInit) =>
  new Promise<Response>((resolve, reject) => {
    if (signal === null || signal === undefined) throw new Error("It can't be stopped.")
    let body: ReadableStreamDefaultController<Uint8Array> | undefined
    signal.addEventListener("abort", () => {
      reject(signal.reason)
      try {
        body?.error(signal.reason)
      } catch {
        // it has ended already
      }
    })
    asked.push({
      after: new Headers(headers).get("last-event-id"),
      signal,
      answer: (status = 200) =>
        resolve(
          status === 200
            ? new Response(new ReadableStream({ start: (control) => void (body = control) }))
            : Response.json({ detail: `No: ${status}.` }, { status })
        ),
      write: (...ids) =>
        body?.enqueue(new TextEncoder().encode(ids.map((id) => `id: ${id}\ndata: row ${id}\n\n`).join(""))),
      end: () => body?.close(),
      fail: () => reject(new TypeError("fetch failed"))
    })
  })

const at = (index: number): Asked => {
  const found = asked.at(index)
  if (found === undefined) throw new Error("It was not asked so often.")
  return found
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const hide = (hidden: boolean): void => {
  tab.hidden = hidden
  tab.dispatchEvent(new Event("visibilitychange"))
}
/** A stream of a host that has answered, with some rows. */
const live = async (...ids: ReadonlyArray<number>): Promise<void> => {
  at(-1).answer()
  await pass(0)
  at(-1).write(...ids)
  await vi.waitFor(() => assert.include(seen, `row ${ids.at(-1)}`))
}
const standing = () => stream.connection().is

beforeEach(() => {
  asked.length = seen.length = anew.length = 0
  tab.hidden = false
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] })
  vi.stubGlobal("fetch", fakeFetch)
  vi.stubGlobal("document", tab)
  vi.stubGlobal("addEventListener", browser.addEventListener.bind(browser))
  vi.stubGlobal("removeEventListener", browser.removeEventListener.bind(browser))
  stream = makeEventStream({
    path: "/audit/stream",
    onEvent: ({ data }) => void seen.push(data),
    onChange: () => {},
    onAnew: (missed) => void anew.push(missed)
  })
  stream.start()
})
afterEach(() => {
  stream.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe("a stream", () => {
  it("that is lost goes on after its last event, with none missing and none twice", async () => {
    assert.strictEqual(at(0).after, null)
    await live(1, 2)
    at(0).end()
    await pass(0)
    await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
    await pass(500)
    assert.strictEqual(at(1).after, "2")
    await live(3)
    assert.deepEqual(seen, ["row 1", "row 2", "row 3"])
    assert.strictEqual(standing(), "live")
    // What is no event may have changed; of the events none is missing.
    assert.deepEqual(anew, [false])
  })

  it("begins anew where the host does not know the id, and says so once", async () => {
    await live(1)
    at(0).end()
    await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
    await pass(500)
    at(1).answer(400)
    await pass(0)
    await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
    await pass(1_000)
    assert.strictEqual(at(2).after, null)
    await live(7)
    assert.deepEqual(anew, [true])
  })

  it("ends with the session: it does not ask again, and the page is told", async () => {
    let over = 0
    const end = onSessionOver(() => over++)
    at(0).answer(401)
    await pass(60_000)
    hide(true)
    hide(false)
    await pass(60_000)
    end()
    assert.deepEqual([asked.length, over], [1, 1])
  })

  it("waits longer each time where the host has no room, and says its words", async () => {
    for (const [index, wait] of [[0, 500], [1, 1_000], [2, 2_000]] as const) {
      at(index).answer(503)
      await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
      const connection = stream.connection()
      assert.include(connection.is === "lost" ? connection.why : "", "No: 503.")
      await pass(wait - 100)
      assert.lengthOf(asked, index + 1)
      await pass(100)
      assert.lengthOf(asked, index + 2)
    }
    await live(1)
    assert.strictEqual(standing(), "live")
  })

  it("is lost when the host is silent, also where it has not answered at all", async () => {
    await pass(35_000)
    await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
    await pass(500)
    await live(1)
    await pass(30_000)
    at(1).write(2)
    await vi.waitFor(() => assert.include(seen, "row 2"))
    await pass(30_000)
    assert.strictEqual(standing(), "live")
    await pass(5_000)
    await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
    assert.isTrue(at(1).signal.aborted)
  })

  it("is closed for a tab that nobody sees, and goes on when it is seen", async () => {
    await live(1)
    hide(true)
    await pass(29_000)
    assert.isFalse(at(0).signal.aborted)
    await pass(1_000)
    assert.isTrue(at(0).signal.aborted)
    await pass(60_000)
    assert.lengthOf(asked, 1)
    hide(false)
    assert.strictEqual(at(1).after, "1")
    await live(2)
    assert.deepEqual(anew, [])
  })

  it("stays where a tab is hidden for a moment only", async () => {
    await live(1)
    for (const hidden of [true, false, true, false]) {
      hide(hidden)
      await pass(20_000)
      at(0).write(1)
    }
    assert.deepEqual([asked.length, at(0).signal.aborted], [1, false])
  })

  it("begins anew after a long time out of sight, with everything asked for once", async () => {
    await live(1)
    hide(true)
    await pass(6 * 60_000)
    hide(false)
    assert.strictEqual(at(1).after, null)
    await live(99)
    assert.deepEqual(anew, [true])
  })

  it("of a tab that was opened behind others is closed, too", async () => {
    stream.stop()
    tab.hidden = true
    stream.start()
    await live(1)
    await pass(30_000)
    assert.isTrue(at(-1).signal.aborted)
  })

  it("that is stopped while it connects tells nothing, asks nothing and hears nothing", async () => {
    stream.stop()
    at(0).answer()
    at(0).fail()
    hide(true)
    hide(false)
    browser.dispatchEvent(new Event("online"))
    await pass(60_000)
    assert.deepEqual([asked.length, seen, anew], [1, [], []])
    assert.strictEqual(standing(), "connecting")
  })

  it("that is started, stopped and started, as strict mode does it, is one stream", async () => {
    stream.stop()
    stream.start()
    assert.deepEqual(asked.map(({ signal }) => signal.aborted), [true, false])
    await live(1)
    assert.deepEqual(seen, ["row 1"])
    browser.dispatchEvent(new Event("online"))
    await pass(1_000)
    assert.lengthOf(asked, 2)
  })

  it("comes back at once when the network does", async () => {
    for (const index of [0, 1, 2]) {
      at(index).fail()
      await vi.waitFor(() => assert.strictEqual(standing(), "lost"))
      await pass(index === 2 ? 0 : 500 * 2 ** index)
    }
    assert.lengthOf(asked, 3)
    browser.dispatchEvent(new Event("online"))
    assert.lengthOf(asked, 4)
    await pass(10_000)
    assert.lengthOf(asked, 4)
  })
})

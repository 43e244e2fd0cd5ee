/** What the host refuses, what does not answer, and what is not the host. */
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { addressOf, get, onSessionOver, post, Problem } from "./client.ts"

const answers = (answer: () => Response | Promise<Response>) => vi.stubGlobal("fetch", async () => answer())
const refusal = async (asked: Promise<unknown>): Promise<Problem> => {
  const error = await asked.then(() => undefined, (error: unknown) => error)
  if (!(error instanceof Problem)) throw new Error("It was not refused.", { cause: error })
  return error
}
let over = 0
let end = () => {}
beforeEach(() => {
  over = 0
  end = onSessionOver(() => over++)
})
afterEach(() => {
  end()
  vi.unstubAllGlobals()
})

describe("an answer", () => {
  it("that is no has the host's own sentence, or one that says that it was none", async () => {
    answers(() => Response.json({ code: "task.state", detail: "It has ended." }, { status: 409 }))
    const { code, message, status } = await refusal(get("/tasks"))
    assert.deepEqual({ code, message, status }, { code: "task.state", message: "It has ended.", status: 409 })
    answers(() => new Response("<html>", { status: 502 }))
    assert.strictEqual((await refusal(get("/tasks"))).message, "The host answered 502.")
  })

  it("that does not come, or breaks off, says that nobody is there", async () => {
    answers(() => Promise.reject(new TypeError("fetch failed")))
    assert.strictEqual((await refusal(get("/tasks"))).status, 0)
    answers(() => new Response(new ReadableStream({ pull: (body) => body.error(new TypeError("terminated")) })))
    assert.strictEqual((await refusal(get("/tasks"))).status, 0)
  })

  it("of something else than the host is not taken for one of the host", async () => {
    answers(() => new Response("<html>", { status: 200 }))
    assert.strictEqual((await refusal(get("/settings"))).code, "page.not_json")
  })

  it("that is not known ends the session, but not where one logs in", async () => {
    answers(() => Response.json({ detail: "Log in." }, { status: 401 }))
    await refusal(post("/login", { code: "wrong" }))
    assert.strictEqual(over, 0)
    await refusal(get("/tasks"))
    assert.strictEqual(over, 1)
  })

  it("that is not wanted any more is not said to be a failure", async () => {
    const control = new AbortController()
    answers(() => {
      control.abort()
      return Promise.reject(control.signal.reason as Error)
    })
    const error = await get("/tasks", undefined, control.signal).catch((error: unknown) => error)
    assert.notInstanceOf(error, Problem)
  })
})

describe("an address", () => {
  it("leaves out what is not asked for, and keeps apart what is", () => {
    assert.strictEqual(
      addressOf("/audit", { text: "a&b=c", tool: "", limit: 3, type: undefined }),
      "/audit?text=a%26b%3Dc&limit=3"
    )
    assert.strictEqual(addressOf("/audit", {}), "/audit")
  })
})

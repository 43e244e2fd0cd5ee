/** How soon a piece of text is handed on: in the turn of the event loop in which it was read, through a whole chain. */
import { Effect } from "effect"
import { afterEach, assert, describe, it, vi } from "vitest"
import { makeFallback } from "./Fallback.ts"
import { openAi, question, temporaryStore } from "./TestModels.ts"

const store = temporaryStore()
const pieces = {
  chat: (content: string) => ({ choices: [{ delta: { content } }] }),
  responses: (delta: string) => ({ type: "response.output_text.delta", item_id: "m", delta })
}
const eventOf = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
/** The server says that it is over, and leaves the connection open. */
const ends = {
  chat: `${eventOf({ choices: [{ delta: {}, finish_reason: "stop" }] })}data: [DONE]\n\n`,
  responses: eventOf({ type: "response.completed", response: { status: "completed", output: [] } })
}

afterEach(() => void vi.unstubAllGlobals())

describe.each(["chat", "responses"] as const)("a piece of text asked for by %s", (api) => {
  it("is handed on before anything else has its turn", async () => {
    /** Grows when the event loop turns. */
    let turn = 0
    const read: Array<number> = []
    const heard: Array<number> = []
    let left = 3
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        const event = left-- > 0 ? eventOf(pieces[api](`piece ${left}. `)) : ends[api]
        read.push(turn)
        setImmediate(() => turn++)
        controller.enqueue(new TextEncoder().encode(event))
      }
    }, { highWaterMark: 0 })
    vi.stubGlobal(
      "fetch",
      () => Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }))
    )
    const provider = openAi(store, "http://127.0.0.1:1/v1", { api })
    const health = { degrade: () => Effect.void, recover: () => Effect.void }
    const { text } = await Effect.runPromise(
      makeFallback([{ name: "small", provider, price: undefined }], health).complete({
        ...question,
        onText: () => void heard.push(turn)
      })
    )
    assert.strictEqual(text, "piece 2. piece 1. piece 0. ")
    assert.deepEqual(read, [0, 1, 2, 3], "each piece is read in a turn of its own")
    assert.deepEqual(heard, [0, 1, 2])
  })
})

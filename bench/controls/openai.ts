/**
 * The bare `openai` package, asking what it is told to: the control of what the host's loop adds to a question. One question
 * after the other, each streamed and read to its end.
 */
import { OpenAI } from "openai"
import { sharedClock, takeOrders } from "../Subject.ts"

const { BASE_URL: baseURL = "" } = process.env
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 })

const orders = {
  /** When the first text came, and when all were answered, on the clock that processes share; and how long it took. */
  ask: async ({ bodies }: { readonly bodies: ReadonlyArray<object> }) => {
    const began = performance.now()
    let first = Number.NaN
    for (const body of bodies) {
      const stream = await client.chat.completions.create(
        body as OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming
      )
      for await (const chunk of stream) {
        const text = chunk.choices[0]?.delta.content ?? ""
        if (text !== "" && Number.isNaN(first)) first = sharedClock()
      }
    }
    return { ms: performance.now() - began, first }
  }
}
export type OpenAiOrders = typeof orders
takeOrders(orders)

/**
 * Against a server that this project did not write: `@copilotkit/aimock`, in both dialects: the provider alone, then a whole
 * host. Where it is not installed nothing of this is run, and that is said; `SYRIS_TEST_AIMOCK` names the file of another copy.
 */
import * as path from "node:path"
import { definePlugin, defineTool, Schema } from "syris"
import { testHost, type TestHost } from "syris/testing"
import { pathToFileURL } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ask, openAi, question, refusal, temporaryStore, tool } from "./TestModels.ts"

interface Mock {
  readonly url: string
  readonly on: (match: object, response: object, options?: object) => Mock
  readonly getRequests: () => ReadonlyArray<{ readonly path: string; readonly body: object | null }>
  readonly start: () => Promise<string>
  readonly stop: () => Promise<void>
}

const given = process.env["SYRIS_TEST_AIMOCK"]
const place = given === undefined ? "@copilotkit/aimock" : pathToFileURL(path.resolve(given)).href
const found = await import(/* @vite-ignore */ place).catch(() => undefined) as
  | { readonly LLMock: new(options: object) => Mock }
  | undefined
if (found === undefined) {
  console.warn(
    "NOT RUN: core/llm/OtherServer.test.ts, the dialects against a foreign server. Install it: npm i -D @copilotkit/aimock"
  )
}

describe.skipIf(found === undefined).each(["chat", "responses"] as const)("a foreign server asked by %s", (api) => {
  const store = temporaryStore()
  let mock: Mock
  beforeAll(async () => {
    mock = new found!.LLMock({ port: 0, strict: true, logLevel: "silent" })
    mock.on({ userMessage: "say" }, {
      content: "The coffee is brewing, and it will take a while. ☕",
      usage: { prompt_tokens: 7, completion_tokens: 5, input_tokens: 7, output_tokens: 5 }
    }, { chunkSize: 5 })
      .on({ userMessage: "think" }, { content: "Four.", reasoning: "Two and two is four." })
      .on({ userMessage: "both" }, {
        content: "Both, then.",
        toolCalls: [
          { id: "call_a", name: "coffee_brew", arguments: "{\"cups\":2,\"note\":\"strong, with milk\"}" },
          { id: "call_b", name: "timer_set", arguments: "{}" }
        ]
      })
      .on({ userMessage: "shape" }, { content: "{\"cups\":2}" })
      .on({ toolCallId: "call_a" }, { content: "It is brewed." })
      .on({ userMessage: "busy" }, {
        error: { message: "slow down", type: "rate_limit_error" },
        status: 429,
        retryAfter: 3
      })
      .on({ userMessage: "half" }, { content: "This will never come to its end." }, {
        chunkSize: 4,
        latency: 5,
        truncateAfterChunks: 3
      })
    await mock.start()
  })
  afterAll(() => mock?.stop())

  const provider = () => openAi(store, `${mock.url}/v1`, { api, model: "gpt-5", apiKey: "sk-not-a-key" })
  const saying = (content: string) => ({ ...question, messages: [{ role: "user" as const, content }] })
  const listening = async (content: string) => {
    const heard: Array<string> = []
    const answer = await ask(provider(), { ...saying(content), onText: (delta) => void heard.push(delta) })
    assert.strictEqual(heard.join(""), answer.text ?? "")
    return { ...answer, heard }
  }

  it("streams a text", async () => {
    const { finish, heard, text, usage } = await listening("say")
    assert.strictEqual(text, "The coffee is brewing, and it will take a while. ☕")
    assert.strictEqual(finish, "stop")
    assert.isAbove(heard.length, 5)
    assert.deepEqual(usage, { input_tokens: 7, output_tokens: 5 })
  })

  it("keeps its thoughts to itself", async () => assert.strictEqual((await listening("think")).text, "Four."))

  it("calls tools, and goes on with what they gave", async () => {
    const { calls, finish, text } = await listening("both")
    assert.deepEqual(calls, [
      { id: "call_a", tool: "coffee.brew", arguments: "{\"cups\":2,\"note\":\"strong, with milk\"}" },
      { id: "call_b", tool: "timer.set", arguments: "{}" }
    ])
    assert.deepEqual([text, finish], ["Both, then.", "tool_calls"])
    const next = await ask(provider(), {
      tools: [tool("coffee.brew")],
      messages: [
        ...saying("please").messages,
        { role: "assistant", calls: calls.slice(0, 1) },
        { role: "tool", call_id: "call_a", content: "status: succeeded" }
      ]
    })
    assert.strictEqual(next.text, "It is brewed.")
  })

  it("answers in the shape that was asked for", async () => {
    const schema = { type: "object", properties: { cups: { type: "number" } } }
    const { text } = await ask(provider(), { ...saying("shape"), answer: { name: "order", schema } })
    assert.deepEqual(JSON.parse(text ?? ""), { cups: 2 })
  })

  it("says when it is busy", async () => {
    assert.deepInclude(await refusal(provider(), saying("busy")), { code: "llm.rate_limited", retryAfterMs: 3_000 })
  })

  it("that breaks off has not answered", async () => {
    assert.strictEqual((await refusal(provider(), saying("half"))).code, "llm.cut")
  })
})

describe.skipIf(found === undefined).each(["chat", "responses"] as const)(
  "a host on a foreign server, by %s",
  (api) => {
    const brewed: Array<number> = []
    const kitchen = definePlugin({
      name: "kitchen",
      setup: () => ({
        tools: [defineTool({
          name: "coffee.brew",
          description: "Brew coffee.",
          input: Schema.Struct({ cups: Schema.Int }),
          effect: "write",
          risk: "low",
          scopes: [],
          run: ({ cups }) => {
            brewed.push(cups)
            return { message: `The pot with ${cups} cups is on.` }
          }
        })]
      })
    })
    const reply = "Two cups are brewing, and they will take a while. ☕"
    const story = "Once there was a pot of coffee, and then there was none."
    let mock: Mock
    let host: TestHost
    beforeAll(async () => {
      mock = new found!.LLMock({ port: 0, strict: true, logLevel: "silent" })
      const brew = { name: "coffee_brew", arguments: "{\"cups\":2}" }
      mock.on({ userMessage: "something hot for the two of us", hasToolResult: false }, { toolCalls: [brew] })
        .on({ userMessage: "something hot for the two of us", hasToolResult: true }, { content: reply })
        .on({ userMessage: "tell me a story, slowly" }, { content: story }, { chunkSize: 5, latency: 20 })
        .on({ userMessage: "how many were that?" }, { content: "Two." })
      await mock.start()
      const llm = { provider: "openai" as const, api, baseURL: `${mock.url}/v1`, model: "gpt-5" }
      host = await testHost({ plugins: [kitchen()], http: true, llm })
    })
    afterAll(async () => {
      await host?.stop()
      await mock?.stop()
    })
    const say = (text: string) => host.send({ channel: "chat", thread_id: "kitchen", text })
    const asked = (index: number) => JSON.stringify(mock.getRequests()[index]?.body)

    it("calls a tool, hears what it gave, and answers", async () => {
      const sent = await say("something hot for the two of us")
      assert.include(sent, { outcome: "succeeded", reply })
      assert.deepEqual(brewed, [2])
      const types = await host.auditTypes(sent.trace_id)
      assert.lengthOf(types.filter((type) => type === "llm.step_decided"), 2)
      assert.include(types, "tool_call.succeeded")
      assert.lengthOf(mock.getRequests(), 2)
      assert.notInclude(asked(0), "The pot with 2 cups is on.")
      assert.include(asked(1), "The pot with 2 cups is on.")
    })

    it("knows in the next question of the thread what was said", async () => {
      assert.include(await say("how many were that?"), { outcome: "succeeded", reply: "Two." })
      assert.include(asked(2), "something hot for the two of us")
      assert.include(asked(2), reply)
      assert.deepEqual(brewed, [2])
    })

    it("shows its answer while it is written", async () => {
      const { token, url } = host.http!
      const leave = new AbortController()
      const stream = await fetch(`${url}/chat/stream?thread_id=kitchen`, {
        headers: { authorization: `Bearer ${token}` },
        signal: leave.signal
      })
      const live = piecesUntil(story, stream)
      assert.include(await say("tell me a story, slowly"), { outcome: "succeeded", reply: story })
      const pieces = await live
      leave.abort()
      assert.isAbove(pieces.length, 2)
      assert.strictEqual(pieces.join(""), story)
    })
  }
)

/** The pieces that a stream of the chat shows until it has this reply. */
const piecesUntil = async (reply: string, { body }: Response): Promise<ReadonlyArray<string>> => {
  const pieces: Array<string> = []
  let text = ""
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const frame = text.slice(0, end).split("\n")
      text = text.slice(end + 2)
      const json = frame.find((line) => line.startsWith("data: "))?.slice(6)
      if (json === undefined) continue
      const data = JSON.parse(json) as { readonly text: string; readonly kind?: string }
      if (frame.includes("event: delta")) pieces.push(data.text)
      else if (data.kind === "reply" && data.text === reply) return pieces
    }
  }
  return assert.fail("the stream ended without the reply")
}

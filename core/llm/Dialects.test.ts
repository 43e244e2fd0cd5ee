/**
 * The same stories in each dialect, over real sockets: what comes of an answer must not depend on how it is asked for.
 */
import { Effect, Fiber } from "effect"
import { assert, describe, it } from "vitest"
import type { Script } from "../testing/ScriptedModel.ts"
import type { Completion, CompletionCode, CompletionRequest } from "./CompletionProvider.ts"
import type { OpenAiSettings } from "./OpenAiProvider.ts"
import { ask, key, openAi, question, refusal, scriptedModels, temporaryStore, tool } from "./TestModels.ts"

const store = temporaryStore()
const model = scriptedModels()

describe.each(["chat", "responses"] as const)("the dialect %s", (api) => {
  const provider = (baseURL: string, given: Partial<OpenAiSettings> = {}) => openAi(store, baseURL, { api, ...given })

  const long = `mcp.${"x".repeat(80)}`
  const answers: ReadonlyArray<
    readonly [name: string, Script, Partial<Completion>, request?: Partial<CompletionRequest>]
  > = [
    [
      "text and tokens",
      { text: "The coffee is brewing. ☕", usage: { prompt_tokens: 321, completion_tokens: 7 } },
      {
        text: "The coffee is brewing. ☕",
        calls: [],
        usage: { input_tokens: 321, output_tokens: 7 },
        model: "small",
        finish: "stop"
      }
    ],
    [
      "a call with a reason",
      { call: { tool: "coffee.brew", input: { cups: 2 } }, text: "Two cups." },
      {
        text: "Two cups.",
        calls: [{ id: "call_0", tool: "coffee.brew", arguments: "{\"cups\":2}" }],
        finish: "tool_calls"
      }
    ],
    [
      "several calls, by the host's names",
      { calls: ["a.b", "a_b", long, "tea.brew"].map((name) => ({ tool: name, input: { name } })) },
      {
        text: undefined,
        calls: ["a.b", "a_b", long, "tea.brew"].map((name, i) => ({
          id: `call_${i}`,
          tool: name,
          arguments: JSON.stringify({ name })
        }))
      },
      { tools: [tool("a.b"), tool("a_b"), tool(long)] }
    ],
    [
      "broken arguments",
      { arguments: "{\"cups\": ", tool: "coffee.brew" },
      { calls: [{ id: "call_0", tool: "coffee.brew", arguments: "{\"cups\": " }] }
    ],
    ["no usage", { text: "Yes.", usage: null }, { text: "Yes." }]
  ]
  for (const [name, script, expected, more] of answers) {
    it(`has ${name}`, async () => {
      const server = await model(script)
      const heard: Array<string> = []
      const completion = await ask(provider(server.url), {
        ...question,
        ...more,
        onText: (delta) => void heard.push(delta)
      })
      assert.deepInclude(completion, expected)
      assert.strictEqual(heard.join(""), completion.text ?? "")
      if (name === "no usage") {
        assert.deepInclude(completion.usage, { estimated: true, output_tokens: 1 })
        assert.isAbove(completion.usage.input_tokens, 20)
      }
      assert.strictEqual(server.requests[0]!.path, api === "chat" ? "/v1/chat/completions" : "/v1/responses")
    })
  }

  it("takes a whole answer where the server does not stream", async () => {
    const server = await model(({ body }) => {
      const parts = { text: "Whole.", id: "call_9" }
      return {
        json: api === "chat"
          ? {
            model: body.model,
            choices: [{ message: { content: parts.text, tool_calls: [] }, finish_reason: "stop" }],
            usage: { prompt_tokens: 5, completion_tokens: 1 }
          }
          : {
            object: "response",
            model: body.model,
            status: "completed",
            error: null,
            output: [{ type: "message", content: [{ type: "output_text", text: parts.text }] }],
            usage: { input_tokens: 5, output_tokens: 1 }
          }
      }
    })
    const heard: Array<string> = []
    const completion = await ask(provider(server.url), { ...question, onText: (delta) => void heard.push(delta) })
    assert.deepInclude(completion, {
      text: "Whole.",
      finish: "stop",
      model: "small",
      usage: { input_tokens: 5, output_tokens: 1 }
    })
    assert.deepEqual(heard, ["Whole."])
  })

  it("sends the whole history, without secrets, and what shape the answer is to have", async () => {
    const server = await model({ text: "{}" })
    const schema = { type: "object", properties: { cups: { type: "number" } } }
    await ask(provider(server.url, { apiKey: key }), {
      tools: question.tools,
      maxTokens: 99,
      answer: { name: "the order!", schema },
      messages: [
        ...question.messages,
        { role: "assistant", content: "I try.", calls: [{ id: "c", tool: "coffee.brew", arguments: "{}" }] },
        { role: "tool", call_id: "c", content: "status: succeeded, code-4711" },
        { role: "assistant", calls: [] }
      ]
    })
    const [{ body, headers }] = server.requests as [typeof server.requests[number]]
    assert.strictEqual(headers.authorization, `Bearer ${key}`)
    const shape = { name: "the_order_", schema, strict: false }
    if (api === "chat") {
      assert.strictEqual(body["max_tokens"], 99)
      assert.deepEqual(body["response_format"], { type: "json_schema", json_schema: shape })
      assert.deepEqual(body.messages!.slice(2), [
        {
          role: "assistant",
          content: "I try.",
          tool_calls: [{ id: "c", type: "function", function: { name: "coffee_brew", arguments: "{}" } }]
        },
        { role: "tool", tool_call_id: "c", content: "status: succeeded, [secret home.alarm]" },
        { role: "assistant", content: "" }
      ])
    } else {
      assert.deepInclude(body, { max_output_tokens: 99, store: false, stream: true })
      assert.deepEqual(body["text"], { format: { type: "json_schema", ...shape } })
      assert.deepEqual(body["input"], [
        { role: "system", content: "You are a host." },
        { role: "user", content: "Brew a coffee." },
        { role: "assistant", content: "I try." },
        { type: "function_call", call_id: "c", name: "coffee_brew", arguments: "{}" },
        { type: "function_call_output", call_id: "c", output: "status: succeeded, [secret home.alarm]" },
        { role: "assistant", content: "" }
      ])
      assert.deepEqual((body.tools as ReadonlyArray<unknown> | undefined)?.[0], {
        type: "function",
        name: "coffee_brew",
        description: "Does coffee.brew.",
        parameters: { type: "object" },
        strict: false
      })
    }
  })

  const failures: ReadonlyArray<readonly [name: string, Script, CompletionCode, after?: number]> = [
    ["429, as told", { status: 429, headers: { "retry-after": "7" } }, "llm.rate_limited", 7_000],
    ["503", { status: 503 }, "llm.unavailable"],
    ["401 with the key in it", { status: 401, body: { error: { message: `who is ${key}` } } }, "llm.refused"],
    [
      "an error within the stream",
      { stream: `data: {"error":{"message":"${key}","code":"rate_limit_exceeded"}}\n\n` },
      "llm.rate_limited"
    ],
    ["half a stream", { cut: true }, "llm.cut"],
    ["a length limit", { text: "The answer is", finish: "length" }, "llm.cut"],
    ["a withheld answer", { text: "", finish: "content_filter" }, "llm.refused"],
    ["a page", { stream: "<html>", type: "text/html" }, "llm.invalid"],
    ["no JSON", { stream: "data: hello\n\ndata: [DONE]\n\n" }, "llm.invalid"],
    ["nothing", { stream: "data: [DONE]\n\n" }, "llm.invalid"],
    ["null", { json: null }, "llm.invalid"],
    ["depth", { stream: `data: {"choices":${"[".repeat(100)}${"]".repeat(100)}}\n\n` }, "llm.invalid"],
    ["many calls", { calls: Array.from({ length: 17 }, () => ({ tool: "coffee.brew", input: {} })) }, "llm.too_large"],
    ["a long name", { call: { tool: "x".repeat(300), input: {} } }, "llm.too_large"]
  ]
  for (const [name, script, code, after] of failures) {
    it(`fails at ${name}`, async () => {
      const server = await model(script)
      const failure = await refusal(provider(server.url, { apiKey: key }))
      assert.strictEqual(failure.code, code)
      assert.strictEqual(failure.retryAfterMs, after)
      assert.lengthOf(server.requests, 1, "nothing is asked twice")
      assert.notInclude(`${failure.message} ${JSON.stringify(failure)} ${failure.stack}`, "canary")
    })
  }

  it("is given up while it waits, in its answer, and before it begins", async () => {
    const server = await model({ hang: true }, { hang: true, begun: true }, { hang: true, begun: true })
    for (const count of [1, 2]) {
      const fiber = Effect.runFork(provider(server.url).complete(question))
      await server.arrived(count)
      await Effect.runPromise(Fiber.interrupt(fiber))
      await server.requests[count - 1]!.gone
    }
    const controller = new AbortController()
    const failing = refusal(provider(server.url), { ...question, signal: controller.signal })
    await server.arrived(3)
    controller.abort()
    assert.deepInclude(await failing, { code: "llm.aborted", retryable: false })
    await server.requests[2]!.gone
    const before = await refusal(provider(server.url), { ...question, signal: AbortSignal.abort() })
    assert.strictEqual(before.code, "llm.aborted")
    assert.lengthOf(server.requests, 3)
  })

  it("is over after a silence", async () => {
    const server = await model({ hang: true, begun: true })
    assert.strictEqual((await refusal(provider(server.url, { silenceMs: 100 }))).code, "llm.silent")
    await server.requests[0]?.gone
  })

  describe("a text that comes", () => {
    it("is handed on before the server says more", async () => {
      const heard: Array<string> = []
      let arrived = (): void => {}
      // The server waits for each piece to be heard: whoever keeps them until the end never gets there.
      const said: Array<string> = []
      const server = await model({
        text: "one two three four five six",
        pace: async (piece) => {
          while (heard.join("") !== said.join("")) await new Promise<void>((resolve) => arrived = resolve)
          if (piece !== undefined) said.push(piece)
        }
      })
      const completion = await ask(provider(server.url, { silenceMs: 30_000 }), {
        ...question,
        onText: (delta) => {
          heard.push(delta)
          arrived()
        }
      })
      assert.strictEqual(completion.text, "one two three four five six")
      assert.deepEqual(heard, ["one two", " three ", "four fi", "ve six"])
    })

    it("ends with a failure, and nothing comes after it", async () => {
      const heard: Array<string> = []
      const controller = new AbortController()
      const server = await model({ text: "one two three four five six" })
      const failure = await refusal(provider(server.url), {
        ...question,
        signal: controller.signal,
        onText: (delta) => {
          heard.push(delta)
          controller.abort()
        }
      })
      assert.strictEqual(failure.code, "llm.aborted")
      await new Promise((resolve) => setTimeout(resolve, 50))
      assert.deepEqual(heard, ["one two"])
    })

    it("survives whoever listens", async () => {
      const server = await model({ text: "one two three" }, { text: "one two three" })
      const throwing = await ask(provider(server.url), {
        ...question,
        onText: () => {
          throw new Error("bang")
        }
      })
      const rejecting = await ask(provider(server.url), {
        ...question,
        onText: () => Promise.reject(new Error("bang")) as unknown as void
      })
      assert.deepEqual([throwing.text, rejecting.text], ["one two three", "one two three"])
    })
  })
})

/**
 * Against a real server over real sockets: every way in which an answer comes, and every way in which it does not.
 */
import { Effect, Fiber, Redacted, Result } from "effect"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import { secret } from "../plugin/Secret.ts"
import { makeRedaction } from "../secrets/Redactor.ts"
import { openStore } from "../secrets/SecretsStore.ts"
import { type Script, scriptedModel, type ScriptedModel } from "../testing/ScriptedModel.ts"
import type {
  Completion,
  CompletionCode,
  CompletionFailed,
  CompletionProvider,
  CompletionRequest
} from "./CompletionProvider.ts"
import { makeOpenAiProvider, type OpenAiSettings } from "./OpenAiProvider.ts"

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-llm-"))
const store = openStore(home)
const key = "sk-canary-0123456789"

const tool = (name: string) => ({ name, description: `Does ${name}.`, parameters: { type: "object" } })
const question: CompletionRequest = {
  messages: [{ role: "system", content: "You are a host." }, { role: "user", content: "Brew a coffee." }],
  tools: [tool("coffee.brew"), tool("timer.set")]
}

const servers: Array<{ readonly close: () => Promise<void> }> = []
const model = async (...script: ReadonlyArray<Script>): Promise<ScriptedModel> => {
  const started = await scriptedModel(script)
  servers.push(started)
  return started
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

const provider = (baseURL: string, given: Partial<OpenAiSettings> = {}): CompletionProvider => {
  const redaction = makeRedaction(undefined, () => {})
  redaction.add("openai.key", Redacted.make(key))
  redaction.add("home.alarm", Redacted.make("code-4711"))
  return makeOpenAiProvider(
    {
      provider: "openai",
      api: "chat",
      baseURL,
      apiKey: undefined,
      model: "small",
      timeoutMs: 10_000,
      silenceMs: 30_000,
      price: undefined,
      ...given
    },
    store,
    redaction
  )
}

const ask = async (asked: CompletionProvider, request = question): Promise<Completion> =>
  await Effect.runPromise(asked.complete(request))
const refusal = async (asked: CompletionProvider, request = question): Promise<CompletionFailed> => {
  const result = await Effect.runPromise(Effect.result(asked.complete(request)))
  if (Result.isSuccess(result)) assert.fail(`it answered ${JSON.stringify(result.success)}`)
  assert.match(result.failure.message, /^[A-Z].*([.?!…]|: syris .+)$/s, "a sentence")
  return result.failure
}

describe("an answer", () => {
  it("is put together from a stream, with the tokens that the server counted", async () => {
    const server = await model({
      text: "The coffee is brewing. ☕",
      usage: { prompt_tokens: 321, completion_tokens: 7 }
    })
    assert.deepEqual(await ask(provider(server.url)), {
      text: "The coffee is brewing. ☕",
      calls: [],
      usage: { input_tokens: 321, output_tokens: 7 },
      model: "small",
      finish: "stop"
    })
    assert.strictEqual(server.requests[0]!.path, "/v1/chat/completions")
    assert.deepInclude(server.requests[0]!.body, { model: "small", stream: true })
  })

  it("is taken as one JSON text as well", async () => {
    const message = {
      content: null,
      tool_calls: [{ id: "a", type: "function", function: { name: "coffee_brew", arguments: "{\"cups\":2}" } }]
    }
    const server = await model(
      { json: { model: "tiny-v2", choices: [{ message, finish_reason: "tool_calls" }], usage: null } },
      { json: { choices: [{ message: { content: "Hello." }, finish_reason: "stop" }] } }
    )
    const first = await ask(provider(server.url))
    assert.deepInclude(first, { text: undefined, model: "tiny-v2", finish: "tool_calls" })
    assert.deepEqual(first.calls, [{ id: "a", tool: "coffee.brew", arguments: "{\"cups\":2}" }])
    const second = await ask(provider(server.url))
    assert.strictEqual(second.text, "Hello.")
    assert.deepInclude(second.usage, { estimated: true, output_tokens: 2 })
    assert.isAbove(second.usage.input_tokens, 20)
  })

  it("has the host's names: they are mapped to the wire and back", async () => {
    const long = `mcp.${"x".repeat(80)}`
    const tools = [tool("a.b"), tool("a_b"), tool(long), tool("coffee.brew")]
    const server = await model(
      { calls: ["a.b", "a_b", long, "coffee.brew", "tea.brew"].map((name) => ({ tool: name, input: { name } })) },
      { stream: sse({ tool_calls: [called(0, "1", "coffee.brew", "{}")] }) }
    )
    const { calls } = await ask(provider(server.url), { ...question, tools })
    assert.deepEqual(calls.map((call) => call.tool), ["a.b", "a_b", long, "coffee.brew", "tea.brew"])
    for (const call of calls) assert.deepEqual(JSON.parse(call.arguments), { name: call.tool })
    const wires = server.requests[0]!.body.tools!.map((each) => each.function.name)
    for (const wire of wires) assert.match(wire, /^[a-zA-Z0-9_-]{1,64}$/)
    assert.lengthOf(new Set(wires), 4)
    const again = await ask(provider(server.url), { ...question, tools })
    assert.strictEqual(again.calls[0]!.tool, "coffee.brew", "our own name may come back too")
  })

  it("may have several calls, whatever order and shape their pieces have", async () => {
    const server = await model(
      {
        stream: sse(
          { tool_calls: [called(0, "x", "coffee_brew", "{\"c")] },
          { tool_calls: [called(1, "y", "timer_set", "")] },
          {
            tool_calls: [{ index: 0, function: { arguments: "ups\":1}" } }, { index: 1, function: { arguments: "{}" } }]
          }
        )
      },
      // The same index for two, which their ids tell apart; and arguments as an object.
      {
        stream: sse({ tool_calls: [called(0, "x", "coffee_brew", "{}")] }, {
          tool_calls: [{ index: 0, id: "y", function: { name: "timer_set", arguments: { minutes: 3 } } }]
        })
      },
      // One index for two, whose pieces come by turns.
      {
        stream: sse({ tool_calls: [called(0, "x", "coffee_brew", "{\"c"), called(0, "y", "timer_set", "{")] }, {
          tool_calls: [called(0, "x", "", "ups\":1}"), called(0, "y", "", "}")]
        })
      },
      // Neither index nor id.
      {
        stream: sse({
          tool_calls: [{ function: { name: "coffee_brew", arguments: "{}" } }, { function: { name: "timer_set" } }]
        })
      }
    )
    const asked = provider(server.url)
    assert.deepEqual((await ask(asked)).calls, [
      { id: "x", tool: "coffee.brew", arguments: "{\"cups\":1}" },
      { id: "y", tool: "timer.set", arguments: "{}" }
    ])
    assert.deepEqual((await ask(asked)).calls, [
      { id: "x", tool: "coffee.brew", arguments: "{}" },
      { id: "y", tool: "timer.set", arguments: "{\"minutes\":3}" }
    ])
    assert.deepEqual((await ask(asked)).calls, [
      { id: "x", tool: "coffee.brew", arguments: "{\"cups\":1}" },
      { id: "y", tool: "timer.set", arguments: "{}" }
    ])
    assert.deepEqual((await ask(asked)).calls, [
      { id: "call_0", tool: "coffee.brew", arguments: "{}" },
      { id: "call_1", tool: "timer.set", arguments: "" }
    ])
  })

  it("is text that the database keeps, also where a character is split between two pieces", async () => {
    const server = await model({
      stream: sse(
        { content: "a\0 \ud83d" },
        { content: "\ude42 \ud83d" },
        { tool_calls: [called(0, "\0", "b\0", "{\0}")] }
      )
    })
    const { calls, text } = await ask(provider(server.url))
    assert.strictEqual(text, "a\u{fffd} 🙂 \u{fffd}")
    assert.deepEqual(calls, [{ id: "\u{fffd}", tool: "b\u{fffd}", arguments: "{\u{fffd}}" }])
  })

  it("needs one sign of its end, and no more", async () => {
    const server = await model(
      { text: "No reason.", finish: null },
      { stream: sse({ content: "No end." }).replace("data: [DONE]\n\n", "") },
      { stream: sse({ content: "Windows." }).replaceAll("\n", "\r\n") },
      { stream: `: ping\n\nevent: x\nid: 1\n${sse({ content: "Noise." })}data: {"after":"the end"` }
    )
    const asked = provider(server.url)
    assert.deepInclude(await ask(asked), { text: "No reason.", finish: "unknown" })
    assert.deepInclude(await ask(asked), { text: "No end.", finish: "stop" })
    assert.deepInclude(await ask(asked), { text: "Windows." })
    assert.deepInclude(await ask(asked), { text: "Noise." })
  })

  it("is what a history with calls and results asked for", async () => {
    const server = await model({ text: "Done." })
    await ask(provider(server.url), {
      tools: question.tools,
      maxTokens: 99,
      messages: [
        ...question.messages,
        { role: "assistant", calls: [{ id: "c", tool: "coffee.brew", arguments: "{}" }] },
        { role: "tool", call_id: "c", content: "status: succeeded, code-4711" },
        { role: "assistant", calls: [] }
      ]
    })
    const { body } = server.requests[0]!
    assert.strictEqual(body["max_tokens"], 99)
    assert.deepEqual(body.messages!.slice(2), [
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "coffee_brew", arguments: "{}" } }]
      },
      // A known secret goes to no model.
      { role: "tool", tool_call_id: "c", content: "status: succeeded, [secret home.alarm]" },
      { role: "assistant", content: "" }
    ])
  })
})

describe("the key", () => {
  it("is sent where there is one, and nothing else that the request does not need", async () => {
    const server = await model({ text: "a" }, { text: "b" }, { text: "c" })
    await Effect.runPromise(store.set("openai", "key", Redacted.make(key)))
    process.env["OPENAI_API_KEY"] = "from-the-environment"
    process.env["OPENAI_CUSTOM_HEADERS"] = "Authorization: Bearer from-the-environment\nx-custom: 1"
    try {
      await ask(provider(server.url))
      await ask(provider(server.url, { apiKey: secret("openai", "key") }))
      await ask(provider(server.url, { apiKey: ` ${key}\n` }))
    } finally {
      delete process.env["OPENAI_API_KEY"]
      delete process.env["OPENAI_CUSTOM_HEADERS"]
    }
    const bearer = `Bearer ${key}`
    assert.deepEqual(server.requests.map(({ headers }) => headers.authorization), [undefined, bearer, bearer])
    const names = new Set(server.requests.flatMap(({ headers }) => Object.keys(headers)))
    assert.deepEqual([...names].filter((name) => /custom|stainless|openai/.test(name)), [])
  })

  it("is in no error, whatever a server makes of it", async () => {
    const echo: Script = ({ headers }) => ({
      status: 401,
      body: { error: { message: `wrong key: ${headers.authorization} ${Buffer.from(key).toString("base64")}` } }
    })
    const server = await model(
      echo,
      { status: 400, body: `${"y".repeat(290)}${key}` },
      { stream: `data: {"error":{"message":"${key}","code":500}}\n\n` },
      { stream: "x", type: `text/${key}` }
    )
    for (let i = 0; i < 4; i++) {
      const failure = await refusal(provider(server.url, { apiKey: key }))
      const whole = `${failure.message} ${JSON.stringify(failure)} ${failure.stack}`
      assert.notMatch(whole, /canary|Y2FuYXJ5/)
      if (i === 0) assert.match(failure.message, /\(401\): wrong key: Bearer \[secret openai\.key\].*Check llm\.apiKey/)
    }
    const broken = await refusal(provider(server.url, { apiKey: `${key}\nx` }))
    assert.strictEqual(broken.code, "llm.refused")
    assert.notInclude(`${broken.message}${broken.stack}`, "canary")
  })

  it("that is missing is said with the command that sets it", async () => {
    const failure = await refusal(provider("http://127.0.0.1:9/v1", { apiKey: secret("nobody", "key") }))
    assert.deepInclude(failure, { code: "llm.refused", retryable: false })
    assert.match(failure.message, /^The secret nobody key is missing/)
  })
})

describe("a refusal", () => {
  const inAMinute = () => new Date(Date.now() + 30_000).toUTCString()
  const cases: ReadonlyArray<readonly [Script, code: CompletionCode, retryable: boolean, after: number | undefined]> = [
    [{ status: 429 }, "llm.rate_limited", true, undefined],
    [{ status: 429, headers: { "retry-after": "7" } }, "llm.rate_limited", true, 7_000],
    [{ status: 429, headers: { "retry-after": "3600" } }, "llm.rate_limited", true, 60_000],
    [{ status: 429, headers: { "retry-after": "soon" } }, "llm.rate_limited", true, undefined],
    [{ status: 429, headers: { "retry-after": "7", "retry-after-ms": "250.5" } }, "llm.rate_limited", true, 251],
    [{ status: 500 }, "llm.unavailable", true, undefined],
    [{ status: 503, headers: { "retry-after": "2" } }, "llm.unavailable", true, 2_000],
    [{ status: 408 }, "llm.unavailable", true, undefined],
    [{ status: 409, headers: { "x-should-retry": "true" } }, "llm.unavailable", true, undefined],
    [{ status: 400, body: { error: { message: "bad tools" } } }, "llm.refused", false, undefined],
    [{ status: 404, body: { message: "no such model" } }, "llm.refused", false, undefined],
    [{ status: 302, headers: { location: "http://127.0.0.1:1/" } }, "llm.refused", false, undefined],
    [{ stream: "data: {\"error\":{\"type\":\"rate_limit_exceeded\"}}\n\n" }, "llm.rate_limited", true, undefined],
    [{ json: { error: { message: "no", code: 400 } } }, "llm.refused", false, undefined],
    [{ json: { error: { type: { toString: 1 } } } }, "llm.unavailable", true, undefined]
  ]
  it.each(cases)("%j", async (script, code, retryable, after) => {
    const server = await model(script)
    const failure = await refusal(provider(server.url))
    assert.deepInclude(failure, { code, retryable })
    assert.strictEqual(failure.retryAfterMs, after)
    assert.lengthOf(server.requests, 1, "nothing is asked twice")
  })

  it("may name a date to come again", async () => {
    const server = await model({ status: 429, headers: { "retry-after": inAMinute() } })
    const { retryAfterMs = 0 } = await refusal(provider(server.url))
    assert.isTrue(retryAfterMs > 25_000 && retryAfterMs <= 30_000, String(retryAfterMs))
  })

  it("is one short, visible line, however long and deep what the server wrote", async () => {
    const server = await model(
      { status: 400, body: { error: { message: `a\u202e\u0000\n${"z".repeat(10_000)}` } } },
      { status: 500, body: "[".repeat(20_000) },
      { status: 502, body: "<html>" }
    )
    const long = await refusal(provider(server.url))
    assert.isBelow(long.message.length, 500)
    assert.match(long.message, /\(400\): a z+….* Check/)
    assert.strictEqual((await refusal(provider(server.url))).code, "llm.unavailable")
    assert.strictEqual((await refusal(provider(server.url))).code, "llm.unavailable")
  })

  it("of the connection is told with its code", async () => {
    const listener = net.createServer().listen(0, "127.0.0.1")
    await new Promise((done) => listener.once("listening", done))
    const { port } = listener.address() as net.AddressInfo
    await new Promise((done) => listener.close(done))
    const failure = await refusal(provider(`http://127.0.0.1:${port}/v1`))
    assert.deepInclude(failure, { code: "llm.unavailable", retryable: true })
    assert.match(failure.message, /127\.0\.0\.1:\d+\/v1 can't be reached \(ECONNREFUSED\)/)

    const closing = net.createServer((socket) => socket.destroy()).listen(0, "127.0.0.1")
    servers.push({ close: () => new Promise((done) => closing.close(() => done())) })
    await new Promise((done) => closing.once("listening", done))
    const reset = await refusal(provider(`http://127.0.0.1:${(closing.address() as net.AddressInfo).port}/v1`))
    assert.deepInclude(reset, { code: "llm.unavailable", retryable: true })
  })
})

describe("an answer that does not end", () => {
  it("is cut: half a stream, no sign of an end, or a length limit", async () => {
    const server = await model(
      { cut: true },
      { stream: "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n" },
      { stream: "data: {\"choices\":[{\"delta\":{\"conten" },
      { arguments: "{\"cups\":", tool: "coffee.brew", finish: "length" },
      { text: "The answer is", finish: "length" },
      // vLLM and SGLang, OpenRouter: the server gave it up.
      { text: "The answer is", finish: "abort" },
      { text: "The answer is", finish: "error" }
    )
    for (let i = 0; i < 7; i++) {
      assert.deepInclude(await refusal(provider(server.url)), { code: "llm.cut", retryable: true })
    }
  })

  it("is over at the time-out, however busy the server is", async () => {
    let gone: Promise<unknown> | undefined
    const busy = net.createServer((socket) => {
      socket.on("error", () => {}).resume().write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
      const piece = setInterval(() => socket.write(": busy\n\n"), 10)
      gone = new Promise((done) => socket.once("close", done)).finally(() => clearInterval(piece))
    }).listen(0, "127.0.0.1")
    servers.push({ close: () => new Promise((done) => busy.close(() => done())) })
    await new Promise((done) => busy.once("listening", done))
    const url = `http://127.0.0.1:${(busy.address() as net.AddressInfo).port}/v1`
    const failure = await refusal(provider(url, { timeoutMs: 200, silenceMs: 10_000 }))
    assert.deepInclude(failure, { code: "llm.timeout", retryable: true })
    await gone
  })

  it("is over after a silence, before the first byte and in the middle", async () => {
    const server = await model({ hang: true }, { hang: true, begun: true })
    for (let i = 0; i < 2; i++) {
      const failure = await refusal(provider(server.url, { silenceMs: 300 }))
      assert.deepInclude(failure, { code: "llm.silent", retryable: true })
      await server.requests[i]?.gone
    }
  })

  it("is given up by an interruption and by the request's signal, and its socket is closed", async () => {
    const server = await model({ hang: true }, { hang: true, begun: true }, { hang: true })
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
    assert.strictEqual(
      (await refusal(provider(server.url), { ...question, signal: AbortSignal.abort() })).code,
      "llm.aborted"
    )
    assert.lengthOf(server.requests, 3)
  })
})

describe("a hostile answer", () => {
  const deep = `${"[".repeat(100)}${"]".repeat(100)}`
  const cases: ReadonlyArray<readonly [name: string, Script, code: CompletionCode | "fine"]> = [
    ["a page", { stream: "<html>", type: "text/html" }, "llm.invalid"],
    ["no JSON", { stream: "data: hello\n\ndata: [DONE]\n\n" }, "llm.invalid"],
    ["no choices", { json: { choices: [] } }, "llm.invalid"],
    ["nothing", { stream: "data: [DONE]\n\n" }, "llm.invalid"],
    ["a list", { json: [] }, "llm.invalid"],
    ["null", { json: null }, "llm.invalid"],
    ["odd shapes", { json: { choices: [null, 3, { message: 1, delta: [], finish_reason: 7 }], usage: [] } }, "fine"],
    ["depth", { stream: `data: {"choices":${deep}}\n\n` }, "llm.invalid"],
    ["a long text", { text: "x".repeat(1_100_000) }, "llm.too_large"],
    ["a long JSON", { json: { choices: [], more: "x".repeat(1_100_000) } }, "llm.too_large"],
    ["a long line", { stream: `data: ${"x".repeat(1_100_000)}` }, "llm.too_large"],
    ["an event of many lines", { stream: "data: xxxxxxxx\n".repeat(150_000) }, "llm.too_large"],
    ["a long stream", { stream: `: ${"x".repeat(1000)}\n\n`.repeat(9_000) }, "llm.too_large"],
    [
      "many calls",
      { calls: Array.from({ length: 17 }, () => ({ tool: "coffee.brew", input: {} })) },
      "llm.too_large"
    ],
    ["long arguments", { call: { tool: "coffee.brew", input: "x".repeat(270_000) } }, "llm.too_large"],
    ["a long name", { call: { tool: "x".repeat(300), input: {} } }, "llm.too_large"],
    ["a withheld answer", { text: "", finish: "content_filter" }, "llm.refused"]
  ]
  it.each(cases)("%s", async (_, script, code) => {
    const server = await model(script)
    if (code === "fine") assert.deepInclude(await ask(provider(server.url)), { text: undefined, finish: "unknown" })
    else assert.strictEqual((await refusal(provider(server.url))).code, code)
  })
})

const called = (index: number, id: string, name: string, json: string) => ({
  index,
  id,
  type: "function",
  function: { name, arguments: json }
})

/** A stream of these deltas, with its end. */
const sse = (...deltas: ReadonlyArray<object>): string => {
  const event = (delta: object, finish_reason: string | null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`
  return `${deltas.map((delta) => event(delta, null)).join("")}${event({}, "stop")}data: [DONE]\n\n`
}

/**
 * A model by a plugin: what its author writes, and what the host makes of whatever it does. The first one is the example of
 * the documentation: it imports `syris` and nothing below it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { completionFailed, definePlugin, type ModelProvider, type ProviderAnswer, secret } from "syris"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { CompletionProvider, CompletionRequest } from "./CompletionProvider.ts"
import { makePluginProvider } from "./PluginProvider.ts"
import { modelSettings, question, redaction, scriptedModels, temporaryStore } from "./TestModels.ts"

/** Asks a server that has a way of its own: a line of text in, lines of text out. */
const parrot: ModelProvider = {
  name: "parrot",
  make: ({ apiKey, baseURL, model }) => ({
    complete: async ({ messages, onText, signal }) => {
      const response = await fetch(`${baseURL}/speak`, {
        method: "POST",
        body: JSON.stringify({ model, text: messages.at(-1) }),
        headers: { "x-key": await apiKey() ?? "" },
        signal
      }).catch(() => {
        throw completionFailed("llm.unavailable", "The parrot is not there: look for it.")
      })
      if (response.status === 429) throw completionFailed("llm.rate_limited", "The parrot is tired.", 2_000)
      const text = await response.text()
      for (const line of text.split(/(?<=\n)/)) onText(line)
      return { text, usage: { input_tokens: 3, output_tokens: 2 } }
    }
  })
}

const plugin = definePlugin({ name: "parrot", setup: () => ({ providers: [parrot] }) })

const store = temporaryStore()
const server = scriptedModels()
const silent: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }

const made = (provider: ModelProvider, given: object = {}): CompletionProvider => {
  const built = makePluginProvider(
    { ...provider, plugin: "p", log: silent },
    { ...modelSettings("http://127.0.0.1:1/v1"), provider: provider.name, ...given },
    store,
    redaction()
  )
  if (typeof built === "string") return assert.fail(built)
  return built
}
/** A provider that answers like this. */
const answering = (complete: ReturnType<ModelProvider["make"]>["complete"]) =>
  made({ name: "odd", make: () => ({ complete }) })
const ask = (provider: CompletionProvider, request: CompletionRequest = question) =>
  Effect.runPromise(provider.complete(request))
const refusal = async (provider: CompletionProvider, request: CompletionRequest = question) => {
  const result = await Effect.runPromise(Effect.result(provider.complete(request)))
  return Result.isSuccess(result) ? assert.fail("it answered") : result.failure
}

describe("a plugin's model", () => {
  it("streams, is given the key as it is now, and never a secret", async () => {
    const model = await server({ stream: "Who?\nPolly.", type: "text/plain" }, { status: 429 })
    await Effect.runPromise(store.set("parrot", "key", Redacted.make("seed-12345")))
    const provider = made(parrot, { baseURL: model.url, apiKey: secret("parrot", "key") })
    const heard: Array<string> = []
    const answer = await ask(provider, {
      messages: [{ role: "user", content: "Say code-4711" }],
      tools: [],
      onText: (delta) => void heard.push(delta)
    })
    assert.deepEqual(answer, {
      text: "Who?\nPolly.",
      calls: [],
      usage: { input_tokens: 3, output_tokens: 2 },
      model: "small",
      finish: "stop"
    })
    assert.deepEqual(heard, ["Who?\n", "Polly."])
    const [{ body, headers }] = model.requests as [typeof model.requests[number]]
    assert.strictEqual(headers["x-key"], "seed-12345")
    assert.strictEqual(JSON.stringify(body["text"]), "{\"role\":\"user\",\"content\":\"Say [secret home.alarm]\"}")
    assert.deepInclude(await refusal(provider), {
      code: "llm.rate_limited",
      detail: "The parrot is tired.",
      retryAfterMs: 2_000
    })
    assert.isObject(plugin())
  })

  it("may answer at once, with an Effect, and with next to nothing; its text goes on as one piece", async () => {
    const answers: ReadonlyArray<() => ReturnType<ReturnType<ModelProvider["make"]>["complete"]>> = [
      () => ({ text: "Hi." }),
      async () => ({ text: "Hi." }),
      () => Effect.succeed({ text: "Hi." })
    ]
    for (const answer of answers) {
      const heard: Array<string> = []
      const { text, usage } = await ask(answering(answer), { ...question, onText: (delta) => void heard.push(delta) })
      assert.deepEqual([text, heard], ["Hi.", ["Hi."]])
      assert.isTrue(usage.estimated)
    }
    assert.deepEqual(await ask(answering(() => ({ calls: [{ tool: "coffee.brew", arguments: { cups: 1 } }] }))), {
      text: undefined,
      calls: [{ id: "call_0", tool: "coffee.brew", arguments: "{\"cups\":1}" }],
      usage: { input_tokens: 67, output_tokens: 6, estimated: true },
      model: "small",
      finish: "tool_calls"
    })
  })

  it.each<readonly [name: string, answer: unknown, code: string]>([
    ["nothing", undefined, "llm.invalid"],
    ["a text", "Hi.", "llm.invalid"],
    ["a number for a text", { text: 3 }, "llm.invalid"],
    ["calls that are none", { calls: [{}] }, "llm.invalid"],
    ["calls that are no list", { calls: {} }, "llm.invalid"],
    ["arguments that are none", { calls: [{ tool: "a", arguments: 3 }] }, "llm.invalid"],
    ["many calls", { calls: Array.from({ length: 17 }, () => ({ tool: "a", arguments: "" })) }, "llm.too_large"],
    ["a long text", { text: "x".repeat(1_100_000) }, "llm.too_large"],
    ["a long name", { calls: [{ tool: "x".repeat(300), arguments: "" }] }, "llm.too_large"],
    ["half of it", { text: "The answer is", finish: "length" }, "llm.cut"]
  ])("that answers with %s fails", async (_, answer, code) => {
    const failure = await refusal(answering(() => answer as ProviderAnswer))
    assert.strictEqual(failure.code, code)
  })

  const pieces: ReadonlyArray<
    readonly [name: string, handedOn: ReadonlyArray<string>, answer: ProviderAnswer, expected: string | undefined]
  > = [
    ["no text", ["Hi ", "you."], {}, "Hi you."],
    ["half characters", ["a\ud83d", "\ude42\0"], { text: "a\ud83d\ude42\0" }, "a🙂\u{fffd}"],
    ["another text", ["Open it."], { text: "Leave it." }, undefined],
    ["too many", Array.from({ length: 12 }, () => "x".repeat(100_000)), {}, undefined]
  ]
  it.each(pieces)("whose pieces have %s is heard as it is stored, or fails", async (_, handedOn, answer, expected) => {
    const heard: Array<string> = []
    const provider = answering(({ onText }) => {
      for (const piece of handedOn) onText(piece)
      return answer
    })
    const request = { ...question, onText: (delta: string) => void heard.push(delta) }
    if (expected === undefined) {
      assert.include(["llm.invalid", "llm.too_large"], (await refusal(provider, request)).code)
      assert.isBelow(heard.join("").length, 1_048_577)
    } else {
      assert.strictEqual((await ask(provider, request)).text, expected)
      assert.strictEqual(heard.join(""), expected)
    }
  })

  it("that throws what nobody can read, dies or ends itself has failed", async () => {
    const secretive = Object.create(null) as Error
    for (
      const bang of [
        () => Promise.reject(secretive),
        () => Effect.die(new Error("bang")),
        () => Effect.interrupt,
        () => Effect.fail(new Error())
      ]
    ) assert.strictEqual((await refusal(answering(bang as () => never))).code, "llm.unavailable")
  })

  it("that ignores its interruption is left behind", async () => {
    const provider = made({ name: "odd", make: () => ({ complete: () => Effect.uninterruptible(Effect.never) }) }, {
      timeoutMs: 30
    })
    assert.strictEqual((await refusal(provider)).code, "llm.timeout")
  })

  it("that throws says what it says, without secrets", async () => {
    const error = await refusal(answering(() => Promise.reject(new Error("no route for sk-canary-0123456789"))))
    assert.deepInclude(error, {
      code: "llm.unavailable",
      retryable: true,
      detail: "The provider odd failed: no route for [secret openai.key]."
    })
    const own = await refusal(answering(() => {
      throw completionFailed("llm.refused", `Wrong key sk-canary-0123456789.${"x".repeat(900)}`)
    }))
    assert.deepInclude(own, { code: "llm.refused", retryable: false })
    assert.match(own.detail, /^Wrong key \[secret openai.key\]\.x{200,280}…$/)
  })

  it.effect("is over at the time-out, and told so", () =>
    Effect.gen(function*() {
      let given: AbortSignal | undefined
      const heard: Array<string> = []
      const provider = answering(({ onText, signal }) => {
        given = signal
        signal.addEventListener("abort", () => onText("late"))
        return new Promise(() => {})
      })
      const fiber = yield* Effect.forkChild(
        Effect.flip(provider.complete({ ...question, onText: (delta) => void heard.push(delta) }))
      )
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).code, "llm.timeout")
      assert.isTrue(given?.aborted)
      assert.deepEqual(heard, [])
    }))

  it("is given up by the signal and by an interruption", async () => {
    const signals: Array<AbortSignal> = []
    const provider = answering(({ signal }) => {
      signals.push(signal)
      return new Promise(() => {})
    })
    const controller = new AbortController()
    const failing = refusal(provider, { ...question, signal: controller.signal })
    await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    assert.strictEqual((await failing).code, "llm.aborted")
    const fiber = Effect.runFork(provider.complete(question))
    await new Promise((resolve) => setImmediate(resolve))
    await Effect.runPromise(Fiber.interrupt(fiber))
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true, true])
  })
})

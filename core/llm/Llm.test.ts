/**
 * The model as the configuration names it: who is asked, with which key, and what ends the start.
 */
import { Effect, Layer, Redacted, Result } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { Environment } from "../database/Environment.ts"
import { Health } from "../health/Health.ts"
import { definePlugin, type Plugin } from "../plugin/Plugin.ts"
import * as PluginHost from "../plugin/PluginHost.ts"
import { secret } from "../plugin/Secret.ts"
import { Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { openStore, SecretsStore } from "../secrets/SecretsStore.ts"
import { scriptedModel } from "../testing/ScriptedModel.ts"
import { Provider } from "./CompletionProvider.ts"
import * as Llm from "./Llm.ts"

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-llm-"))
afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

const local = { provider: "openai", model: "small", baseURL: "http://127.0.0.1:8080/v1/" }

describe("the layer of the model", () => {
  const environment = Layer.succeed(Environment, {
    home,
    host: "127.0.0.1",
    port: 0,
    config: "",
    databaseUrl: undefined
  })
  const within = <A, E>(
    llm: unknown,
    body: Effect.Effect<A, E, Redactor | Health>,
    ...plugins: ReadonlyArray<Plugin>
  ) =>
    Effect.runPromise(Effect.result(Effect.provide(
      body,
      Llm.layer.pipe(
        Layer.provide(PluginHost.layer),
        Layer.provideMerge([Redactor.layer, Health.layer]),
        Layer.provide(SecretsStore.layer),
        Layer.provide([Settings.layerOf({ llm, plugins }, "FILE"), environment]),
        Layer.fresh
      )
    )))

  it("provides none where none is configured", async () => {
    assert.isUndefined(await Effect.runPromise(Provider))
    assert.isUndefined(Result.getOrThrow(await within(undefined, Provider)))
  })

  it("refuses to start without the key that is named", async () => {
    const result = await within({ ...local, apiKey: secret("openai", "key") }, Provider)
    if (Result.isSuccess(result)) return assert.fail("it starts")
    assert.strictEqual(
      result.failure.message,
      "FILE: llm.apiKey: The secret openai key is missing. Set it with: syris secrets set openai key"
    )
  })

  it("asks with the key as it is now, and hides one that is written out", async () => {
    const model = await scriptedModel([{ text: "one" }, { text: "two" }])
    try {
      const store = openStore(home)
      await Effect.runPromise(store.set("openai", "key", Redacted.make("first-key-1")))
      const given = { ...local, baseURL: model.url, apiKey: secret("openai", "key") }
      const question = { messages: [{ role: "user", content: "Hello." } as const], tools: [] }
      const answers = await within(
        given,
        Effect.gen(function*() {
          const provider = yield* Provider
          assert.strictEqual(provider?.model, "small")
          const one = yield* provider!.complete(question)
          yield* store.set("openai", "key", Redacted.make("second-key-2"))
          return [one.text, (yield* provider!.complete(question)).text]
        })
      )
      assert.deepEqual(Result.getOrThrow(answers), ["one", "two"])
      const sent = model.requests.map(({ headers }) => headers.authorization)
      assert.deepEqual(sent, ["Bearer first-key-1", "Bearer second-key-2"])

      const hidden = await within(
        { ...given, apiKey: "plain-key-3" },
        Redactor.use((redactor) => Effect.sync(() => redactor.redactText("it is plain-key-3")))
      )
      assert.strictEqual(Result.getOrThrow(hidden), "it is [secret llm.apiKey]")
    } finally {
      await model.close()
    }
  })

  it("goes on to the next model over real sockets, and says so to whoever hears the text", async () => {
    const [big, small] = await Promise.all([
      scriptedModel([{ stream: halfOf("I am"), type: "text/event-stream" }]),
      scriptedModel([{ text: "I am small.", usage: { prompt_tokens: 1_000_000, completion_tokens: 0 } }])
    ])
    try {
      const heard: Array<string> = []
      const llm = {
        ...local,
        baseURL: big.url,
        apiKey: "big-key-1",
        model: "same",
        fallback: [{
          model: "same",
          baseURL: small.url,
          api: "responses",
          price: { inputPerMillion: 2, outputPerMillion: 1 }
        }]
      }
      const answer = await within(
        llm,
        Effect.flatMap(Provider, (provider) =>
          provider!.complete({
            messages: [{ role: "user", content: "Who?" }],
            tools: [],
            onText: (delta) => void heard.push(delta),
            onRestart: () => void heard.push("RESTART")
          }))
      )
      assert.deepInclude(Result.getOrThrow(answer), {
        text: "I am small.",
        tried: [{ model: "same (llm)", code: "llm.cut" }],
        usd: 2
      })
      assert.deepEqual(heard, ["I am", "RESTART", "I am sm", "all."])
      const sent = [big, small].map(({ requests: [first] }) => [first?.path, first?.headers.authorization])
      assert.deepEqual(sent, [["/v1/chat/completions", "Bearer big-key-1"], ["/v1/responses", undefined]])
    } finally {
      await Promise.all([big.close(), small.close()])
    }
  })

  it("refuses to start with a provider that nobody brings, or whose plugin can't make it", async () => {
    const echo = (make: unknown) =>
      definePlugin({ name: "acme", setup: () => ({ providers: [{ name: "acme", make } as any] }) })()
    const fine = echo(() => ({ complete: async () => ({ text: "Hi." }) }))
    const refusal = async (llm: object, ...plugins: ReadonlyArray<Plugin>) => {
      const result = await within({ model: "m", ...llm }, Provider, ...plugins)
      return Result.isSuccess(result) ? "it starts" : (result.failure as Error).message
    }
    assert.strictEqual(
      await refusal({ provider: "opnai" }),
      "FILE: llm.provider: there is no provider \"opnai\"; did you mean \"openai\"?"
    )
    assert.strictEqual(
      await refusal({ provider: "acne" }, fine),
      "FILE: llm.provider: there is no provider \"acne\"; did you mean \"acme\"?"
    )
    assert.strictEqual(
      await refusal({ provider: "acme", fallback: [{ model: "x", provider: "elsewhere" }] }, fine),
      "FILE: llm.fallback[0].provider: there is no provider \"elsewhere\"; known are openai, acme."
    )
    assert.strictEqual(
      await refusal({ provider: "acme" }, echo(() => 1)),
      "FILE: llm.provider: make of the provider acme must give back an object with a complete function."
    )
    const throwing = echo(() => {
      throw new Error("There is no such model")
    })
    assert.strictEqual(
      await refusal({ provider: "acme" }, throwing),
      "FILE: llm.provider: make of the provider acme throws: There is no such model."
    )
    assert.strictEqual(await refusal({ provider: "acme" }, fine), "it starts")
  })

  it("refuses to start without the key of a later model", async () => {
    const result = await within({ ...local, fallback: [{ model: "a", apiKey: secret("later", "key") }] }, Provider)
    assert.strictEqual(
      Result.isSuccess(result) ? "" : (result.failure as Error).message,
      "FILE: llm.fallback[0].apiKey: The secret later key is missing. Set it with: syris secrets set later key"
    )
  })
})

/** A stream that breaks off after these words. */
const halfOf = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`

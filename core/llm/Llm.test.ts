/**
 * The model as the configuration names it: checked settings, their defaults, and the layer that follows from them.
 */
import { Effect, Layer, Redacted, Result } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { Environment } from "../database/Environment.ts"
import { secret } from "../plugin/Secret.ts"
import { readConfiguration, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { openStore, SecretsStore } from "../secrets/SecretsStore.ts"
import { scriptedModel } from "../testing/ScriptedModel.ts"
import { Provider } from "./CompletionProvider.ts"
import * as Llm from "./Llm.ts"
import { usdOf } from "./Price.ts"

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-llm-"))
afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

const local = { provider: "openai", model: "small", baseURL: "http://127.0.0.1:8080/v1/" }
const readLlm = (llm: unknown) => Effect.runPromise(Effect.result(readConfiguration({ llm }, "FILE")))

/** What is wrong with the setting, and the sentence. */
const mistakes: ReadonlyArray<readonly [llm: unknown, sentence: string]> = [
  ["openai", "FILE: the setting \"llm\" must be an object."],
  [{ ...local, provider: "other" }, "FILE: the setting \"llm.provider\" must be \"openai\"."],
  [{ provider: "openai", baseURL: local.baseURL }, "FILE: the setting \"llm.model\" is missing."],
  [{ ...local, model: " " }, "FILE: the setting \"llm.model\" must be a string that is not empty."],
  [{ ...local, baseUrl: "x" }, "FILE: there is no setting \"llm.baseUrl\"; did you mean \"baseURL\"?"],
  ...["ftp://a/v1", "a/v1", "http://u@a/v1", "https://:p@a/v1", "https://a/v1?key=b", "https://a/v1#b", "https://a/v1 "]
    .map((baseURL) =>
      [
        { ...local, baseURL },
        "FILE: the setting \"llm.baseURL\" must be an http or https address without user, password and query, such as " +
        "\"https://api.openai.com/v1\"."
      ] as const
    ),
  [
    { provider: "openai", model: "x" },
    "FILE: the setting \"llm.apiKey\" is missing, and https://api.openai.com/v1 needs one: give secret(\"openai\", " +
    "\"key\"), or the baseURL of a server that needs none."
  ],
  [
    { ...local, baseURL: "https://api.openai.com/v1/" },
    "FILE: the setting \"llm.apiKey\" is missing, and https://api.openai.com/v1 needs one: give secret(\"openai\", " +
    "\"key\"), or the baseURL of a server that needs none."
  ],
  [{ ...local, apiKey: 3 }, "FILE: the setting \"llm.apiKey\" must be secret(name, key)."],
  [
    { ...local, apiKey: "" },
    "FILE: the setting \"llm.apiKey\" is empty: give secret(\"openai\", \"key\"), or remove it if the server needs no key."
  ],
  [
    { ...local, timeout: "2 hours" },
    "FILE: the setting \"llm.timeout\" must be a duration above zero and of at most 1 hour, such as \"30 seconds\"."
  ],
  [
    { ...local, silence: "soon" },
    "FILE: the setting \"llm.silence\" must be a duration above zero and of at most 5 minutes, such as \"30 seconds\"."
  ],
  [
    { ...local, bounds: { steps: 0 } },
    "FILE: the setting \"llm.bounds.steps\" must be a whole number above zero."
  ],
  [
    { ...local, bounds: { usd: 1 } },
    "FILE: the setting \"llm.bounds.usd\" needs \"llm.price\", so that the host knows what an answer costs: give " +
    "price: { inputPerMillion, outputPerMillion }, or remove it."
  ],
  [{ ...local, price: { inputPerMillion: 1 } }, "FILE: the setting \"llm.price.outputPerMillion\" is missing."],
  [
    { ...local, price: { inputPerMillion: -1, outputPerMillion: 1 } },
    "FILE: the setting \"llm.price.inputPerMillion\" must be US dollars, zero or more."
  ],
  [
    { ...local, budget: { perTraceTokens: 1.5 } },
    "FILE: the setting \"llm.budget.perTraceTokens\" must be a whole number."
  ]
]

describe("the setting llm", () => {
  it.each(mistakes)("%j", async (llm, sentence) => {
    const result = await readLlm(llm)
    if (Result.isSuccess(result)) return assert.fail("it is accepted")
    assert.strictEqual(result.failure.detail, sentence)
    assert.deepEqual(result.failure.more, [])
  })

  it("has defaults, and is nothing where there is none", async () => {
    const { llm, warnings } = Result.getOrThrow(await readLlm(local))
    assert.deepEqual(llm, {
      provider: "openai",
      baseURL: "http://127.0.0.1:8080/v1",
      apiKey: undefined,
      model: "small",
      timeoutMs: 120_000,
      silenceMs: 30_000,
      budget: { perTraceTokens: 50_000 },
      bounds: { steps: 20, seconds: 600, usd: undefined },
      price: undefined
    })
    assert.deepEqual(warnings, [])
    assert.isUndefined(Result.getOrThrow(await readLlm(undefined)).llm)
  })

  it("is taken as it is given", async () => {
    const price = { inputPerMillion: 2, outputPerMillion: 8 }
    const { llm } = Result.getOrThrow(
      await readLlm({
        provider: "openai",
        model: "big",
        apiKey: secret("openai", "key"),
        timeout: "5 minutes",
        silence: 1500,
        budget: { perTraceTokens: 9 },
        bounds: { steps: 3, seconds: 4, usd: 0.5 },
        price
      })
    )
    assert.deepEqual(llm, {
      provider: "openai",
      baseURL: "https://api.openai.com/v1",
      apiKey: secret("openai", "key"),
      model: "big",
      timeoutMs: 300_000,
      silenceMs: 1500,
      budget: { perTraceTokens: 9 },
      bounds: { steps: 3, seconds: 4, usd: 0.5 },
      price
    })
    assert.strictEqual(usdOf({ input_tokens: 500_000, output_tokens: 250_000 }, price), 3)
    assert.isUndefined(usdOf({ input_tokens: 1, output_tokens: 1 }, undefined))
  })
})

describe("the layer of the model", () => {
  const environment = Layer.succeed(Environment, {
    home,
    host: "127.0.0.1",
    port: 0,
    config: "",
    databaseUrl: undefined
  })
  const within = <A, E>(llm: unknown, body: Effect.Effect<A, E, Redactor>) =>
    Effect.runPromise(Effect.result(Effect.provide(
      body,
      Llm.layer.pipe(
        Layer.provideMerge(Redactor.layer),
        Layer.provide(SecretsStore.layer),
        Layer.provide([Settings.layerOf({ llm }, "FILE"), environment]),
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
})

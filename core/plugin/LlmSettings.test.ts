/**
 * The setting `llm`: every mistake as a sentence, every default, and what the models after the first have of it.
 */
import { Effect, Result } from "effect"
import { assert, describe, it } from "vitest"
import { defaultBudgets } from "../llm/Context.ts"
import { usdOf } from "../llm/Price.ts"
import { secret } from "./Secret.ts"
import { readConfiguration } from "./Settings.ts"

const local = { provider: "openai", model: "small", baseURL: "http://127.0.0.1:8080/v1/" }
const readLlm = (llm: unknown) => Effect.runPromise(Effect.result(readConfiguration({ llm }, "FILE")))

/** What is wrong with the setting, and the sentence. */
const price = { inputPerMillion: 2, outputPerMillion: 8 }

const mistakes: ReadonlyArray<readonly [llm: unknown, sentence: string]> = [
  ["openai", "FILE: the setting \"llm\" must be an object."],
  [
    { ...local, provider: "Open AI" },
    "FILE: the setting \"llm.provider\" must be \"openai\", or the name of a plugin's provider."
  ],
  [{ ...local, provider: 3 }, "FILE: the setting \"llm.provider\" must be a string."],
  [{ ...local, api: "completions" }, "FILE: the setting \"llm.api\" must be \"chat\" or \"responses\"."],
  [
    { provider: "acme", model: "x", api: "chat" },
    "FILE: the setting \"llm.api\" is for the provider \"openai\": remove it."
  ],
  [{ ...local, fallback: "small" }, "FILE: the setting \"llm.fallback\" must be a list."],
  [{ ...local, fallback: [""] }, "FILE: the setting \"llm.fallback[0]\" must be a string that is not empty."],
  [{ ...local, fallback: ["a", 3] }, "FILE: the setting \"llm.fallback[1]\" must be a string or an object."],
  [{ ...local, fallback: [{}] }, "FILE: the setting \"llm.fallback[0].model\" is missing."],
  [
    { ...local, fallback: [{ model: "a", baseUrl: "x" }] },
    "FILE: there is no setting \"llm.fallback[0].baseUrl\"; did you mean \"baseURL\"?"
  ],
  [
    { ...local, fallback: [{ model: "a", timeout: 3 }] },
    "FILE: there is no setting \"llm.fallback[0].timeout\"; known are model, baseURL, apiKey, api, price, provider."
  ],
  [
    { ...local, fallback: ["a", "small"] },
    "FILE: the setting \"llm.fallback[1]\" is the model small once more, at the same address: remove it."
  ],
  [
    {
      ...local,
      fallback: [{ model: "a", baseURL: "http://127.0.0.1:9" }, { model: "a", baseURL: "http://127.0.0.1:9/" }]
    },
    "FILE: the setting \"llm.fallback[1]\" is the model a once more, at the same address: remove it."
  ],
  [
    { ...local, fallback: Array.from({ length: 9 }, (_, i) => `m${i}`) },
    "FILE: the setting \"llm.fallback\" has 9 models: at most 8 are asked one after the other."
  ],
  [
    { ...local, apiKey: "sk-1", fallback: [{ model: "a", baseURL: "https://api.openai.com/v1" }] },
    "FILE: the setting \"llm.fallback[0].apiKey\" is missing, and https://api.openai.com/v1 needs one: give " +
    "secret(\"fallback\", \"key\"), or the baseURL of a server that needs none."
  ],
  [
    { ...local, fallback: ["a", { model: "b", apiKey: " " }] },
    "FILE: the setting \"llm.fallback[1].apiKey\" is empty: give secret(\"fallback2\", \"key\"), or remove it if the " +
    "server needs no key."
  ],
  [
    { ...local, fallback: [{ model: "a", provider: "acme", api: "chat" }] },
    "FILE: the setting \"llm.fallback[0].api\" is for the provider \"openai\": remove it."
  ],
  [
    { ...local, price: { inputPerMillion: 1, outputPerMillion: 1 }, bounds: { usd: 1 }, fallback: ["a"] },
    "FILE: the setting \"llm.bounds.usd\" needs a price of every model, and \"llm.fallback[0]\" has none: write it as " +
    "{ model, price: { inputPerMillion, outputPerMillion } }."
  ],
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
  ],
  [
    { ...local, budget: { perDayUsd: 5 } },
    "FILE: the setting \"llm.budget.perDayUsd\" needs \"llm.price\", so that the host knows what an answer costs: give " +
    "price: { inputPerMillion, outputPerMillion }, or remove it."
  ],
  [
    { ...local, price, fallback: ["other"], budget: { perTaskUsd: 5 } },
    "FILE: the setting \"llm.budget.perTaskUsd\" needs a price of every model, and \"llm.fallback[0]\" has none: write it as " +
    "{ model, price: { inputPerMillion, outputPerMillion } }."
  ],
  [
    { ...local, fallback: ["other"], budget: { models: { othr: { perDayTokens: 5 } } } },
    "FILE: there is no setting \"llm.budget.models.othr\"; did you mean \"other\"?"
  ],
  [
    { ...local, budget: { models: { small: { perDayUsd: 5 } } } },
    "FILE: the setting \"llm.budget.models.small.perDayUsd\" needs a price of that model, so that the host knows what an " +
    "answer costs: give price: { inputPerMillion, outputPerMillion }, or remove it."
  ],
  [
    { ...local, budget: { atLimit: "sleep" } },
    "FILE: the setting \"llm.budget.atLimit\" must be \"stop\", \"cheaper\" or \"ask\"."
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
      api: "chat",
      baseURL: "http://127.0.0.1:8080/v1",
      apiKey: undefined,
      model: "small",
      timeoutMs: 120_000,
      silenceMs: 30_000,
      fallback: [],
      budget: { perTraceTokens: 200_000, models: {}, atLimit: "stop" },
      bounds: { steps: 20, seconds: 600, usd: undefined },
      price: undefined,
      prompts: {},
      context: defaultBudgets
    })
    assert.deepEqual(warnings, [])
    assert.isUndefined(Result.getOrThrow(await readLlm(undefined)).llm)
  })

  it("is taken as it is given", async () => {
    const { llm } = Result.getOrThrow(
      await readLlm({
        provider: "openai",
        model: "big",
        apiKey: secret("openai", "key"),
        timeout: "5 minutes",
        silence: 1500,
        budget: { perTraceTokens: 9, perDayUsd: 5, models: { big: { perDayTokens: 7 } }, atLimit: "ask" },
        bounds: { steps: 3, seconds: 4, usd: 0.5 },
        price
      })
    )
    assert.deepEqual(llm, {
      provider: "openai",
      api: "chat",
      fallback: [],
      baseURL: "https://api.openai.com/v1",
      apiKey: secret("openai", "key"),
      model: "big",
      timeoutMs: 300_000,
      silenceMs: 1500,
      budget: { perTraceTokens: 9, perDayUsd: 5, models: { big: { perDayTokens: 7 } }, atLimit: "ask" },
      bounds: { steps: 3, seconds: 4, usd: 0.5 },
      price,
      prompts: {},
      context: defaultBudgets
    })
    assert.strictEqual(usdOf({ input_tokens: 500_000, output_tokens: 250_000 }, price), 3)
    assert.isUndefined(usdOf({ input_tokens: 1, output_tokens: 1 }, undefined))
  })
})

describe("the models after the first", () => {
  const read = async (fallback: ReadonlyArray<unknown>, more: object = {}) => {
    const { llm, warnings } = Result.getOrThrow(await readLlm({ ...local, api: "responses", ...more, fallback }))
    return { models: llm!.fallback, warnings }
  }

  it("are at the same address, with the same key and dialect, where they do not say otherwise", async () => {
    const apiKey = secret("openai", "key")
    const { models, warnings } = await read(
      ["a", { model: "b" }, { model: "c", baseURL: local.baseURL, api: "chat" }],
      {
        apiKey,
        timeout: 1_000
      }
    )
    assert.deepEqual(
      models.map(({ api, apiKey, baseURL, model, price, timeoutMs }) => [
        model,
        api,
        baseURL,
        apiKey,
        price,
        timeoutMs
      ]),
      [
        ["a", "responses", "http://127.0.0.1:8080/v1", apiKey, undefined, 1_000],
        ["b", "responses", "http://127.0.0.1:8080/v1", apiKey, undefined, 1_000],
        ["c", "chat", "http://127.0.0.1:8080/v1", apiKey, undefined, 1_000]
      ]
    )
    assert.deepEqual(warnings, [])
  })

  it("never take a key to another address or provider", async () => {
    const { models, warnings } = await read([
      { model: "a", baseURL: "http://127.0.0.1:9/v1" },
      { model: "b", provider: "acme" },
      { model: "c", baseURL: "http://127.0.0.1:9/v1", apiKey: "sk-2" }
    ], { apiKey: "sk-1" })
    assert.deepEqual(models.map(({ api, apiKey, baseURL, provider }) => [provider, api, baseURL, apiKey]), [
      ["openai", "chat", "http://127.0.0.1:9/v1", undefined],
      ["acme", "chat", undefined, undefined],
      ["openai", "chat", "http://127.0.0.1:9/v1", "sk-2"]
    ])
    assert.deepEqual(warnings.map((warning) => /"(.+?)".*set (.+?),/.exec(warning)?.slice(1)), [
      ["llm.apiKey", "openai key"],
      ["llm.fallback[2].apiKey", "fallback3 key"]
    ])
  })
})

/** For the tests of this folder: a provider of scripted servers, and models that do what they are told. */
import { Effect, Redacted, Result } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, afterEach, assert } from "vitest"
import { makeRedaction } from "../secrets/Redactor.ts"
import { openStore } from "../secrets/SecretsStore.ts"
import { type Script, scriptedModel, type ScriptedModel } from "../testing/ScriptedModel.ts"
import type { Completion, CompletionFailed, CompletionProvider, CompletionRequest } from "./CompletionProvider.ts"
import { makeOpenAiProvider, type OpenAiSettings } from "./OpenAiProvider.ts"

export const key = "sk-canary-0123456789"

export const tool = (name: string) => ({ name, description: `Does ${name}.`, parameters: { type: "object" } })

export const question: CompletionRequest = {
  messages: [{ role: "system", content: "You are a host." }, { role: "user", content: "Brew a coffee." }],
  tools: [tool("coffee.brew"), tool("timer.set")]
}

/** Starts scripted servers, which end with the test. */
export const scriptedModels = () => {
  const servers: Array<ScriptedModel> = []
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()))
  })
  return async (...script: ReadonlyArray<Script>): Promise<ScriptedModel> => {
    const started = await scriptedModel(script)
    servers.push(started)
    return started
  }
}

/** A store in a folder of its own. */
export const temporaryStore = () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-llm-"))
  afterAll(() => fs.rmSync(home, { recursive: true, force: true }))
  return openStore(home)
}

/** Knows the key and one more secret. */
export const redaction = () => {
  const made = makeRedaction(undefined, () => {})
  made.add("openai.key", Redacted.make(key))
  made.add("home.alarm", Redacted.make("code-4711"))
  return made
}

export const modelSettings = (baseURL: string): OpenAiSettings => ({
  provider: "openai",
  api: "chat",
  baseURL,
  apiKey: undefined,
  model: "small",
  timeoutMs: 10_000,
  silenceMs: 30_000,
  price: undefined
})

export const openAi = (
  store: ReturnType<typeof temporaryStore>,
  baseURL: string,
  given: Partial<OpenAiSettings> = {}
): CompletionProvider => makeOpenAiProvider({ ...modelSettings(baseURL), ...given }, store, redaction())

export const ask = (asked: CompletionProvider, request = question): Promise<Completion> =>
  Effect.runPromise(asked.complete(request))

export const refusal = async (asked: CompletionProvider, request = question): Promise<CompletionFailed> => {
  const result = await Effect.runPromise(Effect.result(asked.complete(request)))
  if (Result.isSuccess(result)) assert.fail(`it answered ${JSON.stringify(result.success)}`)
  assert.match(result.failure.message, /^[A-Z].*([.?!…]|: syris .+)$/s, "a sentence")
  return result.failure
}

/**
 * `npm run eval`: the table of `cases.ts` against a model. `--help` says what it takes. Exit code 1 where too few lines are
 * right, 2 where it could not begin.
 */
import { Effect, Redacted } from "effect"
import * as path from "node:path"
import type { FallbackConfiguration, LlmConfiguration } from "syris"
import { isSecretRef, type SecretOption } from "../../core/plugin/Secret.ts"
import { readConfiguration } from "../../core/plugin/Settings.ts"
import { openStore } from "../../core/secrets/SecretsStore.ts"
import setUpDatabase from "../globalSetup.ts"
import { cases } from "./cases.ts"
import { evaluate, type Judged, startHouse } from "./Evaluate.ts"
import { type Options, readOptions, usage, WrongUse } from "./Options.ts"
import { asJson, lineInWords, summarize, summaryInWords } from "./Report.ts"
import { tableModel } from "./TableModel.ts"

/** The same with the keys that the operator's secrets store has: the hosts of an evaluation have stores of their own. */
const withKeys = async (llm: LlmConfiguration): Promise<LlmConfiguration> => {
  const store = openStore(path.resolve(process.env["SYRIS_HOME"] ?? ".syris"))
  const filled = async <A extends { readonly apiKey?: SecretOption }>(model: A): Promise<A> => {
    const { apiKey } = model
    if (!isSecretRef(apiKey)) return model
    const value = await Effect.runPromise(store.get(apiKey.name, apiKey.key)).catch((error: unknown) => {
      throw new WrongUse(error instanceof Error ? error.message : String(error))
    })
    return { ...model, apiKey: Redacted.value(value) }
  }
  const fallback: Array<string | FallbackConfiguration> = []
  for (const one of llm.fallback ?? []) fallback.push(typeof one === "string" ? one : await filled(one))
  const foreign = [llm, ...fallback].find((one) => typeof one !== "string" && (one.provider ?? "openai") !== "openai")
  if (foreign !== undefined) {
    throw new WrongUse(
      "The model of the configuration comes from a plugin, and an evaluation has no plugins of yours: name a server with " +
        "--base-url and --model."
    )
  }
  return { ...await filled(llm), ...(llm.fallback === undefined ? {} : { fallback }) }
}

/** The same, after the checks that a host makes of it. */
const checked = async (llm: LlmConfiguration): Promise<LlmConfiguration> => {
  const read = await Effect.runPromise(Effect.result(readConfiguration({ llm }, "The model")))
  if (read._tag === "Failure") throw new WrongUse(read.failure.detail)
  return llm
}

const run = async ({ jobs, json, least, llm, only }: Options): Promise<boolean> => {
  const wanted = only === undefined
    ? cases
    : cases.filter(({ group, turns }) => only.test(group) || turns.some(({ say }) => only.test(say)))
  if (wanted.length === 0) throw new WrongUse(`No line and no group fits ${only}.`)
  const scripted = llm === undefined ? await tableModel(wanted) : undefined
  const asked: LlmConfiguration = llm === undefined
    ? { provider: "openai", baseURL: scripted?.url ?? "", model: "table" }
    : await checked(await withKeys(llm))
  const tearDown = await setUpDatabase()
  let group = ""
  const onJudged = (judged: Judged): void => {
    if (json) return
    if (judged.group !== group) console.log(`\n${group = judged.group}`)
    console.log(lineInWords(judged))
  }
  const house = scripted === undefined ? undefined : await startHouse(asked)
  try {
    const judged = await evaluate({ cases: wanted, by: house ?? asked, jobs, onJudged })
    const summary = summarize(asked.model, judged, least)
    console.log(json ? JSON.stringify(asJson(summary, judged), undefined, 2) : `\n${summaryInWords(summary)}`)
    return summary.enough
  } finally {
    await house?.stop()
    await scripted?.close()
    await tearDown()
  }
}

const args = process.argv.slice(2)
if (args.includes("--help") || args.includes("-h")) console.log(usage)
else {
  try {
    process.exitCode = await run(await readOptions(args, process.env)) ? 0 : 1
  } catch (error) {
    console.error(error instanceof WrongUse ? error.message : error)
    process.exitCode = 2
  }
}

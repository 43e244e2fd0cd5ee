/**
 * What `npm run eval` is told: flags, then `SYRIS_EVAL_…` of the environment, then `llm` of the configuration.
 */
import type { Configuration, LlmConfiguration } from "syris"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"

export const usage = `npm run eval [-- OPTIONS]: how a model does on the table of test/eval/cases.ts.

  --base-url URL       the server, up to and with /v1          (SYRIS_EVAL_BASE_URL)
  --model NAME         the model                               (SYRIS_EVAL_MODEL)
  --api-key-env NAME   the variable that has the key           (SYRIS_EVAL_API_KEY_ENV)
  --api chat|responses the dialect; default chat               (SYRIS_EVAL_API)
  --fallback NAME      another model at the same address, asked where the first gives no answer; may be repeated
  --price IN,OUT       US dollars for a million tokens
  --config FILE        whose llm is taken where no model is named; default syris.config.ts, or SYRIS_CONFIG
  --scripted           a model that answers from the table: shows that the table and the host are sound
  --only PATTERN       lines and groups with these words (a regular expression)
  --min SHARE          exit 1 where fewer are right; default 0.9, with --scripted 1
  --jobs N             lines at the same time; default 1
  --json               for machines`

/** A mistake of whoever called: one sentence. */
export class WrongUse extends Error {}

export interface Options {
  /** `undefined`: the scripted model. */
  readonly llm: LlmConfiguration | undefined
  readonly only: RegExp | undefined
  readonly least: number
  readonly jobs: number
  readonly json: boolean
}

const flags = {
  "base-url": { type: "string" },
  model: { type: "string" },
  "api-key-env": { type: "string" },
  api: { type: "string" },
  fallback: { type: "string", multiple: true },
  price: { type: "string" },
  config: { type: "string" },
  scripted: { type: "boolean" },
  only: { type: "string" },
  min: { type: "string" },
  jobs: { type: "string" },
  json: { type: "boolean" }
} as const

type Environment = Readonly<Record<string, string | undefined>>

const parse = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: false }).values
  } catch (error) {
    throw new WrongUse(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

const numberIn = (flag: string, text: string, least: number, most: number): number => {
  const value = Number(text)
  if (text.trim() === "" || !(value >= least && value <= most)) {
    throw new WrongUse(`${flag} is "${text}": give a number from ${least} to ${most}.`)
  }
  return value
}

const priceOf = (text: string) => {
  const [inputPerMillion = -1, outputPerMillion = -1, ...more] = text.split(",").map(Number)
  if (more.length > 0 || !(inputPerMillion >= 0 && outputPerMillion >= 0)) {
    throw new WrongUse(`--price is "${text}": give two numbers, for input and for output, such as 0.15,0.6.`)
  }
  return { inputPerMillion, outputPerMillion }
}

const ofConfiguration = async (file: string): Promise<LlmConfiguration> => {
  const how = "Name a model with --base-url and --model, or use --scripted."
  let configuration: Configuration | undefined
  try {
    const module = await import(pathToFileURL(file).href) as { readonly default?: Configuration }
    configuration = module.default
  } catch (error) {
    throw new WrongUse(`${file} can't be read: ${error instanceof Error ? error.message : String(error)}. ${how}`)
  }
  if (configuration?.llm === undefined) throw new WrongUse(`${file} has no llm. ${how}`)
  return configuration.llm
}

export const readOptions = async (args: ReadonlyArray<string>, env: Environment): Promise<Options> => {
  const given = parse(args)
  const pick = (flag: "base-url" | "model" | "api-key-env" | "api") =>
    given[flag] ?? env[`SYRIS_EVAL_${flag.toUpperCase().replaceAll("-", "_")}`]
  const scripted = given.scripted === true
  const llm = async (): Promise<LlmConfiguration> => {
    const { api, baseURL, keyIn, model } = {
      api: pick("api"),
      baseURL: pick("base-url"),
      keyIn: pick("api-key-env"),
      model: pick("model")
    }
    if (model === undefined) {
      if (baseURL !== undefined) {
        throw new WrongUse("--base-url has no --model: name the one that the server shall answer with.")
      }
      return ofConfiguration(path.resolve(given.config ?? env["SYRIS_CONFIG"] ?? "syris.config.ts"))
    }
    if (api !== undefined && api !== "chat" && api !== "responses") {
      throw new WrongUse(`--api is "${api}": it is chat or responses.`)
    }
    const apiKey = keyIn === undefined ? undefined : env[keyIn]
    if (keyIn !== undefined && (apiKey ?? "") === "") {
      throw new WrongUse(`The variable ${keyIn} is not set: it should have the key.`)
    }
    return {
      provider: "openai",
      model,
      ...(baseURL === undefined ? {} : { baseURL }),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(api === undefined ? {} : { api }),
      ...(given.fallback === undefined ? {} : { fallback: given.fallback }),
      ...(given.price === undefined ? {} : { price: priceOf(given.price) })
    }
  }
  let only: RegExp | undefined
  try {
    only = given.only === undefined ? undefined : new RegExp(given.only, "i")
  } catch {
    throw new WrongUse(`--only is "${given.only}", which is no regular expression.`)
  }
  return {
    llm: scripted ? undefined : await llm(),
    only,
    least: numberIn("--min", given.min ?? (scripted ? "1" : "0.9"), 0, 1),
    jobs: numberIn("--jobs", given.jobs ?? "1", 1, 32),
    json: given.json === true
  }
}

/**
 * The settings `llm.prompts` and `llm.context`: which words of the host's own the operator replaces, and how much a model is
 * told.
 */
import { Schema } from "effect"
import { Count } from "./SettingChecks.ts"

/** What the words to a model are made of; each is a file in `core/llm/prompts/`. */
export const promptNames = ["system", "decider", "router", "responder", "examples", "summarizer"] as const
export type PromptName = typeof promptNames[number]

/** Filled in where a prompt has them as `{{name}}`. */
export const promptPlaceholders = ["channel", "locale", "time", "timezone"] as const

/** Of each prompt; the summarizer is told no place, and how long it may be. */
const placeholdersOf = (name: PromptName): ReadonlyArray<string> =>
  name === "summarizer" ? ["words"] : promptPlaceholders

/** Texts in the place of the host's own. */
export type PromptOverrides = { readonly [name in PromptName]?: string | undefined }

/** Of one prompt, characters. */
const longestPrompt = 8_000

/** Parts of a context that have a share of its tokens. */
export const contextParts = [
  "system",
  "message",
  "tools",
  "thread",
  "history",
  "memories",
  "tasks",
  "approvals"
] as const
export type ContextPartName = typeof contextParts[number]

/** At most so many tokens, of the whole and of each part. */
export type ContextBudgets = { readonly [part in ContextPartName | "total"]: number }

const optional = Schema.optional
const Prompt = Schema.String.check(Schema.isPattern(/\S/, { expected: "a text that is not empty" }))

export const PromptsSetting = Schema.Struct({
  system: optional(Prompt),
  decider: optional(Prompt),
  router: optional(Prompt),
  responder: optional(Prompt),
  examples: optional(Prompt),
  summarizer: optional(Prompt)
}).annotate({ expected: "an object" })

export const ContextSetting = Schema.Struct({
  tokens: optional(Count),
  system: optional(Count),
  message: optional(Count),
  tools: optional(Count),
  thread: optional(Count),
  history: optional(Count),
  memories: optional(Count),
  tasks: optional(Count),
  approvals: optional(Count)
}).annotate({ expected: "an object" })

/** What is wrong with a text in the place of the host's own, or nothing. */
export const mistakeInPrompts = (prompts: PromptOverrides): string | undefined => {
  for (const name of promptNames) {
    const text = prompts[name]
    if (text === undefined) continue
    if (text.length > longestPrompt) {
      return `the setting "llm.prompts.${name}" has ${text.length} characters: at most ${longestPrompt} are sent`
    }
    const known = placeholdersOf(name)
    const unknown = [...text.matchAll(/\{\{(.*?)\}\}/gs)].find(([, key]) => !known.includes(key ?? ""))
    if (unknown !== undefined) {
      return `the setting "llm.prompts.${name}" has ${unknown[0].slice(0, 60)}, which nothing is filled in for: use ` +
        `${known.map((one) => `{{${one}}}`).join(", ")}, or write it without braces`
    }
  }
  return undefined
}

const defaultTokens = 16_000
const leastTokens = 4_000
/** Of what is never left out: less would cut off the rules, the question, or the way to ask back. */
const leastOf = { system: 1_000, message: 200, tools: 300 } as const
const mostTokens = 1_000_000

/**
 * The host's own words need what they need; the rest is shared. What memories, tasks, approvals, tools and the message leave
 * goes to the task's own history, then to the thread.
 */
const systemTokens = 2_000
const mostOfSystem = 0.5
const shares = {
  message: 0.22,
  tools: 0.32,
  thread: 0.15,
  history: 0.15,
  memories: 0.06,
  tasks: 0.05,
  approvals: 0.05
} as const

/** How much each part has, or what is wrong with the setting. */
export const readContext = (given: typeof ContextSetting.Type): ContextBudgets | string => {
  const total = given.tokens ?? defaultTokens
  if (total < leastTokens || total > mostTokens) {
    return `the setting "llm.context.tokens" is ${total}: give a number from ${leastTokens} to ${mostTokens}`
  }
  for (const part of ["system", "message", "tools"] as const) {
    const wanted = given[part]
    if (wanted !== undefined && wanted < leastOf[part]) {
      return `the setting "llm.context.${part}" is ${wanted}: give at least ${leastOf[part]}`
    }
  }
  const system = given.system ?? Math.min(systemTokens, Math.floor(total * mostOfSystem))
  const wanted = contextParts.filter((part) => part !== "system" && given[part] !== undefined)
  const taken = system + wanted.reduce((sum, part) => sum + (given[part] ?? 0), 0)
  const rest = total - taken
  const open = contextParts.filter((part): part is keyof typeof shares =>
    part !== "system" && given[part] === undefined
  )
  if (rest < open.length) {
    return `the parts of the setting "llm.context" have ${taken} tokens together, and the whole has ${total}: give less to ` +
      "a part, or more to \"llm.context.tokens\""
  }
  const sum = open.reduce((all, part) => all + shares[part], 0)
  const of = (part: keyof typeof shares): number => given[part] ?? Math.floor((rest * shares[part]) / sum)
  const starved = (["message", "tools"] as const).find((part) => of(part) < leastOf[part])
  if (starved !== undefined) {
    return `the parts of the setting "llm.context" leave ${of(starved)} tokens for "${starved}", which needs ` +
      `${leastOf[starved]}: give less to the others, or more to "llm.context.tokens"`
  }
  return {
    total,
    system,
    message: of("message"),
    tools: of("tools"),
    thread: of("thread"),
    history: of("history"),
    memories: of("memories"),
    tasks: of("tasks"),
    approvals: of("approvals")
  }
}

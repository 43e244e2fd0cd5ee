/**
 * The words that a model is given by this host, one file each; the operator may replace each of them (`llm.prompts`).
 *
 * `hash` tells which words a decision was made with: it changes with any of them, and with nothing else.
 */
import { digest } from "../../database/Ids.ts"
import { type PromptName, promptNames, type PromptOverrides } from "../../plugin/PromptSettings.ts"
import * as Decider from "./Decider.ts"
import * as Examples from "./Examples.ts"
import * as Responder from "./Responder.ts"
import * as Router from "./Router.ts"
import * as Summarizer from "./Summarizer.ts"
import * as System from "./System.ts"

export type Prompts = { readonly [name in PromptName]: string } & {
  /** Of the host's own texts, by name; `own` where the operator's stands in its place. */
  readonly versions: { readonly [name in PromptName]: string }
  /** SHA-256 over all of them. */
  readonly hash: string
}

const texts = {
  system: [System.system, System.version],
  decider: [Decider.decider, Decider.version],
  router: [Router.router, Router.version],
  responder: [Responder.responder, Responder.version],
  examples: [Examples.examples, Examples.version],
  summarizer: [Summarizer.summarizer, Summarizer.version]
} as const satisfies { readonly [name in PromptName]: readonly [text: string, version: string] }

/** The host's own, with those of the operator in their place. */
export const promptsOf = (overrides: PromptOverrides = {}): Prompts => {
  const text = (name: PromptName): string => overrides[name] ?? texts[name][0]
  const version = (name: PromptName): string => overrides[name] === undefined ? texts[name][1] : "own"
  const each = (of: (name: PromptName) => string): { readonly [name in PromptName]: string } => ({
    system: of("system"),
    decider: of("decider"),
    router: of("router"),
    responder: of("responder"),
    examples: of("examples"),
    summarizer: of("summarizer")
  })
  return {
    ...each(text),
    versions: each(version),
    hash: digest(...promptNames.flatMap((name) => [name, version(name), text(name)]))
  }
}

export const defaultPrompts: Prompts = promptsOf()

/** `text` with `{{name}}` replaced; what is filled in is not looked at again. */
export const filled = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(/\{\{(\w+)\}\}/g, (whole, key: string) => values[key] ?? whole)

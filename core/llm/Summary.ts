/**
 * The question that tells a long thread in fewer words. Pure: the same facts and prompts make the same bundle, so a replay can
 * make it again. What was said stands between marks, a line of JSON for each message: nothing in one can pass for another.
 */
import { worstOf } from "../safety/Provenance.ts"
import type { ContextBundle, ContextFacts } from "./ContextFacts.ts"
import { tokensOfMessages } from "./History.ts"
import { data } from "./Marks.ts"
import { filled, type Prompts } from "./prompts/Prompts.ts"
import { tokensOf } from "./Tokens.ts"

/** Of a summary: what the model is told, what it may answer, and what is kept. */
const words = 400
export const summaryTokens = 1_500
export const longestSummary = 8_000

/** `facts.thread` are the lines to tell of, and the summary that they follow. */
export const renderSummary = (
  { thread }: Pick<ContextFacts, "thread">,
  { prompts, total }: { readonly prompts: Prompts; readonly total: number }
): ContextBundle => {
  const { lines, summary } = thread
  const said = lines.map(({ at, by, text, trust }) => JSON.stringify({ at, by, trust, text })).join("\n")
  const system = { role: "system" as const, content: filled(prompts.summarizer, { words: `${words}` }) }
  const user = {
    role: "user" as const,
    content: [
      ...(summary === undefined ? [] : [
        `The summary so far, of ${summary.events} messages (${summary.trust}):\n${data(summary.text)}`
      ]),
      `What was said since, a line for each:\n${data(said, Infinity)}`
    ].join("\n\n")
  }
  return {
    messages: [system, user],
    tools: [],
    parts: [
      { part: "system", tokens: tokensOfMessages([system]), budget: total, left_out: 0, trust: "operator" },
      {
        part: "thread",
        tokens: tokensOfMessages([user]),
        budget: total,
        left_out: 0,
        trust: worstOf([...lines.map(({ trust }) => trust), ...(summary === undefined ? [] : [summary.trust])])
      }
    ],
    prompt_hash: prompts.hash
  }
}

/** What a model wrote, as it is kept; nothing where it wrote none. */
export const writtenSummary = (text: string | undefined): string | undefined => {
  const kept = (text ?? "").replaceAll("\0", "\u{fffd}").toWellFormed().trim()
  return kept === "" ? undefined : kept.slice(0, longestSummary).toWellFormed()
}

/** What a line takes of such a question. */
export const tokensOfLine = (line: ContextFacts["thread"]["lines"][number]): number => tokensOf(line.text) + 40

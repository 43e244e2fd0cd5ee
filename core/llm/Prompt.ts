/**
 * What has happened in a task, as a question to a model tells it. The words of the host's own are in `prompts/`, the whole is
 * put together by `Context.ts`.
 */
import type { Trust } from "../contract/Enums.ts"
import type { Message } from "./CompletionProvider.ts"
import type { Decision } from "./Decision.ts"
import { byTrust, cut, data, longestText } from "./Marks.ts"
import { defaultPrompts } from "./prompts/Prompts.ts"

/** One result of a call, as the model is shown it. */
export interface ToolResult {
  readonly tool: string
  /** As the ledger has it: `succeeded`, `failed`, `unknown`, … */
  readonly status: string
  readonly output?: unknown
  readonly error?: unknown
}

/** What has happened, oldest first. */
export type Turn =
  /** What the task did before the model was asked anything, oldest first. */
  | { readonly before: ReadonlyArray<ToolResult> }
  /** `results` are in the order of the decision's calls. */
  | { readonly decision: Decision; readonly results: ReadonlyArray<ToolResult> }
  /** What was wrong with an answer that was no decision. */
  | { readonly correction: string }
  /** What the person said to a question. */
  | { readonly answer: string }

/** Which of the host's own words a decision was made with, where the operator replaced none. */
export const promptHash: string = defaultPrompts.hash

/** How much is told of one turn, characters. */
export interface TurnBounds {
  /** Of what a call gave back. */
  readonly output: number
  /** Of the input of a call; a longer one is told as left out. */
  readonly input: number
  /** Of a correction, an answer, a reason. */
  readonly text: number
  /** Results before the first question; the newest. */
  readonly before: number
}

export const wholeTurn: TurnBounds = { output: longestText, input: Infinity, text: longestText, before: 20 }

/** The messages of a turn. The same turn gives the same messages. */
export const messagesOfTurn = (
  turn: Turn,
  index: number,
  trust: Trust,
  bounds: TurnBounds = wholeTurn
): ReadonlyArray<Message> => {
  if ("correction" in turn) {
    const what = cut(turn.correction, bounds.text)
    return [{ role: "user", content: `Your last answer could not be used. ${what} Answer again.` }]
  }
  if ("answer" in turn) return [{ role: "user", content: byTrust(turn.answer, trust, bounds.text) }]
  if ("before" in turn) return [{ role: "user", content: doneBefore(turn.before, bounds) }]
  const { decision, results } = turn
  const result = (one: ToolResult): string => resultOf(one, bounds)
  switch (decision.action) {
    case "call":
      return asked(
        index,
        decision.calls.map(({ input, tool }) => [tool, input]),
        results.map(result),
        bounds,
        decision.why
      )
    case "wait":
      return asked(
        index,
        [["syris.wait", { seconds: decision.seconds }]],
        [results[0] === undefined ? "status: succeeded" : result(results[0])],
        bounds,
        decision.why
      )
    case "ask":
      return asked(
        index,
        [["syris.ask", { question: decision.question }]],
        ["status: succeeded (the person was asked)"],
        bounds
      )
    case "done":
      return [{ role: "assistant", content: cut(decision.answer, bounds.text), calls: [] }]
  }
}

const doneBefore = (results: ReadonlyArray<ToolResult>, bounds: TurnBounds): string => {
  const left = Math.max(0, results.length - bounds.before)
  return [
    "This was done already, before you were asked:",
    ...(left === 0 ? [] : [`[${left} of ${results.length} results were left out]`]),
    ...results.slice(left).map((result) => `${result.tool}\n${resultOf(result, bounds)}`)
  ].join("\n\n")
}

/** Calls and what each of them gave: every call needs its answer. */
const asked = (
  index: number,
  calls: ReadonlyArray<readonly [tool: string, input: unknown]>,
  results: ReadonlyArray<string>,
  bounds: TurnBounds,
  why?: string
): ReadonlyArray<Message> => [
  {
    role: "assistant",
    ...(why === undefined ? {} : { content: cut(why, bounds.text) }),
    calls: calls.map(([tool, input], i) => ({ id: idOf(index, i), tool, arguments: argumentsOf(input, bounds) }))
  },
  ...calls.map((_, i) => ({
    role: "tool" as const,
    call_id: idOf(index, i),
    content: results[i] ?? "status: canceled (it was not run)"
  }))
]

const idOf = (turn: number, call: number): string => `call_${turn}_${call}`

const argumentsOf = (input: unknown, bounds: TurnBounds): string => {
  const text = JSON.stringify(input) ?? "{}"
  return text.length <= bounds.input ? text : JSON.stringify({ left_out: `${text.length} characters` })
}

const resultOf = ({ error, output, status }: ToolResult, { output: most }: TurnBounds): string =>
  [
    `status: ${status}`,
    ...(error === undefined ? [] : [`error: ${shown(JSON.stringify(error) ?? "", most)}`]),
    ...(output === undefined
      ? []
      : [`output: ${shown(typeof output === "string" ? output : JSON.stringify(output) ?? "", most)}`])
  ].join("\n")

const shown = (text: string, most: number): string =>
  most === 0 && text.length > 0 ? `[${text.length} characters were left out]` : data(text, most)

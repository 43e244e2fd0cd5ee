/**
 * What a model decided: call tools, wait, ask a person, or be done. Read out of its answer, without any effect.
 *
 * - Tools are called natively; `syris.wait` and `syris.ask` are offered like tools and stand alone.
 * - Plain text is an answer. Text that begins like JSON must be one whole decision, for servers without native tools.
 * - Thoughts that a server left in the text are none of it, and a call that it did not read is no answer.
 * - Whatever is wrong is one text that tells the model what to change. A tool's input is checked by whoever runs it.
 */
import { Schema } from "effect"
import { asSentences, check, unknownKey } from "../plugin/Explain.ts"
import type { Redaction } from "../secrets/Redactor.ts"
import { asRecord, type Parsed, parsePlainJson } from "./BoundedJson.ts"
import type { Completion, OfferedTool } from "./CompletionProvider.ts"
import { wireNames } from "./WireNames.ts"

export interface ChosenCall {
  readonly tool: string
  /** Plain JSON, an object; not checked against the tool's schema. */
  readonly input: unknown
}

export type Decision =
  /** One or more; several run beside one another. */
  | { readonly action: "call"; readonly calls: ReadonlyArray<ChosenCall>; readonly why?: string }
  /** From 1 second to 30 days. */
  | { readonly action: "wait"; readonly seconds: number; readonly why?: string }
  | { readonly action: "ask"; readonly question: string }
  | { readonly action: "done"; readonly answer: string }

/** What to tell the model that gave no decision. */
export interface Invalid {
  readonly invalid: string
}

const longestAnswer = 16_000
const longestQuestion = 2_000
const longestWhy = 1_000
const longestInvalid = 2_000
const mostCalls = 16
const longestWait = 30 * 86_400

const Text = Schema.String.check(Schema.isPattern(/\S/, { expected: "text that is not empty" }))
const Seconds = Schema.Finite.check(
  Schema.isBetween({ minimum: 1, maximum: longestWait }, { expected: `a number of seconds from 1 to ${longestWait}` })
)
const why = Schema.optionalKey(Schema.NullOr(Schema.String))
const action = Schema.optionalKey(Schema.String)
const Input = Schema.optionalKey(Schema.Unknown)

const waitFields = { seconds: Seconds, why }
const askFields = { question: Text, why }
const checkWait = check(Schema.Struct(waitFields), "field")
const checkAsk = check(Schema.Struct(askFields), "field")
/** Decisions that are written as JSON. */
const written = {
  call: check(
    Schema.Struct({ action, tool: Schema.String, input: Input, why }),
    "field"
  ),
  calls: check(
    Schema.Struct({ action, calls: Schema.Array(Schema.Struct({ tool: Schema.String, input: Input })), why }),
    "field"
  ),
  wait: check(Schema.Struct({ action, ...waitFields }), "field"),
  ask: check(Schema.Struct({ action, ...askFields }), "field"),
  done: check(Schema.Struct({ action, answer: Text }), "field")
}

/** Offered beside the real tools. */
export const pseudoTools: ReadonlyArray<OfferedTool> = [
  {
    name: "syris.wait",
    description: "Waits, then lets you decide again. Use it when something needs time. Call nothing else with it.",
    parameters: {
      type: "object",
      properties: {
        seconds: { type: "number", minimum: 1, maximum: longestWait },
        why: { type: "string", description: "What you wait for." }
      },
      required: ["seconds"],
      additionalProperties: false
    }
  },
  {
    name: "syris.ask",
    description: "Asks the person and waits for the answer. Use it when you are unsure. Call nothing else with it.",
    parameters: {
      type: "object",
      properties: { question: { type: "string", maxLength: longestQuestion } },
      required: ["question"],
      additionalProperties: false
    }
  }
]
const isPseudo = (name: string): boolean => pseudoTools.some((tool) => tool.name === name)

/** The decision, or what to tell the model. `offered` are the real tools; the two others are always there. */
export const readDecision = (
  completion: Pick<Completion, "text" | "calls">,
  offered: ReadonlyArray<OfferedTool>
): Decision | Invalid => {
  const text = withoutThoughts(completion.text?.trim() ?? "")
  if (completion.calls.length > 0) {
    const calls: Array<ChosenCall> = []
    for (const { arguments: written, tool } of completion.calls) {
      const input: Parsed = written.trim() === "" ? { ok: true, value: {} } : parsePlainJson(written)
      if (!input.ok) return invalid(`the arguments for ${shown(tool)} can't be read: the text ${input.problem}`)
      calls.push({ tool, input: input.value })
    }
    return ofCalls(calls, text, offered)
  }
  if (text === "") return invalid("your answer was empty: call a tool, or answer in plain text")
  if (beginsLikeJson.test(text)) return ofJson(text, offered)
  if (templateCall.test(text)) {
    return invalid(
      "your answer has a call that is written as text, which calls nothing: call the tools that you were offered, or answer " +
        "in plain text"
    )
  }
  return { action: "done", answer: bound(text, longestAnswer) }
}

const beginsLikeJson = /^(?:[[{]|```json)/i

/** Calls as the templates of models write them, at the beginning of a line. */
const templateCall =
  /^[ \t]{0,8}(?:<\|?(?:tool_call|function_call|function=|invoke |python_tag)|<｜tool▁call|\[TOOL_CALLS\])/im

/** What comes after thoughts between marks at the beginning; nothing where they have no end. */
const withoutThoughts = (text: string): string => {
  const mark = /^<(think|thinking|reasoning)>/i.exec(text)?.[1]
  if (mark === undefined) return text
  const end = `</${mark}>`
  const at = text.indexOf(end)
  return at < 0 ? "" : text.slice(at + end.length).trim()
}

/** Calls whose input is plain JSON already. */
const ofCalls = (
  named: ReadonlyArray<ChosenCall>,
  why: string | null | undefined,
  offered: ReadonlyArray<OfferedTool>
): Decision | Invalid => {
  if (named.length === 0) return invalid("your answer calls no tool: name at least one")
  if (named.length > mostCalls) return invalid(`your answer calls ${named.length} tools: at most ${mostCalls} at once`)
  const known = [...pseudoTools, ...offered].map(({ name }) => name)
  // Who writes a call out knows the tool by its name on the wire.
  const { fromWire } = wireNames(known)
  const calls = named.map(({ input, tool }) => ({ tool: fromWire(tool), input }))
  const unknown = calls.find(({ tool }) => !known.includes(tool))
  if (unknown !== undefined) return invalid(unknownKey(unknown.tool.slice(0, 100), known, "tool"))
  const alone = calls.find(({ tool }) => isPseudo(tool))
  if (alone !== undefined) {
    return calls.length > 1
      ? invalid(`the tool ${alone.tool} stands alone: call it and nothing else, or leave it out`)
      : alone.tool === "syris.wait"
      ? ofWait(checkWait(alone.input), why)
      : ofAsk(checkAsk(alone.input))
  }
  const odd = calls.find(({ input }) => asRecord(input) === undefined)
  if (odd !== undefined) return invalid(`the input of ${odd.tool} must be an object, such as {}`)
  return { action: "call", calls, ...because(why) }
}

/** Without the fence that a model puts around JSON. */
const unfenced = (text: string): string =>
  /^```json/i.test(text) ? text.slice(7, text.endsWith("```") ? -3 : undefined) : text

/** A decision that is written out, alone or in a fence. */
const ofJson = (text: string, offered: ReadonlyArray<OfferedTool>): Decision | Invalid => {
  const parsed = parsePlainJson(unfenced(text))
  if (!parsed.ok) {
    return invalid(`your answer begins like JSON, and ${parsed.problem}: write one JSON object alone, or plain text`)
  }
  const decision = asRecord(parsed.value)
  switch (decision?.["action"]) {
    case "call": {
      if ("calls" in decision!) {
        const checked = written.calls(decision)
        if (!checked.ok) return invalid(...checked.mistakes)
        return ofCalls(checked.value.calls.map(({ input = {}, tool }) => ({ tool, input })), checked.value.why, offered)
      }
      const checked = written.call(decision)
      if (!checked.ok) return invalid(...checked.mistakes)
      return ofCalls([{ tool: checked.value.tool, input: checked.value.input ?? {} }], checked.value.why, offered)
    }
    case "wait":
      return ofWait(written.wait(decision))
    case "ask":
      return ofAsk(written.ask(decision))
    case "done": {
      const checked = written.done(decision)
      return checked.ok
        ? { action: "done", answer: bound(checked.value.answer, longestAnswer) }
        : invalid(...checked.mistakes)
    }
    default:
      return invalid(
        "an answer in JSON must be one object whose \"action\" is \"call\", \"wait\", \"ask\" or \"done\": call the tools " +
          "you were offered, or answer in plain text"
      )
  }
}

/** The decision without the values of known secrets, in the inputs of its calls too. */
export const withoutSecrets = (
  decision: Decision,
  { redactJson, redactText }: Pick<Redaction, "redactJson" | "redactText">
): Decision => {
  const why = "why" in decision && decision.why !== undefined ? { why: redactText(decision.why) } : {}
  switch (decision.action) {
    case "call":
      return {
        ...decision,
        calls: decision.calls.map(({ input, tool }) => ({ tool, input: redactJson(input) })),
        ...why
      }
    case "wait":
      return { ...decision, ...why }
    case "ask":
      return { ...decision, question: redactText(decision.question) }
    case "done":
      return { ...decision, answer: redactText(decision.answer) }
  }
}

const ofWait = (checked: ReturnType<typeof checkWait>, why?: string | null): Decision | Invalid =>
  checked.ok
    ? { action: "wait", seconds: Math.ceil(checked.value.seconds), ...because(checked.value.why ?? why) }
    : invalid(...checked.mistakes)

const ofAsk = (checked: ReturnType<typeof checkAsk>): Decision | Invalid =>
  checked.ok
    ? { action: "ask", question: bound(checked.value.question.trim(), longestQuestion) }
    : invalid(...checked.mistakes)

const because = (why: string | null | undefined): { readonly why?: string } =>
  why === undefined || why === null || why.trim() === "" ? {} : { why: bound(why.trim(), longestWhy) }

const invalid = (...mistakes: ReadonlyArray<string>): Invalid => ({
  invalid: bound(asSentences(mistakes), longestInvalid)
})

const shown = (name: string): string => JSON.stringify(name.slice(0, 100))

/** Text that can be kept, of at most so many characters; says at its end how many are missing. */
const bound = (text: string, most: number): string => {
  const kept = text.replaceAll("\0", "\u{fffd}").toWellFormed()
  if (kept.length <= most) return kept
  const note = (left: number): string => ` … [${left} more characters]`
  const room = most - note(kept.length).length
  return `${kept.slice(0, room).toWellFormed()}${note(kept.length - room)}`
}

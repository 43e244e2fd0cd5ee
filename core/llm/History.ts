/**
 * The history of a task within its budget: what calls gave back is cut first, the oldest first and the longest most. What
 * was decided stays as long as anything does; where even that is too much, the oldest turns go, and that is said.
 */
import type { Trust } from "../contract/Enums.ts"
import type { Message } from "./CompletionProvider.ts"
import { messagesOfTurn, type Turn, type TurnBounds, wholeTurn } from "./Prompt.ts"
import { tokensOf } from "./Tokens.ts"

/** What a message takes beside its text. */
const perMessage = 4
const perCall = 4

export const tokensOfMessage = (message: Message): number => {
  const text = perMessage + tokensOf(message.content ?? "")
  if (message.role === "tool") return text + tokensOf(message.call_id)
  if (message.role !== "assistant") return text
  return message.calls.reduce(
    (sum, call) => sum + perCall + tokensOf(call.id) + tokensOf(call.tool) + tokensOf(call.arguments),
    text
  )
}

export const tokensOfMessages = (messages: ReadonlyArray<Message>): number =>
  messages.reduce((sum, message) => sum + tokensOfMessage(message), 0)

export interface FittedHistory {
  readonly messages: ReadonlyArray<Message>
  readonly tokens: number
  /** Turns of which nothing is told, and outputs that were cut. */
  readonly left_out: number
}

/** From whole to next to nothing; outputs first. */
const levels: ReadonlyArray<TurnBounds> = [
  wholeTurn,
  { ...wholeTurn, output: 2_000 },
  { ...wholeTurn, output: 500 },
  { ...wholeTurn, output: 120, before: 10 },
  { ...wholeTurn, output: 0, before: 5 },
  { output: 0, input: 300, text: 300, before: 3 }
]
/** Those that cut outputs and nothing else. */
const outputLevels = levels.length - 1

const longestNames = 300

const namesOf = (turns: ReadonlyArray<Turn>): string => {
  const names = new Set(
    turns.flatMap((turn) =>
      "decision" in turn && turn.decision.action === "call" ? turn.decision.calls.map(({ tool }) => tool) : []
    )
  )
  const text = [...names].join(", ")
  return text.length <= longestNames ? text : `${text.slice(0, longestNames).toWellFormed()}…`
}

/** What says that turns are missing. */
const missing = (turns: ReadonlyArray<Turn>): Message => {
  const names = namesOf(turns)
  const called = names === "" ? "" : ` Tools that were called in them: ${names}.`
  return { role: "user", content: `[${turns.length} earlier turns of this task were left out.${called}]` }
}

export const fitHistory = (history: ReadonlyArray<Turn>, trust: Trust, budget: number): FittedHistory => {
  const told = history.map((turn, i) => {
    const messages = messagesOfTurn(turn, i, trust)
    return { turn, index: i, level: 0, messages, tokens: tokensOfMessages(messages) }
  })
  let tokens = told.reduce((sum, one) => sum + one.tokens, 0)
  const lower = (one: typeof told[number], level: number): void => {
    const messages = messagesOfTurn(one.turn, one.index, trust, levels[level])
    const size = tokensOfMessages(messages)
    if (size < one.tokens) {
      tokens += size - one.tokens
      Object.assign(one, { level, messages, tokens: size })
    }
  }
  const lowerAll = (some: typeof told, from: number, to: number): void => {
    for (let level = from; level < to; level++) {
      for (const one of some) {
        if (tokens <= budget) return
        lower(one, level)
      }
    }
  }
  lowerAll(told.slice(0, -1), 1, outputLevels)
  lowerAll(told.slice(-1), 1, outputLevels)
  lowerAll(told, outputLevels, levels.length)
  let dropped = 0
  let note: ReadonlyArray<Message> = []
  while (tokens + tokensOfMessages(note) > budget && dropped < told.length) {
    tokens -= told[dropped]?.tokens ?? 0
    dropped++
    note = [missing(history.slice(0, dropped))]
  }
  if (tokensOfMessages(note) > budget) note = []
  const kept = told.slice(dropped)
  return {
    messages: [...note, ...kept.flatMap(({ messages }) => messages)],
    tokens: tokens + tokensOfMessages(note),
    left_out: dropped + kept.filter(({ level }) => level > 0).length
  }
}

/**
 * A model that answers from the table: to a line of it first with the expected calls, then with the expected question or answer.
 * It keeps nothing in mind: which line it is, and how far, is read from each request.
 */
import { type ModelRequest, type ScriptedAnswer, scriptedModel, type ScriptedModel } from "syris/testing"
import type { Case, Turn } from "./Case.ts"
import { exampleOf } from "./Matchers.ts"

/** One answer to a turn: the first (0) before any call, the next after its results. */
export type Answers = (turn: Turn, round: number) => ScriptedAnswer

const usual = "That is done."

export const fromTable: Answers = ({ expect: { asks, calls = [], reply } }, round) => {
  const now = new Date()
  if (round === 0 && calls.length > 0) {
    return { calls: calls.map(({ input, tool }) => ({ tool, input: exampleOf(input ?? {}, now) })) }
  }
  return asks === undefined
    ? { text: String(exampleOf(reply ?? usual, now)) }
    : { call: { tool: "syris.ask", input: { question: exampleOf(asks, now) } } }
}

type Messages = NonNullable<ModelRequest["body"]["messages"]>

/** The turn that a request is about: the last that a person's message has the words of, with the answers since. */
const placeOf = (messages: Messages, turns: ReadonlyArray<Turn>) => {
  for (let i = messages.length - 1; i >= 0; i--) {
    const { content, role } = messages[i]!
    if (role !== "user") continue
    const said = turns.filter(({ say }) => String(content).includes(say)).toSorted((a, b) =>
      b.say.length - a.say.length
    )
    if (said[0] === undefined) continue
    const since = messages.slice(i + 1).filter((message) => message["role"] === "assistant")
    return { turn: said[0], round: since.length }
  }
  return undefined
}

/** Starts it. Call `close` at the end, always. */
export const tableModel = async (
  cases: ReadonlyArray<Case>,
  answers: Answers = fromTable
): Promise<ScriptedModel> => {
  const turns = cases.flatMap((one) => one.turns)
  const answer = ({ body: { messages = [] } }: ModelRequest): ScriptedAnswer => {
    const place = placeOf(messages, turns)
    return place === undefined
      ? { status: 400, body: { error: { message: "This is no line of the table." } } }
      : answers(place.turn, place.round)
  }
  const model = await scriptedModel()
  // As many as all turns can ask for, with room for those that go wrong.
  model.add(...Array.from({ length: turns.length * 20 }, () => answer))
  return model
}

/**
 * A line of the table: what comes in, and what has to come of it. `judge` says what is wrong with what came, in words.
 */
import { fits, like, type Matcher, wordsOf } from "./Matchers.ts"

export interface ExpectedCall {
  readonly tool: string
  /** A subset of its input. Default: whatever. */
  readonly input?: Readonly<Record<string, unknown>>
  /** It waits for a person. */
  readonly held?: boolean
}

export interface Expected {
  readonly lane: "fast" | "llm_plan" | "dropped" | "unhandled"
  /** The rule that has it, by its name. */
  readonly rule?: string
  /**
   * Every one of them is made, in any order, and nothing else is that would change anything: looking is free.
   * Default: nothing is done.
   */
  readonly calls?: ReadonlyArray<ExpectedCall>
  /** They don't depend on each other, and are made at once. */
  readonly together?: boolean
  /** The person is asked; the words of the question. Default: nobody is. */
  readonly asks?: Matcher
  readonly reply?: Matcher
  /** What must be nowhere in the answer. */
  readonly silent?: RegExp
}

export interface Turn {
  /** What is said, in the chat. */
  readonly say: string
  /** Something else than that: the same words on another channel, with its fields. */
  readonly event?: { readonly channel: string; readonly structured?: Readonly<Record<string, string>> }
  /** It answers what was asked in the turn before, whose task goes on: `calls` and `reply` are that task's. */
  readonly answers?: boolean
  readonly expect: Expected
}

export interface Case {
  readonly group: string
  /** One after the other in one thread. */
  readonly turns: ReadonlyArray<Turn>
}

export interface MadeCall {
  readonly tool: string
  readonly input: unknown
  readonly effect: string
  readonly status: string
  /** Calls with the same one run beside one another. */
  readonly stage?: number
}

/** What came of one turn. */
export interface Got {
  readonly lane: string
  readonly rules: ReadonlyArray<string>
  readonly calls: ReadonlyArray<MadeCall>
  readonly question?: string
  readonly reply?: string
  /** Why there is no answer of a model. */
  readonly failure?: string
  readonly at: Date
}

/** How a model says that it can't. */
export const declines: Matcher = like(
  /\b(can['’]?t|cannot|can not|no tool|not able|unable|don['’]t have|do not have|isn['’]t (available|possible)|not available|no way to|not possible|there is no)\b/i,
  "I can't do that: there is no tool for it."
)

const sameCall = (expected: ExpectedCall, made: MadeCall, at: Date): boolean =>
  expected.tool === made.tool && fits(expected.input ?? {}, made.input, at) &&
  (expected.held === undefined || expected.held === (made.status === "planned"))

export const callInWords = ({ held, input, tool }: ExpectedCall): string =>
  `${tool}${input === undefined ? "" : ` ${wordsOf(input)}`}${held === true ? " (held)" : ""}`

/** What is wrong; nothing where it is as expected. */
export const judge = (expected: Expected, got: Got): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  if (got.failure !== undefined) wrong.push(`the model failed: ${got.failure}`)
  if (got.lane !== expected.lane) wrong.push(`the lane is ${got.lane}, not ${expected.lane}`)
  if (expected.rule !== undefined && !got.rules.includes(expected.rule)) {
    wrong.push(`the rule ${expected.rule} did not hold`)
  }
  const left = [...got.calls]
  const matched: Array<MadeCall> = []
  for (const one of expected.calls ?? []) {
    const found = left.findIndex((made) => sameCall(one, made, got.at))
    if (found === -1) wrong.push(`there is no call ${callInWords(one)}`)
    else matched.push(...left.splice(found, 1))
  }
  // What failed was seen by the model, and put right or not.
  for (const { effect, input, status, tool } of left) {
    if (effect !== "read" && status !== "failed") wrong.push(`nobody wanted ${tool} ${JSON.stringify(input)}`)
  }
  if (expected.together === true && new Set(matched.map(({ stage }) => stage)).size > 1) {
    wrong.push("the calls were made one after the other, not at once")
  }
  if (expected.asks === undefined) {
    if (got.question !== undefined) wrong.push(`it asks: ${got.question}`)
  } else if (got.question === undefined) wrong.push("it does not ask")
  else if (!fits(expected.asks, got.question, got.at)) wrong.push(`it asks for something else: ${got.question}`)
  if (expected.reply !== undefined && !fits(expected.reply, got.reply, got.at)) {
    wrong.push(`the answer is not ${wordsOf(expected.reply)}`)
  }
  if (expected.silent?.test(got.reply ?? "") === true) wrong.push(`the answer says ${expected.silent}`)
  return wrong
}

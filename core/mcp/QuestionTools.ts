/**
 * Questions of servers by word of mouth: "questions", "answer 3 name=Bob age=4", "decline 3". The operator's alone, and not
 * gated: what is answered is what was shown under that number, which is never used again.
 */
import { Effect, Schema } from "effect"
import { version } from "../health/Version.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin, type Intent } from "../plugin/Plugin.ts"
import { sentence } from "../plugin/Sentence.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import type { Questions } from "./Questions.ts"
import { questionLine } from "./QuestionWords.ts"

type Asked = Questions["Service"]

const QuestionNumber = Schema.Int.check(Schema.isGreaterThan(0))
const Said = Schema.Struct({ message: Schema.String })
const by = "operator (chat)"

const refused = (error: { readonly message: string }) => Effect.fail(new ToolRefused(error.message))

const list = (questions: Asked) =>
  defineTool({
    name: "question.list",
    description: "Say what servers ask the operator.",
    input: Schema.Struct({}),
    output: Said,
    effect: "read",
    risk: "low",
    scopes: ["questions"],
    guarantee: "transactional",
    // They are told in the servers' words.
    trust: "untrusted",
    run: () => {
      const open = questions.open()
      return {
        message: open.length === 0
          ? "No server asks you anything."
          : [
            `${open.length === 1 ? "1 question waits" : `${open.length} questions wait`} for your answer:`,
            ...open.map(questionLine)
          ].join("\n")
      }
    }
  })

const answer = (questions: Asked) =>
  defineTool({
    name: "question.answer",
    description: "Answer what a server asks the operator.",
    input: Schema.Struct({ number: QuestionNumber, text: Schema.optionalKey(Schema.String) }),
    output: Said,
    effect: "write",
    risk: "low",
    scopes: ["questions"],
    guarantee: "transactional",
    run: ({ number, text = "" }, ctx) =>
      questions.answer({ number }, { text }, { by, at: ctx.now() }).pipe(
        Effect.map(({ server }) => ({ message: `Answered question ${number} of ${server}.` })),
        Effect.catchTags({ QuestionNotFound: refused, AnswerRefused: refused })
      )
  })

const decline = (questions: Asked) =>
  defineTool({
    name: "question.decline",
    description: "Decline to answer what a server asks the operator.",
    input: Schema.Struct({ number: QuestionNumber }),
    output: Said,
    effect: "write",
    risk: "low",
    scopes: ["questions"],
    guarantee: "transactional",
    run: ({ number }, ctx) =>
      questions.decline({ number }, { by, at: ctx.now() }).pipe(
        Effect.map(({ server }) => ({ message: `Declined question ${number} of ${server}.` })),
        Effect.catchTags({ QuestionNotFound: refused })
      )
  })

const number = "(?:number |question )?#?(?<number>[0-9]{1,15})"

const sentences: ReadonlyArray<Intent> = [
  {
    name: "question.answer",
    tool: "question.answer",
    input: ({ number, text }) => ({ number: Number(number), ...(text === undefined ? {} : { text }) }),
    // As it is, to its last character: a full stop may be part of the answer.
    patterns: [new RegExp(`(?:please )?answer ${number}(?:[:,]?\\s+(?<text>[\\s\\S]+))?`)]
  },
  {
    name: "question.decline",
    tool: "question.decline",
    input: ({ number }) => ({ number: Number(number) }),
    patterns: [sentence(`decline ${number}`)]
  },
  {
    name: "question.list",
    tool: "question.list",
    input: () => ({}),
    patterns: [sentence("(?:(?:show|list)(?: me)? )?(?:the |my |all )?(?:open )?questions")]
  }
]

/** Part of the host. */
export const questionTools = (questions: Asked) =>
  definePlugin({
    name: "questions",
    version,
    setup: () => ({
      tools: [list(questions), answer(questions), decline(questions)].map((tool) => forOperatorOnly(tool, {})),
      intents: sentences
    })
  })()

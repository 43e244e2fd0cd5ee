/**
 * The questions of servers that wait for the operator. They live in memory, as long as the calls that asked: with the host they
 * are gone, and what is left of them are the rows of the audit. A question is answered on the host that runs its call.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { appendRows, toRow } from "../audit/Audit.ts"
import type { Question } from "../contract/Question.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { checkAnswer, type Content, readAnswer } from "./FieldAnswer.ts"

/** Open ones of one server. */
export const mostOpen = 5

export type Answer =
  | { readonly action: "accept"; readonly content: Content }
  | { readonly action: "decline" }
  | { readonly action: "cancel" }

/** A person knows it by its number, a program by its id. */
export type Which = { readonly number: number } | { readonly question_id: string }

export class QuestionNotFound
  extends Schema.TaggedError<QuestionNotFound>()("QuestionNotFound", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

/** The answer does not fit; the question stays open. */
export class AnswerRefused extends Schema.TaggedError<AnswerRefused>()("AnswerRefused", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface Word {
  readonly by: string
  readonly at: Date
}

export class Questions extends Context.Service<Questions, {
  /** Oldest first. */
  readonly open: () => ReadonlyArray<Question>
  readonly openOf: (server: string) => number
  /** `settle` is called once at most. The function that it gives back takes the question away. */
  readonly add: (question: Question, settle: (answer: Answer) => void) => () => void
  /** In the caller's transaction: the server hears of it with the commit. The first answer that is committed counts. */
  readonly answer: (
    which: Which,
    /** `text`: as a person wrote it. */
    given: { readonly text: string } | { readonly content: unknown },
    word: Word
  ) => Effect.Effect<Question, QuestionNotFound | AnswerRefused | SqlError.SqlError, SqlClient.SqlClient>
  readonly decline: (
    which: Which,
    word: Word
  ) => Effect.Effect<Question, QuestionNotFound | SqlError.SqlError, SqlClient.SqlClient>
}>()("syris/mcp/Questions") {
  static readonly layer = Layer.effect(Questions, Effect.suspend(() => make))
}

interface Open {
  readonly question: Question
  readonly settle: (answer: Answer) => void
}

const make = Effect.gen(function*() {
  const redactor = yield* Redactor
  const all = new Map<string, Open>()

  const meant = (which: Which) => {
    const found = "number" in which
      ? [...all.values()].find(({ question }) => question.number === which.number)
      : all.get(which.question_id)
    return found === undefined
      ? Effect.fail(
        new QuestionNotFound({
          detail: `No question ${
            "number" in which ? `${which.number} ` : "with this id "
          }is open: it was answered, or its call is over. "questions" lists those that are.`
        })
      )
      : Effect.succeed(found)
  }

  /** Nothing of the server's words, nor of the answer: the event, or whoever sent it, has that. */
  const settled = Effect.fnUntraced(function*({ question, settle }: Open, answer: Answer, { at, by }: Word) {
    const sql = yield* SqlClient.SqlClient
    const { number, question_id, server, task_id, trace_id } = question
    const accepted = answer.action === "accept"
    yield* appendRows([toRow({
      type: "operator.question_answered",
      trace_id,
      at,
      summary: `The operator ${accepted ? "answered" : "declined"} question ${number} of the server ${server}.`,
      actor: by,
      ...(task_id === undefined ? {} : { refs: { task_id } }),
      data: { server, number, question_id, action: answer.action }
    })])
    yield* sql.afterCommit(Effect.sync(() => {
      if (all.delete(question_id)) settle(answer)
    }))
    return question
  })

  return Questions.of({
    open: () => [...all.values()].map(({ question }) => question),
    openOf: (server) => [...all.values()].filter(({ question }) => question.server === server).length,
    add: (question, settle) => {
      all.set(question.question_id, { question, settle })
      return () => void all.delete(question.question_id)
    },
    answer: Effect.fnUntraced(function*(which, given, word) {
      const open = yield* meant(which)
      const { fields } = open.question
      const read = "text" in given ? readAnswer(fields, given.text) : checkAnswer(fields, given.content)
      if ("mistake" in read) return yield* new AnswerRefused({ detail: read.mistake })
      if (redactor.redactJson(read.content) !== read.content) {
        return yield* new AnswerRefused({
          detail:
            "That holds the value of a secret of this host, which no server is told: answer without it, or decline."
        })
      }
      return yield* settled(open, { action: "accept", content: read.content }, word)
    }),
    decline: (which, word) => Effect.flatMap(meant(which), (open) => settled(open, { action: "decline" }, word))
  })
})

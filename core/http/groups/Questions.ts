/** `GET /questions`: what servers ask the operator, and the operator's word: answer, decline. */
import { Clock, Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { SqlClient, type SqlError } from "effect/sql"
import { Question } from "../../contract/Question.ts"
import { type AnswerRefused, type QuestionNotFound, Questions, type Word } from "../../mcp/Questions.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { UuidText } from "../Query.ts"

const QuestionRecord = Question.annotate({ identifier: "Question" })
const QuestionList = Schema.Struct({ items: Schema.Array(QuestionRecord) })
/** A value for each field that is asked for. */
const AnswerBody = Schema.Struct({ content: Schema.Record(Schema.String, Schema.Json) })

const params = { id: UuidText }

export class QuestionsGroup extends HttpApiGroup.make("questions").add(
  HttpApiEndpoint.get("list", "/questions", { success: QuestionList }).annotateMerge(OpenApi.annotations({
    summary: "What servers of the Model Context Protocol ask the operator, oldest first",
    description: "They live as long as the calls that asked, on the host that runs these."
  })),
  HttpApiEndpoint.post("answer", "/questions/:id/answer", {
    params,
    payload: AnswerBody,
    success: QuestionRecord,
    error: [problemResponse(400), problemResponse(404)]
  }).annotateMerge(OpenApi.annotations({
    summary: "Answers, once",
    description: "400 where the answer is not what the fields ask for; the question stays open."
  })),
  HttpApiEndpoint.post("decline", "/questions/:id/decline", {
    params,
    success: QuestionRecord,
    error: problemResponse(404)
  })
) {}

const refusals = {
  QuestionNotFound: ({ detail }: QuestionNotFound) => Effect.fail(problem("question.not_found", detail)),
  AnswerRefused: ({ detail }: AnswerRefused) => Effect.fail(problem("question.answer", detail))
}

export const questionsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "questions",
    Effect.fnUntraced(function*(handlers) {
      const questions = yield* Questions
      const sql = yield* SqlClient.SqlClient
      const decided = <E extends QuestionNotFound | AnswerRefused>(
        decide: (word: Word) => Effect.Effect<Question, E | SqlError.SqlError, SqlClient.SqlClient>
      ) =>
        Effect.gen(function*() {
          const at = new Date(yield* Clock.currentTimeMillis)
          return answer(QuestionRecord, yield* sql.withTransaction(decide({ by: "operator", at })))
        }).pipe(Effect.provideService(SqlClient.SqlClient, sql))

      return handlers
        .handle("list", () => Effect.succeed(answer(QuestionList, { items: questions.open() })))
        .handle("answer", ({ params, payload }) =>
          reading(
            decided((word) => questions.answer({ question_id: params.id }, payload, word)).pipe(
              Effect.catchTags(refusals)
            )
          ))
        .handle("decline", ({ params }) =>
          reading(
            decided((word) => questions.decline({ question_id: params.id }, word)).pipe(
              Effect.catchTag("QuestionNotFound", refusals.QuestionNotFound)
            )
          ))
    })
  )

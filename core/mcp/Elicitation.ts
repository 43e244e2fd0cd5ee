/**
 * A server asks the operator something while one of its tools runs: a numbered question in the chat, which waits as long as the
 * call does. Nothing of it is stored but what the chat and the audit say.
 *
 * - One question of a call at a time, the next after it was answered; at most ten of a call, five open ones of a server.
 * - The call's time-out does not stop while the operator thinks. Where the call is over, the question is withdrawn.
 */
import { Clock, Context, Deferred, Effect, Exit, Layer, Semaphore } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { Question } from "../contract/Question.ts"
import { visible } from "../contract/Visible.ts"
import { newId } from "../database/Ids.ts"
import { append, threadOf } from "../pipeline/ChatLog.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { readFields } from "./AskedFields.ts"
import { questionText } from "./QuestionWords.ts"
import { type Answer, mostOpen, Questions } from "./Questions.ts"
import { codes, RequestRefused } from "./RequestRefused.ts"
import type { CurrentCall } from "./ServerRequests.ts"

/** Of one call. */
const mostQuestions = 10
/** Characters of what a server says with its question. */
const longestMessage = 4_000

/** As the protocol's `ElicitResult` has it. */
export interface ElicitAnswer {
  readonly action: Answer["action"]
  readonly content?: Record<string, string | number | boolean | Array<string>>
  readonly [key: string]: unknown
}

export class Elicitation extends Context.Service<Elicitation, {
  /** Waits for the operator's word, or for the end of the call. `signal`: the server does not want it any more. */
  readonly ask: (
    server: string,
    call: CurrentCall,
    params: { readonly mode?: string | undefined; readonly message: string; readonly requestedSchema?: unknown },
    signal: AbortSignal
  ) => Effect.Effect<ElicitAnswer, RequestRefused>
}>()("syris/mcp/Elicitation") {
  static readonly layer = Layer.effect(Elicitation, Effect.suspend(() => make))
}

const refuse = (code: number, message: string) => Effect.fail(new RequestRefused(code, message))

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const questions = yield* Questions
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const inChat = Effect.provideService(SqlClient.SqlClient, sql)

  const states = new WeakMap<CurrentCall, { asked: number; readonly line: Semaphore.Semaphore }>()
  const stateOf = (call: CurrentCall) => {
    const state = states.get(call) ?? { asked: 0, line: Semaphore.makeUnsafe(1) }
    states.set(call, state)
    return state
  }

  /**
   * Shown and told in one commit. It is open before that: whoever reads of it can answer, however late the host hears that the
   * commit is done. Where it fails, nobody has read of it, and it is taken away.
   */
  const show = (asked: Omit<Question, "number">, at: Date, settle: (answer: Answer) => void) => {
    let takeAway = (): void => {}
    return sql.withTransaction(Effect.gen(function*() {
      const [row] = yield* sql<{ readonly number: bigint }>`select nextval('mcp_questions')::bigint as number`
      const question: Question = { ...asked, number: Number(row?.number) }
      const { fields, number, question_id, server, task_id, tool, trace_id } = question
      const thread_id = yield* threadOf(trace_id)
      yield* append({ thread_id, trace_id, kind: "notice", text: questionText(question) })
      yield* audit.append({
        type: "mcp.question_asked",
        trace_id,
        at,
        summary: `The server ${server} asks the operator, in its tool ${visible(tool)}: question ${number}.`,
        tool: `mcp.${server}.${tool}`,
        ...(task_id === undefined ? {} : { refs: { task_id } }),
        data: { server, number, question_id, fields: fields.map(({ name }) => name) }
      })
      takeAway = questions.add(question, settle)
      return { question, thread_id, takeAway }
    })).pipe(Effect.onError(() => Effect.sync(() => takeAway())), inChat)
  }

  /** Told where the question was told, and on record: whoever shows it knows by that row that it is open no more. */
  const withdrawn = (
    { number, question_id, server, task_id, tool, trace_id }: Question,
    thread_id: string | undefined
  ) =>
    sql.withTransaction(Effect.gen(function*() {
      const text = `Question ${number} of the server ${server} is withdrawn: the call that asked it is over.`
      yield* append({ thread_id, trace_id, kind: "notice", text })
      yield* audit.append({
        type: "mcp.question_withdrawn",
        trace_id,
        at: new Date(yield* Clock.currentTimeMillis),
        summary: text,
        tool: `mcp.${server}.${tool}`,
        ...(task_id === undefined ? {} : { refs: { task_id } }),
        data: { server, number, question_id }
      })
    })).pipe(inChat, Effect.ignore)

  const askOne = Effect.fnUntraced(function*(asked: Omit<Question, "number">, over: AbortSignal) {
    if (over.aborted) return { action: "cancel" } satisfies Answer
    if (questions.openOf(asked.server) >= mostOpen) {
      return yield* refuse(codes.rejected, `${mostOpen} questions of this server wait for the operator already.`)
    }
    const answered = yield* Deferred.make<Answer>()
    const settle = (answer: Answer) => void Deferred.doneUnsafe(answered, Exit.succeed(answer))
    const cancel = () => settle({ action: "cancel" })
    const at = new Date(yield* Clock.currentTimeMillis)
    const { question, takeAway, thread_id } = yield* Effect.catch(
      show(asked, at, settle),
      (error) =>
        Effect.andThen(
          Effect.logWarning("A server's question could not be shown", error),
          refuse(codes.internalError, "The operator can't be asked now: the host's database is away.")
        )
    )
    over.addEventListener("abort", cancel, { once: true })
    if (over.aborted) cancel()
    const answer = yield* Effect.ensuring(
      Deferred.await(answered),
      Effect.sync(() => {
        takeAway()
        over.removeEventListener("abort", cancel)
      })
    )
    if (answer.action === "cancel") yield* withdrawn(question, thread_id)
    return answer
  })

  const ask: Elicitation["Service"]["ask"] = Effect.fnUntraced(function*(server, call, params, signal) {
    const { message, mode = "form", requestedSchema } = params
    if (mode !== "form") {
      return yield* refuse(
        codes.invalidParams,
        "The operator is asked by a form only: an address is not opened for a server."
      )
    }
    if (message.length > longestMessage) {
      return yield* refuse(codes.invalidParams, `A question has at most ${longestMessage} characters.`)
    }
    const fields = readFields(requestedSchema)
    if (typeof fields === "string") return yield* refuse(codes.invalidParams, `The question ${fields}.`)
    const state = stateOf(call)
    if (++state.asked > mostQuestions) {
      return yield* refuse(codes.rejected, `One call asks at most ${mostQuestions} questions.`)
    }
    const at = new Date(yield* Clock.currentTimeMillis)
    // What the server knows of a secret (its own key) is not for the chat, nor for the API.
    const asked = redactor.redactJson<Omit<Question, "number">>({
      question_id: newId(),
      server,
      tool: call.tool,
      trace_id: call.trace_id,
      ...(call.task_id === undefined ? {} : { task_id: call.task_id }),
      message,
      fields,
      asked_at: at.toISOString()
    })
    const answer = yield* state.line.withPermits(1)(
      askOne(asked, AbortSignal.any([call.signal, call.over, signal]))
    )
    return answer.action === "accept"
      ? { action: answer.action, content: answer.content as NonNullable<ElicitAnswer["content"]> }
      : { action: answer.action }
  })

  return Elicitation.of({ ask })
})

/** `GET /chat`, `POST /chat`, `GET /chat/stream`: the conversation with the operator. */
import { Cause, Effect, Schema, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ChatMessage } from "../../contract/ChatMessage.ts"
import { Lane, TraceOutcome } from "../../contract/Enums.ts"
import { maximumTextLength, RawEvent } from "../../contract/Event.ts"
import { type ChatFilter, ChatLog, isMessageStreamId } from "../../pipeline/ChatLog.ts"
import type { LiveFrame } from "../../pipeline/LiveBoard.ts"
import { LiveReplies } from "../../pipeline/LiveReplies.ts"
import { Pipeline } from "../../pipeline/Pipeline.ts"
import type { Api } from "../Api.ts"
import { answer, reading, serverFailed } from "../Checked.ts"
import { submitProblem } from "../EventIntake.ts"
import { EventStreams, type ServerSentEvent } from "../EventStreams.ts"
import { held, preferenceApplied, readPrefer, Stopping } from "../Prefer.ts"
import { problem } from "../Problem.ts"
import { defaultLimit, pageQuery, Text } from "../Query.ts"

const Message = ChatMessage.annotate({ identifier: "ChatMessage" })
const ChatPage = Schema.Struct({ items: Schema.Array(Message), next_cursor: Schema.optionalKey(Schema.String) })

const Said = Schema.Struct({
  text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(maximumTextLength)),
  thread_id: RawEvent.fields.thread_id,
  message_id: RawEvent.fields.message_id
}).annotate({ identifier: "ChatLine" })

const Taken = Schema.Struct({
  event_id: Schema.String,
  trace_id: Schema.String,
  deduped: Schema.Boolean,
  /** On a duplicate that came with another text. */
  conflict: Schema.optionalKey(Schema.Boolean),
  thread_id: Schema.optionalKey(Schema.String),
  /** Only with `Prefer: wait=N`. */
  settled: Schema.optionalKey(Schema.Boolean),
  lane: Schema.optionalKey(Lane),
  outcome: Schema.optionalKey(TraceOutcome),
  reply: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "ChatAccepted" })

const thread = { thread_id: Text }

/** An answer while a model still writes it. Without an id: a stream is resumed by its messages only. */
const liveEvent = ({ live: { source: { event_id, thread_id, trace_id } }, ...frame }: LiveFrame) => {
  const about = { event_id, trace_id, ...(thread_id === undefined ? {} : { thread_id }) }
  return frame.type === "delta"
    ? [{ event: "delta", data: JSON.stringify({ ...about, from: frame.from, text: frame.text }) }]
    : frame.type === "reset"
    ? [{ event: "delta_reset", data: JSON.stringify(about) }]
    : []
}

export class ChatGroup extends HttpApiGroup.make("chat").add(
  HttpApiEndpoint.get("list", "/chat", { query: { ...thread, ...pageQuery }, success: ChatPage }),
  HttpApiEndpoint.post("say", "/chat", {
    headers: {
      prefer: Schema.optionalKey(Schema.String.annotate({
        description:
          "wait=N (RFC 7240): holds the answer until the trace is settled or N seconds (at most 60) have passed."
      }))
    },
    payload: Said,
    success: [Taken.pipe(HttpApiSchema.status(202)), Taken]
  }).annotateMerge(OpenApi.annotations({
    summary: "Says something to the host",
    description:
      "202 once the event is durable; 200 for a duplicate, or with Prefer: wait when the trace is settled. What the host says comes by GET /chat/stream."
  })),
  HttpApiEndpoint.get("stream", "/chat/stream", {
    query: thread,
    headers: { "last-event-id": Schema.optionalKey(Schema.String) },
    success: HttpApiSchema.StreamSse({ data: Message })
  }).annotateMerge(OpenApi.annotations({
    summary: "What the host says, live",
    description:
      "Messages, each with an id to resume after (Last-Event-ID). Beside them, without an id, what a model is writing: " +
      "`event: delta` with {event_id, trace_id, thread_id?, from, text}, text that follows the first `from` UTF-16 code " +
      "units of the answer to the event; `event: delta_reset` with {event_id, trace_id, thread_id?}, what came of it " +
      "counts no more. Both may be lost: what counts is the message of kind `reply` to the event, which replaces them."
  }))
) {}

export const chatHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "chat",
    Effect.fnUntraced(function*(handlers) {
      const chat = yield* ChatLog
      const liveReplies = yield* LiveReplies
      const pipeline = yield* Pipeline
      const stopping = yield* Stopping
      const streams = yield* EventStreams

      const live = Effect.fnUntraced(function*(filter: ChatFilter, after: string | undefined) {
        const reader = yield* liveReplies.read(
          ({ source }) =>
            source.channel === "chat" && (filter.thread_id === undefined || source.thread_id === filter.thread_id),
          "everywhere"
        )
        const writing = Stream.fromEffectRepeat(reader.next).pipe(
          Stream.flatMap((frames) => Stream.fromIterable(frames.flatMap(liveEvent)))
        )
        const said = Stream.map(yield* Effect.orDie(chat.stream(filter, after)), ({ id, message }) => {
          if (message.kind === "reply" && message.event_id !== undefined) reader.replaced(message.event_id)
          return { id, data: JSON.stringify(message) }
        })
        return Stream.merge<ServerSentEvent, never, never, ServerSentEvent, never, never>(said, writing)
      })

      return handlers
        .handle(
          "list",
          ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
            reading(Effect.map(chat.page(filter, { limit, cursor }), (page) => answer(ChatPage, page)))
        )
        .handle(
          "say",
          Effect.fnUntraced(function*({ headers, payload }) {
            const accepted = yield* pipeline.submit({ channel: "chat", connector_id: "chat", ...payload }).pipe(
              Effect.mapError((error) => submitProblem(Cause.fail(error)) ?? serverFailed)
            )
            const taken = { ...accepted, ...(payload.thread_id === undefined ? {} : { thread_id: payload.thread_id }) }
            const seconds = readPrefer(headers.prefer)
            if (seconds === undefined) {
              return HttpServerResponse.setStatus(answer(Taken, taken), accepted.deduped ? 200 : 202)
            }
            const end = yield* held(pipeline.settled(accepted), seconds, stopping)
            return HttpServerResponse.setHeaders(
              end === undefined
                ? HttpServerResponse.setStatus(answer(Taken, { ...taken, settled: false }), 202)
                : answer(Taken, { ...taken, settled: true, ...end }),
              preferenceApplied(seconds)
            )
          })
        )
        .handle(
          "stream",
          Effect.fnUntraced(function*({ headers, query }) {
            const after = headers["last-event-id"]
            if (after !== undefined && !isMessageStreamId(after)) {
              return yield* Effect.fail(
                problem("request.cursor", "This Last-Event-ID is not one of this stream. Start again without it.")
              )
            }
            return yield* streams.serve(yield* HttpServerRequest.HttpServerRequest, live(query, after))
          })
        )
    })
  )

/**
 * The host's own tool of the channel `chat`: it says something to the operator. What it says is written in the
 * transaction of the call's outcome, so it is heard once or not at all.
 */
import { Effect, Schema } from "effect"
import { version } from "../health/Version.ts"
import { notifying } from "../plugin/Notifying.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool } from "../plugin/Tool.ts"
import { append, threadOf } from "./ChatLog.ts"

const send = defineTool({
  name: "chat.send",
  description: "Say something to the operator in the chat.",
  input: Schema.Struct({
    text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(8_000)),
    /** Default: the conversation that this trace began in. */
    thread_id: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)))
  }),
  output: Schema.Struct({ message: Schema.String }),
  effect: "write",
  risk: "low",
  scopes: ["chat"],
  guarantee: "transactional",
  preview: ({ text }) => `would say in the chat: ${text}`,
  run: ({ text, thread_id }, ctx) =>
    Effect.gen(function*() {
      yield* append({
        thread_id: thread_id ?? (yield* threadOf(ctx.traceId)),
        trace_id: ctx.traceId,
        kind: "notice",
        text
      })
      return { message: "Said." }
    })
})

/** Part of the host; see `HostPlugins`. */
export const chatTools = definePlugin({ name: "chat", version, setup: () => ({ tools: [notifying(send)] }) })()

/**
 * A request as OpenAI's chat completions have it. The values of known secrets are taken out of every message.
 */
import type { ChatCompletionCreateParamsStreaming, ChatCompletionMessageParam } from "openai/resources/chat/completions"
import type { CompletionRequest, Message } from "./CompletionProvider.ts"
import type { WireContext } from "./Dialect.ts"
import type { Redact } from "./Failure.ts"
import { plainForm, type WireNames } from "./WireNames.ts"

const messageOf = (message: Message, names: WireNames, redact: Redact): ChatCompletionMessageParam => {
  switch (message.role) {
    case "system":
    case "user":
      return { role: message.role, content: redact(message.content) }
    case "tool":
      return { role: "tool", tool_call_id: message.call_id, content: redact(message.content) }
    case "assistant": {
      const content = message.content === undefined ? undefined : redact(message.content)
      // A message with neither text nor calls is refused by most servers, and so is an empty list.
      if (message.calls.length === 0) return { role: "assistant", content: content ?? "" }
      return {
        role: "assistant",
        content: content ?? null,
        tool_calls: message.calls.map((call) => ({
          id: call.id,
          type: "function",
          function: { name: names.toWire(call.tool), arguments: redact(call.arguments) }
        }))
      }
    }
  }
}

export const chatRequest = (
  { answer, maxTokens, messages, tools }: CompletionRequest,
  { baseURL, model, names, redact }: WireContext
): ChatCompletionCreateParamsStreaming => ({
  model,
  messages: messages.map((message) => messageOf(message, names, redact)),
  ...(tools.length === 0 ? {} : {
    tools: tools.map(({ description, name, parameters }) => ({
      type: "function",
      function: { name: names.toWire(name), description, parameters: parameters as Record<string, unknown> }
    }))
  }),
  ...(answer === undefined ? {} : {
    response_format: {
      type: "json_schema",
      json_schema: {
        name: plainForm(answer.name),
        schema: answer.schema as Record<string, unknown>,
        strict: answer.strict ?? false
      }
    }
  }),
  // OpenAI's newer models refuse the old name; other servers know only that one.
  ...(maxTokens === undefined
    ? {}
    : new URL(baseURL).hostname === "api.openai.com"
    ? { max_completion_tokens: maxTokens }
    : { max_tokens: maxTokens }),
  stream: true,
  stream_options: { include_usage: true }
})

/**
 * A request as OpenAI's responses have it. The values of known secrets are taken out of every message, and the server is
 * asked to keep nothing.
 */
import type { ResponseCreateParamsStreaming, ResponseInputItem } from "openai/resources/responses/responses"
import type { CompletionRequest, Message } from "./CompletionProvider.ts"
import type { WireContext } from "./Dialect.ts"
import { plainForm } from "./WireNames.ts"

const itemsOf = (
  message: Message,
  { names, redact }: Pick<WireContext, "names" | "redact">
): ReadonlyArray<ResponseInputItem> => {
  switch (message.role) {
    case "system":
    case "user":
      return [{ role: message.role, content: redact(message.content) }]
    case "tool":
      return [{ type: "function_call_output", call_id: message.call_id, output: redact(message.content) }]
    case "assistant":
      return [
        ...(message.content === undefined && message.calls.length > 0
          ? []
          : [{ role: "assistant" as const, content: redact(message.content ?? "") }]),
        ...message.calls.map((call) => ({
          type: "function_call" as const,
          call_id: call.id,
          name: names.toWire(call.tool),
          arguments: redact(call.arguments)
        }))
      ]
  }
}

export const responsesRequest = (
  { answer, maxTokens, messages, tools }: CompletionRequest,
  { model, names, redact }: Omit<WireContext, "baseURL">
): ResponseCreateParamsStreaming => ({
  model,
  input: messages.flatMap((message) => itemsOf(message, { names, redact })),
  ...(tools.length === 0 ? {} : {
    tools: tools.map(({ description, name, parameters }) => ({
      type: "function",
      name: names.toWire(name),
      description,
      parameters: parameters as Record<string, unknown>,
      // Its default here is to refuse what is not in OpenAI's part of JSON Schema.
      strict: false
    }))
  }),
  ...(answer === undefined ? {} : {
    text: {
      format: {
        type: "json_schema",
        name: plainForm(answer.name),
        schema: answer.schema as Record<string, unknown>,
        strict: answer.strict ?? false
      }
    }
  }),
  ...(maxTokens === undefined ? {} : { max_output_tokens: maxTokens }),
  store: false,
  stream: true
})

/**
 * The ways in which OpenAI's protocol asks for an answer, by `llm.api`.
 */
import { ChatReader } from "./ChatReader.ts"
import { chatRequest } from "./ChatRequest.ts"
import type { Dialect } from "./Dialect.ts"
import { ResponsesReader } from "./ResponsesReader.ts"
import { responsesRequest } from "./ResponsesRequest.ts"

const chat: Dialect = {
  send: (client, request, context) => {
    const body = chatRequest(request, context)
    return {
      response: client.chat.completions.create(body).asResponse(),
      inputCharacters: () => JSON.stringify([body.messages, body.tools]).length
    }
  },
  reader: (redact, onText) => new ChatReader(redact, onText)
}

const responses: Dialect = {
  send: (client, request, context) => {
    const body = responsesRequest(request, context)
    return {
      response: client.responses.create(body).asResponse(),
      inputCharacters: () => JSON.stringify([body.input, body.tools]).length
    }
  },
  reader: (redact, onText) => new ResponsesReader(redact, onText)
}

export const dialects = { chat, responses } as const

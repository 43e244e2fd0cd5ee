/**
 * A model for tests: a real HTTP server on the loopback that speaks OpenAI's chat completions, and its responses where it is
 * asked for them; it says what a script says, one answer for each request, and keeps every request.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { hashedForm, plainForm } from "../llm/WireNames.ts"
import { beginResponse, halfResponse, piecesOf, streamResponse, wholeResponse } from "./ScriptedResponse.ts"

/** A tool call of the script, by the host's name: `coffee.brew`. */
export interface ScriptedCall {
  readonly tool: string
  readonly input: unknown
}

interface Counted {
  /** Default: 100 and 10. */
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  /** Why it ended. Default: `tool_calls` or `stop`; `null` leaves it out. */
  readonly finish?: string | null
  /** Waited for before each piece of the text, which is given, and before the end, which is not. */
  readonly pace?: (piece: string | undefined) => Promise<unknown>
}

export type ScriptedAnswer =
  | ({ readonly text: string } & Counted)
  /** Text as it is, such as a decision in JSON. */
  | ({ readonly raw: string } & Counted)
  | ({ readonly call: ScriptedCall; readonly text?: string } & Counted)
  | ({ readonly calls: ReadonlyArray<ScriptedCall>; readonly text?: string } & Counted)
  /** Arguments as they are: `{broken`. */
  | ({ readonly arguments: string; readonly tool: string } & Counted)
  /** A status, with `body` as JSON where there is one. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** Half a stream, then the connection breaks. */
  | { readonly cut: true }
  /** Nothing, for as long as the client waits; with `begun`, the head and the first piece before it. */
  | { readonly hang: true; readonly begun?: boolean }
  /** A whole answer as JSON instead of a stream. */
  | { readonly json: unknown }
  /** A body as it is, `text/event-stream` unless told otherwise. */
  | { readonly stream: string; readonly type?: string }

export type Script = ScriptedAnswer | ((request: ModelRequest) => ScriptedAnswer | Promise<ScriptedAnswer>)

export interface ModelRequest {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  /** The JSON that was sent. */
  readonly body: {
    readonly model?: string
    readonly stream?: boolean
    readonly messages?: ReadonlyArray<Readonly<Record<string, any>>>
    readonly tools?: ReadonlyArray<{ readonly function: { readonly name: string; readonly description?: string } }>
    readonly [key: string]: unknown
  }
  /** Settles when the client has closed the connection before the answer's end. */
  readonly gone: Promise<void>
}

export interface ScriptedModel {
  /** For `llm.baseURL`. */
  readonly url: string
  /** What was asked, oldest first. */
  readonly requests: ReadonlyArray<ModelRequest>
  /** How many requests came after the end of the script; each was answered 500. */
  readonly overrun: () => number
  /** Settles when so many requests have come. */
  readonly arrived: (count: number) => Promise<void>
  /** More answers, after those that there are. */
  readonly add: (...answers: ReadonlyArray<Script>) => void
  readonly close: () => Promise<void>
}

/** Starts one. Call `close` at the end, always. */
export const scriptedModel = async (script: ReadonlyArray<Script> = []): Promise<ScriptedModel> => {
  const left = [...script]
  const requests: Array<ModelRequest> = []
  const waiting: Array<{ readonly count: number; readonly resolve: () => void }> = []
  let overrun = 0

  const serve = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    let body = ""
    for await (const chunk of request.setEncoding("utf8")) body += String(chunk)
    const gone = new Promise<void>((resolve) => {
      response.once("close", () => {
        if (!response.writableFinished) resolve()
      })
    })
    const asked: ModelRequest = {
      path: request.url ?? "",
      headers: request.headers,
      body: JSON.parse(body) as ModelRequest["body"],
      gone
    }
    requests.push(asked)
    for (const each of waiting) if (requests.length >= each.count) each.resolve()
    const next = left.shift()
    if (next === undefined) {
      overrun++
      return answer(response, asked, { status: 500, body: { error: { message: "the script is over" } } })
    }
    await answer(response, asked, typeof next === "function" ? await next(asked) : next)
  }

  const server = http.createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      answerJson(response, 500, { error: { message: `the script failed: ${String(error)}` } })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    overrun: () => overrun,
    arrived: (count) =>
      new Promise((resolve) => requests.length >= count ? resolve() : waiting.push({ count, resolve })),
    add: (...answers) => void left.push(...answers),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

const answerJson = (response: http.ServerResponse, status: number, body: unknown, headers = {}): void => {
  if (!response.headersSent) response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}

const answer = async (
  response: http.ServerResponse,
  asked: ModelRequest,
  script: ScriptedAnswer
): Promise<void> => {
  const dialect = asked.path.endsWith("/responses") ? responses : chat
  if ("status" in script) return answerJson(response, script.status, script.body ?? {}, script.headers)
  if ("json" in script) return answerJson(response, 200, script.json)
  if ("hang" in script) {
    if (script.begun === true) begin(response, dialect.begin(asked))
    return
  }
  if ("cut" in script) {
    begin(response, dialect.begin(asked))
    // Half of the second piece, so that it also breaks within an event.
    response.write(dialect.half, () => response.destroy())
    return
  }
  if ("stream" in script) {
    response.writeHead(200, { "content-type": script.type ?? "text/event-stream" })
    response.end(script.stream)
    return
  }
  const said = partsOf(asked, script)
  if (asked.body.stream !== true) return answerJson(response, 200, dialect.whole(asked, said))
  begin(response, dialect.begin(asked))
  for await (const event of dialect.stream(asked, said)) response.write(event)
  response.end()
}

/** What an answer says, whichever way it is put. */
export interface Said {
  readonly text: string | undefined
  readonly calls: ReadonlyArray<{
    readonly id: string
    readonly type: "function"
    readonly function: { readonly name: string; readonly arguments: string }
  }>
  readonly finish: string | null
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly pace: ((piece: string | undefined) => Promise<unknown>) | undefined
}

interface Dialect {
  readonly begin: (asked: ModelRequest) => string
  readonly half: string
  readonly whole: (asked: ModelRequest, said: Said) => unknown
  /** The events after the beginning. */
  readonly stream: (asked: ModelRequest, said: Said) => AsyncGenerator<string>
}

const responses: Dialect = {
  begin: (asked) => beginResponse(asked.body.model),
  half: halfResponse,
  whole: (asked, said) => wholeResponse(asked.body.model, said),
  stream: (asked, said) => streamResponse(asked.body.model, said)
}

const chat: Dialect = {
  begin: (asked) => event(asked, { role: "assistant", content: "" }),
  half: "data: {\"choices\":[{\"index\":0,\"delta\":{\"cont",
  whole: (asked, { calls, finish, text, usage }) => ({
    ...head(asked),
    object: "chat.completion",
    choices: [{
      index: 0,
      message: { role: "assistant", content: text ?? null, ...(calls.length === 0 ? {} : { tool_calls: calls }) },
      finish_reason: finish
    }],
    ...(usage === null ? {} : { usage })
  }),
  stream: async function*(asked, { calls, finish, pace, text, usage }) {
    for (const piece of piecesOf(text ?? "")) {
      await pace?.(piece)
      yield event(asked, { content: piece })
    }
    for (const [index, { function: { arguments: json, name }, id, type }] of calls.entries()) {
      yield event(asked, { tool_calls: [{ index, id, type, function: { name, arguments: "" } }] })
      for (const piece of piecesOf(json)) {
        yield event(asked, { tool_calls: [{ index, function: { arguments: piece } }] })
      }
    }
    await pace?.(undefined)
    if (finish !== null) yield event(asked, {}, finish)
    if (usage !== null) yield `data: ${JSON.stringify({ ...head(asked), choices: [], usage })}\n\n`
    yield "data: [DONE]\n\n"
  }
}

/** Text and calls of an answer, with the names that the request's tools have on the wire. */
const partsOf = (asked: ModelRequest, script: Extract<ScriptedAnswer, Counted>): Said => {
  const wanted = "call" in script
    ? [{ tool: script.call.tool, json: JSON.stringify(script.call.input) }]
    : "calls" in script
    ? script.calls.map(({ input, tool }) => ({ tool, json: JSON.stringify(input) }))
    : "arguments" in script
    ? [{ tool: script.tool, json: script.arguments }]
    : []
  const text = "raw" in script ? script.raw : "text" in script ? script.text : undefined
  const calls = wanted.map(({ json, tool }, i) => ({
    id: `call_${i}`,
    type: "function" as const,
    function: { name: wireName(asked, tool), arguments: json }
  }))
  return {
    text,
    calls,
    finish: script.finish === undefined ? calls.length > 0 ? "tool_calls" : "stop" : script.finish,
    usage: script.usage === undefined ? { prompt_tokens: 100, completion_tokens: 10 } : script.usage,
    pace: script.pace
  }
}

/** What the request calls a tool; its own name where it was not offered. */
const wireName = (asked: ModelRequest, tool: string): string => {
  const tools = asked.body.tools as ReadonlyArray<{ readonly name?: string; readonly function?: { name: string } }>
  const offered = (tools ?? []).map((each) => each.function?.name ?? each.name)
  return [hashedForm(tool), plainForm(tool)].find((name) => offered.includes(name)) ?? tool
}

const head = (asked: ModelRequest) => ({ id: "scripted", created: 0, model: asked.body.model ?? "scripted" })

const event = (asked: ModelRequest, delta: object, finish: string | null = null): string => {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return `data: ${JSON.stringify({ ...head(asked), object: "chat.completion.chunk", choices })}\n\n`
}

const begin = (response: http.ServerResponse, event: string): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(event)
}

/**
 * A model for tests: a real HTTP server on the loopback that speaks OpenAI's chat completions and says what a script says,
 * one answer for each request, and keeps every request.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { hashedForm, plainForm } from "../llm/WireNames.ts"

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
    answer(response, asked, typeof next === "function" ? await next(asked) : next)
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

const answer = (response: http.ServerResponse, asked: ModelRequest, script: ScriptedAnswer): void => {
  if ("status" in script) return answerJson(response, script.status, script.body ?? {}, script.headers)
  if ("json" in script) return answerJson(response, 200, script.json)
  if ("hang" in script) {
    if (script.begun === true) begin(response, asked)
    return
  }
  if ("cut" in script) {
    begin(response, asked)
    // Half of the second piece, so that it also breaks within an event.
    response.write("data: {\"choices\":[{\"index\":0,\"delta\":{\"cont", () => response.destroy())
    return
  }
  if ("stream" in script) {
    response.writeHead(200, { "content-type": script.type ?? "text/event-stream" })
    response.end(script.stream)
    return
  }
  const { calls, text } = partsOf(asked, script)
  const finish = script.finish === undefined ? calls.length > 0 ? "tool_calls" : "stop" : script.finish
  const usage = script.usage === undefined ? { prompt_tokens: 100, completion_tokens: 10 } : script.usage
  if (asked.body.stream !== true) {
    return answerJson(response, 200, {
      ...head(asked),
      object: "chat.completion",
      choices: [{
        index: 0,
        message: { role: "assistant", content: text ?? null, ...(calls.length === 0 ? {} : { tool_calls: calls }) },
        finish_reason: finish
      }],
      ...(usage === null ? {} : { usage })
    })
  }
  begin(response, asked)
  for (const piece of piecesOf(text ?? "")) response.write(event(asked, { content: piece }))
  calls.forEach(({ function: { arguments: json, name }, id, type }, index) => {
    const called = { index, id, type, function: { name, arguments: "" } }
    response.write(event(asked, { tool_calls: [called] }))
    for (const piece of piecesOf(json)) {
      response.write(event(asked, { tool_calls: [{ index, function: { arguments: piece } }] }))
    }
  })
  if (finish !== null) response.write(event(asked, {}, finish))
  if (usage !== null) response.write(`data: ${JSON.stringify({ ...head(asked), choices: [], usage })}\n\n`)
  response.end("data: [DONE]\n\n")
}

/** Text and calls of an answer, with the names that the request's tools have on the wire. */
const partsOf = (asked: ModelRequest, script: Extract<ScriptedAnswer, Counted>) => {
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
    type: "function",
    function: { name: wireName(asked, tool), arguments: json }
  }))
  return { text, calls }
}

/** What the request calls a tool; its own name where it was not offered. */
const wireName = (asked: ModelRequest, tool: string): string => {
  const offered = (asked.body.tools ?? []).map((each) => each.function.name)
  return [hashedForm(tool), plainForm(tool)].find((name) => offered.includes(name)) ?? tool
}

const head = (asked: ModelRequest) => ({ id: "scripted", created: 0, model: asked.body.model ?? "scripted" })

const event = (asked: ModelRequest, delta: object, finish: string | null = null): string => {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return `data: ${JSON.stringify({ ...head(asked), object: "chat.completion.chunk", choices })}\n\n`
}

const begin = (response: http.ServerResponse, asked: ModelRequest): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(event(asked, { role: "assistant", content: "" }))
}

/** As a model would stream it. */
const piecesOf = (text: string): ReadonlyArray<string> => text.match(/[^]{1,7}/gu) ?? []

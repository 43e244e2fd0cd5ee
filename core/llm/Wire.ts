/**
 * The connection to a model's server: a `fetch` for the `openai` package, and the bytes of what comes back.
 *
 * - Only the headers that the request needs; no redirect; ended by the watch alone.
 * - A status that is not 2xx ends the request here, with no more of its body than a sentence needs.
 */
import { asRecord, parseJson } from "./BoundedJson.ts"
import { codeOf, cut, large, ofStatus, type Redact, unreachable, words } from "./Failure.ts"
import type { Watch } from "./Watch.ts"

/** What is read of the body of a refusal, bytes. */
const maximumErrorBytes = 65_536

export interface WireOptions {
  readonly baseURL: string
  readonly key: string | undefined
  readonly redact: Redact
  readonly watch: Watch
}

/** Fails only with `CompletionFailed`, which the watch keeps: the package wraps what it is thrown. */
export const makeFetch =
  ({ baseURL, key, redact, watch }: WireOptions) =>
  async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await globalThis.fetch(input, {
      method: "POST",
      body: init?.body ?? null,
      headers: {
        accept: "text/event-stream, application/json",
        "content-type": "application/json",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` })
      },
      redirect: "manual",
      signal: watch.signal
    }).catch((error: unknown) => {
      throw watch.end(unreachable(baseURL, codeOf(error)))
    })
    watch.heard()
    if (response.ok) return response
    const body = await textOf(response, watch, maximumErrorBytes).catch(() => "")
    throw watch.end(ofStatus(response.status, words(saidIn(body), redact), response.headers))
  }

/** The server's own words: `{ error: { message } }`, `{ error }`, `{ message }`, `{ detail }`, or text that is no page. */
const saidIn = (body: string): string => {
  const parsed = parseJson(body)
  const answer = parsed.ok ? asRecord(parsed.value) : undefined
  if (answer === undefined) return body.trimStart().startsWith("<") ? "" : body
  const said = asRecord(answer["error"])?.["message"] ?? answer["error"] ?? answer["message"] ?? answer["detail"]
  return typeof said === "string" ? said : ""
}

/** The bytes of a body as they come, each of them heard by the watch. Whoever stops early ends the connection. */
export async function* chunksOf(response: Response, watch: Watch): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  try {
    while (true) {
      const next = await reader.read().catch(() => {
        throw watch.failure ?? cut("the connection broke")
      })
      if (next.done) return
      watch.heard()
      yield next.value
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

/** A body as text; `most` bytes of it, or a failure where there is more and `whole` is asked for. */
export const textOf = async (response: Response, watch: Watch, most: number, whole = false): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of chunksOf(response, watch)) {
    chunks.push(chunk)
    length += chunk.length
    if (length <= most) continue
    if (whole) throw large(`more than ${most / 1024} KiB`)
    break
  }
  return Buffer.concat(chunks).toString("utf8", 0, Math.min(length, most))
}

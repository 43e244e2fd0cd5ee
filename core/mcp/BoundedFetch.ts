/**
 * The `fetch` of one connection over HTTP.
 *
 * - The configured headers go to the server's own origin and nowhere else; no redirect is followed by `fetch` itself.
 * - An answer is bounded, and so is each event of a stream.
 * - Another origin, such as that of a sign-in, is named by the server: only over https, and at a public address
 *   (`PublicFetch.ts`).
 */
import { codeOf } from "../llm/Failure.ts"
import { maximumAnswerBytes } from "./MessageFlow.ts"
import { publicFetch } from "./PublicFetch.ts"

export interface FetchOptions {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** A stream of events is broken off: why, as a sentence's end. */
  readonly broken: (why: string) => void
  /** No connection comes about. */
  readonly unreachable: (code: string) => void
}

/** Nothing can have reached the server. */
const notConnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID"
])

/** The code of a failure to connect. */
export const unconnected = (error: unknown): string | undefined => {
  const code = codeOf(error)
  return code !== undefined && notConnected.has(code) ? code : undefined
}

/** The answer is larger than what is taken. */
export class TooLarge extends Error {}

export const makeFetch =
  ({ broken, headers, unreachable, url: own }: FetchOptions) =>
  async (input: string | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(input)
    const sent = new Headers(init?.headers)
    if (url.origin === own.origin) {
      for (const [name, value] of Object.entries(headers)) if (!sent.has(name)) sent.set(name, value)
    }
    const asked: RequestInit = { ...init, headers: sent, redirect: "manual" }
    const answered = isOwn(url, own) ? globalThis.fetch(url, asked) : publicFetch(url, asked)
    const response = await answered.catch(
      (error: unknown) => {
        const code = unconnected(error)
        if (code !== undefined && url.origin === own.origin) unreachable(code)
        throw error
      }
    )
    if (response.body === null) return response
    const events = /\bevent-stream\b/.test(response.headers.get("content-type") ?? "")
    return new Response(response.body.pipeThrough(events ? boundEvents(broken) : boundBody()), {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers
    })
  }

/** The server's own host: the operator has named it. */
const isOwn = (url: URL, own: URL): boolean =>
  url.hostname === own.hostname && (url.protocol === own.protocol || url.protocol === "https:")

const large = `it sent more than ${maximumAnswerBytes / 1_048_576} MiB in one answer, which is not taken`

const boundBody = (): TransformStream<Uint8Array, Uint8Array> => {
  let bytes = 0
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > maximumAnswerBytes) controller.error(new TooLarge(large))
      else controller.enqueue(chunk)
    }
  })
}

/** Empty lines of a stream in one window: more than the messages that may come (`MessageFlow.ts`) could need. */
const maximumEmptyLines = 20_000
const windowMs = 10_000
const endless = `it sent more than ${maximumEmptyLines} empty lines in ${windowMs / 1000} seconds`

/** Counts from one empty line to the next, and the empty lines. */
const boundEvents = (broken: (why: string) => void): TransformStream<Uint8Array, Uint8Array> => {
  let bytes = 0
  let endsLine = false
  let window = performance.now()
  let emptyLines = 0
  return new TransformStream({
    transform(chunk, controller) {
      const now = performance.now()
      if (now - window > windowMs) {
        window = now
        emptyLines = 0
      }
      for (let at = 0; at < chunk.length;) {
        const end = chunk.indexOf(10, at)
        const lineBytes = (end === -1 ? chunk.length : end + 1) - at
        // Empty, or with its carriage return alone.
        const empty = endsLine && end !== -1 && (end === at || (end === at + 1 && chunk[at] === 13))
        bytes = empty ? 0 : bytes + lineBytes
        endsLine = end !== -1
        at += lineBytes
        if (empty) emptyLines++
        if (bytes > maximumAnswerBytes || emptyLines > maximumEmptyLines) {
          const why = bytes > maximumAnswerBytes ? large : endless
          broken(why)
          return controller.error(new TooLarge(why))
        }
      }
      controller.enqueue(chunk)
    }
  })
}

/**
 * `fetch` as plugins get it: http and https, to public addresses and to those that the operator named (`NamedHosts.ts`).
 *
 * - Each redirect is looked at in the same way; at most five, none from https to http, and what proves who is asking goes to
 *   no other origin.
 * - All of it takes 30 seconds at most, and an answer has 10 MiB at most, as it is read: what is unpacked counts.
 * - What was refused before anything was sent is a `ToolRefused`; what was sent, and could not be followed or read, is known
 *   by its error, too: nobody has to guess whether it was done.
 */
import { ToolRefused, ToolUnknown } from "../plugin/Tool.ts"
import { type Outgoing, refusalIn, through } from "./Outgoing.ts"

export interface Bounds {
  readonly bytes: number
  readonly ms: number
  readonly redirects: number
}

const defaults: Bounds = { bytes: 10 * 1_048_576, ms: 30_000, redirects: 5 }

interface Asked {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: RequestInit["body"]
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])
const proofs = ["authorization", "proxy-authorization", "cookie", "cookie2", "host"]
const ofBody = ["content-encoding", "content-language", "content-length", "content-location", "content-type"]

const refuseScheme = ({ password, protocol, username }: URL): void => {
  if (protocol !== "http:" && protocol !== "https:") throw new ToolRefused(`${protocol} is not http or https.`)
  if (username !== "" || password !== "") {
    throw new ToolRefused("An address with a name and password in it is not asked: send a header instead.")
  }
}

const readAsked = async (input: string | URL | Request, init: RequestInit): Promise<Asked> => {
  const request = input instanceof Request ? input : undefined
  const url = new URL(input instanceof Request ? input.url : input)
  refuseScheme(url)
  const body = init.body ?? (request?.body == null ? undefined : new Uint8Array(await request.arrayBuffer()))
  return {
    url,
    method: init.method ?? request?.method ?? "GET",
    headers: new Headers(init.headers ?? request?.headers),
    body
  }
}

/** Whether the same body can be sent twice. */
const isWhole = (body: Asked["body"]): boolean =>
  body === undefined || body === null || typeof body === "string" || ArrayBuffer.isView(body) ||
  body instanceof ArrayBuffer || body instanceof URLSearchParams || body instanceof FormData || body instanceof Blob

/** What is asked next; or why it is not, as a sentence's end. */
const follow = (asked: Asked, status: number, location: string): Asked | string => {
  const url = URL.parse(location, asked.url.href)
  if (url === null) return "that can't be read"
  if (url.protocol !== "http:" && url.protocol !== "https:") return "that is not http or https"
  if (asked.url.protocol === "https:" && url.protocol === "http:") return "that is not encrypted"
  if (url.username !== "" || url.password !== "") return "with a name and password in it"
  const method = asked.method.toUpperCase()
  const asGet = status === 303 ? method !== "GET" && method !== "HEAD" : status < 303 && method === "POST"
  if (!asGet && !isWhole(asked.body)) return "that wants the body again, which is a stream"
  const headers = new Headers(asked.headers)
  if (url.origin !== asked.url.origin) { for (const name of proofs) headers.delete(name) }
  if (asGet) { for (const name of ofBody) headers.delete(name) }
  return asGet ? { url, method: "GET", headers, body: undefined } : { ...asked, url, headers }
}

/** Counts what is read. `over` is called when nothing more comes. */
const bounded = (
  response: Response,
  { method, url }: Asked,
  { bytes: most }: Bounds,
  redirected: boolean,
  over: () => void
): Response => {
  const { body, headers, status, statusText } = response
  const facts = { url: { value: url.href }, redirected: { value: redirected } }
  if (body === null) {
    over()
    return Object.defineProperties(response, facts)
  }
  let bytes = 0
  const counted = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        if (bytes <= most) return controller.enqueue(chunk)
        over()
        const sentence = `The answer of ${url.host} has more than ${most / 1_048_576} MiB, which is not taken.`
        controller.error(safe.has(method.toUpperCase()) ? new ToolRefused(sentence) : new ToolUnknown(sentence))
      },
      flush: over
    })
  )
  const known = status >= 200 && status <= 599
  const made = new Response(counted, { status: known ? status : 599, statusText, headers })
  return Object.defineProperties(made, known ? facts : { ...facts, status: { value: status } })
}

export const guardedFetch = (
  outgoing: Outgoing,
  signal: AbortSignal,
  bounds: Partial<Bounds> = {}
): typeof globalThis.fetch =>
async (input, init = {}) => {
  const limits = { ...defaults, ...bounds }
  const own = input instanceof Request ? [input.signal] : []
  const mode = init.redirect ?? (input instanceof Request ? input.redirect : "follow")
  let asked = await readAsked(input, init)
  const dispatcher = await outgoing.dispatcher()
  const time = new AbortController()
  const timer = setTimeout(
    () => time.abort(new DOMException(`It took longer than ${limits.ms / 1_000} seconds.`, "TimeoutError")),
    limits.ms
  ).unref()
  const over = (): void => clearTimeout(timer)
  const ends = AbortSignal.any([signal, time.signal, ...(init.signal == null ? own : [init.signal])])
  /** A 303 says that what was sent has been done. */
  let done = false
  const refused = (sentence: string) => done ? new ToolUnknown(sentence) : new ToolRefused(sentence)
  try {
    for (let hops = 0;; hops++) {
      const { body, headers, method, url } = asked
      const request: RequestInit = {
        ...init,
        method,
        headers,
        body: body ?? null,
        signal: ends,
        redirect: "manual",
        ...through(dispatcher)
      }
      const response = await globalThis.fetch(url, request).catch((error: unknown) => {
        const why = refusalIn(error)
        throw why === undefined ? error : refused(
          `${url.origin} was not asked: ${why.message}. Only an address that you named in the options of the plugin may ` +
            "be a private one."
        )
      })
      const location = redirects.has(response.status) ? response.headers.get("location") : null
      if (location === null || mode === "manual") return bounded(response, asked, limits, hops > 0, over)
      await response.body?.cancel().catch(() => {})
      if (mode === "error") throw new TypeError("fetch failed", { cause: new Error("It was answered by a redirect.") })
      done ||= response.status === 303 && !safe.has(method.toUpperCase())
      const next = hops >= limits.redirects ? `after ${hops} others` : follow(asked, response.status, location)
      if (typeof next === "string") {
        throw refused(`${url.host} answered ${response.status}, a redirect ${next}: it is not followed.`)
      }
      asked = next
    }
  } catch (error) {
    over()
    throw error
  }
}

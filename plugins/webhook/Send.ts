/**
 * Webhooks out: a message is one POST of JSON to the address that the operator named.
 *
 * - Every attempt of one message carries the same `idempotency-key`; only where the operator says that the other side
 *   honours it is a message sent again when nobody knows whether it arrived.
 * - What was certainly not taken is tried again a few times within the call: no connection came about, or the other side says
 *   when to come back (`retry-after`). Where it honours the key and it is still not there, the host sends it again later.
 * - An answer that leaves open whether it was taken (408, 409, 425, 429, 303, 5xx) never counts as refused.
 * - A redirect is not followed. The path of the address is never shown: it may be a secret itself.
 */
import { createHash } from "node:crypto"
import { type Channel, Schema, type SecretOption, type ToolContext, ToolRefused, ToolUnknown } from "syris"
import { setTimeout as sleep } from "node:timers/promises"
import { signed, type Style } from "./Signature.ts"

/** Where to, and how. */
export interface Destination {
  /** The connector. */
  readonly name: string
  readonly url: string
  readonly signingSecret: SecretOption | undefined
  readonly signingStyle: Style
  /** The other side takes a message with the same `idempotency-key` once. */
  readonly honoursKey: boolean
  /** Milliseconds before each further try. */
  readonly pauses?: ReadonlyArray<number>
}

/** An address that can be posted to: http or https, without a name and password in it. */
export const isAddress = (url: string): boolean => {
  const parsed = URL.parse(url)
  return (parsed?.protocol === "http:" || parsed?.protocol === "https:") && parsed.username === "" &&
    parsed.password === ""
}

const Message = Schema.Struct({
  text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(8_000)),
  thread_id: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
  /** The id of the message that it answers. */
  in_reply_to: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000)))
})

/** Tells addresses apart without showing them. */
const markOf = (url: string): string => createHash("sha256").update(new URL(url).href).digest("hex").slice(0, 8)

const undecided = new Set([303, 408, 409, 425, 429])

const defaultPauses = [300, 1_000, 3_000]
/** After this nothing is tried again, milliseconds: the call may take 30 seconds. */
const lastTryMs = 15_000

const notReached = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"])

/** The code of a connection that never came about, so that nothing was sent for certain. */
const unconnected = (error: unknown): string | undefined => {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error)) return undefined
  // Of a name with several addresses: each was tried.
  const all: ReadonlyArray<unknown> = cause instanceof AggregateError ? cause.errors : [cause]
  const codes = all.map((one) => {
    const { code = "", syscall } = one as NodeJS.ErrnoException
    return code === "UND_ERR_CONNECT_TIMEOUT" || (notReached.has(code) && /^(connect|getaddrinfo)$/.test(syscall ?? ""))
      ? code
      : undefined
  })
  return codes.length > 0 && !codes.includes(undefined) ? codes[0] : undefined
}

/** Milliseconds, where the other side says when to come back. */
const retryAfter = (response: Response, now: number): number | undefined => {
  const text = response.headers.get("retry-after")?.trim() ?? ""
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : text === "" ? NaN : Date.parse(text) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** Not taken, for certain. `afterMs`: no sooner than that again. */
class NotTaken {
  readonly why: string
  readonly afterMs: number
  constructor(why: string, afterMs = 0) {
    this.why = why
    this.afterMs = afterMs
  }
}

/** The `send` of a channel that has an address. */
export const sendTo = (destination: Destination): NonNullable<Channel["send"]> => {
  const { honoursKey, name, pauses = defaultPauses, signingSecret, signingStyle, url } = destination
  const { host } = new URL(url)

  const post = async (body: string, ctx: ToolContext): Promise<number | NotTaken> => {
    // Anew for each try: the other side refuses an old time.
    const signature = signingSecret === undefined
      ? {}
      : signed(signingStyle, await ctx.secret(signingSecret), ctx.idempotencyKey, ctx.now(), body)
    if (signature === undefined) {
      throw new ToolRefused(
        `The signingSecret of the webhook ${name} holds no key: ${
          signingStyle === "standard" ? "set one as in whsec_… and base64" : "set it again"
        }.`
      )
    }
    let response: Response
    try {
      response = await ctx.fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": ctx.idempotencyKey, ...signature },
        body,
        redirect: "manual"
      })
    } catch (error) {
      const code = unconnected(error)
      if (code !== undefined) return new NotTaken(`${host} can't be reached (${code})`)
      throw error
    }
    const { status } = response
    // The status is all of the answer.
    await response.body?.cancel().catch(() => {})
    if (status >= 200 && status < 300) return status
    const afterMs = retryAfter(response, ctx.now().getTime())
    if (afterMs !== undefined && (status === 429 || (status === 503 && honoursKey))) {
      return new NotTaken(`${host} answered ${status}, to come back in ${Math.ceil(afterMs / 1_000)} s`, afterMs)
    }
    if (undecided.has(status) || status >= 500) {
      throw new ToolUnknown(`${host} answered ${status}: whether it took the message is not known.`)
    }
    throw new ToolRefused(
      status < 400
        ? `${host} answered ${status}, a redirect, which is not followed: put the new address into the configuration.`
        : `${host} refused the message with ${status}.`
    )
  }

  return {
    // The address is in the definition, and so in its pin: what was approved for one goes to no other.
    description: `Post a message to ${host}${name === "webhook" ? "" : ` (the webhook ${name})`}, address ${
      markOf(url)
    }.`,
    input: Message,
    output: Schema.Struct({ message: Schema.String, status: Schema.Int }),
    effect: "write",
    risk: "low",
    scopes: ["webhook.send"],
    guarantee: honoursKey ? "native_key" : "none",
    timeout: "30 seconds",
    preview: (message: typeof Message.Type) => `would post to ${host}: ${JSON.stringify(message)}`,
    run: async (message: typeof Message.Type, ctx) => {
      const body = JSON.stringify({ ...message, trace_id: ctx.traceId })
      const started = performance.now()
      for (let tries = 0;; tries++) {
        const answer = await post(body, ctx)
        if (!(answer instanceof NotTaken)) return { message: `Posted to ${host}.`, status: answer }
        const pause = pauses[tries]
        const waitMs = Math.max(pause ?? 0, answer.afterMs)
        if (pause === undefined || performance.now() - started + waitMs > lastTryMs) {
          // What is not known is sent again with the same key, which does no harm.
          throw honoursKey
            ? new ToolUnknown(`${answer.why}: it is sent again later, with the same key.`)
            : new ToolRefused(`${answer.why}: the message was not taken. Send it again when ${host} is back.`)
        }
        await sleep(waitMs, undefined, { signal: ctx.signal })
      }
    }
  }
}

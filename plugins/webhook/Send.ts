/**
 * Webhooks out: a message is one POST of JSON to the address that the operator named.
 *
 * - Every attempt of one message carries the same `idempotency-key`; only where the operator says that the other side
 *   honours it is a message sent again when nobody knows whether it arrived.
 * - An answer that leaves open whether it was taken (408, 409, 425, 429, 303, 5xx) never counts as refused.
 * - A redirect is not followed. The path of the address is never shown: it may be a secret itself.
 */
import { createHash } from "node:crypto"
import { type Channel, Schema, type SecretOption, ToolRefused, ToolUnknown } from "syris"
import { signed } from "./Signature.ts"

/** Where to, and how. */
export interface Destination {
  /** The connector. */
  readonly name: string
  readonly url: string
  readonly signingSecret: SecretOption | undefined
  /** The other side takes a message with the same `idempotency-key` once. */
  readonly honoursKey: boolean
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

/** The `send` of a channel that has an address. */
export const sendTo = ({ honoursKey, name, signingSecret, url }: Destination): NonNullable<Channel["send"]> => {
  const { host } = new URL(url)
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
      const signature = signingSecret === undefined
        ? {}
        : signed(await ctx.secret(signingSecret), ctx.idempotencyKey, ctx.now(), body)
      if (signature === undefined) {
        throw new ToolRefused(
          `The signingSecret of the webhook ${name} holds no key: set one as in whsec_… and base64.`
        )
      }
      const response = await ctx.fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": ctx.idempotencyKey, ...signature },
        body,
        redirect: "manual"
      })
      const { status } = response
      // The status is all of the answer.
      await response.body?.cancel().catch(() => {})
      if (status >= 200 && status < 300) return { message: `Posted to ${host}.`, status }
      if (undecided.has(status) || status >= 500) {
        throw new ToolUnknown(`${host} answered ${status}: whether it took the message is not known.`)
      }
      throw new ToolRefused(
        status < 400
          ? `${host} answered ${status}, a redirect, which is not followed: put the new address into the configuration.`
          : `${host} refused the message with ${status}.`
      )
    }
  }
}

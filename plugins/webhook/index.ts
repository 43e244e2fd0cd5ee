/**
 * Webhooks: in by `POST /hooks/<name>`, one entry for each sender, off until it has a secret; and out to `url`, where one
 * is given (`Send.ts`): then what came from there is answered there.
 *
 * - A body is parsed only after its signature held; a wrong one is 401 and leaves a row `event.rejected` that says why.
 * - The sender's own delivery id is the message id, so a repeat is processed once. GitHub does not sign its id: there the body
 *   is the id, so that who has recorded a delivery can't have it processed again under another one.
 * - Its events are untrusted, whatever they say.
 */
import { definePlugin, type RawEvent, Schema, SecretOption, WebhookRefused, WebhookReply } from "syris"
import { createHash } from "node:crypto"
import { maximumText, parseBounded } from "./BoundedJson.ts"
import { isAddress, sendTo } from "./Send.ts"
import { checkOf } from "./Check.ts"
import { type Fault, faultIn, type SignedRequest, type Style, styles } from "./Signature.ts"

const Options = Schema.Struct({
  /** The connector: `github` is served at `/hooks/github`. */
  name: Schema.optionalKey(Schema.String.check(
    Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, { expected: "lower-case letters, digits, _ and -" })
  )),
  /** What the sender signs with; several while it is being changed. */
  secret: Schema.optionalKey(Schema.Union([SecretOption, Schema.Array(SecretOption)])),
  style: Schema.optionalKey(Schema.Literals(styles)),
  /** Where messages go. Without it nothing goes out. */
  url: Schema.optionalKey(Schema.String.check(
    Schema.makeFilter(isAddress, { expected: "an http or https address without a password in it" })
  )),
  /** Signs what goes out. */
  signingSecret: Schema.optionalKey(SecretOption),
  /** How it is signed. Default: `standard`, whose secret is `whsec_` and base64. */
  signingStyle: Schema.optionalKey(Schema.Literals(styles)),
  /** The other side takes a message with the same `idempotency-key` once, so it may be sent again after a crash. */
  honoursKey: Schema.optionalKey(Schema.Boolean)
})

export default definePlugin({
  name: "webhook",
  version: "0.1.0",
  options: Options,
  instance: ({ name }) => name,
  setup: ({ log, options }) => {
    const { honoursKey = false, name = "webhook", secret, signingSecret, signingStyle = "standard", style, url } =
      options
    const secrets = secret === undefined ? [] : Array.isArray(secret) ? secret : [secret as SecretOption]
    const destination = url === undefined ? undefined : { name, url, signingSecret, signingStyle, honoursKey }
    const channel = {
      name: "webhook",
      connector_id: name,
      trust: "untrusted" as const,
      ...(destination === undefined ? {} : { send: sendTo(destination) }),
      ...(destination === undefined && secrets.length === 0
        ? {}
        : { check: checkOf({ name, style: style ?? "standard", secrets, destination }) })
    }
    if (destination === undefined && (signingSecret !== undefined || honoursKey)) {
      log.warn(`The webhook ${name} sends nothing: it has no url.`)
    }
    if (secrets.length === 0) {
      if (style !== undefined) log.warn(`The hook /hooks/${name} is off: it has no secret.`)
      return { channels: [channel] }
    }
    return {
      channels: [{
        ...channel,
        webhook: async (request, ctx) => {
          const values = await Promise.all(secrets.map((one) => ctx.secret(one)))
          const signed = { headers: lowerCase(request.headers), body: request.body }
          const fault = faultIn(style ?? "standard", signed, values, new Date())
          if (fault === undefined) return eventOf(style ?? "standard", name, signed)
          await ctx.reject({ code: "hook.signature", message: faults[fault], data: { why: fault } })
          return undefined
        }
      }]
    }
  }
})

const faults: Readonly<Record<Fault, string>> = {
  none: "it has no signature.",
  wrong: "none of the secrets of this hook signed it.",
  old: "it was signed more than 5 minutes from now, so it may be a repeat of an old one."
}

const lowerCase = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]))

/** The event of a body that is signed. */
export const eventOf = (style: Style, connector: string, request: SignedRequest): RawEvent | WebhookReply => {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(request.body)
  } catch {
    throw new WebhookRefused("The body is not UTF-8.")
  }
  const parsed = parseBounded(text)
  if ("problem" in parsed) throw new WebhookRefused(parsed.problem)
  const structured = isRecord(parsed.value) ? parsed.value : { body: parsed.value }
  if (style === "slack" && structured["type"] === "url_verification" && typeof structured["challenge"] === "string") {
    return new WebhookReply("text/plain", structured["challenge"].slice(0, 1000))
  }
  const said = textOf(style, structured)
  return {
    channel: "webhook",
    connector_id: connector,
    message_id: deliveryId(style, request, structured),
    actor_type: "integration",
    actor_id: connector,
    structured: structured as NonNullable<RawEvent["structured"]>,
    ...(said === undefined ? {} : { text: said.slice(0, maximumText) })
  }
}

/** The sender's id of this delivery, where it is signed; without one, the body itself is the id. */
const deliveryId = (style: Style, { body, headers }: SignedRequest, structured: Record<string, unknown>): string => {
  const given: unknown = style === "github"
    ? undefined
    : style === "standard"
    ? headers["webhook-id"]
    : structured[style === "stripe" ? "id" : "event_id"]
  return typeof given === "string" && given !== "" && given.length <= 500
    ? given
    : `sha256:${createHash("sha256").update(body).digest("hex")}`
}

/** Words that somebody wrote, where it is plain which they are. */
const textOf = (style: Style, structured: Record<string, unknown>): string | undefined => {
  if (style === "slack") {
    const event = structured["event"]
    if (
      !isRecord(event) || event["type"] !== "message" || event["subtype"] !== undefined || event["bot_id"] !== undefined
    ) {
      return undefined
    }
    return textIn(event)
  }
  return style === "standard" ? textIn(structured) : undefined
}

const textIn = ({ text }: Record<string, unknown>): string | undefined =>
  typeof text === "string" && text.trim() !== "" ? text : undefined

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Checks a webhook's signature over the raw body, before anything of it is parsed; and signs what goes out, in the same styles.
 *
 * - Compared in constant time; several secrets may be valid at once, for rotation.
 * - Where the sender signs a timestamp, one further than 5 minutes away is refused. GitHub signs none: there a repeat is
 *   known by its body (`index.ts`).
 */
import { createHmac, timingSafeEqual } from "node:crypto"

export const styles = ["github", "stripe", "slack", "standard"] as const
export type Style = (typeof styles)[number]

const toleranceSeconds = 300

export interface SignedRequest {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What a request says of its signature. */
interface Claim {
  readonly given: ReadonlyArray<string>
  readonly encoding: "hex" | "base64"
  /** What is signed before the body. */
  readonly prefix: string
  /** Seconds; where the sender signs when it was sent. */
  readonly timestamp?: string
}

const hex = /^[0-9a-f]{64}$/i
const base64 = /^[A-Za-z0-9+/]{43}=$/

const after = (mark: string, signature: string): ReadonlyArray<string> =>
  [signature.slice(mark.length)].filter((one) => signature.startsWith(mark) && hex.test(one))

/** Nothing where it is not signed in this style at all. */
const claimOf = (style: Style, headers: SignedRequest["headers"]): Claim | undefined => {
  const header = (name: string): string => Object.hasOwn(headers, name) ? headers[name]! : ""
  switch (style) {
    case "github": {
      const signature = header("x-hub-signature-256")
      if (signature === "") return undefined
      return { given: after("sha256=", signature), encoding: "hex", prefix: "" }
    }
    case "stripe": {
      if (header("stripe-signature") === "") return undefined
      const fields = header("stripe-signature").split(",").map((field) => field.trim().split("=", 2))
      const timestamp = fields.find(([name]) => name === "t")?.[1] ?? ""
      const given = fields.flatMap(([name, value = ""]) => name === "v1" && hex.test(value) ? [value] : [])
      return { given, encoding: "hex", prefix: `${timestamp}.`, timestamp }
    }
    case "slack": {
      const timestamp = header("x-slack-request-timestamp")
      const signature = header("x-slack-signature")
      if (signature === "") return undefined
      return { given: after("v0=", signature), encoding: "hex", prefix: `v0:${timestamp}:`, timestamp }
    }
    case "standard": {
      const id = header("webhook-id")
      const timestamp = header("webhook-timestamp")
      if (header("webhook-signature") === "") return undefined
      const given = header("webhook-signature").split(" ").flatMap((part) =>
        id !== "" && part.startsWith("v1,") && base64.test(part.slice(3)) ? [part.slice(3)] : []
      )
      return { given, encoding: "base64", prefix: `${id}.${timestamp}.`, timestamp }
    }
  }
}

const keyOf = (style: Style, secret: string): Buffer =>
  style === "standard" ? Buffer.from(secret.replace(/^whsec_/, ""), "base64") : Buffer.from(secret, "utf8")

/** How long the key in a secret is. */
export const keyBytes = (style: Style, secret: string): number => keyOf(style, secret).length

const macOf = (style: Style, key: Buffer, prefix: string, body: Uint8Array | string): Buffer => {
  const mac = createHmac("sha256", key).update(prefix, "utf8")
  return (typeof body === "string" ? mac.update(body, "utf8") : mac.update(body)).digest()
}

/** Why a request is not taken. `old`: one of the secrets did sign it, too long ago or for later. */
export type Fault = "none" | "wrong" | "old"

/** What is wrong with a signature; nothing where one of the secrets signed this body, lately. */
export const faultIn = (
  style: Style,
  { body, headers }: SignedRequest,
  secrets: ReadonlyArray<string>,
  now: Date
): Fault | undefined => {
  const claim = claimOf(style, headers)
  if (claim === undefined) return "none"
  const { encoding, given, prefix, timestamp } = claim
  let valid = false
  for (const secret of secrets) {
    const key = keyOf(style, secret)
    if (key.length === 0) continue
    const mac = macOf(style, key, prefix, body)
    for (const candidate of given.slice(0, 10)) {
      const bytes = Buffer.from(candidate, encoding)
      if (bytes.length === mac.length && timingSafeEqual(bytes, mac)) valid = true
    }
  }
  if (!valid) return "wrong"
  if (timestamp === undefined) return undefined
  const off = /^\d{1,12}$/.test(timestamp) ? Math.abs(now.getTime() / 1000 - Number(timestamp)) : Infinity
  return off <= toleranceSeconds ? undefined : "old"
}

/** The headers for a body that goes out; nothing where the secret holds no key. */
export const signed = (
  style: Style,
  secret: string,
  id: string,
  at: Date,
  body: string
): Readonly<Record<string, string>> | undefined => {
  const key = keyOf(style, secret)
  if (key.length === 0) return undefined
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const sign = (prefix: string): Buffer => macOf(style, key, prefix, body)
  switch (style) {
    case "github":
      return { "x-github-delivery": id, "x-hub-signature-256": `sha256=${sign("").toString("hex")}` }
    case "stripe":
      return { "stripe-signature": `t=${timestamp},v1=${sign(`${timestamp}.`).toString("hex")}` }
    case "slack":
      return {
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": `v0=${sign(`v0:${timestamp}:`).toString("hex")}`
      }
    case "standard":
      return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,${sign(`${id}.${timestamp}.`).toString("base64")}`
      }
  }
}

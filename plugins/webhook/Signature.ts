/**
 * Checks a webhook's signature over the raw body, before anything of it is parsed; and signs what goes out.
 *
 * - Compared in constant time; several secrets may be valid at once, for rotation.
 * - Where the sender signs a timestamp, one further than 5 minutes away is refused. GitHub signs none: there a repeat is
 *   known by its delivery id alone, which is not signed.
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

/** Whether one of the secrets signed this body, lately. */
export const isSigned = (style: Style, request: SignedRequest, secrets: ReadonlyArray<string>, now: Date): boolean => {
  const header = (name: string): string => Object.hasOwn(request.headers, name) ? request.headers[name]! : ""
  const fresh = (timestamp: string): boolean =>
    /^\d{1,12}$/.test(timestamp) && Math.abs(now.getTime() / 1000 - Number(timestamp)) <= toleranceSeconds
  const matches = (
    given: ReadonlyArray<string>,
    encoding: "hex" | "base64",
    prefix: string,
    keyOf: (secret: string) => Buffer = (secret) => Buffer.from(secret, "utf8")
  ): boolean => {
    let valid = false
    for (const secret of secrets) {
      const key = keyOf(secret)
      if (key.length === 0) continue
      const mac = createHmac("sha256", key).update(prefix, "utf8").update(request.body).digest()
      for (const candidate of given.slice(0, 10)) {
        const bytes = Buffer.from(candidate, encoding)
        if (bytes.length === mac.length && timingSafeEqual(bytes, mac)) valid = true
      }
    }
    return valid
  }
  switch (style) {
    case "github": {
      const signature = /^sha256=([0-9a-f]{64})$/i.exec(header("x-hub-signature-256"))?.[1]
      return signature !== undefined && matches([signature], "hex", "")
    }
    case "stripe": {
      const fields = header("stripe-signature").split(",").map((field) => field.trim().split("=", 2))
      const timestamp = fields.find(([name]) => name === "t")?.[1] ?? ""
      const given = fields.filter(([name, value]) => name === "v1" && /^[0-9a-f]{64}$/i.test(value ?? ""))
      return fresh(timestamp) && matches(given.map(([, value]) => value!), "hex", `${timestamp}.`)
    }
    case "slack": {
      const timestamp = header("x-slack-request-timestamp")
      const signature = /^v0=([0-9a-f]{64})$/i.exec(header("x-slack-signature"))?.[1]
      return signature !== undefined && fresh(timestamp) && matches([signature], "hex", `v0:${timestamp}:`)
    }
    case "standard": {
      const id = header("webhook-id")
      const timestamp = header("webhook-timestamp")
      const given = header("webhook-signature").split(" ").filter((part) => /^v1,[A-Za-z0-9+/]{43}=$/.test(part))
      return id !== "" && fresh(timestamp) && matches(
        given.map((part) => part.slice(3)),
        "base64",
        `${id}.${timestamp}.`,
        standardKey
      )
    }
  }
}

const standardKey = (secret: string): Buffer => Buffer.from(secret.replace(/^whsec_/, ""), "base64")

/** The headers of the style `standard` for a body that goes out; nothing where the secret holds no key. */
export const signed = (
  secret: string,
  id: string,
  at: Date,
  body: string
): Readonly<Record<string, string>> | undefined => {
  const key = standardKey(secret)
  if (key.length === 0) return undefined
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`, "utf8").digest("base64")
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` }
}

/**
 * Whether a DKIM signature is right (RFC 6376; `rsa-sha256`, relaxed), with keys from a table where the world has DNS. What
 * is signed here is signed by `nodemailer`, which knows nothing of this.
 */
import { createHash, type KeyObject, verify } from "node:crypto"

/** A header as it came: its name, and everything behind the colon. */
export interface Header {
  readonly name: string
  readonly value: string
}

export interface Signature {
  readonly domain: string
  readonly selector: string
  readonly result: "pass" | "fail" | "neutral"
}

const relaxedHeader = ({ name, value }: Header): string =>
  `${name.trim().toLowerCase()}:${value.replace(/\r?\n/g, "").replace(/[ \t]+/g, " ").trim()}`

const relaxedBody = (body: Buffer): Buffer => {
  const lines = body.toString("latin1").split("\r\n").map((line) => line.replace(/[ \t]+/g, " ").replace(/ $/, ""))
  while (lines.length > 0 && lines.at(-1) === "") lines.pop()
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(""), "latin1")
}

const tagsOf = (value: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    value.split(";").map((tag) => tag.split(/=(.*)/s, 2).map((part) => part.replace(/\s+/g, "")))
      .filter(([name, said]) => name !== "" && said !== undefined)
  )

/** The headers that a signature covers, from the bottom up where a name is named more than once. */
const signedHeaders = (names: ReadonlyArray<string>, headers: ReadonlyArray<Header>): ReadonlyArray<Header> => {
  const left = [...headers]
  return names.flatMap((name) => {
    const at = left.findLastIndex((header) => header.name.trim().toLowerCase() === name.toLowerCase())
    return at < 0 ? [] : left.splice(at, 1)
  })
}

/** What each of a message's signatures is worth. */
export const signaturesOf = (
  headers: ReadonlyArray<Header>,
  body: Buffer,
  keyOf: (domain: string, selector: string) => KeyObject | undefined
): ReadonlyArray<Signature> =>
  headers.filter(({ name }) => name.trim().toLowerCase() === "dkim-signature").map((header) => {
    const tags = tagsOf(header.value)
    const [domain, selector] = [tags["d"] ?? "", tags["s"] ?? ""]
    const key = keyOf(domain, selector)
    if (key === undefined || tags["a"] !== "rsa-sha256" || tags["c"] !== "relaxed/relaxed" || tags["l"] !== undefined) {
      return { domain, selector, result: "neutral" as const }
    }
    const covered = signedHeaders((tags["h"] ?? "").split(":"), headers).map((one) => `${relaxedHeader(one)}\r\n`)
    const itself = relaxedHeader({ ...header, value: header.value.replace(/(\bb\s*=)[^;]*/, "$1") })
    const right = createHash("sha256").update(relaxedBody(body)).digest("base64") === tags["bh"] &&
      /(^|:)from(:|$)/i.test(tags["h"] ?? "") &&
      verify("sha256", Buffer.from(covered.join("") + itself, "latin1"), key, Buffer.from(tags["b"] ?? "", "base64"))
    return { domain, selector, result: right ? "pass" as const : "fail" as const }
  })

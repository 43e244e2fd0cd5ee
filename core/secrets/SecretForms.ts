/**
 * Every way of writing a secret that is looked for.
 *
 * - As it is; as a JSON string, also inside another, with `/` and everything else than ASCII escaped; in a URL, also twice;
 *   in HTML; in quoted-printable; in hex; in both alphabets of base64, alone or inside a longer text.
 * - Its base64 in a URL, and the base64 of its form in a URL.
 * - Of a secret over several lines (a PEM file) also each line of at least 16 characters without a space, as it is.
 */
import { shortestNeedle } from "./Needles.ts"

export const formsOf = (value: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(value, "utf8")
  const json = inJson(value)
  const urls = inUrl(value)
  const base64 = base64Cores(bytes)
  const forms = new Set([
    value,
    json,
    inJson(json),
    json.replaceAll("/", "\\/"),
    inAscii(json),
    inAscii(json).toLowerCase(),
    ...urls,
    ...inUrl(urls[0]!),
    ...inHtml(value),
    inQuotedPrintable(bytes),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...base64,
    ...base64.map((form) => encodeURIComponent(form)),
    ...(urls[0] === value ? [] : base64Cores(Buffer.from(urls[0]!)))
  ])
  for (const line of linesOf(value)) forms.add(line)
  return [...forms].filter((form) => form.length >= shortestNeedle)
}

/** Lines that tell something by themselves. */
const linesOf = (value: string): ReadonlyArray<string> =>
  /[\r\n]/.test(value)
    ? value.split(/\r\n|\r|\n/).map((line) => line.trim()).filter((line) => /^\S{16,}$/.test(line)).slice(0, mostLines)
    : []

/** A longer one is a document. */
const mostLines = 200

const inJson = (value: string): string => JSON.stringify(value).slice(1, -1)

/** As programs write JSON that want nothing but ASCII in it. */
const inAscii = (json: string): string =>
  json.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0").toUpperCase()}`)

const inUrl = (value: string): ReadonlyArray<string> => {
  const encoded = encodeURIComponent(value.toWellFormed())
  return [
    encoded,
    encoded.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    encoded.replaceAll("%20", "+"),
    new URLSearchParams([["", value]]).toString().slice(1)
  ]
}

const inHtml = (value: string): ReadonlyArray<string> => {
  const less = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
  const quoted = less.replaceAll("\"", "&quot;")
  return [less, quoted, quoted.replaceAll("'", "&#39;"), quoted.replaceAll("'", "&apos;")]
}

/** On one line: longer ones are broken anywhere. */
const inQuotedPrintable = (bytes: Buffer): string =>
  [...bytes].map((byte) =>
    byte === 0x3d || byte < 0x20 || byte > 0x7e
      ? `=${byte.toString(16).toUpperCase().padStart(2, "0")}`
      : String.fromCharCode(byte)
  ).join("")

/** What base64 makes of these bytes wherever they lie in a longer text, in both alphabets, and the whole with its padding. */
const base64Cores = (bytes: Buffer): ReadonlyArray<string> => {
  const forms = [bytes.toString("base64"), bytes.toString("base64url")]
  for (let offset = 0; offset < 3; offset++) {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64url")
    const core = shifted.slice(Math.ceil(offset * 8 / 6), Math.floor((offset + bytes.length) * 8 / 6))
    if (core.length >= 8) forms.push(core, core.replaceAll("-", "+").replaceAll("_", "/"))
  }
  return forms
}

/**
 * Where a value comes from. A combined value takes the worst of its parts, and what a model wrote the worst of all that it
 * was shown. Kept in the database, never inferred by a model. Pure.
 */
import type { Confidentiality, Sensitivity, Trust } from "../contract/Enums.ts"
import type { ValueLabels } from "../contract/Approval.ts"

const rank: Readonly<Record<Trust, number>> = { operator: 0, trusted: 1, untrusted: 2 }

/** The worse of two. */
export const worst = (a: Trust, b: Trust): Trust => rank[a] >= rank[b] ? a : b

/** The worst of all; `operator` of none. */
export const worstOf = (all: Iterable<Trust>): Trust => {
  let found: Trust = "operator"
  for (const one of all) found = worst(found, one)
  return found
}

/** Who may see what an event of this sensitivity says. */
export const confidentialityOf = (sensitivity: Sensitivity | undefined): Confidentiality =>
  sensitivity === undefined || sensitivity === "low" ? "public" : "private"

/** The labels of what an event led to. */
export const labelsOf = (trust: Trust, sensitivity?: Sensitivity): ValueLabels => ({
  trust,
  confidentiality: confidentialityOf(sensitivity)
})

/** Fields that decide where something goes, or how much. Words of a name are looked at: `recipientEmail`, `target_url`. */
const decides = new Set([
  ..."to cc bcc recipient recipients receiver address addresses email mail phone number account iban payee".split(" "),
  ..."url uri href link host hostname domain endpoint server webhook destination target".split(" "),
  ..."path file filename folder command cmd script amount price sum total quantity".split(" ")
])
/** The name of what is answered: it decides nothing. */
const refersBack = /^in_?reply_?to$/i
/** Fields whose value is asked over a network. */
const asks = new Set(
  "url uri href link host hostname domain endpoint server webhook site website origin ip proxy callback feed".split(" ")
)

/** The words of a name, each as it is, as one of several (`urls`, `url2`), and by what it ends in (`baseurl`). */
const wordsOf = (key: string): ReadonlyArray<string> =>
  key.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/).flatMap((word) => [
    word,
    word.replace(/s?\d*$/, ""),
    ...(/ur[li]s?\d*$/.test(word) ? ["url"] : [])
  ])

/** Path of the first field whose name is one of these, however deep. */
const find = (value: unknown, names: ReadonlySet<string>, path: string, depth: number): string | undefined => {
  if (typeof value !== "object" || value === null || depth > deepest) return undefined
  for (const [key, child] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`
    const named = !Array.isArray(value) && child !== null && !refersBack.test(key)
    if (named && wordsOf(key).some((word) => names.has(word))) return at
    const found = find(child, names, at, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** The first field that decides where or how much, as a path. */
export const destinationIn = (json: unknown): string | undefined => find(json, decides, "", 0)

/** Each in linear time: a scheme, `//host`, a host with a path or a port or of three names, an IP address. */
const addresses = [
  /[a-z0-9+.-](?::|%3a)(?:\/|%2f){2}/i,
  /\b(?:https?|wss?|s?ftps?|ssh|file|data|mailto|ldaps?):\S/i,
  /^\s*[\\/]{2}/,
  /(?:^|[\s"'(<=@])(?:[\p{L}\p{N}_-]+\.)+\p{L}{2,}\.?(?::\d|[\\/?#])/u,
  /^\s*(?:[\p{L}\p{N}_-]+\.){2,}\p{L}{2,}\.?\s*$/u,
  /\bwww\./i,
  /(?:^|[^\d.])\d{1,3}(?:\.\d{1,3}){3}(?:$|[^\d.])/,
  /\[[0-9a-f]*:[0-9a-f:.]*\]/i
]

/** As whoever asks an address reads it: without what can't be seen, and in plain letters. */
const plainText = (text: string): string =>
  text.normalize("NFKC").replaceAll(/[\t\r\n\p{Cf}]/gu, "").replaceAll("\u3002", ".")

/** Deepest level of an input that is looked at; JSON from outside has no more. */
const deepest = 64

/** Whether a string in it is or holds an address; what is too deep to be looked at may be one. */
const isAddress = (value: unknown, depth = 0): boolean => {
  if (typeof value === "string") {
    const text = plainText(value)
    return addresses.some((pattern) => pattern.test(text))
  }
  return typeof value === "object" && value !== null &&
    (depth > deepest || Object.values(value).some((child) => isAddress(child, depth + 1)))
}

/** Whether an input names an address to ask. */
export const hasAddress = (json: unknown): boolean => find(json, asks, "", 0) !== undefined || isAddress(json)

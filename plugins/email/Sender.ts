/**
 * Who wrote a message, and how far that can be believed. The name in `From` is anybody's to write: a message counts as a
 * trusted sender's only where the operator's own server vouches for the domain in it.
 */
import { parseAddressHeader } from "mailparser"
import type { Account } from "./Account.ts"
import { addressOf, domainOf } from "./Address.ts"
import { type MethodResult, stampedBy } from "./AuthenticationResults.ts"
import { type HeaderBlock, valuesOf } from "./HeaderBlock.ts"

/** The one address in `From`; `undefined` for none, several, or a group. */
export const senderOf = (headers: HeaderBlock): string | undefined => {
  const values = valuesOf(headers, "from")
  if (values.length !== 1 || values[0]!.length > 2_000) return undefined
  const { value } = parseAddressHeader(values[0]!, { decodePunycode: false })
  const [only, ...more] = value
  return only?.address === undefined || more.length > 0 ? undefined : addressOf(only.address)
}

/** How far the sender is believed. */
export interface Judgement {
  /** A trusted sender, or the operator: and why it is believed. */
  readonly verified: string | undefined
  /** Why it is not, of one who would be trusted: a sentence. */
  readonly doubt: string | undefined
  /** What the trusted server found out: `{ dmarc: "pass" }`. */
  readonly auth: Readonly<Record<string, string>>
}

/** A domain speaks for itself and for what is below it; `io` alone speaks for nobody. */
const speaksFor = (signer: string, domain: string): boolean =>
  signer === domain || (signer.includes(".") && domain.endsWith(`.${signer}`))

/** The result that vouches for a sender's domain. */
const voucher = (results: ReadonlyArray<MethodResult>, domain: string): string | undefined => {
  const about = results.filter(({ method, properties }) =>
    method === "dmarc" && (properties["header.from"] === undefined || properties["header.from"] === domain)
  )
  if (about.some(({ result }) => result !== "pass" && result !== "none")) return undefined
  if (about.some(({ properties, result }) => result === "pass" && properties["header.from"] === domain)) {
    return `dmarc=pass for ${domain}`
  }
  const signed = results.find(({ method, properties, result }) => {
    if (method !== "dkim" || result !== "pass") return false
    const signer = properties["header.d"]
    return signer === undefined
      ? properties["header.i"]?.split("@").at(-1) === domain
      : speaksFor(signer, domain)
  })
  return signed === undefined
    ? undefined
    : `dkim=pass, signed by ${signed.properties["header.d"] ?? signed.properties["header.i"] ?? domain}`
}

const authOf = (results: ReadonlyArray<MethodResult>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    ["spf", "dkim", "dmarc"].flatMap((method) => {
      const said = results.filter((one) => one.method === method).map(({ result }) => result.slice(0, 20))
      return said.length === 0 ? [] : [[method, [...new Set(said)].slice(0, 5).join(",")]]
    })
  )

/** Judges a sender by what the operator wrote and the operator's server found out. */
export const judge = (
  account: Pick<Account, "operator" | "trustedHops" | "trustedSenders" | "trustedServer">,
  headers: HeaderBlock,
  sender: string | undefined
): Judgement => {
  const { operator, trustedHops, trustedSenders, trustedServer } = account
  const stamped = trustedServer === undefined ? undefined : stampedBy(headers, trustedServer, trustedHops)
  const auth = authOf(stamped?.results ?? [])
  const listed = sender !== undefined && (trustedSenders.has(sender) || sender === operator)
  if (!listed) return { verified: undefined, doubt: undefined, auth }
  const is = sender === operator ? "is the operator" : "is a trusted sender"
  const who = `From says ${sender}, which ${is}, but `
  const doubt = (why: string): Judgement => ({ verified: undefined, doubt: who + why, auth })
  if (stamped === undefined) {
    return doubt("no mail server is trusted to say whether that is true: set trustedServer.")
  }
  if (stamped.below !== undefined) {
    const lines = stamped.below === 1 ? "a Received line" : `${stamped.below} Received lines`
    return doubt(`what speaks for it as ${trustedServer} stands below ${lines}, where anybody may have written it.`)
  }
  if (!stamped.found) return doubt(`${trustedServer} did not write what it found out about that.`)
  const why = voucher(stamped.results, domainOf(sender))
  return why === undefined
    ? doubt(
      `${trustedServer} does not confirm it: ${
        Object.entries(auth).map(([method, result]) => `${method}=${result}`).join(", ") || "it checked nothing"
      }.`
    )
    : {
      verified: `${sender} ${is}, and ${trustedServer} says ${why}`,
      doubt: undefined,
      auth
    }
}

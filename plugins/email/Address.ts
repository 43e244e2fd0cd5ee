/**
 * Addresses of mail as they are written plainly, compared without case. What is stranger than that (quoted names, letters
 * beyond ASCII before the @, addresses of hosts by number) is no address here: it can be read, and not answered.
 */
import { domainToASCII } from "node:url"

export const hostName = /^[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9](?:[a-z0-9-]{0,62}))*$/i
const localPart = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i

/** The address in lower case, its domain in ASCII; `undefined` for what is none. */
export const addressOf = (text: string): string | undefined => {
  if (text.length > 254) return undefined
  const at = text.lastIndexOf("@")
  const local = text.slice(0, at)
  if (at < 1 || local.length > 64 || !localPart.test(local)) return undefined
  const domain = domainToASCII(text.slice(at + 1))
  return domain !== "" && domain.length <= 253 && hostName.test(domain) && !/^[\d.]+$/.test(domain)
    ? `${local}@${domain}`.toLowerCase()
    : undefined
}

export const domainOf = (address: string): string => address.slice(address.lastIndexOf("@") + 1)

/** Several addresses with commas between them; `undefined` where one of them is none. */
export const addressesOf = (text: string): ReadonlyArray<string> | undefined => {
  const all = text.split(",").map((one) => addressOf(one.trim()))
  return all.every((one) => one !== undefined) ? [...new Set(all)] : undefined
}

/**
 * Asks an address that somebody else has named: over https, at a public address, and at no other than was looked at.
 *
 * The name is looked up here, each of its addresses has to be public, and the connection is made to one of those: a name that
 * leads elsewhere a moment later leads nowhere.
 */
import * as dns from "node:dns"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { Readable } from "node:stream"

/** Every address of a name. */
export type Lookup = (hostname: string) => Promise<ReadonlyArray<dns.LookupAddress>>

const lookUp: Lookup = (hostname) => dns.promises.lookup(hostname, { all: true })

// One each: an address of the fourth version is one of the sixth, too, and would be found among those.
const notPublic = { ipv4: new net.BlockList(), ipv6: new net.BlockList() }
for (
  const [address, bits] of [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.0.0.0", 24],
    ["192.168.0.0", 16],
    ["198.18.0.0", 15],
    ["224.0.0.0", 3]
  ] as const
) notPublic.ipv4.addSubnet(address, bits, "ipv4")
// Everything but global unicast; and the ways from there to an address of the fourth version.
for (
  const [address, bits] of [
    ["::", 3],
    ["4000::", 2],
    ["8000::", 1],
    ["2001::", 32],
    ["2002::", 16]
  ] as const
) notPublic.ipv6.addSubnet(address, bits, "ipv6")

export const isPublic = (address: string): boolean => {
  const version = net.isIP(address)
  if (version === 0) return false
  const family = version === 6 ? "ipv6" : "ipv4"
  return !notPublic[family].check(address, family)
}

/** Throws a sentence where it is not asked. */
export const publicFetch = async (url: URL, init: RequestInit, lookup: Lookup = lookUp): Promise<Response> => {
  const host = url.hostname.replace(/^\[|\]$/g, "")
  const addresses = url.protocol === "https:" ? await lookup(host) : []
  if (addresses.length === 0 || !addresses.every(({ address }) => isPublic(address))) {
    throw new Error(`The server points to ${url.origin}, which is not asked: it is not https, or not a public address.`)
  }
  return fetchAt(url, init, addresses)
}

/** How long nothing may come, milliseconds. */
const silenceMs = 30_000
const noBody: ReadonlySet<number> = new Set([204, 205, 304])

/** `fetch` without redirects, of a text or a form, at these addresses and no others. */
export const fetchAt = (
  url: URL,
  { body, headers, method = "GET", signal }: RequestInit,
  addresses: ReadonlyArray<dns.LookupAddress>
): Promise<Response> =>
  new Promise((resolve, reject) => {
    const sent = new Headers(headers)
    const text = body instanceof URLSearchParams ? body.toString() : body ?? undefined
    if (text !== undefined && typeof text !== "string") return reject(new Error("Only texts and forms are sent there."))
    if (body instanceof URLSearchParams && !sent.has("content-type")) {
      sent.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
    }
    const [first] = addresses
    const request = (url.protocol === "https:" ? https : http).request(url, {
      method,
      headers: Object.fromEntries(sent),
      agent: false,
      timeout: silenceMs,
      lookup: (_hostname, options, done) =>
        options.all === true ? done(null, [...addresses]) : done(null, first?.address ?? "", first?.family),
      ...(signal === undefined || signal === null ? {} : { signal })
    }, (response) => {
      const { statusCode: status = 500, statusMessage: statusText = "" } = response
      const got = new Headers()
      for (const [name, values] of Object.entries(response.headersDistinct)) {
        for (const value of values ?? []) got.append(name, value)
      }
      if (noBody.has(status)) response.resume()
      const stream = noBody.has(status) ? null : Readable.toWeb(response) as ReadableStream<Uint8Array>
      resolve(new Response(stream, { status, statusText, headers: got }))
    })
    request.on("error", reject)
    request.on("timeout", () => request.destroy(new Error(`It was silent for ${silenceMs / 1_000} seconds.`)))
    request.end(text)
  })

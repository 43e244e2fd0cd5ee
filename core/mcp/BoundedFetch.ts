/**
 * The `fetch` of one connection over HTTP.
 *
 * - The configured headers go to the server's own origin and nowhere else; no redirect is followed by `fetch` itself.
 * - An answer is bounded, and so is each event of a stream.
 * - Another origin, such as that of a sign-in, is named by the server: only https, and no address of this machine or its
 *   network.
 */
import * as net from "node:net"
import { codeOf } from "../llm/Failure.ts"
import { maximumAnswerBytes } from "./MessageFlow.ts"

export interface FetchOptions {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** A stream of events is broken off: why, as a sentence's end. */
  readonly broken: (why: string) => void
  /** No connection comes about. */
  readonly unreachable: (code: string) => void
}

/** Nothing can have reached the server. */
const notConnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID"
])

/** The code of a failure to connect. */
export const unconnected = (error: unknown): string | undefined => {
  const code = codeOf(error)
  return code !== undefined && notConnected.has(code) ? code : undefined
}

/** The answer is larger than what is taken. */
export class TooLarge extends Error {}

export const makeFetch =
  ({ broken, headers, unreachable, url: own }: FetchOptions) =>
  async (input: string | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(input)
    const sent = new Headers(init?.headers)
    if (url.origin === own.origin) {
      for (const [name, value] of Object.entries(headers)) if (!sent.has(name)) sent.set(name, value)
    } else if (!mayGo(url, own)) {
      throw new Error(
        `The server points to ${url.origin}, which is not asked: it is not https, or not a public address.`
      )
    }
    const response = await globalThis.fetch(url, { ...init, headers: sent, redirect: "manual" }).catch(
      (error: unknown) => {
        const code = unconnected(error)
        if (code !== undefined && url.origin === own.origin) unreachable(code)
        throw error
      }
    )
    if (response.body === null) return response
    const events = /\bevent-stream\b/.test(response.headers.get("content-type") ?? "")
    return new Response(response.body.pipeThrough(events ? boundEvents(broken) : boundBody()), {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers
    })
  }

const mayGo = (url: URL, own: URL): boolean => {
  if (url.hostname === own.hostname) return url.protocol === own.protocol || url.protocol === "https:"
  if (url.protocol !== "https:") return false
  const host = url.hostname.replace(/^\[|\]$/g, "")
  return !/(^|\.)localhost$|\.local$|\.internal$/.test(host) && !isPrivate(host)
}

const privateAddresses = new net.BlockList()
for (
  const [address, bits] of [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.168.0.0", 16]
  ] as const
) privateAddresses.addSubnet(address, bits, "ipv4")
for (const [address, bits] of [["::", 127], ["fc00::", 7], ["fe80::", 10]] as const) {
  privateAddresses.addSubnet(address, bits, "ipv6")
}

const isPrivate = (host: string): boolean => {
  const family = net.isIP(host)
  return family !== 0 && privateAddresses.check(host, family === 6 ? "ipv6" : "ipv4")
}

const large = `it sent more than ${maximumAnswerBytes / 1_048_576} MiB in one answer, which is not taken`

const boundBody = (): TransformStream<Uint8Array, Uint8Array> => {
  let bytes = 0
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > maximumAnswerBytes) controller.error(new TooLarge(large))
      else controller.enqueue(chunk)
    }
  })
}

/** Counts from one empty line to the next. */
const boundEvents = (broken: (why: string) => void): TransformStream<Uint8Array, Uint8Array> => {
  let bytes = 0
  let endsLine = false
  return new TransformStream({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length;) {
        const end = chunk.indexOf(10, at)
        const lineBytes = (end === -1 ? chunk.length : end + 1) - at
        // Empty, or with its carriage return alone.
        const empty = endsLine && end !== -1 && (end === at || (end === at + 1 && chunk[at] === 13))
        bytes = empty ? 0 : bytes + lineBytes
        endsLine = end !== -1
        at += lineBytes
        if (bytes > maximumAnswerBytes) {
          broken(large)
          return controller.error(new TooLarge(large))
        }
      }
      controller.enqueue(chunk)
    }
  })
}

/**
 * Asks an address that a server has named: over https, at a public address, and at no other than was looked at
 * (`core/safety/Outgoing.ts`). No redirect is followed.
 */
import { type Outgoing, publicOnly, refusalIn, through } from "../safety/Outgoing.ts"

/** Throws a sentence where it is not asked. */
export const publicFetch = async (url: URL, init: RequestInit, outgoing: Outgoing = publicOnly): Promise<Response> => {
  const refused = () =>
    new Error(`The server points to ${url.origin}, which is not asked: it is not https, or not a public address.`)
  if (url.protocol !== "https:") throw refused()
  const asked = { ...init, redirect: "manual" as const, ...through(await outgoing.dispatcher()) }
  return globalThis.fetch(url, asked).catch((error: unknown) => {
    throw refusalIn(error) === undefined ? error : refused()
  })
}

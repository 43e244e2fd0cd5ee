/**
 * The way out for requests over HTTP: a connection is made to an address that was looked at, and to no other.
 *
 * - A name is looked up here; each of its addresses has to be public, but where the operator named the host.
 * - The connection goes to one of those: a name that leads elsewhere a moment later leads nowhere.
 * - Each request has a connection of its own, so each is looked at, and none is lost with one that had been left open.
 * - No proxy of the environment is asked.
 */
import type * as dns from "node:dns"
import * as net from "node:net"
import type { buildConnector, Dispatcher } from "undici"
import { type NamedHosts, namedHosts, plainHost } from "./NamedHosts.ts"
import { isPublic, lookUp, type Lookup } from "./PublicAddress.ts"

/** Nothing was sent. The message is a sentence's end. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused"
}

export interface Outgoing {
  /** Made when it is first needed: the client takes a moment to load. */
  readonly dispatcher: () => Promise<Dispatcher>
}

const connectMs = 10_000
/** How long nothing may come. */
const silenceMs = 30_000

/** The addresses that may be connected to. */
const allowed = async (
  host: string,
  port: number,
  named: NamedHosts,
  lookup: Lookup
): Promise<ReadonlyArray<dns.LookupAddress>> => {
  const family = net.isIP(host)
  const addresses = family === 0 ? await lookup(host) : [{ address: host, family }]
  if (!named.has(host, port) && !(addresses.length > 0 && addresses.every(({ address }) => isPublic(address)))) {
    throw new AddressRefused(
      family === 0 ? `${host} does not lead to public addresses only` : `${host} is not a public address`
    )
  }
  return addresses
}

const pinned = (addresses: ReadonlyArray<dns.LookupAddress>): net.LookupFunction => (_hostname, options, done) => {
  const [first] = addresses
  if (options.all === true) done(null, [...addresses])
  else done(null, first?.address ?? "", first?.family)
}

export const makeOutgoing = (named: NamedHosts, lookup: Lookup = lookUp): Outgoing => {
  const make = async (): Promise<Dispatcher> => {
    const [{ default: Agent }, { default: connector }] = await Promise.all([
      import("undici/lib/dispatcher/agent.js"),
      import("undici/lib/core/connect.js")
    ])
    const connect = (options: buildConnector.Options, done: buildConnector.Callback): void => {
      const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80)
      allowed(plainHost(options.hostname), port, named, lookup).then(
        (addresses) =>
          connector({ timeout: connectMs, maxCachedSessions: 0, lookup: pinned(addresses) })(options, done),
        (error: Error) => done(error, null)
      )
    }
    return new Agent({ connect, pipelining: 0, headersTimeout: silenceMs, bodyTimeout: silenceMs })
  }
  let made: Promise<Dispatcher> | undefined
  return { dispatcher: () => made ??= make() }
}

/** For whom the operator named nothing. */
export const publicOnly: Outgoing = makeOutgoing(namedHosts({}))

/** What `fetch` is told: it is Node's own, of the same client. */
export const through = (dispatcher: Dispatcher): Pick<RequestInit, "dispatcher"> => ({
  dispatcher: dispatcher as unknown as NonNullable<RequestInit["dispatcher"]>
})

/** Why it was refused, where an error of `fetch` says that it was. */
export const refusalIn = (error: unknown): AddressRefused | undefined => {
  let current = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    if (current instanceof AddressRefused) return current
    current = current.cause
  }
  return undefined
}

/**
 * Which addresses a Deno isolate is denied though it was granted a name that leads to them. Deno looks at what it is denied
 * again once a name is resolved, and what is denied beats what is allowed: so what an operator granted as an address is left
 * out, and only that.
 *
 * It does not look through an IPv4 address in the clothes of IPv6 (`::ffff:127.0.0.1`): whoever answers for a granted name can
 * lead it to this machine that way, at the port that was granted. `docs/isolates.md` says so.
 */
import { isIPv4, isIPv6 } from "node:net"
import * as os from "node:os"
import { isPublic, notPublic4 } from "../../core/safety/PublicAddress.ts"

/** Deno takes no ranges of IPv6: these by themselves, and all that this machine has. */
const addresses6 = ["::", "::1", "fd00:ec2::254"]

const toNumber = (address: string): number => address.split(".").reduce((all, part) => all * 256 + Number(part), 0)
const toAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".")

/** A range without some of its addresses, as ranges. */
const without = (base: number, bits: number, holes: ReadonlyArray<number>): ReadonlyArray<string> => {
  const size = 2 ** (32 - bits)
  const inside = holes.filter((hole) => hole >= base && hole < base + size)
  if (inside.length === 0) return [bits === 32 ? toAddress(base) : `${toAddress(base)}/${bits}`]
  if (bits === 32) return []
  return [...without(base, bits + 1, inside), ...without(base + size / 2, bits + 1, inside)]
}

/** The host of what was granted, without its port. */
const hostOf = (granted: string): string => {
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(granted) ?? []
  return bracketed ?? granted.replace(/:\d+$/, "")
}

const own = (): ReadonlyArray<string> =>
  Object.values(os.networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address.replace(/%.*$/, ""))
  )

/** What `--deny-net` is given beside what was granted. */
export const deniedAddresses = (granted: ReadonlyArray<string>, ofMachine = own()): ReadonlyArray<string> => {
  const hosts = new Set(granted.map(hostOf).flatMap((host) => host === "localhost" ? ["127.0.0.1", "::1"] : [host]))
  const holes = [...hosts].filter((host) => isIPv4(host)).map(toNumber)
  const public4 = ofMachine.filter((address) => isIPv4(address) && isPublic(address))
  const six = [...addresses6, ...ofMachine.filter((address) => isIPv6(address))].filter((address) =>
    !hosts.has(address)
  )
  return [
    ...notPublic4.flatMap(([base, bits]) => without(toNumber(base), bits, holes)),
    ...public4.filter((address) => !hosts.has(address)),
    ...[...new Set(six)].map((address) => `[${address}]`)
  ]
}

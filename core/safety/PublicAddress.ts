/**
 * Which addresses anybody may name: public unicast, and nothing of this machine, its network, or the ranges that are set
 * aside. The ranges are those of IANA's registries of special-purpose addresses (RFC 6890) that are not globally reachable,
 * and multicast.
 */
import * as dns from "node:dns"
import * as net from "node:net"

/** Every address of a name. */
export type Lookup = (hostname: string) => Promise<ReadonlyArray<dns.LookupAddress>>

export const lookUp: Lookup = (hostname) => dns.promises.lookup(hostname, { all: true })

type Range = readonly [address: string, bits: number]

export const notPublic4: ReadonlyArray<Range> = [
  ["0.0.0.0", 8], // this network, RFC 791
  ["10.0.0.0", 8], // private, RFC 1918
  ["100.64.0.0", 10], // shared, RFC 6598
  ["127.0.0.0", 8], // loopback, RFC 1122
  ["169.254.0.0", 16], // link-local, RFC 3927
  ["172.16.0.0", 12], // private, RFC 1918
  ["192.0.0.0", 24], // protocols, RFC 6890
  ["192.0.2.0", 24], // documentation, RFC 5737
  ["192.88.99.0", 24], // 6to4 relays, RFC 7526
  ["192.168.0.0", 16], // private, RFC 1918
  ["198.18.0.0", 15], // benchmarks, RFC 2544
  ["198.51.100.0", 24], // documentation, RFC 5737
  ["203.0.113.0", 24], // documentation, RFC 5737
  ["224.0.0.0", 4], // multicast, RFC 5771
  ["240.0.0.0", 4] // reserved, and broadcast, RFC 1112
]

const notPublic6: ReadonlyArray<Range> = [
  // All but global unicast, 2000::/3 of RFC 4291: loopback, NAT64, unique local, link-local, multicast are here.
  ["::", 3],
  ["4000::", 2],
  ["8000::", 1],
  ["2001::", 23], // protocols, and Teredo, RFC 2928
  ["2001:db8::", 32], // documentation, RFC 3849
  ["2002::", 16], // 6to4: the way to an address of the fourth version, RFC 3056
  ["3fff::", 20] // documentation, RFC 9637
]

const listOf = (ranges: ReadonlyArray<Range>, family: net.IPVersion): net.BlockList => {
  const list = new net.BlockList()
  for (const [address, bits] of ranges) list.addSubnet(address, bits, family)
  return list
}

// One each: an address of the fourth version is one of the sixth, too, and would be found among those.
const notPublic = { ipv4: listOf(notPublic4, "ipv4"), ipv6: listOf(notPublic6, "ipv6") }

export const isPublic = (address: string): boolean => {
  const version = net.isIP(address)
  if (version === 0) return false
  const family = version === 6 ? "ipv6" : "ipv4"
  return !notPublic[family].check(address, family)
}

/**
 * Which addresses anybody may name: public unicast, and nothing of this machine, its network, or the ranges that are set
 * aside.
 */
import * as dns from "node:dns"
import * as net from "node:net"

/** Every address of a name. */
export type Lookup = (hostname: string) => Promise<ReadonlyArray<dns.LookupAddress>>

export const lookUp: Lookup = (hostname) => dns.promises.lookup(hostname, { all: true })

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
    ["192.0.2.0", 24],
    ["192.88.99.0", 24],
    ["192.168.0.0", 16],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 3]
  ] as const
) notPublic.ipv4.addSubnet(address, bits, "ipv4")
// Everything but global unicast; the ways from there to an address of the fourth version; protocols and documentation.
for (
  const [address, bits] of [
    ["::", 3],
    ["4000::", 2],
    ["8000::", 1],
    ["2001::", 23],
    ["2001:db8::", 32],
    ["2002::", 16],
    ["3fff::", 20]
  ] as const
) notPublic.ipv6.addSubnet(address, bits, "ipv6")

export const isPublic = (address: string): boolean => {
  const version = net.isIP(address)
  if (version === 0) return false
  const family = version === 6 ? "ipv6" : "ipv4"
  return !notPublic[family].check(address, family)
}

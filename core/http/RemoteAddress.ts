/**
 * Who is asking, as limits count it: one name for each way to write an address, and one for each IPv6 /64.
 */
import { isIPv6 } from "node:net"

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

export const canonicalAddress = (address: string | undefined): string => {
  if (address === undefined) return "unknown"
  const v4 = mapped.exec(address)?.[1]
  if (v4 !== undefined) return v4
  const bare = address.replace(/%.*$/, "")
  if (!isIPv6(bare)) return bare
  const [head = "", tail] = bare.toLowerCase().split("::")
  const groups = head === "" ? [] : head.split(":")
  const rest = tail === undefined || tail === "" ? [] : tail.split(":")
  const filled = [
    ...groups,
    ...(tail === undefined ? [] : Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill("0")),
    ...rest
  ]
  return `${filled.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`
}

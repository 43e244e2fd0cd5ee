/** Each range from its first address to its last, and what is beside it. */
import { assert, describe, it } from "@effect/vitest"
import { isPublic } from "./PublicAddress.ts"

describe("what is public", () => {
  it.each([
    // [before, first, last, after]; "-" where another such range begins or all addresses end.
    ["this network", "-", "0.0.0.0", "0.255.255.255", "1.0.0.0"],
    ["private, 10", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"],
    ["shared", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"],
    ["loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"],
    ["link-local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"],
    ["private, 172", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"],
    ["protocols", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"],
    ["documentation, 1", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"],
    ["6to4 relays", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"],
    ["private, 192", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"],
    ["benchmarks", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"],
    ["documentation, 2", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"],
    ["documentation, 3", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"],
    ["multicast", "223.255.255.255", "224.0.0.0", "239.255.255.255", "-"],
    ["reserved", "-", "240.0.0.0", "255.255.255.255", "-"],
    ["below global unicast", "-", "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"],
    ["above global unicast", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "ffff::", "-"],
    ["protocols of IPv6", "2000:ffff::", "2001::", "2001:1ff:ffff::", "2001:200::"],
    ["documentation of IPv6", "2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"],
    ["6to4", "2001:ffff::", "2002::", "2002:ffff::", "2003::"],
    ["documentation of IPv6, 2", "3ffe:ffff::", "3fff::", "3fff:fff::", "3fff:1000::"]
  ])("is not %s, and what is beside it is", (_, before, first, last, after) => {
    assert.deepEqual([first, last].filter(isPublic), [])
    assert.deepEqual([before, after].filter((address) => address !== "-" && !isPublic(address)), [])
  })

  it("is no loopback, no unique local and no mapped address of IPv6, and no name", () => {
    assert.deepEqual(
      ["::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "fc00::", "fd00:ec2::254", "fe80::1", "ff02::1", "localhost", ""]
        .filter(isPublic),
      []
    )
  })
})

/**
 * Addresses that a server names: none of this machine and its network is asked, whatever a name leads to.
 */
import * as http from "node:http"
import type * as net from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { namedHosts } from "../safety/NamedHosts.ts"
import { makeOutgoing } from "../safety/Outgoing.ts"
import { makeFetch } from "./BoundedFetch.ts"
import { publicFetch } from "./PublicFetch.ts"

const asked: Array<string> = []
const server = http.createServer((request, response) => {
  asked.push(request.url ?? "")
  response.end()
})
let port = 0
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  port = (server.address() as net.AddressInfo).port
})
afterAll(() => void server.close())

const refusal = (url: string, ...addresses: ReadonlyArray<string>): Promise<string> => {
  const lookup = () => Promise.resolve(addresses.map((address) => ({ address, family: 4 })))
  return publicFetch(new URL(url), {}, makeOutgoing(namedHosts({}), lookup))
    .then(() => "asked", (error: Error) => error.message)
}

describe("an address that a server names", () => {
  it("is not asked where any of its addresses is not public, or without https", async () => {
    for (
      const addresses of [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["64:ff9b::a00:1"], []]
    ) assert.include(await refusal("https://auth.example.com/token", ...addresses), "which is not asked")
    assert.include(await refusal("http://auth.example.com/token", "8.8.8.8"), "which is not asked")
    assert.include(await publicFetch(new URL("https://localhost/"), {}).catch(String), "which is not asked")
    assert.include(await publicFetch(new URL("https://[::1]/"), {}).catch(String), "which is not asked")
    const fetch = makeFetch({
      url: new URL(`http://127.0.0.1:${port}/mcp`),
      headers: {},
      broken() {},
      unreachable() {}
    })
    assert.include(await fetch("https://localhost/token").catch(String), "which is not asked")
    assert.include(await fetch(`http://localhost:${port}/token`).catch(String), "which is not asked")
    assert.deepEqual(asked, [])
    // The server itself, which the operator named, is.
    assert.strictEqual((await fetch(`http://127.0.0.1:${port}/mcp`)).status, 200)
    assert.deepEqual(asked, ["/mcp"])
  })
})

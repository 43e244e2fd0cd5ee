/**
 * Addresses that a server names: none of this machine and its network is asked, whatever a name leads to.
 */
import * as http from "node:http"
import type * as net from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeFetch } from "./BoundedFetch.ts"
import { fetchAt, isPublic, publicFetch } from "./PublicFetch.ts"

const asked: Array<string> = []
const server = http.createServer((request, response) => {
  request.on(
    "data",
    (chunk: Buffer) => asked.push(`${request.headers.host} ${request.headers["content-type"]} ${chunk.toString()}`)
  )
  request.on("end", () => response.writeHead(400, { "content-type": "application/json" }).end("{\"error\":\"no\"}"))
})
let port = 0
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  port = (server.address() as net.AddressInfo).port
})
afterAll(() => void server.close())

const refusal = (url: string, ...addresses: ReadonlyArray<string>): Promise<string> =>
  publicFetch(new URL(url), {}, () => Promise.resolve(addresses.map((address) => ({ address, family: 4 }))))
    .then(() => "asked", (error: Error) => error.message)

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
    assert.isTrue(["8.8.8.8", "2606:4700::1111"].every(isPublic))
    assert.isFalse(["169.254.169.254", "fd00::1", "fe80::1", "224.0.0.1", "2002:7f00:1::", "text"].some(isPublic))
  })

  it("is asked at the addresses that were looked at, by its own name", async () => {
    const url = new URL(`http://auth.example.com:${port}/token`)
    const body = new URLSearchParams({ code: "1" })
    const response = await fetchAt(url, { method: "POST", body }, [{ address: "127.0.0.1", family: 4 }])
    assert.deepEqual([response.status, await response.json()], [400, { error: "no" }])
    assert.deepEqual(asked, [
      `auth.example.com:${port} application/x-www-form-urlencoded;charset=UTF-8 code=1`
    ])
  })
})

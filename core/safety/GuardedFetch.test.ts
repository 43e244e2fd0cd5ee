/**
 * Requests of plugins: whoever wrote the words that an address came from, none of this machine and its network is asked that
 * the operator did not name. Real servers on loopback; a name is looked up by the test.
 */
import * as http from "node:http"
import type * as net from "node:net"
import { gzipSync } from "node:zlib"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ToolRefused, ToolUnknown } from "../plugin/Tool.ts"
import { type Bounds, guardedFetch } from "./GuardedFetch.ts"
import { namedHosts, namedIn } from "./NamedHosts.ts"
import { makeOutgoing, publicOnly } from "./Outgoing.ts"
import { isPublic, type Lookup } from "./PublicAddress.ts"

interface Got {
  readonly line: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}
/** What reached the server inside, which nobody from outside may ask. */
const inside: Array<Got> = []
const outside: Array<Got> = []
let answer: (response: http.ServerResponse, request: http.IncomingMessage) => void = (response) => response.end("ok")

const serve = (got: Array<Got>, handle: typeof answer) =>
  http.createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      const { headers, method, url } = request
      got.push({ line: `${method} ${url}`, headers, body: Buffer.concat(parts).toString() })
      handle(response, request)
    })
  })
const inner = serve(inside, (response) => response.end("the secret"))
const outer = serve(outside, (response, request) => answer(response, request))
const portOf = (server: http.Server): number => (server.address() as net.AddressInfo).port

beforeAll(async () => {
  for (const server of [inner, outer]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  }
})
afterAll(() => {
  for (const server of [inner, outer]) {
    server.close()
    server.closeAllConnections()
  }
})

const signal = new AbortController().signal
const local: Lookup = () => Promise.resolve([{ address: "127.0.0.1", family: 4 }])
/** For an operator who named the outer server and nothing else. */
const named = (more: Partial<Bounds> = {}, lookup: Lookup = local) =>
  guardedFetch(makeOutgoing(namedHosts({ url: `http://shop.example:${portOf(outer)}/` }), lookup), signal, more)
const shop = (path = "/") => `http://shop.example:${portOf(outer)}${path}`
const failure = async (asked: Promise<Response>): Promise<Error> => {
  try {
    return new Error(`it was answered: ${await (await asked).text()}`)
  } catch (error) {
    return error as Error
  }
}
const redirectTo = (location: string, status = 302): typeof answer => (response) =>
  response.writeHead(status, { location }).end()

describe("an address that nobody named", () => {
  it("is not asked where it is private, however it is written; without the guard it would be", async () => {
    const before = inside.length
    const port = portOf(inner)
    const written = [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "0.0.0.0",
      "localhost",
      "localhost.",
      "①②⑦.0.0.1"
    ]
    for (const host of written) {
      const error = await failure(guardedFetch(publicOnly, signal)(`http://${host}:${port}/`))
      assert.instanceOf(error, ToolRefused, `${host}: ${error.message}`)
      assert.match(error.message, /was not asked: .* public address/)
    }
    assert.lengthOf(inside, before)
    // The control.
    for (const host of written.slice(0, 7)) {
      assert.strictEqual(await (await fetch(`http://${host}:${port}/`)).text(), "the secret", host)
    }
    assert.lengthOf(inside, before + 7)
  })

  it("is not asked where one of the addresses of its name is private, or none is there", async () => {
    const before = inside.length
    for (const addresses of [["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fd00::1"], ["64:ff9b::7f00:1"], []]) {
      const lookup: Lookup = () => Promise.resolve(addresses.map((address) => ({ address, family: 4 })))
      const error = await failure(named({}, lookup)(`http://evil.example:${portOf(inner)}/`))
      assert.instanceOf(error, ToolRefused, addresses.join())
    }
    assert.lengthOf(inside, before)
  })

  it("is looked up once: a name that leads elsewhere a moment later leads nowhere", async () => {
    let asked = 0
    const port = portOf(inner)
    // Nobody is at the first one.
    const rebinding: Lookup = () => Promise.resolve([{ address: asked++ === 0 ? "127.0.0.9" : "127.0.0.1", family: 4 }])
    const before = inside.length
    const hosts = namedHosts(`evil.example:${port}`)
    const error = await failure(guardedFetch(makeOutgoing(hosts, rebinding), signal)(`http://evil.example:${port}/`))
    assert.include(error.cause, { code: "ECONNREFUSED", address: "127.0.0.9" })
    assert.deepEqual([asked, inside.length], [1, before])
    // The control: whoever looks, and has the client look again.
    asked = 0
    assert.deepEqual(await rebinding("evil.example"), [{ address: "127.0.0.9", family: 4 }])
    await new Promise((resolve, reject) =>
      http.get(`http://evil.example:${port}/`, {
        lookup: (name, _options, done) => void rebinding(name).then((all) => done(null, [...all]), reject)
      }, resolve).on("error", reject)
    )
    assert.lengthOf(inside, before + 1)
  })

  it("is told by its bits", () => {
    assert.isTrue(["8.8.8.8", "2606:4700::1111"].every(isPublic))
    assert.isFalse(["169.254.169.254", "fd00::1", "fe80::1", "224.0.0.1", "2002:7f00:1::", "text"].some(isPublic))
  })

  it("is not asked by way of a redirect; without the guard it would be", async () => {
    const target = `http://127.0.0.1:${portOf(inner)}/admin`
    const before = inside.length
    for (const status of [301, 302, 303, 307, 308]) {
      answer = redirectTo(target, status)
      assert.instanceOf(await failure(named()(shop())), ToolRefused)
    }
    answer = redirectTo(`//localhost:${portOf(inner)}/`)
    assert.instanceOf(await failure(named()(shop())), ToolRefused)
    // What was sent has been done where the answer is a 303: nobody may say that it failed.
    answer = redirectTo(target, 303)
    assert.instanceOf(await failure(named()(shop(), { method: "POST", body: "x" })), ToolUnknown)
    assert.lengthOf(inside, before)
    answer = redirectTo(target)
    assert.strictEqual(await (await fetch(`http://127.0.0.1:${portOf(outer)}/`)).text(), "the secret")
    assert.lengthOf(inside, before + 1)
  })

  it("is not asked over anything but http and https, with a password in it, or by an agent of the plugin's own", async () => {
    const before = inside.length
    const guarded = guardedFetch(publicOnly, signal)
    for (const address of ["file:///etc/passwd", "data:text/plain,x", "ftp://8.8.8.8/", "http://me:word@8.8.8.8/"]) {
      assert.instanceOf(await failure(guarded(address)), ToolRefused, address)
    }
    const { Agent } = await import("undici")
    const agent = new Agent()
    const own = { dispatcher: agent } as unknown as RequestInit
    assert.instanceOf(await failure(guarded(`http://127.0.0.1:${portOf(inner)}/`, own)), ToolRefused)
    await agent.close()
    assert.lengthOf(inside, before)
  })
})

describe("an address that the operator named", () => {
  it("is asked, private or not, at its port and no other", async () => {
    answer = (response) => response.writeHead(200, { "x-a": "1", "set-cookie": ["a=1", "b=2"] }).end("{\"well\":true}")
    const response = await named()(
      new Request(shop("/in?x=1"), { method: "POST", body: "hello", headers: { "x-b": "2" } })
    )
    assert.instanceOf(response, Response)
    assert.deepEqual(
      [response.status, response.ok, response.url, response.redirected, response.headers.get("x-a")],
      [200, true, shop("/in?x=1"), false, "1"]
    )
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"])
    assert.deepEqual(await response.json(), { well: true })
    const got = outside.at(-1)!
    assert.deepEqual([got.line, got.body, got.headers["x-b"]], ["POST /in?x=1", "hello", "2"])
    assert.strictEqual(got.headers.host, `shop.example:${portOf(outer)}`)
    assert.instanceOf(await failure(named()(`http://shop.example:${portOf(inner)}/`)), ToolRefused)
    assert.instanceOf(await failure(named()(`http://other.example:${portOf(outer)}/`)), ToolRefused)
  })

  it("is found in options, and in what they hold", () => {
    const hosts = namedHosts({
      url: "http://homeassistant.local:8123/api",
      imap: { host: "10.0.0.5", port: 993 },
      list: ["nas", "[fd00::1]:81", "fd00::2", "https://cloud.example/x"],
      topics: "home/+/state",
      text: "Hello there",
      number: "2130706433",
      key: "http://10.0.0.9/hidden"
    }, { secrets: ["http://10.0.0.9/hidden"], net: ["api.example.org:443", "LOCALHOST"] })
    const all: ReadonlyArray<readonly [string, number, boolean]> = [
      ["homeassistant.local", 8123, true],
      ["HomeAssistant.Local.", 8123, true],
      ["homeassistant.local", 80, false],
      ["10.0.0.5", 993, true],
      ["10.0.0.5", 80, false],
      ["nas", 5000, true],
      ["[fd00::1]", 81, true],
      ["[fd00::1]", 80, false],
      ["fd00::2", 80, true],
      ["cloud.example", 443, true],
      ["cloud.example", 8443, false],
      ["api.example.org", 443, true],
      ["localhost", 1, true],
      ["127.0.0.1", 1, false],
      ["10.0.0.9", 80, false]
    ]
    for (const [host, port, is] of all) assert.strictEqual(hosts.has(host, port), is, `${host} ${port}`)
    for (
      const none of ["", "home/+/state", "Hello there", "2130706433", "127.1", "a@b.example", "10.0.0.0/8", "*", "x:y"]
    ) {
      assert.isUndefined(namedIn(none), none)
    }
  })
})

describe("a redirect", () => {
  it("is followed at most five times, and proves nothing to another origin", async () => {
    answer = (response, { url = "" }) => {
      const left = Number(url.slice(1))
      if (left > 0) response.writeHead(307, { location: `/${left - 1}` }).end()
      else response.end("there")
    }
    const reached = await named()(shop("/5"))
    assert.deepEqual([await reached.text(), reached.redirected, reached.url], ["there", true, shop("/0")])
    assert.match((await failure(named()(shop("/6")))).message, /a redirect after 5 others: it is not followed/)

    const port = portOf(outer)
    const both = guardedFetch(makeOutgoing(namedHosts([shop(), `http://b.example:${port}`]), local), signal)
    answer = (response, { url }) =>
      url === "/a" ? response.writeHead(302, { location: `http://b.example:${port}/b` }).end() : response.end("b")
    const headers = { authorization: "Bearer x", cookie: "c=1", "x-kept": "1", "content-type": "text/plain" }
    await (await both(shop("/a"), { method: "POST", body: "words", headers })).text()
    const { headers: got, line, body } = outside.at(-1)!
    assert.deepEqual([line, body], ["GET /b", ""])
    assert.deepEqual(
      [got["authorization"], got["cookie"], got["content-type"], got["x-kept"], got.host],
      [undefined, undefined, undefined, "1", `b.example:${port}`]
    )
    // The same origin keeps them, and a 307 the method and the words.
    answer = (response, { url }) => url === "/a" ? response.writeHead(307, { location: "/b" }).end() : response.end("b")
    await (await both(shop("/a"), { method: "POST", body: "words", headers })).text()
    assert.deepEqual([outside.at(-1)!.line, outside.at(-1)!.body], ["POST /b", "words"])
    assert.strictEqual(outside.at(-1)!.headers["authorization"], "Bearer x")
    assert.strictEqual((await both(shop("/a"), { redirect: "manual" })).status, 307)
    assert.instanceOf(await failure(both(shop("/a"), { redirect: "error" })), TypeError)
  })
})

describe("an answer", () => {
  it("is cut at its bound as it is unpacked, and what was sent may have been done", async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1_048_576))
    answer = (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb)
    assert.isBelow(bomb.length, 100_000)
    const error = await failure(named()(shop()))
    assert.instanceOf(error, ToolRefused)
    assert.match(error.message, /has more than 10 MiB, which is not taken/)
    assert.instanceOf(await failure(named()(shop(), { method: "POST" })), ToolUnknown)
    answer = (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("packed"))
    assert.strictEqual(await (await named()(shop())).text(), "packed")
  })

  it("is waited for within its time, and as long as its call runs", async () => {
    answer = (response) => void response.write("and then nothing")
    const late = await failure(named({ ms: 100 })(shop()))
    assert.deepEqual([late.name, late.message], ["TimeoutError", "It took longer than 0.1 seconds."])
    answer = () => {}
    assert.strictEqual((await failure(named({ ms: 100 })(shop()))).name, "TimeoutError")
    const controller = new AbortController()
    const under = guardedFetch(makeOutgoing(namedHosts(shop()), local), controller.signal)(shop())
    controller.abort()
    assert.strictEqual((await failure(under)).name, "AbortError")
  })

  it("that never came leaves the client's own error, by which a lost connection is known", async () => {
    answer = (response) => void response.destroy()
    const cut = await failure(named()(shop()))
    assert.deepEqual([cut.constructor, cut.message], [TypeError, "fetch failed"])
    const closed = http.createServer()
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve))
    const port = portOf(closed)
    await new Promise((resolve) => closed.close(resolve))
    const nobody = await failure(
      guardedFetch(makeOutgoing(namedHosts(`127.0.0.1:${port}`)), signal)(`http://127.0.0.1:${port}`)
    )
    assert.deepEqual([nobody.message, (nobody.cause as { code?: string }).code], ["fetch failed", "ECONNREFUSED"])
  })
})

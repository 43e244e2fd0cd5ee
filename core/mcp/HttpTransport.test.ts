/**
 * A server over HTTP that breaks the rules: nothing is sent twice, an answer that is lost is known to be, and no header goes
 * to anybody else.
 */
import { afterEach, assert, describe, it } from "vitest"
import { type Connected, connectTo } from "./testServers/connecting.ts"
import { hostileHttp, type HostileHttp, type HostileHttpOptions } from "./testServers/hostileHttp.ts"
import type { McpFailed } from "./McpConnection.ts"

const started: Array<() => Promise<void>> = []
const serve = async (options?: HostileHttpOptions): Promise<HostileHttp> => {
  const server = await hostileHttp(options)
  started.push(server.stop)
  return server
}
const connected = async (server: HostileHttp, headers: Readonly<Record<string, string>> = {}): Promise<Connected> => {
  const one = await connectTo({ url: server.url, headers })
  started.push(one.close)
  return one
}
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop()
})

const callsOf = (server: HostileHttp): number => server.requests.filter(({ method }) => method === "tools/call").length

describe("a call over HTTP", { timeout: 60_000 }, () => {
  it("is sent once: its stream is taken up again after a break, and an answer that is lost is known to be at once", async () => {
    const server = await serve()
    const it = await connected(server)
    assert.deepStrictEqual((await it.call("do")).content, [{ type: "text", text: "done" }])
    assert.strictEqual((await it.call("do", { does: "resume" })).content.length, 1)
    assert.strictEqual(callsOf(server), 2)
    for (const does of ["cut", "end", "huge", "break", "reset"]) {
      const started = performance.now()
      const { message, refused, sent } = await it.failure("do", { does })
      assert.deepStrictEqual([does, sent, refused], [does, true, undefined], message)
      assert.isBelow(performance.now() - started, 30_000, message)
    }
    assert.strictEqual(callsOf(server), 7)
    const late = await it.failure("do", { does: "hang" }, { timeoutMs: 2_000 })
    assert.match(late.message, /did not answer within 2 seconds/)
    assert.isTrue(late.sent)
    assert.strictEqual((await it.call("do")).content.length, 1, "it goes on")
    assert.strictEqual(callsOf(server), 9)
  })

  it("does not follow a redirect to somebody else, and no header goes there", async () => {
    const other = await serve()
    const server = await serve({ elsewhere: other.url })
    const it = await connected(server, { "x-api-key": "for-this-one-only" })
    const error = await it.failure("do", { does: "elsewhere" })
    assert.match(error.message, /points elsewhere \(307\), which is not followed/)
    assert.isTrue(error.refused)
    assert.deepStrictEqual(other.requests, [])
    assert.isTrue(server.requests.every(({ headers }) => headers["x-api-key"] === "for-this-one-only"))
  })

  it.each([
    ["forget", true, /it has forgotten the session\.$/],
    ["empty-lines", undefined, /it sent more than 20000 empty lines in 10 seconds\.$/],
    ["huge-event", undefined, /it sent more than 8 MiB in one answer, which is not taken\.$/]
  ])("ends the connection where the server does this: %s", async (does, refused, why) => {
    const it = await connected(await serve())
    const error = await it.failure("do", { does })
    assert.deepStrictEqual([error.sent, error.refused], [true, refused], error.message)
    assert.match(await it.closed(), why)
    assert.isFalse((await it.failure("do")).sent)
  })

  it("was not sent where nobody is there, and the connection is over", async () => {
    const server = await serve()
    const it = await connected(server)
    await server.stop()
    const error = await it.failure("do")
    assert.isFalse(error.sent)
    assert.match(error.message, /can't be reached at http:\/\/127\.0\.0\.1:\d+\/mcp \(ECONNREFUSED\)\.$/)
    assert.match(await it.closed(), /can't be reached any more/)
  })
})

describe("a server that wants to know who asks", { timeout: 20_000 }, () => {
  it("gets its header, and asks for a sign-in where there is none", async () => {
    const server = await serve({ authorization: "Bearer open-sesame" })
    const it = await connected(server, { Authorization: "Bearer open-sesame" })
    assert.deepStrictEqual((await it.tools()).tools, ["do"])
    const refused = (headers: Readonly<Record<string, string>>): Promise<McpFailed> =>
      connected(server, headers).then(() => assert.fail("connected"), (error: McpFailed) => error)
    const without = await refused({})
    assert.isTrue(without.sign_in)
    assert.match(without.message, /asks for a sign-in/)
    const wrong = await refused({ Authorization: "Bearer sesame-street" })
    assert.isUndefined(wrong.sign_in)
    assert.match(wrong.message, /does not take the configured Authorization header/)
    assert.notInclude(wrong.message, "sesame-street")
  })
})

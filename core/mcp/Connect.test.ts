/**
 * The official servers, over every transport, and what a server of ours gets of the host: nothing but what it is given.
 */
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import { secret } from "../plugin/Secret.ts"
import { connectTo, type Connected, secrets, type ServerOption } from "./testServers/connecting.ts"
import { everything, filesystem, hostile, memory, modern, serveEverything } from "./testServers/servers.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-mcp-test-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const open: Array<Connected> = []
const connected = async (server: ServerOption): Promise<Connected> => {
  // On a machine that is busy with other tests a server is slow to start.
  const one = await connectTo(server, { handshakeMs: 60_000 })
  open.push(one)
  return one
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

const textOf = (result: Awaited<ReturnType<Connected["call"]>>): string =>
  result.content.map((piece) => piece.type === "text" ? piece.text : `[${piece.type}]`).join("\n")

describe("the official servers", { timeout: 30_000 }, () => {
  it("all three answer over stdio, connected at the same time", async () => {
    fs.writeFileSync(path.join(folder, "list.txt"), "milk and bread")
    const [all, files, notes] = await Promise.all([
      connected(everything()),
      connected(filesystem(folder)),
      connected(memory(path.join(folder, "memory.jsonl")))
    ])
    assert.include((await all.tools()).tools, "get-sum")
    assert.strictEqual(textOf(await all.call("get-sum", { a: 40, b: 2 })), "The sum of 40 and 2 is 42.")
    assert.include(textOf(await files.call("read_text_file", { path: path.join(folder, "list.txt") })), "milk")
    const entities = [{ name: "Ada", entityType: "person", observations: ["likes tea"] }]
    await notes.call("create_entities", { entities })
    assert.include(textOf(await notes.call("search_nodes", { query: "tea" })), "Ada")
    assert.isAbove(await all.ping(), 0)
    assert.strictEqual(all.connection.server.name, "mcp-servers/everything")
    assert.include(all.connection.stderr(), "Starting default (STDIO) server")
    const told: Array<string> = []
    const result = await all.call("trigger-long-running-operation", { duration: 0.6, steps: 3 }, {
      progress: ({ percent }) => told.push(`${Math.round(percent ?? -1)}`)
    })
    assert.include(textOf(result), "completed")
    assert.include(told, "100")
    const picture = await all.call("get-tiny-image")
    assert.isTrue(picture.content.some(({ type }) => type === "image"))
  })

  it.each(["streamableHttp", "sse"] as const)(
    "everything over %s, and the connection is over when it is killed",
    async (kind) => {
      const served = await serveEverything(kind)
      try {
        const all = await connected({ url: served.url })
        assert.include((await all.tools()).tools, "echo")
        assert.strictEqual(textOf(await all.call("echo", { message: "hello" })), "Echo: hello")
        assert.isAbove(await all.ping(), 0)
        assert.isUndefined(all.connection.pid)
        const cut = all.failure("trigger-long-running-operation", { duration: 20, steps: 100 }, {
          progress: () => void served.stop()
        })
        const { message, refused, sent } = await cut
        assert.isTrue(sent, message)
        assert.isUndefined(refused)
        assert.match(await all.closed(), /can't be reached any more|broke off/)
        assert.isFalse((await all.failure("echo", { message: "too late" })).sent)
      } finally {
        await served.stop()
      }
    }
  )
})

describe("a server of the revision of 2026", { timeout: 20_000 }, () => {
  it("is found out, gives signs of life without a ping, and tells whoever has subscribed that it has changed", async () => {
    const it = await connected(modern())
    assert.deepStrictEqual(it.connection.server, { name: "modern", version: "3.0.0", protocol: "2026-07-28" })
    assert.deepStrictEqual((await it.tools()).tools, ["grow"])
    assert.isAbove(await it.ping(), 0)
    const changed = it.toolsChanged()
    assert.strictEqual(textOf(await it.call("grow")), "grown")
    await changed
    assert.deepStrictEqual((await it.tools()).tools, ["grow", "grown"])
    assert.isTrue((await it.failure("no-such-tool")).refused)
  })
})

describe("what a server is given", { timeout: 20_000 }, () => {
  it("has PATH and what the configuration grants, in a folder of its own, and no word of a secret comes back", async () => {
    process.env["SYRIS_TEST_CANARY"] = "of-the-host"
    await Effect.runPromise(secrets.set("theirs", "token", Redacted.make("tok-4711-secret")))
    const [plain, granted] = await Promise.all([
      connected({ ...hostile(), env: { THEIR_TOKEN: secret("theirs", "token") } }),
      connected({ ...hostile("whisper"), env: { SYRIS_TEST_CANARY: "granted", WHISPER: secret("theirs", "token") } })
    ])
    const environment = JSON.parse(textOf(await plain.call("environment"))) as Record<string, string | undefined>
    assert.deepStrictEqual(environment, { PATH: process.env["PATH"], THEIR_TOKEN: "tok-4711-secret" })
    assert.include(textOf(await granted.call("environment")), "granted")
    const said = granted.connection.stderr()
    assert.notInclude(said, "tok-4711")
    assert.include(said, "[secret theirs.token]")
    const own = fs.readlinkSync(`/proc/${plain.connection.pid}/cwd`)
    assert.match(own, /mcp\/theirs$/)
    assert.strictEqual(fs.statSync(own).mode & 0o777, 0o700)
    const open = fs.readdirSync(`/proc/${plain.connection.pid}/fd`).filter((fd) =>
      fs.readlinkSync(`/proc/${plain.connection.pid}/fd/${fd}`).startsWith("socket")
    )
    assert.deepStrictEqual(open.sort(), ["0", "1", "2"], "the guard's pipe is not the server's")
  })
})

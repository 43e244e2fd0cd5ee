/**
 * A server over stdio that breaks the rules: its call fails or is not known, as it is; everything else goes on.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it, onTestFinished, vi } from "vitest"
import type { McpFailed } from "./McpConnection.ts"
import { type Connected, connectTo, type ServerOption, settingsOf } from "./testServers/connecting.ts"
import { hostile } from "./testServers/servers.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-mcp-test-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

let logs = 0
/** What it got, besides. */
const logged = (...words: ReadonlyArray<string>) => {
  const file = path.join(folder, `log-${++logs}`)
  const read = (): ReadonlyArray<Record<string, unknown>> =>
    fs.existsSync(file)
      ? fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
      : []
  return {
    server: hostile(`--log=${file}`, ...words),
    methods: () => read().flatMap(({ method }) => typeof method === "string" ? [method] : []),
    pids: () => read().flatMap(({ child, pid }) => [pid, child].filter((one) => typeof one === "number")),
    /** Both of a stubborn one, as soon as nothing stops them any more. */
    both: async (): Promise<ReadonlyArray<number>> => {
      while (true) {
        const found = read().find(({ child }) => child !== undefined)
        if (found !== undefined) return [found["pid"] as number, found["child"] as number]
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
  }
}

const connected = async (...given: Parameters<typeof connectTo>): Promise<Connected> => {
  const one = await connectTo(...given)
  onTestFinished(() => one.close())
  return one
}
const refusal = (server: ServerOption, handshakeMs = 15_000): Promise<McpFailed> =>
  connectTo(server, { handshakeMs }).then(() => assert.fail("connected"), (error: McpFailed) => error)

const textOf = (result: Awaited<ReturnType<Connected["call"]>>): string =>
  result.content.map((piece) => piece.type === "text" ? piece.text : `[${piece.type}]`).join("\n")

const isAlive = (pid: number): boolean => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))
  } catch {
    return false
  }
}

/** What was killed closes its pipes a moment before it is gone. */
const areGone = (pids: ReadonlyArray<number>) =>
  vi.waitFor(() => assert.deepStrictEqual(pids.filter(isAlive), []), { timeout: 30_000, interval: 10 })

// They wait for most of their time, so they do it at the same time.
describe.concurrent("before it is connected", { timeout: 60_000 }, () => {
  it("one that answers nothing is given up in time, and none of it is left", async () => {
    let begun: ReadonlyArray<unknown> = []
    // A busy machine may not even have started it in the shorter time: then it was nothing that could be left.
    for (const seconds of [3, 15]) {
      if (begun.length >= 2) break
      const silent = logged("mute", "stubborn")
      const error = await refusal(silent.server, seconds * 1_000)
      assert.strictEqual(
        error.message,
        `The MCP server "theirs" could not be connected: it did not answer within ${seconds} seconds.`
      )
      assert.isFalse(error.sent)
      begun = silent.pids()
      await areGone(silent.pids())
    }
    assert.isAtLeast(begun.length, 2)
  })

  it("one that ends at once says why, in words that can be shown; a command that is not there is named", async () => {
    const [ended, nothing, refused] = await Promise.all([
      refusal(hostile("exit")),
      refusal({ command: "syris-no-such-command" }),
      refusal(hostile("refuse"))
    ])
    assert.strictEqual(
      ended.message,
      "The MCP server \"theirs\" could not be connected: it ended by itself (code 1). The last that it wrote on its " +
        "standard error: I can't: the <U+202E>key<U+202C> is missing"
    )
    assert.match(nothing.message, /could not be connected: its command was not found\./)
    assert.match(refused.message, /answered with an error \(-32603\): Not today\.$/)
  })

  it.for(["exit-on-discover", "mute-after-discover"])(
    "an old one that can't bear a new question (%s) is started again, and not asked it twice",
    async (word, { onTestFinished }) => {
      const old = logged(word)
      const settings = settingsOf(old.server)
      const first = await connectTo(settings, { handshakeMs: 15_000 })
      onTestFinished(() => first.close())
      assert.strictEqual(textOf(await first.call("echo", { text: "here" })), "here")
      await first.close()
      const again = await connectTo(settings)
      onTestFinished(() => again.close())
      assert.strictEqual(old.methods().filter((method) => method === "server/discover").length, 1)
    }
  )
})

describe("in a call", { timeout: 60_000 }, () => {
  it("whatever is wrong with one answer is no harm to the next", async () => {
    const bad = logged("junk")
    const it = await connected(bad.server)
    const does = (word: string) => it.call("echo", { text: "right", does: word })
    const fails = (word: string) => it.failure("echo", { does: word })
    assert.deepStrictEqual((await it.tools()).tools, ["echo", "environment", "wait", "steps"])
    assert.match(it.connection.noted?.() ?? "", /printed \d+ lines on its standard output.*\{"neither": "nor"\}/)
    assert.strictEqual(textOf(await does("stray")), "right")
    assert.strictEqual(textOf(await does("twice")), "right")
    const weird = await does("weird")
    assert.deepStrictEqual(weird, {
      content: [{ type: "text", text: "{\"type\":\"hologram\",\"data\":1}" }, { type: "text", text: "text" }],
      structuredContent: 5
    })
    const unknown = await fails("unknown-tool")
    assert.deepStrictEqual([unknown.sent, unknown.refused], [true, true])
    const broken = await fails("internal")
    assert.deepStrictEqual([broken.sent, broken.refused], [true, undefined], "it may have been done in part")
    const huge = await fails("huge-answer")
    assert.match(huge.message, /its answer is larger than 8 MiB, which is not taken\.$/)
    assert.deepStrictEqual([huge.sent, huge.refused], [true, undefined])
    assert.strictEqual(textOf(await it.call("echo", { text: "still here" })), "still here")
  })

  it("empty lines around each message are no harm", async () => {
    const it = await connected(hostile("blank"))
    for (let n = 0; n < 400; n++) await it.call("echo", { text: "here" })
    assert.isUndefined(it.connection.noted?.())
  })

  it("an error that may be the host's own, passed on, does not say that nothing was done", async () => {
    const it = await connected(hostile())
    const { message, refused, sent } = await it.failure("echo", { does: "asks" })
    assert.match(message, /\(-3260[01]\)/)
    assert.deepStrictEqual([sent, refused], [true, undefined])
    assert.isTrue((await it.failure("echo", { does: "unknown-tool" })).refused, "it has asked nothing in this one")
  })

  it("an answer after its time, or after it was given up, is not heard; each call was sent once", async () => {
    const slow = logged()
    const it = await connected(slow.server)
    const late = await it.failure("wait", { ms: 3_000 }, { timeoutMs: 200 })
    assert.match(late.message, /^The MCP server "theirs" did not answer within 0\.2 seconds\.$/)
    assert.deepStrictEqual([late.sent, late.refused], [true, undefined])
    const controller = new AbortController()
    const given = it.failure("wait", { ms: 60_000 }, { signal: controller.signal, progress: () => controller.abort() })
    assert.match((await given).message, /given up/)
    assert.isTrue((await given).sent)
    const before = await it.failure("echo", {}, { signal: controller.signal })
    assert.isFalse(before.sent, "it was given up before it was sent")
    // By now the late answer has come; what is asked after it gets its own.
    assert.strictEqual(textOf(await it.call("wait", { ms: 3_000 })), "wait")
    const methods = slow.methods()
    assert.strictEqual(methods.filter((method) => method === "tools/call").length, 3)
    assert.strictEqual(methods.filter((method) => method === "notifications/cancelled").length, 2)
    assert.isUndefined(it.connection.noted?.())
  })

  it("what it tells of its progress arrives, plain", async () => {
    const it = await connected(hostile())
    const told: Array<unknown> = []
    await it.call("steps", {}, { progress: (progress) => told.push(progress) })
    assert.deepStrictEqual(told, [{ percent: 25, message: "step 1" }, { percent: 100, message: "step 4" }])
  })

  it.each([
    ["die", /it ended by itself \(code 9\)\.$/],
    ["long-line", /it sent a line of more than 10 MiB\.$/],
    ["empty-lines", /it prints on its standard output what is no message of the protocol, and does not stop\.$/],
    ["many-lines", /it sent more than 5000 messages in 10 seconds that nobody asked for\.$/],
    ["flood", /it sent more than 5000 messages/]
  ])("one that does this: %s, has a call that is not known, and no connection any more", async (word, why) => {
    const bad = logged(word)
    const it = await connected(bad.server)
    const [other, error] = await Promise.all([
      it.failure("wait", { ms: 60_000 }),
      it.failure("echo", { text: "x" })
    ])
    for (const { message, refused, sent } of [error, other]) {
      assert.deepStrictEqual([sent, refused], [true, undefined], message)
    }
    assert.match(await it.closed(), why)
    await areGone(bad.pids())
    const after = await it.failure("echo")
    assert.isFalse(after.sent)
    assert.match(after.message, /is not connected: this was not sent\.$/)
  })
})

describe("its list of tools", { timeout: 30_000 }, () => {
  it("ends, however it goes on", async () => {
    const it = await connected(hostile())
    for (const [word, number] of [["endless", 200], ["circle", 4], ["crowd", 1_000], ["heavy", 63]] as const) {
      await it.call("echo", { become: word })
      const listed = await it.tools()
      assert.deepStrictEqual([word, listed.tools.length, listed.more], [word, number, true])
    }
  })

  it("keeps the good tools of a page that has crooked ones, and hears that it has changed", async () => {
    const file = path.join(folder, "tools.json")
    const tool = (name: string) => ({ name, inputSchema: { type: "object" } })
    fs.writeFileSync(file, JSON.stringify([tool("before"), { name: "crooked", inputSchema: "none" }, { name: 7 }, "x"]))
    const it = await connected(hostile(`--tools=${file}`))
    assert.deepStrictEqual((await it.tools()).tools, ["before", "crooked"])
    const changed = it.toolsChanged()
    fs.writeFileSync(file, JSON.stringify([tool("after")]))
    await changed
    assert.deepStrictEqual((await it.tools()).tools, ["after"])
  })
})

describe("the end", { timeout: 30_000 }, () => {
  it("comes to one that ignores it, and to its child, within the grace", async () => {
    const stays = logged("stubborn")
    const it = await connected(stays.server)
    const pids = await stays.both()
    assert.isTrue(pids.every(isAlive))
    await it.close()
    await areGone(pids)
    assert.strictEqual(await it.closed(), "The MCP server \"theirs\" is gone: the host closed it.")
  })

  it("of a server takes what it has started with it", async () => {
    const stays = logged("stubborn")
    const it = await connected(stays.server)
    const pids = await stays.both()
    process.kill(it.connection.pid!, "SIGKILL")
    assert.match(await it.closed(), /it was ended by SIGKILL/)
    await areGone(pids)
  })
})

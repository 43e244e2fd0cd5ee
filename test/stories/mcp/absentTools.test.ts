/**
 * A tool of a server that is not there: named before it came, asked for when it is gone, and looked back at. What it did
 * not do is said; nothing waits for ever, and nothing runs that was not shown.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Configuration } from "syris"
import { testHost, type TestHost } from "syris/testing"
import { Effect, Layer, Logger, ManagedRuntime, Redacted } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fromUrl } from "../../../core/database/Database.ts"
import { Environment } from "../../../core/database/Environment.ts"
import { pinOf } from "../../../core/mcp/Definition.ts"
import { Settings } from "../../../core/plugin/Settings.ts"
import { layerReadOnly } from "../../../core/replay/ReadOnly.ts"
import { Replay } from "../../../core/replay/Replay.ts"
import { makeDatabase, type OwnDatabase } from "../../storms/Databases.ts"

const door = {
  name: "open",
  description: "Opens the door.",
  inputSchema: { type: "object", properties: { which: { type: "string" } }, required: ["which"] }
}
const tool = "mcp.house.open"

/** A server that starts and never says a word: its tools are those that were trusted before. */
const withServer: Configuration = {
  mcp: { house: { command: process.execPath, args: ["-e", "process.stdin.resume()"], trust: { risk: "high" } } },
  policy: [{ tool, when: { all: [] }, risk: "high" }],
  tools: { [tool]: { timeout: 5_000 } }
}

describe("a tool of a server that is not there", () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-absent-"))
  let database: OwnDatabase
  let host: TestHost

  const start = async (configuration: Configuration) => {
    host = await testHost({ ...configuration, home, databaseUrl: database.url, http: true })
  }
  const ask = async (method: string, at: string, body?: unknown): Promise<{ status: number; body: any }> => {
    const { token, url } = host.http!
    const response = await fetch(`${url}${at}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: await response.json() }
  }
  const callOf = async (trace_id: string) =>
    (await host.sql<{ readonly status: string; readonly error: any }>`
      select status, error from tool_calls where trace_id = ${trace_id}::uuid`)[0]
  const pending = async () => (await ask("GET", "/approvals?status=pending")).body.items

  beforeAll(async () => {
    database = await makeDatabase()
    await start({})
    await host.sql`
      insert into mcp_tools (server, tool, pin, definition, trusted_at, trusted_by, present)
      values ('house', 'open', ${pinOf(door)}, ${JSON.stringify(door)}::json, now(), 'first sight', true)`
  }, 60_000)
  afterAll(async () => {
    await host?.stop()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  it("may be named in a rule and a policy before it is there, and in a task it is refused with a sentence", async () => {
    const rule = await ask("POST", "/rules", {
      name: "porch",
      when: { all: [{ path: "content.text", op: "eq", value: "ring" }] },
      then: [{ tool, input: { which: "porch" } }]
    })
    assert.strictEqual(rule.status, 201, JSON.stringify(rule.body))
    const policy = await ask("POST", "/policy", {
      tool,
      when: { all: [{ path: "input.which", op: "eq", value: "shed" }] },
      risk: "high",
      reason: "later"
    })
    assert.oneOf(policy.status, [200, 201], JSON.stringify(policy.body))
    const task = await ask("POST", "/tasks", { steps: [{ name: "one", tool, input: {} }] })
    assert.strictEqual(task.status, 400)
    assert.include(task.body.detail, "There is no tool mcp.house.open now: see `syris integrations`")
    assert.strictEqual((await host.send(`${tool} which=porch`)).outcome, "unhandled")
    await host.stop()
  })

  it("is there at the start, before its server is, and asks as any other", async () => {
    await start(withServer)
    const { body: { items } } = await ask("GET", "/tools")
    assert.deepInclude(items.find((one: any) => one.name === tool), {
      plugin: "mcp.house",
      risk: "high",
      trust: "untrusted"
    })
    const wrong = await host.send(`${tool} the porch, please`)
    assert.include(wrong.reply, "\"the\" is not understood")
    for (let i = 0; i < 3; i++) assert.strictEqual((await host.send(`${tool} which=porch${i}`)).outcome, "waiting")
    assert.lengthOf(await pending(), 3)
  })

  it("is decided the same again from the records, without its server", async () => {
    const [{ trace_id }] = await pending()
    const runtime = ManagedRuntime.make(Layer.fresh(
      Replay.layer.pipe(
        Layer.provide([layerReadOnly(fromUrl(Redacted.make(database.url))), Settings.layerOf(withServer)]),
        Layer.provide(Layer.succeed(Environment, { home, host: "", port: 0, config: "", databaseUrl: undefined })),
        Layer.provide(Logger.layer([]))
      )
    ))
    const replayed = await runtime.runPromise(Effect.flatMap(Replay, (replay) => replay.trace(trace_id)))
    assert.isTrue(replayed?.same, JSON.stringify(replayed?.lines))
    await runtime.dispose()
    await host.stop()
  })

  it("is not run by a yes while it is away: the question stays, and ends with a no", async () => {
    await start({})
    const [third, second] = await pending()
    const yes = await ask("POST", `/approvals/${third.approval_id}/approve`, {})
    assert.strictEqual(yes.status, 409)
    assert.include(yes.body.detail, "There is no tool mcp.house.open now")
    assert.lengthOf(await pending(), 3)
    assert.strictEqual((await ask("POST", `/approvals/${third.approval_id}/deny`, {})).status, 200)
    // By the chat, which does not know the tools: what was approved does not run either, and that is said.
    const said = await host.send(`approve ${second.number}`)
    assert.notStrictEqual(said.outcome, "waiting")
    await host.settled({ event_id: second.event_id, trace_id: second.trace_id, deduped: false })
    const call = await callOf(second.trace_id)
    assert.strictEqual(call?.status, "failed")
    assert.include(call?.error.message, "There is no tool mcp.house.open now")
    await host.stop()
  })

  it("with another definition than was shown is not run by a yes to the old one", async () => {
    const other = { ...door, description: "Opens the door, and tells everybody." }
    await start({})
    await host.sql`update mcp_tools set pin = ${pinOf(other)}, definition = ${JSON.stringify(other)}::json`
    await host.stop()
    await start(withServer)
    const [first] = await pending()
    const yes = await ask("POST", `/approvals/${first.approval_id}/approve`, {})
    assert.strictEqual(yes.status, 409)
    assert.include(yes.body.detail, "the definition of mcp.house.open has changed")
    assert.strictEqual((await callOf(first.trace_id))?.status, "canceled")
  })
})

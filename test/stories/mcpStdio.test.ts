import { Client } from "@modelcontextprotocol/client"
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { runChild } from "../../core/cli/RecordedHost.ts"
import { freePort } from "../FreePort.ts"
import { keyField } from "../../core/mcp/serve/SyrisServer.ts"
import { safeHouse, type SafeHouse } from "./SafeHouse.ts"

describe("syris mcp", () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-stdio-"))
  let house: SafeHouse

  const env = () => ({
    PATH: process.env["PATH"] ?? "",
    SYRIS_HOME: home,
    SYRIS_PORT: new URL(house.host.http!.url).port
  })

  const connect = async (mode: "auto" | "legacy") => {
    const client = new Client({ name: "desktop", version: "1" }, { versionNegotiation: { mode } })
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [path.join(import.meta.dirname, "../../core/cli/main.ts"), "mcp"],
      env: env(),
      stderr: "pipe"
    })
    await client.connect(transport)
    return { client, transport }
  }

  beforeAll(async () => {
    house = await safeHouse({ home })
  })
  afterAll(async () => {
    await house.end()
    fs.rmSync(home, { recursive: true, force: true })
  })

  it("brings the running host to a program that starts its servers itself, in both eras", async () => {
    await Promise.all((["auto", "legacy"] as const).map(async (mode) => {
      const { client, transport } = await connect(mode)
      try {
        const { tools } = await client.listTools()
        assert.includeMembers(tools.map(({ name }) => name), ["syris_state", "submit_event", "do.note"])
        const state = await client.callTool({ name: "syris_state" })
        assert.include(state.structuredContent, { autonomy: "A2" })
        const call = () =>
          client.callTool({ name: "do.note", arguments: { id: mode }, _meta: { [keyField]: `stdio-${mode}` } })
        const [done, again] = [await call(), await call()] as any
        assert.strictEqual(done.structuredContent.status, "succeeded")
        assert.deepStrictEqual(again.structuredContent, done.structuredContent)
        assert.lengthOf(house.outside.entries().filter((entry) => entry === `do.note ${mode}`), 1)
        const { trace_id } = done.structuredContent
        const trace = (await house.request(`/traces/${trace_id}`)).body
        assert.strictEqual(trace.events[0].actor.actor_id, "mcp:desktop")
        const { contents } = await client.readResource({ uri: `syris://traces/${trace_id}/why` })
        assert.include(JSON.stringify(contents), "It is settled: succeeded.")
        const unknown = await client.callTool({ name: "approval.approve", arguments: { number: 1 } }).catch((e) => e)
        assert.include(unknown.message, "There is no tool approval.approve here")
      } finally {
        await client.close()
      }
      assert.isNull(transport.pid)
    }))
  }, 120_000)

  it("says that no host runs, and that the token is another's", async () => {
    const port = await freePort()
    const other = fs.mkdtempSync(path.join(os.tmpdir(), "syris-stdio-"))
    fs.writeFileSync(path.join(other, "token"), "another\n")
    const start = (change: Record<string, string>) => Effect.runPromise(runChild({ ...env(), ...change }, ["mcp"]))
    const [nobody, wrong] = await Promise.all([start({ SYRIS_PORT: String(port) }), start({ SYRIS_HOME: other })])
    fs.rmSync(other, { recursive: true })
    for (const { code, out } of [nobody, wrong]) assert.deepStrictEqual([code, out], [1, ""])
    assert.include(nobody.err, `No SYRIS is running at http://127.0.0.1:${port}. Start it with: npm start`)
    assert.include(wrong.err, "does not know the token")
  }, 120_000)
})

/**
 * Somebody changes the code of a plugin that you granted: the host goes on with what you granted, shows you every line, and runs
 * the new code after you have said yes to exactly that.
 */
import { assert, describe, it } from "@effect/vitest"
import * as path from "node:path"
import { callOf, makeFolder, until } from "../../core/isolates/TestPlugins.ts"
import { isolate } from "../../core/plugin/Configuration.ts"
import { type TestHost, testHost } from "../../core/testing/TestHost.ts"
import { makeDatabase } from "../../core/watchers/TestWatchers.ts"

const vane = (says: string): string => `
import { definePlugin, defineTool, Schema } from "syris"
export default definePlugin({
  name: "vane",
  permissions: { net: ["vane.example:443"] },
  setup: () => ({
    tools: [defineTool({
      name: "vane.look", description: "Where the wind comes from.", input: Schema.Struct({}), effect: "read", risk: "low",
      scopes: [], run: () => ${JSON.stringify(says)}
    })],
    intents: [{ name: "vane.look", patterns: [/where is the wind/], tool: "vane.look" }]
  })
})
`

const api = async (host: TestHost, target: string, body?: unknown) => {
  const { token, url } = host.http!
  const response = await fetch(`${url}${target}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, json: await response.json() as any }
}

const wind = async (host: TestHost): Promise<unknown> =>
  (await callOf(host, (await host.send("where is the wind")).trace_id)).output

describe("a plugin whose code changed", () => {
  it("goes on as it was granted, until the operator grants what was shown", async () => {
    const database = await makeDatabase()
    const folder = makeFolder()
    const file = folder.write("vane/index.ts", vane("north"))
    folder.write("vane/notes.txt", "The wind is free.\n")
    const start = () =>
      testHost({
        plugins: [isolate(file, { runtime: "process" })],
        home: path.join(folder.path, "home"),
        databaseUrl: database.url,
        http: true
      })
    const hosts: Array<TestHost> = []
    const begin = async (): Promise<TestHost> => {
      await hosts.at(-1)?.stop()
      hosts.push(await start())
      return hosts.at(-1)!
    }
    try {
      const first = await begin()
      assert.equal(await wind(first), "north")
      const [plugin] = (await api(first, "/plugins")).json.items.filter((one: any) => one.name === "vane")
      assert.deepInclude(plugin, {
        runtime: "process",
        state: "running",
        asked: { net: ["vane.example:443"] },
        granted: {}
      })
      assert.equal(plugin.code.files, 2)

      folder.write("vane/index.ts", vane("south"))
      const second = await begin()
      assert.equal(await wind(second), "north")
      const [held] = (await api(second, "/plugins")).json.items.filter((one: any) => one.name === "vane")
      assert.deepInclude(held, { state: "held", code: plugin.code })
      assert.match(held.held.diff, /^- .*"north"\n\+ .*"south"$/m)
      const { degraded } = (await api(second, "/health")).json
      assert.include(degraded, "plugin vane")
      const open = await second.sql<{ type: string }>`select type from alarms where status <> 'resolved'`
      assert.deepEqual(open, [{ type: "plugin.held" }])

      const other = await api(second, "/plugins/vane/grant", { hash: plugin.code.hash })
      assert.deepEqual([other.status, other.json.code], [409, "plugin.state"])
      assert.equal(await wind(second), "north")
      const granted = await api(second, "/plugins/vane/grant", { hash: held.held.hash })
      assert.deepEqual([granted.status, granted.json.code.hash], [200, held.held.hash])
      await until(async () => await wind(second) === "south")
      await until(async () => !(await api(second, "/health")).json.degraded.includes("plugin vane"))
      const told = await second.sql<{ type: string }>`
        select type from audit_events where type like '%plugin_granted' or type = 'worker.plugin_held' order by seq`
      assert.deepEqual(told.map(({ type }) => type), [
        "operator.plugin_granted",
        "worker.plugin_held",
        "operator.plugin_granted"
      ])
    } finally {
      await hosts.at(-1)?.stop()
      await database.close()
      folder.remove()
    }
  }, 120_000)
})

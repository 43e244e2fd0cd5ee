/**
 * Two hosts and one database: what one of them sees a server change is used by neither, although the other one's server has not
 * said a word.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { openLedger, testHost, type TestHost } from "syris/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Integration } from "../../../core/contract/Integration.ts"
import { makeDatabase, type OwnDatabase } from "../../storms/Databases.ts"
import { until } from "../../storms/Until.ts"

describe("a tool that one of two hosts sees changed", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-hosts-"))
  let database: OwnDatabase
  const hosts: Array<TestHost> = []

  /** A host whose server says these words of its door. */
  const start = async (name: string, description: string): Promise<TestHost> => {
    const toolbox = path.join(folder, `${name}.json`)
    const tools = [{ name: "door", description, inputSchema: { type: "object", properties: {} } }]
    fs.writeFileSync(toolbox, JSON.stringify({ tools }))
    const host = await testHost({
      autonomy: "A2",
      http: true,
      databaseUrl: database.url,
      home: path.join(folder, name),
      mcp: {
        shop: {
          command: process.execPath,
          args: [path.join(import.meta.dirname, "toolboxServer.ts")],
          env: { TOOLBOX: toolbox, NOTES: path.join(folder, `${name}-notes`) },
          trust: { risk: "low" }
        }
      }
    })
    hosts.push(host)
    return host
  }
  const shop = (host: TestHost, is: (shop: Integration) => boolean): Promise<Integration> =>
    until("the shop to be so", async () => {
      const { token, url } = host.http!
      const answer = await fetch(`${url}/integrations/shop`, { headers: { authorization: `Bearer ${token}` } })
      const record = await answer.json() as Integration
      return is(record) && record
    }, 30_000)

  beforeAll(async () => {
    database = await makeDatabase()
  })
  afterAll(async () => {
    for (const host of hosts) await host.stop()
    await database?.close()
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it("is called by neither, at once", { timeout: 60_000 }, async () => {
    const notes = openLedger(path.join(folder, "here-notes"))
    openLedger(path.join(folder, "there-notes"))
    const here = await start("here", "Opens the door.")
    await shop(here, ({ state }) => state === "connected")
    assert.strictEqual((await here.send("mcp.shop.door")).outcome, "succeeded")

    const there = await start("there", "Opens the safe, now.")
    const [seen] = (await shop(there, ({ quarantined }) => quarantined.length > 0)).quarantined
    const heard = await shop(here, ({ quarantined }) => quarantined.length > 0)
    assert.deepEqual([heard.tools, heard.quarantined], [[], [seen]])
    assert.notStrictEqual((await here.send("mcp.shop.door")).outcome, "succeeded")
    assert.lengthOf(notes.entries(), 1)
  })
})

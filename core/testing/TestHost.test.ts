import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import timers from "../../plugins/timers/index.ts"
import { newId } from "../database/Ids.ts"
import { definePlugin, defineTool, Schema } from "../plugin/index.ts"
import { openLedger, type TestHost, testHost } from "./index.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-kit-"))
const ledger = openLedger(path.join(folder, "ledger"))

const doors = definePlugin({
  name: "doors",
  setup: () => ({
    tools: [
      defineTool({
        name: "doors.open",
        description: "Open a door.",
        input: Schema.Struct({ door: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: [],
        run: ({ door }) => {
          ledger.note(door)
          return `The ${door} is open.`
        }
      })
    ],
    intents: [{ name: "doors.open", patterns: [/open the (?<door>\w+)/], tool: "doors.open" }]
  })
})

describe("the test kit of a plugin's author", () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({ timezone: "UTC", plugins: [doors(), timers()], http: true })
  })
  afterAll(async () => {
    await host.stop()
    fs.rmSync(folder, { recursive: true })
  })

  it("shows what was done outside, once for each time that it was said", async () => {
    const { outcome, reply } = await host.send("open the gate")
    assert.deepEqual({ outcome, reply }, { outcome: "succeeded", reply: "The gate is open." })
    await host.send({ channel: "chat", text: "open the garage", message_id: "m1" })
    await host.send({ channel: "chat", text: "open the garage", message_id: "m1" })
    assert.deepEqual(ledger.entries(), ["gate", "garage"])
    assert.strictEqual(ledger.doubled().size, 0)
    ledger.note("gate")
    assert.deepEqual([...ledger.doubled()], [["gate", 2]])
  })

  it("moves the host's clock", async () => {
    host.clock.advance("10 days")
    const { trace_id } = await host.send("set a timer for 1 hour")
    const [timer] = await host.sql<{ due: Date }>`select next_run_at as due from schedules where trace_id = ${trace_id}`
    const hours = ((timer?.due.getTime() ?? 0) - Date.now()) / 3_600_000
    assert.closeTo(hours, 241, 0.1)
  })

  it("writes and reads rows of the audit", async () => {
    const trace_id = newId()
    await host.appendAudit({ type: "system.started", trace_id, at: new Date(), summary: "A test wrote this." })
    assert.deepEqual((await host.audit(trace_id)).map((row) => row.summary), ["A test wrote this."])
  })

  it("listens where it is asked to", async () => {
    const { token = "", url = "" } = host.http ?? {}
    assert.strictEqual((await fetch(`${url}/health`)).status, 200)
    const state = await fetch(`${url}/state`, { headers: { authorization: `Bearer ${token}` } })
    assert.strictEqual(state.status, 200)
  })
})

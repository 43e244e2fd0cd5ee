/**
 * A host as its operator has it, with the database that it brings: it starts fast, stops clean while tools run, comes back
 * from a kill and from the loss of its database, and leaves nothing behind.
 */
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { furnish } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { long, seed, until } from "../storms/Until.ts"
import { addressIn, auditTypes, type HostProcess, type Place, processesIn, startHost } from "./HostProcess.ts"

/** Tools that say when they have begun, and end when the test lets them, or never. */
const config = (outside: string) => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"
import noop from "syris/plugins/noop"
import timers from "syris/plugins/timers"

const tool = (name: string, effect: "read" | "write", run: (ctx: any) => Promise<unknown>) =>
  defineTool({ name, description: name, input: Schema.Struct({}), effect, risk: "low", scopes: ["wait"], run: (_, ctx) => run(ctx) })
const ask = async (what: string) => (await fetch("${outside}" + what)).text()

export default defineConfig({ timezone: "UTC", plugins: [timers(), noop(), definePlugin({
  name: "wait",
  version: "1.2.3",
  setup: () => ({
    tools: [
      tool("wait.short", "write", () => ask("short")),
      tool("wait.read", "read", async () => { await ask("begun"); await new Promise(() => {}) }),
      tool("wait.write", "write", async () => { await ask("begun"); await new Promise(() => {}) })
    ],
    intents: ["short", "read", "write"].map((name) => ({ name: "wait." + name, patterns: [new RegExp("wait " + name)], tool: "wait." + name }))
  })
})()] })
`

/** Where the tools call: counts them, and holds the short ones until they are let go. */
const makeOutside = async () => {
  let begun = 0
  const held: Array<http.ServerResponse> = []
  const server = http.createServer((request, response) => {
    begun++
    if (request.url === "/short") held.push(response)
    else response.end()
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    begun: () => begun,
    letGo: () => held.splice(0).forEach((response) => response.end("done")),
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

describe("the life of a host", { timeout: 60_000 }, () => {
  const folderOfAll = folder("life")
  const home = path.join(folderOfAll, "home")
  const file = path.join(folderOfAll, "syris.config.ts")
  const place: Place = { home, config: file }
  let outside: Awaited<ReturnType<typeof makeOutside>>
  let host: HostProcess

  beforeAll(async () => {
    outside = await makeOutside()
    fs.writeFileSync(file, config(outside.url))
    fs.mkdirSync(home)
    furnish(home)
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    outside.close()
    fs.rmSync(folderOfAll, { recursive: true, force: true })
  })

  /** Posts without waiting for the end. */
  const post = async (text: string): Promise<{ readonly trace_id: string }> => {
    const response = await host.request("/events", { method: "POST", body: JSON.stringify({ channel: "chat", text }) })
    assert.strictEqual(response.status, 202)
    return await response.json() as { readonly trace_id: string }
  }
  const outcomeOf = async (trace: { readonly trace_id: string }) => {
    const told = await host.get(`/traces/${trace.trace_id}`)
    return [told.tool_calls[0].status, told.tool_calls[0].error?.code]
  }

  /** Stops it while tools run: a short one that ends after the signal, two that never do. Answers their traces. */
  const stopInTheMiddle = async (signal: NodeJS.Signals) => {
    const before = outside.begun()
    const traces = { short: await post("wait short"), read: await post("wait read"), write: await post("wait write") }
    await until("the tools to run", () => outside.begun() === before + 3)
    host.signal(signal)
    await until("the door to close", () => fetch(`${host.url}/health`).then(() => false, () => true))
    outside.letGo()
    const { code, err } = await host.ended
    assert.strictEqual(code, 0, host.said())
    assert.strictEqual(err, "")
    assert.isFalse(fs.existsSync(path.join(home, "host.json")))
    assert.isFalse(fs.existsSync(path.join(home, "host.lock")))
    if (process.platform === "linux") await until("nobody to be left", () => processesIn(home).length === 0)
    return traces
  }

  const isAsTheLedgerSays = async (traces: Awaited<ReturnType<typeof stopInTheMiddle>>) => {
    assert.deepEqual(await outcomeOf(traces.short), ["succeeded", undefined])
    assert.deepEqual(await outcomeOf(traces.read), ["failed", "tool.stopped"])
    assert.deepEqual(await outcomeOf(traces.write), ["unknown", "tool.stopped"])
  }

  it("its banner says where everything is", async () => {
    const banner = await until("the banner", () => host.said().includes("another terminal") && host.said())
    assert.match(banner, /SYRIS \d+\.\d+\.\d+/)
    assert.match(banner, new RegExp(`address +${host.url}\n`))
    assert.match(banner, new RegExp(`token +${home}/token\n`))
    assert.match(banner, /autonomy +A2, /)
    assert.match(banner, new RegExp(`database +PostgreSQL \\d+\\.\\d+, embedded in ${home}/postgres\n`))
    assert.match(banner, /plugins +timers 0\.1\.0, noop 0\.1\.0, wait 1\.2\.3\n/)
    assert.notInclude(banner, host.token)
    assert.strictEqual(fs.statSync(path.join(home, "token")).mode & 0o777, 0o600)
  })

  const signal = !long && seed % 2 === 1 ? "SIGINT" : "SIGTERM"
  it(`${signal}: a short tool finishes, an endless one ends as the ledger says, nothing stays`, async () => {
    const traces = await stopInTheMiddle(signal)
    host = await startHost(place)
    await isAsTheLedgerSays(traces)
    assert.deepEqual(await auditTypes(host, "stage=system"), ["system.started", "system.stopped", "system.started"])
    const all = await auditTypes(host, "")
    assert.isAbove(all.lastIndexOf("system.stopped"), all.lastIndexOf("tool_call.unknown"))
    assert.notProperty(await host.get("/health"), "restart_reason")
  })

  // Which of the two it is makes no difference but for who sends it: the short form tries one of them each time.
  it.runIf(long)("SIGINT does the same", async () => {
    const traces = await stopInTheMiddle("SIGINT")
    host = await startHost(place)
    await isAsTheLedgerSays(traces)
  })

  it("a closed terminal is a stop, too, and the next start is healthy", async () => {
    host.signal("SIGHUP")
    assert.strictEqual((await host.ended).code, 0)
    assert.isFalse(fs.existsSync(path.join(home, "host.json")))
    host = await startHost(place)
    assert.strictEqual((await host.get("/health")).status, "healthy")
  })

  it("kill -9: the next start knows of the crash, says so, and settles what was under way", async () => {
    const before = outside.begun()
    const trace = await post("wait write")
    await until("the tool to run", () => outside.begun() === before + 1)
    await host.kill()
    host = await startHost(place)
    assert.strictEqual((await host.get("/health")).restart_reason, "crash")
    assert.deepEqual((await auditTypes(host, "stage=system")).slice(-2), ["system.started", "system.recovered"])
    await until("the call to be unknown", async () => (await outcomeOf(trace))[0] === "unknown")
    assert.deepEqual(await outcomeOf(trace), ["unknown", "tool.interrupted"])
  })

  it("PostgreSQL killed under it: the same process comes back by itself and takes events", async () => {
    const pid = Number(fs.readFileSync(path.join(home, "postgres", "postmaster.pid"), "utf8").split("\n")[0])
    const { url } = host
    process.kill(pid, "SIGKILL")
    const next = await until("the host to come back", async () => {
      const now = addressIn(path.join(home, "host.json"))
      return now !== undefined && now !== url && await fetch(`${now}/health`).then((answer) => answer.ok && now)
    })
    const response = await fetch(`${next}/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${host.token}`, "content-type": "application/json", prefer: "wait=10" },
      body: JSON.stringify({ channel: "chat", text: "set a timer for 5 minutes" })
    })
    assert.strictEqual((await response.json() as { outcome: string }).outcome, "succeeded")
    assert.match(host.said(), /The host starts again: PostgreSQL ended: /)
    host.signal("SIGTERM")
    assert.strictEqual((await host.ended).code, 0)
    if (process.platform === "linux") await until("nobody to be left", () => processesIn(home).length === 0)
  })
})

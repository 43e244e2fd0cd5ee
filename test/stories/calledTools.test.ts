/**
 * A tool has another called, and its host is killed when that was done: after the start the first is tried again, is led to
 * what was done for it, and goes on from there. And a question that was open then is still open, and is answered once.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"

const config = (home: string) => `
import * as fs from "node:fs"
import { defineConfig, definePlugin, defineTool, Schema } from "syris"

const note = (file: string, line: string) => fs.appendFileSync("${home}/" + file, line + "\\n")
const Input = Schema.Struct({ what: Schema.String })

const bakery = definePlugin({ name: "bakery", setup: () => ({
  tools: [
    defineTool({
      name: "oven.bake", description: "Bake it.", input: Input,
      effect: "write", risk: "low", scopes: [],
      run: ({ what }) => { note("baked", what); return { loaf: what } }
    }),
    defineTool({
      name: "shop.deliver", description: "Deliver it.", input: Input,
      effect: "write", risk: "high", scopes: [],
      run: ({ what }) => { note("delivered", what); return { to: what } }
    }),
    defineTool({
      name: "bread.make", description: "Has it baked.", input: Input,
      effect: "write", risk: "low", scopes: [], guarantee: "native_key",
      run: async ({ what }, ctx) => {
        const one = await ctx.call("oven.bake", { what })
        note("made", ctx.idempotencyKey)
        // The first attempt goes on until its host is killed.
        if (fs.readFileSync("${home}/made", "utf8").trim().split("\\n").length === 1) await new Promise(() => {})
        return { message: "Here is " + one.loaf + "." }
      }
    }),
    defineTool({
      name: "bread.bring", description: "Has it delivered.", input: Input,
      effect: "write", risk: "low", scopes: [], guarantee: "native_key", timeout: "1 minute",
      run: async ({ what }, ctx) => ({ message: "Brought to " + (await ctx.call("shop.deliver", { what })).to + "." })
    })
  ],
  intents: [
    { name: "bread.make", tool: "bread.make", patterns: [/^make (?<what>.+)$/] },
    { name: "bread.bring", tool: "bread.bring", patterns: [/^bring it to (?<what>.+)$/] }
  ]
}) })

export default defineConfig({ timezone: "UTC", plugins: [bakery()] })
`

describe("a call on behalf of a call, and its host is killed", () => {
  const home = folder("calledtools")
  let database: OwnDatabase
  let host: HostProcess
  let place: Place

  beforeAll(async () => {
    database = await makeDatabase()
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config(home))
    place = { home, config: file, databaseUrl: database.url }
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const linesOf = (name: string): ReadonlyArray<string> => {
    const file = path.join(home, name)
    return fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : []
  }
  const send = async (text: string) => {
    const response = await host.request("/events", { method: "POST", body: JSON.stringify({ channel: "chat", text }) })
    assert.include([200, 202], response.status)
    return await response.json() as { readonly trace_id: string }
  }
  const traceOf = ({ trace_id }: { readonly trace_id: string }) => host.get(`/traces/${trace_id}`)
  const question = async (ids: { readonly trace_id: string }) =>
    (await traceOf(ids)).approvals.find((one: any) => one.status === "pending")

  it("what was done is not done again, and an open question stays the one", async () => {
    const bring = await send("bring it to ann")
    const make = await send("make rye")
    await until("the bread", () => linesOf("made").length === 1)
    const first = await until("the question", () => question(bring))
    await host.kill()
    host = await startHost(place)

    const after = await until("the end", async () => {
      const now = await traceOf(make)
      return now.tool_calls.every((call: any) => call.status === "succeeded") && now
    })
    assert.lengthOf(linesOf("made"), 2, "the one that asks was tried twice")
    assert.deepEqual(linesOf("baked"), ["rye"], "what it asked for was done once")
    assert.deepEqual(after.tool_calls.map((call: any) => call.tool).toSorted(), ["bread.make", "oven.bake"])
    assert.include(after.audit.map((row: any) => row.type), "event.deduped")

    assert.strictEqual((await question(bring)).number, first.number)
    await send(`approve ${first.number}`)
    await until(
      "the delivery",
      async () => (await traceOf(bring)).tool_calls.every((call: any) => call.status === "succeeded")
    )
    assert.deepEqual(linesOf("delivered"), ["ann"])
  }, 90_000)
})

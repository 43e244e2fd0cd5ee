/** What an input means is said before anything is judged: what is shown and approved is what runs. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { definePlugin, defineTool, Schema } from "../plugin/index.ts"
import { type TestHost, testHost } from "../testing/TestHost.ts"

/** What each name means; a test changes it. */
let rooms: Record<string, ReadonlyArray<string>>
const switched: Array<ReadonlyArray<string>> = []
const asked: Array<string> = []
let host: TestHost

const lights = (binds: boolean) =>
  definePlugin({
    name: "lights",
    setup: () => ({
      tools: [defineTool({
        name: "lights.off",
        description: "Turn lights off.",
        input: Schema.Struct({ which: Schema.Union([Schema.String, Schema.Array(Schema.String)]) }),
        effect: "write",
        risk: ({ which }) => which.includes("oven") ? "high" : "medium",
        scopes: [],
        ...(binds
          ? {
            bind: async ({ which }: { which: string | ReadonlyArray<string> }) => {
              if (typeof which !== "string") return { which }
              asked.push(which)
              const found = rooms[which]
              if (which === "nowhere") return undefined
              if (which === "odd") return { which: [new Date()] }
              if (found === undefined) throw new Error(`There is no room ${which}: did you mean the kitchen?`)
              return { which: found }
            }
          }
          : {}),
        preview: ({ which }) => `would turn off ${String(which)}`,
        run: ({ which }) => {
          const found = typeof which === "string" ? rooms[which] ?? [] : which
          switched.push(found)
          return { message: `Off: ${found.join(", ")}` }
        }
      })],
      intents: [{
        name: "lights.off",
        patterns: [/turn off the (?<which>\w+)/],
        tool: "lights.off",
        input: ({ which }) => ({ which })
      }]
    })
  })()

const start = async (binds = true) => {
  host = await testHost({ plugins: [lights(binds)], http: true, timezone: "UTC", autonomy: "A1" })
}
const request = async (method: string, at: string, body?: object): Promise<any> => {
  const response = await fetch(`${host.http!.url}${at}`, {
    method,
    headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return response.json()
}

beforeEach(() => {
  rooms = { kitchen: ["lamp", "spot"] }
  switched.length = 0
  asked.length = 0
})
afterEach(() => host?.stop())

/** A yes to what was shown, after the names have got another meaning. */
const approveLater = async () => {
  const { trace_id } = await host.send("turn off the kitchen")
  const [approval] = (await request("GET", "/approvals")).items
  rooms = { kitchen: ["lamp", "spot", "oven"] }
  await request("POST", `/approvals/${approval.approval_id}/approve`, {})
  const { tool_calls } = await request("GET", `/traces/${trace_id}`)
  for (const end = Date.now() + 10_000; switched.length === 0 && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { approval, call: tool_calls[0] }
}

describe("a tool that says which things are meant", () => {
  it("is approved, stored and run with these, whatever the words mean meanwhile", async () => {
    await start()
    const { approval, call } = await approveLater()
    assert.deepEqual(approval.what, { which: ["lamp", "spot"] })
    assert.include(approval.preview, "would turn off lamp,spot")
    assert.deepEqual(call.input, { which: ["lamp", "spot"] })
    assert.deepEqual(switched, [["lamp", "spot"]])
  })

  it("without it, the oven goes off that nobody was shown", async () => {
    await start(false)
    const { approval } = await approveLater()
    assert.deepEqual(approval.what, { which: "kitchen" })
    assert.deepEqual(switched, [["lamp", "spot", "oven"]])
  })

  it("tells whoever asked why nothing is meant, and nothing is asked of a person", async () => {
    await start()
    const { outcome, reply } = await host.send("turn off the kitchn")
    assert.deepEqual({ outcome, reply }, {
      outcome: "failed",
      reply: "There is no room kitchn: did you mean the kitchen?"
    })
    assert.lengthOf((await request("GET", "/approvals")).items, 0)
  })

  it("does nothing where the plugin does not say it", async () => {
    await start()
    const replies = [await host.send("turn off the nowhere"), await host.send("turn off the odd")].map((sent) => [
      sent.outcome,
      sent.reply
    ])
    assert.deepEqual(replies, [
      ["failed", "lights.off did not say what is meant: that is a mistake in its plugin."],
      [
        "failed",
        "What lights.off says is meant has a Date at \"which[0]\", which is not plain JSON: that is a mistake in its plugin."
      ]
    ])
    assert.lengthOf((await request("GET", "/approvals")).items, 0)
    assert.lengthOf(switched, 0)
  })

  it("is judged by what is meant: in a preview, in a dry run, and when a person edits", async () => {
    await start()
    rooms = { kitchen: ["oven"] }
    const preview = await request("POST", "/tools/lights.off/preview", { input: { which: "kitchen" } })
    assert.deepInclude(preview, { risk: "high", input: { which: ["oven"] } })
    const dry = await request("POST", "/events?dry_run=true", { channel: "chat", text: "turn off the kitchen" })
    assert.deepEqual(dry.tool_calls[0].input, { which: ["oven"] })
    rooms = { kitchen: ["lamp"], hall: ["oven"] }
    await host.send("turn off the kitchen")
    const [approval] = (await request("GET", "/approvals")).items
    const edited = await request("POST", `/approvals/${approval.approval_id}/edit`, { input: { which: "hall" } })
    assert.deepInclude(edited, { risk: "high", what: { which: ["oven"] } })
  })
})

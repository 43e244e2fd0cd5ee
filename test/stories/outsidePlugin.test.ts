/**
 * A plugin from anywhere on the disk: it imports `syris`, needs no node_modules, and runs on the host's own copy.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder, type Host, startHost } from "../storms/Hosts.ts"

const plain = `
import { definePlugin, defineTool, Schema } from "syris"

export default definePlugin({
  name: "greeter",
  setup: () => ({
    tools: [
      defineTool({
        name: "greeter.greet",
        description: "Greet somebody.",
        input: Schema.Struct({ who: Schema.String }),
        effect: "read",
        risk: "low",
        scopes: [],
        run: ({ who }) => ({ message: "Good day, " + who + "." })
      })
    ],
    intents: [{ name: "greet", patterns: [/greet (?<who>.+)/], tool: "greeter.greet" }]
  })
})
`

const withEffect = `
import { definePlugin, defineTool, Effect, Schema } from "syris"
import * as shared from "effect"
import { SqlClient } from "effect/sql"
import { ToolRefused } from "syris"

export default definePlugin({
  name: "counter",
  setup: () => ({
    tools: [
      defineTool({
        name: "counter.count",
        description: "Count the tables, in the transaction of the outcome.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        run: () => shared.Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const [row] = yield* sql\`select count(*)::int as n from pg_tables where tablename = 'events'\`
          return { message: [row.n, shared.Effect === Effect || shared.Effect.succeed === Effect.succeed].join(" ") }
        })
      }),
      defineTool({
        name: "counter.refuse",
        description: "Refuse, with the host's own error.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        run: () => Effect.fail(new ToolRefused("I would rather not"))
      })
    ],
    intents: [
      { name: "count", patterns: [/count/], tool: "counter.count" },
      { name: "refuse", patterns: [/refuse/], tool: "counter.refuse" }
    ]
  })
})
`

const configuration = `
import { defineConfig } from "syris"
import noop from "syris/plugins/noop"
import greeter from "./plugins/greeter.ts"
import counter from "./plugins/counter.ts"

export default defineConfig({ timezone: "UTC", plugins: [greeter(), counter(), noop()] })
`

describe("a plugin in a folder outside the repository", () => {
  const place = folder("outside")
  let database: OwnDatabase
  let host: Host

  beforeAll(async () => {
    fs.mkdirSync(path.join(place, "plugins"))
    fs.mkdirSync(path.join(place, "elsewhere"))
    fs.writeFileSync(path.join(place, "plugins", "greeter.ts"), plain)
    fs.writeFileSync(path.join(place, "plugins", "counter.ts"), withEffect)
    fs.writeFileSync(path.join(place, "syris.config.ts"), configuration)
    database = await makeDatabase()
    host = await startHost({
      home: path.join(place, "home"),
      config: path.join(place, "syris.config.ts"),
      databaseUrl: database.url,
      cwd: path.join(place, "elsewhere")
    })
  })

  afterAll(async () => {
    await host?.kill()
    await database?.close()
    fs.rmSync(place, { recursive: true, force: true })
  })

  const say = (text: string) => host.send({ channel: "chat", text }, { wait: 20 })

  it("answers an event with nothing but `syris`", async () => {
    assert.deepInclude(await say("greet Ada"), { settled: true, outcome: "succeeded", reply: "Good day, Ada." })
  })

  it("that uses Effect runs on the host's copy, in the outcome's transaction", async () => {
    assert.deepInclude(await say("count"), { settled: true, outcome: "succeeded", reply: "1 true" })
  })

  it("throws the host's errors, and they are known", async () => {
    const refused = await say("refuse")
    assert.deepInclude(refused, { settled: true, outcome: "failed" })
    const { tool_calls } = await host.get(`/traces/${refused.trace_id}`)
    assert.strictEqual(tool_calls[0].error.code, "tool.refused")
  })

  it("brings built-in plugins along", async () => {
    assert.deepInclude(await say("noop"), { settled: true, outcome: "succeeded" })
  })

  it("says nothing that sounds like trouble", () => {
    assert.notMatch(host.log(), /warn|error|deprecat/i)
  })
})

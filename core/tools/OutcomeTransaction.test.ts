import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { definePlugin, defineTool, Schema } from "../plugin/index.ts"
import { type TestHost, testHost } from "../testing/index.ts"

const late: Array<Promise<unknown>> = []

const tools = definePlugin({
  name: "tools",
  setup: () => ({
    tools: [
      defineTool({
        name: "tools.late",
        description: "Goes on writing when its run has ended.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        run: (_, ctx) => {
          const write = () => ctx.sql`select 1`.then(() => "written", () => "refused")
          late.push(new Promise((done) => setImmediate(() => setImmediate(() => done(write())))))
          return "done"
        }
      }),
      defineTool({
        name: "tools.refused",
        description: "Writes what the database refuses.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        run: async (_, ctx) => {
          await ctx.sql`delete from audit_events`
          return "done"
        }
      })
    ],
    intents: [
      { name: "tools.late", patterns: [/late/], tool: "tools.late" },
      { name: "tools.refused", patterns: [/refused/], tool: "tools.refused" }
    ]
  })
})

describe("the transaction of an outcome", () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({ plugins: [tools()] })
  })
  afterAll(() => host.stop())

  it("is closed when the run has ended: what comes late is refused, and leaves no transaction open", async () => {
    for (let i = 0; i < 12; i++) assert.strictEqual((await host.send("late")).outcome, "succeeded")
    assert.deepEqual(await Promise.all(late), Array.from({ length: 12 }, () => "refused"))
    const open = await host.sql`
      select 1 from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'`
    assert.lengthOf(open, 0)
  })

  it("says in the database's own words why it was refused", async () => {
    await host.sql`insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
      values (gen_random_uuid(), now(), gen_random_uuid(), 'system', 'system.started', 'info', 'one row', '{}', '{}')`
    const { outcome, reply } = await host.send("refused")
    assert.strictEqual(outcome, "failed")
    assert.include(reply, "append-only")
  })
})

/**
 * The plugin of the storms, as text: it is written into a temporary folder and loaded by a host like anybody's. One tool
 * for each guarantee; each notes what it did somewhere that the test counts.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** What a tool of the storm rests on, and where the test counts it. */
export const kinds = ["insert", "schedule", "keyed", "probed", "plain"] as const
export type Kind = (typeof kinds)[number]

/** The table that the tool `insert` writes: without any constraint, so that it would show a double. */
export const outsideTable = "create table outside_ledger (id text not null, at timestamptz not null default now())"

const source = (remote: string): string => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"

const remote = ${JSON.stringify(remote)}
const input = Schema.Struct({ id: Schema.String })
const base = { description: "One thing of the storm.", input, effect: "write", risk: "low", scopes: [], timeout: "2 seconds" } as const

const act = async (path: string, id: string, ctx: any) => {
  const response = await ctx.fetch(remote + path + "?id=" + encodeURIComponent(id) + "&key=" + ctx.idempotencyKey, { method: "POST" })
  return await response.json() as { message: string }
}

const storm = definePlugin({
  name: "storm",
  setup: () => ({
    channels: [{ name: "storm", trust: "trusted" }],
    tools: [
      defineTool({ ...base, name: "storm.insert", guarantee: "transactional", run: async ({ id }, ctx) => {
        await ctx.sql\`insert into outside_ledger (id) values (\${id})\`
        return { message: "inserted " + id }
      } }),
      defineTool({ ...base, name: "storm.schedule", guarantee: "transactional", run: ({ id }, ctx) => {
        ctx.schedules.create({ name: id, at: new Date("2099-01-01T00:00:00Z"), payload: { channel: "storm", text: "later" } })
        return { message: "scheduled " + id }
      } }),
      defineTool({ ...base, name: "storm.keyed", guarantee: "native_key", run: ({ id }, ctx) => act("/once", id, ctx) }),
      defineTool({ ...base, name: "storm.probed", guarantee: "probe", run: ({ id }, ctx) => act("/plain", id, ctx),
        probe: async (_, ctx) => {
          const answer = await ctx.fetch(remote + "/asked?key=" + ctx.idempotencyKey)
          return (await answer.json() as { done: boolean }).done ? "done" : "not_done"
        } }),
      defineTool({ ...base, name: "storm.plain", run: ({ id }, ctx) => act("/plain", id, ctx) })
    ],
    intents: ["insert", "schedule", "keyed", "probed", "plain"].map((kind) => ({
      name: "storm." + kind, tool: "storm." + kind, patterns: [new RegExp("storm " + kind + " (?<id>\\\\S+)")]
    }))
  })
})

export default defineConfig({ timezone: "UTC", plugins: [storm()] })
`

/** Writes the configuration; answers its file. */
export const writeStorm = (folder: string, remote: string): string => {
  const file = path.join(folder, "syris.config.ts")
  fs.writeFileSync(file, source(remote))
  return file
}

export const eventOf = (kind: Kind, id: string) => ({ channel: "storm", message_id: id, text: `storm ${kind} ${id}` })

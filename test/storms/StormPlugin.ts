/**
 * The plugin of the storms, as text: it is written into a temporary folder and loaded by a host like anybody's. One tool
 * for each guarantee; each notes what it did somewhere that the test counts. And tasks: a list of steps, and code.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** What a tool of the storm rests on, and where the test counts it. */
export const kinds = ["insert", "schedule", "keyed", "probed", "plain"] as const
export type Kind = (typeof kinds)[number]

/** The table that the tool `insert` writes: without any constraint, so that it would show a double. */
export const outsideTable = "create table outside_ledger (id text not null, at timestamptz not null default now())"

const source = (remote: string, timeout: string, settings: object): string => `
import { defineConfig, definePlugin, defineTask, defineTool, Schema, TaskStepFailed, ToolRefused } from "syris"

const remote = ${JSON.stringify(remote)}
// How often the other side refuses it before it does it; where it is given, the tools of the database ask there, too.
const input = Schema.Struct({ id: Schema.String, refuse: Schema.optionalKey(Schema.Int) })
const base = { description: "One thing of the storm.", input, effect: "write", risk: "low", scopes: [], timeout: ${
  JSON.stringify(timeout)
} } as const

const act = async (path: string, { id, refuse = 0 }: { id: string; refuse?: number }, ctx: any) => {
  const response = await ctx.fetch(
    remote + path + "?id=" + encodeURIComponent(id) + "&key=" + ctx.idempotencyKey + "&refuse=" + refuse, { method: "POST" })
  const answer = await response.json() as { message: string; lot: number }
  if (response.status === 409) throw new ToolRefused(answer.message)
  return answer
}
const say = async (message: string, given: { id: string; refuse?: number }, ctx: any) => {
  if (given.refuse !== undefined) await act("/may", given, ctx)
  return { message: message + " " + given.id }
}

const steps = defineTask({
  name: "storm.steps",
  description: "A list of the storm.",
  input: Schema.Struct({ id: Schema.String }),
  steps: ({ id }) => [
    { name: "insert", tool: "storm.insert", input: { id: id + "/insert" } },
    [
      { name: "keyed", tool: "storm.keyed", input: { id: id + "/keyed" } },
      { name: "probed", tool: "storm.probed", input: { id: id + "/probed" } }
    ],
    { name: "wait", wait: "100 millis" },
    { name: "schedule", tool: "storm.schedule", input: { id: id + "/schedule" } }
  ]
})

const code = defineTask({
  name: "storm.code",
  description: "Code of the storm.",
  input: Schema.Struct({ id: Schema.String }),
  output: Schema.Struct({ lot: Schema.Int, refused: Schema.Boolean }),
  run: async ({ id }, ctx) => {
    const { lot } = await ctx.call<{ lot: number }>("storm.lot", { id: id + "/lot" }, { maxAttempts: 20, retry: { baseDelay: "20 millis" } })
    await ctx.call("storm.keyed", { id: id + "/keyed", refuse: lot % 2 }, { retry: { baseDelay: "20 millis" } })
    // As many as the lot says: it is drawn once.
    await Promise.all(Array.from({ length: 1 + lot % 3 }, (_, i) =>
      ctx.call(i === 1 ? "storm.probed" : "storm.insert", { id: id + "/beside-" + i }, { name: "beside " + i })))
    // Code that ends by the first of its calls that failed, whatever becomes of the other.
    if (lot % 7 === 0) {
      await Promise.all([
        ctx.call("storm.plain", { id: id + "/left" }, { name: "left" }),
        ctx.call("storm.insert", { id: id + "/never", refuse: 99 }, { name: "never", maxAttempts: 2, retry: { baseDelay: "20 millis" } })
      ])
    }
    await ctx.sleep(lot % 100)
    let refused = false
    try {
      await ctx.call("storm.plain", { id: id + "/plain", refuse: lot % 5 === 0 ? 99 : 0 }, { maxAttempts: 2, retry: { baseDelay: "20 millis" } })
    } catch (error) {
      if (!(error instanceof TaskStepFailed)) throw error
      refused = true
    }
    await ctx.call("storm.insert", { id: id + "/last" })
    return { lot, refused }
  }
})

const storm = definePlugin({
  name: "storm",
  // Named by the operator, so that it may be an address of this machine.
  options: Schema.Struct({ remote: Schema.String }),
  setup: () => ({
    channels: [{ name: "storm", trust: "trusted" }],
    tools: [
      defineTool({ ...base, name: "storm.insert", guarantee: "transactional", run: async (given, ctx) => {
        await ctx.sql\`insert into outside_ledger (id) values (\${given.id})\`
        return await say("inserted", given, ctx)
      } }),
      defineTool({ ...base, name: "storm.schedule", guarantee: "transactional", run: async (given, ctx) => {
        ctx.schedules.create({ name: given.id, at: new Date("2099-01-01T00:00:00Z"), payload: { channel: "storm", text: "later" } })
        return await say("scheduled", given, ctx)
      } }),
      defineTool({ ...base, name: "storm.keyed", guarantee: "native_key", run: (given, ctx) => act("/once", given, ctx) }),
      defineTool({ ...base, name: "storm.probed", guarantee: "probe", run: (given, ctx) => act("/plain", given, ctx),
        probe: async (_, ctx) => {
          const answer = await ctx.fetch(remote + "/asked?key=" + ctx.idempotencyKey)
          return (await answer.json() as { done: boolean }).done ? "done" : "not_done"
        } }),
      defineTool({ ...base, name: "storm.plain", run: (given, ctx) => act("/plain", given, ctx) }),
      defineTool({ ...base, name: "storm.lot", effect: "read", run: (given, ctx) => act("/may", given, ctx) })
    ],
    tasks: [steps, code],
    intents: [
      ...["insert", "schedule", "keyed", "probed", "plain"].map((kind) => ({
        name: "storm." + kind, tool: "storm." + kind, patterns: [new RegExp("storm " + kind + " (?<id>\\\\S+)")]
      })),
      ...["steps", "code"].map((task) => ({
        name: "storm.make_" + task, task: "storm." + task, patterns: [new RegExp("storm task " + task + " (?<id>\\\\S+)")]
      }))
    ]
  })
})({ remote })

export default defineConfig({ timezone: "UTC", plugins: [storm], ...${JSON.stringify(settings)} })
`

/** Writes the configuration; answers its file. `timeout` is that of the tools, `settings` are the host's besides. */
export const writeStorm = (folder: string, remote: string, timeout = "2 seconds", settings: object = {}): string => {
  const file = path.join(folder, "syris.config.ts")
  fs.writeFileSync(file, source(remote, timeout, settings))
  return file
}

export const eventOf = (kind: Kind, id: string) => ({ channel: "storm", message_id: id, text: `storm ${kind} ${id}` })

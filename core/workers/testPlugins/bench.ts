/** A plugin whose jobs do what a test needs; it signals through files in the folder that it is given. */
import { Schema } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { definePlugin, ToolRefused } from "syris"

const kinds = ["report", "flaky", "refuses", "wait", "slow", "odd", "emits", "grave", "once"]
const Empty = Schema.Struct({})

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))

export default definePlugin({
  name: "bench",
  options: Schema.Struct({ folder: Schema.String }),
  setup: ({ options: { folder } }) => {
    const mark = (name: string): void => fs.appendFileSync(path.join(folder, name), "x")
    const marked = (name: string): number => {
      const file = path.join(folder, name)
      return fs.existsSync(file) ? fs.readFileSync(file, "utf8").length : 0
    }
    const until = async (name: string, signal?: AbortSignal): Promise<void> => {
      while (marked(name) === 0 && signal?.aborted !== true) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return {
      intents: [
        {
          name: "bench.say",
          tool: "job.run.bench.report",
          patterns: [/render the report of (?<about>.+)/],
          input: (groups) => ({ input: groups })
        },
        ...kinds.map((kind) => ({
          name: `say.${kind}`,
          tool: `job.run.bench.${kind}`,
          patterns: [new RegExp(`run ${kind} (?<json>.+)`)],
          input: ({ json = "{}" }: Record<string, string | undefined>) => JSON.parse(json) as unknown
        }))
      ],
      jobs: [
        {
          name: "bench.report",
          description: "Render a report.",
          input: Schema.Struct({ about: Schema.String }),
          output: Schema.Struct({ message: Schema.String, pages: Schema.Int }),
          run: async ({ about }, ctx) => {
            ctx.log.info("It begins.", { about })
            ctx.progress({ percent: 40, message: "page 4 of 10" })
            ctx.progress({ percent: 140 })
            const kept = await ctx.artifact(`All about ${about}`, { name: "report.txt", mediaType: "text/plain" })
            ctx.log.info(`It is kept as ${kept.name}.`)
            return { message: `the report of ${about} has 10 pages`, pages: 10 }
          }
        },
        {
          name: "bench.flaky",
          input: Schema.Struct({ fails: Schema.Int }),
          maxAttempts: 3,
          retry: { strategy: "fixed", baseDelay: "10 millis", jitter: 0 },
          run: ({ fails }, { attempt }) => {
            mark("flaky")
            if (attempt <= fails) throw new Error(`Attempt ${attempt} went wrong`)
            return { attempt }
          }
        },
        {
          name: "bench.refuses",
          input: Empty,
          maxAttempts: 3,
          run: () => {
            throw new ToolRefused("There is no paper.")
          }
        },
        {
          name: "bench.wait",
          input: Empty,
          concurrency: 1,
          maxAttempts: 2,
          retry: { strategy: "fixed", baseDelay: "10 millis", jitter: 0 },
          run: async (_, ctx) => {
            mark("waiting")
            await until("go", ctx.signal)
            if (ctx.signal.aborted) mark("told")
            return { attempt: ctx.attempt }
          }
        },
        {
          name: "bench.once",
          input: Empty,
          run: async (_, ctx) => {
            mark("once")
            await until("go", ctx.signal)
            return null
          }
        },
        {
          name: "bench.slow",
          input: Empty,
          limits: { timeoutMs: 300 },
          run: async (_, ctx) => {
            await untilAborted(ctx.signal)
            return null
          }
        },
        {
          name: "bench.odd",
          input: Empty,
          output: Schema.Struct({ pages: Schema.Int }),
          run: () => ({ pages: "ten" }) as never
        },
        {
          name: "bench.emits",
          input: Empty,
          run: async (_, ctx) => {
            const first = await ctx.emit({ channel: "bench", text: "a page is ready" })
            return { first }
          }
        },
        { name: "bench.grave", input: Empty, risk: "high", effect: "irreversible", run: () => null }
      ]
    }
  }
})

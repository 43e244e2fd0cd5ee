/** For tests: a plugin whose jobs do what is seldom done, and which is stuck in its set-up while its folder says so. */
import { Schema } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { definePlugin, type JobContext } from "syris"

const Empty = Schema.Struct({})
const words = { a: { channel: "edges", text: "the first" }, b: { channel: "edges", text: "the second" } }

export default definePlugin({
  name: "edges",
  options: Schema.Struct({ folder: Schema.String }),
  setup: async ({ options: { folder } }) => {
    if (fs.existsSync(path.join(folder, "stuck"))) await new Promise(() => {})
    const kind = (name: string, run: (ctx: JobContext) => unknown, more: object = {}) => ({
      name: `edges.${name}`,
      input: Empty,
      run: (_: object, ctx: JobContext) => run(ctx),
      ...more
    })
    const twice = { maxAttempts: 2, retry: { strategy: "fixed", baseDelay: "10 millis", jitter: 0 } }
    return {
      jobs: [
        kind("odd", () => {
          throw new Error("It has a \0 and half a \ud800 in it")
        }),
        kind("plain", () => "done"),
        kind("late", () => "done", { limits: { timeoutMs: 500 } }),
        kind("swaps", async (ctx) => {
          const [first, second] = ctx.attempt === 1 ? [words.a, words.b] : [words.b, words.a]
          await ctx.emit(first)
          await ctx.emit(second)
          if (ctx.attempt === 1) throw new Error("Once more")
          return null
        }, twice),
        kind("tells", async (ctx) => {
          await ctx.emit(words.a)
          await ctx.call("page.read", {})
          await ctx.emit(words.b)
          await ctx.artifact("what the page says", { name: "page.txt" })
          return null
        }),
        kind("asks", (ctx) => ctx.call("door.open", {}), twice),
        kind("secret", async (ctx) => {
          const key = await ctx.secret("shop", "key")
          ctx.log.info(`It is ${key}.`)
          ctx.progress({ message: `with ${key}` })
          return { key, length: key.length }
        })
      ],
      intents: ["odd", "plain", "late", "swaps", "tells", "asks", "secret"].map((name) => ({
        name: `edges.${name}`,
        tool: `job.run.edges.${name}`,
        patterns: [new RegExp(`edges ${name}`)],
        input: () => ({})
      }))
    }
  }
})

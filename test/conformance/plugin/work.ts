/** Long work: jobs, and tasks as steps and as code. */
import { defineTask, type JobKind, Schema, type TaskDefinition, TaskStepFailed, ToolRefused } from "syris"

const job = (name: string, more: Partial<JobKind>): JobKind => ({
  name: `same.${name}`,
  description: "Works the same everywhere.",
  input: Schema.Struct({ how: Schema.optionalKey(Schema.String) }),
  limits: { timeoutMs: 30_000, memoryMb: 96 },
  concurrency: 8,
  run: () => null,
  ...more
})

export const jobs: ReadonlyArray<JobKind> = [
  job("count", {
    input: Schema.Struct({ to: Schema.Int, since: Schema.optionalKey(Schema.Date) }),
    output: Schema.Struct({ sum: Schema.Int, since: Schema.optionalKey(Schema.Date), told: Schema.Unknown }),
    risk: ({ to }) => to > 1_000 ? "high" : "low",
    run: async ({ since, to }, ctx) => {
      let sum = 0
      for (let i = 1; i <= to; i++) sum += i
      ctx.log.info("Counted.", { to })
      ctx.progress({ percent: 100, message: `${to} of ${to}` })
      const { deduped } = await ctx.emit({ channel: "street", text: "counted", structured: { sum } })
      const kept = await ctx.artifact("the whole story", { name: "story.txt" })
      return {
        sum,
        ...(since === undefined ? {} : { since }),
        told: {
          has: Object.keys(ctx).toSorted(),
          attempt: ctx.attempt,
          trust: ctx.trust,
          ids: [ctx.jobId, ctx.traceId],
          date: since instanceof Date,
          deduped,
          kept,
          secret: (await ctx.secret("same", "key")).length,
          looked: await ctx.call("same.look", { words: "a job" }),
          refused: await ctx.call("same.end.read", { how: "refused" }).catch((error: Error) =>
            `${error.name}: ${error.message}`
          )
        }
      }
    }
  }),
  job("ends", {
    maxAttempts: 2,
    retry: { strategy: "fixed", baseDelay: "1 millis", jitter: 0 },
    output: Schema.Struct({ attempt: Schema.Int }),
    run: async ({ how }, ctx) => {
      if (how === "refused") throw new ToolRefused("There is no paper.")
      if (how === "always") throw new Error("There is no ink.")
      if (how === "once" && ctx.attempt === 1) throw new TypeError("Not the first time.")
      if (how === "output") return { attempt: "many" } as never
      return { attempt: ctx.attempt }
    }
  }),
  job("waits", {
    limits: { timeoutMs: 20_000, memoryMb: 96 },
    run: async ({ how }, ctx) => {
      ctx.progress({ percent: 1, message: "waiting" })
      await new Promise((_, reject) =>
        ctx.signal.addEventListener("abort", () => {
          ctx.log.warn("told to end", { how: how ?? "" })
          reject(ctx.signal.reason as Error)
        })
      )
    }
  })
]

export const tasks: ReadonlyArray<TaskDefinition> = [
  defineTask({
    name: "same.steps",
    description: "Some looks.",
    labels: { kind: "looks" },
    priority: 7,
    input: Schema.Struct({ words: Schema.optionalKey(Schema.String), at: Schema.optionalKey(Schema.Date) }),
    steps: ({ at, words = "first" }) => {
      if (words === "none") throw new Error("There are no steps for that.")
      return [
        { name: "one", tool: "same.look", input: { words, ...(at === undefined ? {} : { at: at.toISOString() }) } },
        [
          { name: "two", tool: "same.look", input: { words: "second" } },
          { name: "rest", wait: "10 millis" }
        ],
        {
          name: "moody",
          tool: "same.moody",
          maxAttempts: 2,
          retry: { strategy: "fixed", baseDelay: "1 millis", jitter: 0 }
        }
      ]
    }
  }),
  defineTask({
    name: "same.code",
    description: "Looks, in code.",
    input: Schema.Struct({ since: Schema.Date }),
    output: Schema.Struct({ since: Schema.Date, told: Schema.Unknown }),
    run: async ({ since }, ctx) => {
      const first = await ctx.call<{ said: string }>("same.look", { words: "first" })
      const began = ctx.now()
      const both = await Promise.all([
        ctx.call<{ said: string }>("same.look", { words: "left" }, { name: "left" }),
        ctx.call<{ said: string }>("same.look", { words: "right" }, { name: "right" })
      ])
      await ctx.sleep("20 millis", "nap")
      const again = await ctx.call("same.moody", {}, {
        maxAttempts: 2,
        retry: { strategy: "fixed", baseDelay: "1 millis", jitter: 0 }
      })
      const failed = await ctx.call("same.end.read", { how: "refused" }, { maxAttempts: 1 }).catch((error: unknown) =>
        error instanceof TaskStepFailed
          ? [error.name, error.message, error.code, error.step, error.position]
          : String(error)
      )
      return {
        since,
        told: {
          said: [first, ...both].map(({ said }) => said),
          later: ctx.now() >= began,
          date: since instanceof Date && ctx.now() instanceof Date,
          has: Object.keys(ctx).toSorted(),
          again,
          failed
        }
      }
    }
  }),
  defineTask({
    name: "same.fails",
    description: "Fails.",
    input: Schema.Struct({ how: Schema.String }),
    output: Schema.Struct({ count: Schema.Int }),
    run: async ({ how }, ctx) => {
      if (how === "output") return { count: "many" } as never
      if (how === "step") await ctx.call("same.end.read", { how: "refused" }, { maxAttempts: 1 })
      if (how === "missing") await ctx.call("not.there", {})
      if (how === "words") throw "just words"
      throw new ToolRefused("The code gave up.")
    }
  })
]

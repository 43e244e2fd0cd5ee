/**
 * For tests: a long job that does nothing but count, until it is told to stop.
 */
import { Schema } from "effect"
import { definePlugin } from "../../plugin/index.ts"

export default definePlugin({
  name: "stub",
  setup: () => ({
    jobs: [
      {
        name: "stub.count",
        description: "Counts.",
        input: Schema.Struct({ to: Schema.Int, everyMs: Schema.optionalKey(Schema.Int) }),
        output: Schema.Struct({ counted: Schema.Int }),
        limits: { timeoutMs: 60_000, memoryMb: 128 },
        run: async ({ everyMs = 0, to }, { log, progress, signal }) => {
          for (let n = 1; n <= to; n++) {
            await new Promise((done) => setTimeout(done, everyMs))
            signal.throwIfAborted()
            progress({ percent: 100 * n / to, message: `${n} of ${to}` })
          }
          log.info(`Counted to ${to}.`)
          return { counted: to }
        }
      },
      {
        name: "stub.danger",
        description: "Counts what is dangerous.",
        input: Schema.Struct({}),
        risk: "high",
        run: () => "done"
      },
      {
        name: "stub.secret",
        description: "Counts what nobody may.",
        input: Schema.Struct({}),
        risk: "critical",
        run: () => "done"
      }
    ]
  })
})

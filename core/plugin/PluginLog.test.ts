import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted } from "effect"
import { type Leak, makeRedaction, Redactor } from "../secrets/Redactor.ts"
import { makePluginLog } from "./PluginLog.ts"

describe("the log of a plugin", () => {
  it.effect("holds no secret, nor the beginning of one where a text is cut, and tells of it", () =>
    Effect.gen(function*() {
      const redaction = makeRedaction(undefined, () => {})
      redaction.add("mail.password", Redacted.make("hunter2-hunter2"))
      const leaks: Array<Leak> = []
      redaction.onLeak((leak) => void leaks.push(leak))
      const lines: Array<unknown> = []
      const log = yield* makePluginLog.pipe(
        Effect.provideService(Redactor, redaction),
        Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(message))]))
      )
      const bound = log({ plugin: "mail" })
      bound.info("it goes on", { state: "well" })
      assert.deepStrictEqual(leaks, [])
      bound.with({ trace_id: "t1" }).warn("refused hunter2-hunter2", {
        answer: `${"x".repeat(8_185)}hunter2-hunter2`,
        error: new Error("with hunter2-hunter2")
      })
      yield* Effect.yieldNow
      assert.lengthOf(lines, 2)
      assert.notInclude(JSON.stringify(lines), "hunter2")
      assert.deepInclude(leaks[0], { where: "the log of the plugin mail", trace_id: "t1" })
    }))
})

import { assert, describe, it } from "@effect/vitest"
import type { PluginParts, TransactionalContext } from "syris"
import noop from "./index.ts"

const parts = noop().spec.setup({} as never) as PluginParts
const tool = parts.tools![0]!

describe("noop", () => {
  it("does nothing and says so", () => {
    assert.deepStrictEqual(tool.run({}, {} as TransactionalContext), { message: "Did nothing." })
    assert.deepStrictEqual(tool.run({ text: "x" }, {} as TransactionalContext), { message: "Did nothing: x" })
  })

  it("understands noop, with and without words", () => {
    const intent = parts.intents![0]!
    assert.deepStrictEqual(intent.input!({}), {})
    assert.deepStrictEqual(intent.input!({ ...intent.patterns[1]!.exec("noop a b")!.groups }), { text: "a b" })
  })
})

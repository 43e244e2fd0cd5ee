import { assert, describe, it } from "@effect/vitest"
import { makeRefusals, mostRefusals } from "./Refusals.ts"

describe("what an isolate asked for and may not have", () => {
  it("is written down, and can't flood the audit with ever new words", () => {
    let now = 0
    const rows: Array<string> = []
    const refused = makeRefusals(() => now, (plugin, sentence) => void rows.push(`${plugin}: ${sentence}`))
    for (let i = 0; i < 5_000; i++) refused("pry", `Plugin pry was not granted the tool x.${i}.`)
    refused("other", "Plugin other was not granted the tool y.z.")
    refused("other", "Plugin other was not granted the tool y.z.")
    assert.lengthOf(rows, mostRefusals + 1)
    now = 60_000
    refused("pry", "Plugin pry was not granted the tool x.0.")
    assert.deepEqual(rows.slice(mostRefusals + 1), [
      `pry: Plugin pry asked ${5_000 - mostRefusals} more times for what it was not granted.`,
      "pry: Plugin pry was not granted the tool x.0."
    ])
  })
})

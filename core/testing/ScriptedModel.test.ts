import { assert, describe, it } from "vitest"
import { scriptedModel } from "./ScriptedModel.ts"

const ask = async (url: string, body: object): Promise<readonly [status: number, text: string]> => {
  const answer = await fetch(`${url}/chat/completions`, { method: "POST", body: JSON.stringify(body) })
  return [answer.status, await answer.text()]
}

describe("a scripted model", () => {
  it("says its script, streamed or whole, and 500 after its end", async () => {
    const model = await scriptedModel([{ raw: "{}" }, async ({ body }) => ({ text: `${body.model}?` })])
    try {
      const [status, streamed] = await ask(model.url, { model: "m", stream: true })
      assert.strictEqual(status, 200)
      assert.match(streamed, /^data: \{.*"content":"\{\}".*data: \[DONE\]\n\n$/s)
      const [, whole] = await ask(model.url, { model: "m" })
      assert.strictEqual(JSON.parse(whole).choices[0].message.content, "m?")
      assert.deepEqual(await ask(model.url, {}), [500, "{\"error\":{\"message\":\"the script is over\"}}"])
      assert.strictEqual(model.overrun(), 1)
      model.add({ call: { tool: "a.b", input: { c: 1 } } })
      const [, called] = await ask(model.url, { tools: [{ function: { name: "a_b" } }] })
      assert.deepEqual(JSON.parse(called).choices[0].message.tool_calls[0].function, {
        name: "a_b",
        arguments: "{\"c\":1}"
      })
      await model.arrived(4)
      assert.lengthOf(model.requests, 4)
    } finally {
      await model.close()
    }
  })
})

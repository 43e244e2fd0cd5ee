import { assert, describe, it } from "@effect/vitest"
import { isolate } from "../plugin/Configuration.ts"
import { testHost } from "../testing/TestHost.ts"
import { callOf, makeFolder, until } from "./TestPlugins.ts"

const bell = (words: string): string => `
import { definePlugin, defineTool, Schema } from "syris"
const tool = (name) => defineTool({
  name, description: "A bell.", input: Schema.Struct({}), effect: "write", risk: "low", scopes: [],
  run: () => ({ said: ${JSON.stringify(words)} })
})
export default definePlugin({ name: "bell", setup: () => ({
  tools: [tool("bell.ring"), tool("bell.${words}")],
  intents: [{ name: "bell.ring", patterns: [/ring/], tool: "bell.ring" }]
}) })
`

describe("the code of a plugin in an isolate", () => {
  it("is taken up at once in development, and otherwise goes on as it was granted", async () => {
    const folder = makeFolder()
    const written = folder.write("bell.ts", bell("ding"))
    const kept = folder.write("kept/index.ts", bell("ding").replaceAll("bell", "gong").replace("/ring/", "/strike/"))
    const configuration = {
      home: folder.write("home/.keep", "").replace(/\/\.keep$/, ""),
      plugins: [
        isolate(written, { runtime: "process", reload: true }),
        isolate(kept, { runtime: "process" })
      ]
    }
    const said = async (host: Awaited<ReturnType<typeof testHost>>, words: string) => {
      const { trace_id } = await host.send(words)
      return ((await callOf(host, trace_id))?.output as { readonly said?: string } | undefined)?.said
    }
    const host = await testHost(configuration)
    try {
      await until(async () => await said(host, "ring") === "ding")
      await until(async () => await said(host, "strike") === "ding")
      folder.write("bell.ts", bell("dong"))
      folder.write("kept/index.ts", bell("dong").replaceAll("bell", "gong").replace("/ring/", "/strike/"))
      // Its tools are swapped with it.
      await until(async () => await said(host, "ring") === "dong")
      assert.equal(await said(host, "strike"), "ding")
      // What can't be loaded leaves what runs.
      folder.write("bell.ts", "export default 1")
      await until(async () => {
        const { output } = await callOf(host, (await host.send("ring")).trace_id)
        return (output as { readonly said?: string }).said === "dong"
      })
    } finally {
      await host.stop()
      folder.remove()
    }
  }, 120_000)
})

import { assert, describe, it } from "vitest"
import type { RegisteredTool } from "../../plugin/Registry.ts"
import { makeRegistryBus } from "./RegistryBus.ts"

describe("Who listens for changes of the tools", () => {
  it("is told of each, by anybody who publishes, and not after leaving", async () => {
    let tools: ReadonlyArray<RegisteredTool> = []
    const bus = makeRegistryBus({ tools: () => tools })
    // A change that nobody listened for is none that is told.
    tools = []
    const told: Array<string> = []
    const heard = Promise.withResolvers<void>()
    const leave = bus.subscribe(({ kind }) => {
      told.push(kind)
      heard.resolve()
    })
    tools = []
    await heard.promise
    assert.deepStrictEqual(told, ["tools_list_changed"])
    bus.publish({ kind: "resources_list_changed" })
    leave()
    leave()
    bus.publish({ kind: "tools_list_changed" })
    assert.deepStrictEqual(told, ["tools_list_changed", "resources_list_changed"])
  })
})

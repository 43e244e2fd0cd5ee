/**
 * What a server of the setting `mcp` may be called.
 */
import { assert, describe, it } from "vitest"
import { readMcp } from "./McpSettings.ts"

const read = (name: string) => readMcp({ [name]: { url: "http://127.0.0.1:3001/mcp" } })

describe("the name of a server", () => {
  it("is none that the host goes by in its own health, where both would be one", () => {
    for (const name of ["database", "host"]) {
      assert.strictEqual(
        read(name),
        `mcp has a server named "${name}", as a part of the host is named in its health: give it another name`
      )
    }
    assert.isArray(read("databases"))
  })
})

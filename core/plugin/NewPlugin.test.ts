/** The generator's own rules; that what it writes loads and runs is in `ConfigLoader.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import { newPlugin, NewPluginError, variable } from "../../bin/new-plugin.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-new-plugin-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

describe("new-plugin", () => {
  it("writes a plugin once and overwrites nothing", () => {
    const files = newPlugin(folder, "coffee-machine")
    assert.deepStrictEqual(files.map((file) => path.basename(file)).sort(), ["README.md", "index.test.ts", "index.ts"])
    fs.writeFileSync(files[0]!, "mine")
    assert.throws(() => newPlugin(folder, "coffee-machine"), NewPluginError, /exists already/)
    assert.strictEqual(fs.readFileSync(files[0]!, "utf8"), "mine")
  })

  it.each([undefined, "", "Coffee", "../x", "a b", "1a", "a-", "a".repeat(41), "syris"])(
    "refuses the name %j",
    (name) => {
      assert.throws(() => newPlugin(folder, name), NewPluginError)
    }
  )

  it("finds a variable that TypeScript takes", () => {
    assert.deepStrictEqual(["coffee", "coffee-machine", "new", "a-1"].map(variable), [
      "coffee",
      "coffeeMachine",
      "newPlugin",
      "a1"
    ])
  })
})

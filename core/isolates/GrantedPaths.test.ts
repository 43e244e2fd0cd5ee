import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathsRefused } from "./GrantedPaths.ts"
import { makeFolder } from "./TestPlugins.ts"

describe("a grant of files", () => {
  it("holds neither the home of the host, nor its database, nor its configuration, by no way", async () => {
    const folder = makeFolder()
    try {
      const configFile = folder.write("house/syris.config.ts", "")
      const home = path.join(folder.path, "house/.syris")
      folder.write("house/.syris/token", "x")
      folder.write("elsewhere/pg/PG_VERSION", "18")
      fs.symlinkSync(path.join(folder.path, "elsewhere/pg"), path.join(home, "postgres"))
      fs.mkdirSync(path.join(folder.path, "house/data"))
      fs.symlinkSync(home, path.join(folder.path, "house/link"))
      const refused = (granted: string, kind: "read" | "write" = "read") =>
        pathsRefused({ [kind]: [path.join(folder.path, granted)] }, { configFile, home })
      assert.isUndefined(await refused("house/data"))
      assert.isUndefined(await refused("house/.syris-notes", "write"))
      assert.isUndefined(await refused("not/there/yet", "write"))
      assert.match(await refused("house") ?? "", /^its allow\.read has .*house, which holds the configuration/)
      assert.match(await refused("house/syris.config.ts", "write") ?? "", /allow\.write .* holds the configuration/)
      assert.match(await refused("house/.syris") ?? "", /holds SYRIS_HOME/)
      assert.match(await refused("house/.syris/token") ?? "", /is in SYRIS_HOME/)
      assert.match(await refused("house/link") ?? "", /holds SYRIS_HOME/)
      assert.match(await refused("elsewhere") ?? "", /holds the database/)
      assert.match(await refused("elsewhere/pg/base", "write") ?? "", /is in the database/)
    } finally {
      folder.remove()
    }
  })
})

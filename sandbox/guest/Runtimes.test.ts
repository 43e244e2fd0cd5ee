import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Runtime } from "../../core/contract/Enums.ts"
import { startIsolate } from "../startIsolate.ts"
import { everythingCode, makeHearing, tellEverything } from "./TestEverything.ts"

const start = async (runtime: Runtime, code: object = {}) => {
  const { hearing, lines } = makeHearing()
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "syris-guest-"))
  const isolate = await startIsolate({
    runtime,
    code: { ...everythingCode, folders: [path.dirname(everythingCode.entry)], ...code },
    limits: { memoryMb: 128 },
    temporary,
    env: {}
  }, hearing)
  return { isolate, lines, temporary }
}

describe("the guest in its runtimes", () => {
  for (const runtime of ["deno", "process", "thread"] as const) {
    it(`serves the whole plugin API in a ${runtime}`, async () => {
      const { isolate, lines, temporary } = await start(runtime)
      try {
        await tellEverything(isolate, lines)
      } finally {
        assert.equal((await isolate.stop()).code, "stopped")
        assert.deepEqual(fs.readdirSync(temporary), [])
        fs.rmSync(temporary, { recursive: true })
      }
    }, 120_000)
  }

  it("says in Deno, too, what is wrong with a plugin", async () => {
    const refused = await start("deno", { options: { greeting: "Hello", token: 5 } }).catch((error: unknown) => error)
    assert.deepInclude(refused as object, {
      message: "the option \"token\" must be secret(name, key)",
      phase: "options"
    })
  }, 120_000)
})

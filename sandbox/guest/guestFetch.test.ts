/** A job that runs in Node apart from the host reaches no more than its plugin would in the host. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { ToolRefused } from "../../core/plugin/Tool.ts"
import { startIsolate } from "../startIsolate.ts"
import { makeHearing } from "./TestEverything.ts"

const entry = path.resolve(import.meta.dirname, "../../test/fixtures/isolates/asking.ts")

describe.each(["thread", "process"] as const)("a job in a %s", (runtime) => {
  it("asks what the operator named, in its options or its grant, and nothing else inside", async () => {
    let inside = 0
    const server = http.createServer((_, response) => void response.end(`inside ${++inside}`))
    await once(server.listen(0, "127.0.0.1"), "listening")
    const { port } = server.address() as AddressInfo
    const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "syris-guest-"))
    const isolate = await startIsolate({
      runtime,
      code: {
        entry,
        plugin: "asking",
        name: "asking",
        options: { home: `http://127.0.0.1:${port}/` },
        timezone: "UTC",
        folders: [entry],
        // With it the process reads what its code needs, and has the network.
        grant: { net: [`localhost:${port}`], read: ["/"] }
      },
      limits: { memoryMb: 128 },
      temporary,
      env: {}
    }, makeHearing().hearing)
    const get = (host: string) => {
      const args = [{ url: `http://${host}:${port}/` }]
      const { signal } = new AbortController()
      return isolate.invoke({ part: "job", name: "asking.get", member: "run", args, facts: {}, asks: {}, signal })
        .catch((error: unknown) => error)
    }
    try {
      for (const host of ["127.0.0.2", "[::ffff:127.0.0.1]"]) {
        const refused = await get(host)
        assert.instanceOf(refused, ToolRefused)
        assert.match(refused.message, /was not asked: .* is not a public address/)
      }
      assert.strictEqual(inside, 0)
      assert.deepEqual(await get("127.0.0.1"), { output: "inside 1" })
      assert.deepEqual(await get("localhost"), { output: "inside 2" })
    } finally {
      await isolate.stop()
      server.close()
      server.closeAllConnections()
      fs.rmSync(temporary, { recursive: true })
    }
  }, 60_000)
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { isolate, type IsolateOptions } from "./Configuration.ts"
import { secret } from "./Secret.ts"
import { readConfiguration } from "./Settings.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-settings-"))
const file = path.join(folder, "syris.config.ts")
for (const module of ["plugins/x/index.ts", "node_modules/y/index.js", "plugins/z.mts"]) {
  fs.mkdirSync(path.dirname(path.join(folder, module)), { recursive: true })
  fs.writeFileSync(path.join(folder, module), "")
}

const read = (given: string, options?: IsolateOptions) =>
  Effect.runSync(Effect.result(readConfiguration({ plugins: [false, isolate(given, options)] }, file)))

const refusal = (given: string, options?: unknown): string => {
  const result = read(given, options as IsolateOptions)
  return result._tag === "Failure" ? result.failure.detail : "taken"
}

describe("isolate(…) in a configuration", () => {
  it("is what the operator wrote, with every default in place", () => {
    const result = read("./plugins/x/index.ts", {
      options: { key: secret("x", "key"), list: [1] },
      allow: {
        net: ["api.example.org:443", "10.0.0.9", "[::1]:80", "::1"],
        read: ["./data"],
        tools: ["lamp.*"],
        secrets: ["x.y"]
      }
    })
    assert.equal(result._tag, "Success")
    const [one] = result._tag === "Success" ? result.success.isolates : []
    assert.deepInclude(one, {
      position: 1,
      after: 0,
      written: "./plugins/x/index.ts",
      path: path.join(folder, "plugins/x/index.ts"),
      runtime: "deno",
      memoryMb: 128,
      timeoutMs: 30_000,
      trusted: false,
      reload: false
    })
    assert.deepEqual(one?.allow.read, [path.join(folder, "data")])
  })

  it("is refused with a sentence where it is not exact", () => {
    const x = "./plugins/x/index.ts"
    const table: ReadonlyArray<readonly [string, unknown, RegExp]> = [
      ["./plugins/none.ts", {}, /plugins\[1\] is isolate\("\.\/plugins\/none\.ts"\), and there is no such file/],
      ["./plugins/x", {}, /\.ts, \.mts, \.js or \.mjs/],
      [x, { runtme: "deno" }, /did you mean.*runtime|runtme/],
      [x, { allow: { net: ["*.example.org"] } }, /there is no wildcard/],
      [x, { allow: { net: ["https://example.org"] } }, /write the host alone/],
      [x, { allow: { net: ["10.0.0.0/8"] } }, /one host and no range/],
      [x, { allow: { net: ["example.org:99999"] } }, /port must be a number from 1 to 65535/],
      [x, { allow: { net: ["10.0.1"] } }, /IPv4 address in full/],
      [x, { allow: { read: ["/"] } }, /that is everything/],
      [x, { allow: { write: ["/proc/self"] } }, /can't be granted/],
      [x, { allow: { read: [os.homedir()] } }, /whole home folder/],
      [x, { allow: { env: ["NODE_OPTIONS"] } }, /steers the runtime/],
      [x, { allow: { env: ["A*"] } }, /there is no wildcard/],
      [x, { allow: { tools: ["lamp.*.on"] } }, /name a tool/],
      [x, { allow: { secrets: ["*"] } }, /name\.key for one secret/],
      [x, { allow: { run: ["sh"] } }, /run/],
      [x, { limits: { memoryMb: 1 } }, /16 to 65536/],
      [x, { options: { run: () => 1 } }, /plain JSON and secret/],
      ["./node_modules/y/index.js", { runtime: "process" }, /a process does not hold: .*trusted: true/],
      [x, { runtime: "thread", trusted: false }, /a thread does not hold/]
    ]
    for (const [given, options, words] of table) assert.match(refusal(given, options), words)
    // The same where the operator vouches for it.
    assert.equal(refusal("./node_modules/y/index.js", { runtime: "process", trusted: true }), "taken")
    assert.equal(refusal("./plugins/z.mts", { runtime: "thread" }), "taken")
  })
})

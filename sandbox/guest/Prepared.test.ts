import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Launch } from "../Isolate.ts"
import { startIsolate } from "../startIsolate.ts"
import { denoGuest, prepareDeno } from "./bundle.ts"
import { everythingCode, makeHearing, tellEverything } from "./TestEverything.ts"

const withFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-prepared-")))
  try {
    await use(folder)
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

/** As code that was granted is: a copy. */
const launchOf = (folder: string, files: Readonly<Record<string, string>>, entry = "index.ts"): Launch => {
  const code = path.join(folder, "code")
  fs.mkdirSync(code)
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(code, name), text)
  return {
    runtime: "deno",
    code: {
      ...everythingCode,
      entry: path.join(code, entry),
      plugin: "",
      name: "",
      options: undefined,
      folders: [code],
      hash: "the hash of the code"
    },
    limits: { memoryMb: 128 },
    temporary: path.join(folder, "temporary"),
    prepared: path.join(folder, "prepared"),
    env: {}
  }
}

const plugin = (more: string) =>
  `import { definePlugin, defineTool, Schema } from "syris"
${more}
export default definePlugin({ name: "told", setup: () => ({ tools: [defineTool({
  name: "told.say", description: "Say it.", input: Schema.Struct({}), output: Schema.Struct({ said: Schema.String }),
  effect: "read", risk: "low", scopes: [], guarantee: "none", run: () => ({ said: what })
})] }) })
`

const say = async (launch: Launch): Promise<unknown> => {
  const isolate = await startIsolate(launch, makeHearing().hearing)
  try {
    return await isolate.invoke({
      part: "tool",
      name: "told.say",
      member: "run",
      args: [{}],
      facts: {},
      asks: {},
      signal: new AbortController().signal
    })
  } finally {
    await isolate.stop()
  }
}

const isPrepared = async (launch: Launch): Promise<boolean> => {
  const { entry } = await denoGuest(launch)
  return path.dirname(path.dirname(entry)) === launch.prepared
}

describe("code that is made ready for Deno once it was granted", () => {
  it("answers as it does without", () =>
    withFolder(async (folder) => {
      const text = fs.readFileSync(everythingCode.entry, "utf8")
      const { code, ...rest } = launchOf(folder, { "index.ts": text })
      const launch: Launch = { ...rest, code: { ...code, ...everythingCode, entry: code.entry, folders: code.folders } }
      assert.isFalse(await isPrepared(launch))
      await prepareDeno(launch)
      assert.isTrue(await isPrepared(launch))
      const { hearing, lines } = makeHearing()
      const isolate = await startIsolate(launch, hearing)
      try {
        await tellEverything(isolate, lines)
      } finally {
        assert.equal((await isolate.stop()).code, "stopped")
      }
    }), 120_000)

  it("is several files, and knows its functions by their names", () =>
    withFolder(async (folder) => {
      const launch = launchOf(folder, {
        "index.ts": plugin(`import { Named } from "./named.ts"\nconst what = await new Named().say()`),
        "named.ts": "export class Named { async say(): Promise<string> { return this.constructor.name } }\n"
      })
      await prepareDeno(launch)
      assert.isTrue(await isPrepared(launch))
      assert.deepEqual(await say(launch), { output: { said: "Named" } })
    }), 120_000)

  it(
    "is made of the copy alone: what lies beside it, or behind a link, is not read",
    () =>
      withFolder(async (folder) => {
        fs.writeFileSync(path.join(folder, "secret.ts"), `export const what = "a secret"\n`)
        const launch = launchOf(folder, { "index.ts": plugin(`import { what } from "../secret.ts"`) })
        await prepareDeno(launch)
        assert.isFalse(await isPrepared(launch))
        const refused = await say(launch).catch((error: Error) => error.message)
        assert.match(String(refused), /it threw while it was loaded: .*secret\.ts/)
        fs.writeFileSync(path.join(folder, "code", "index.ts"), plugin(`import { what } from "./link.ts"`))
        fs.symlinkSync(path.join(folder, "secret.ts"), path.join(folder, "code", "link.ts"))
        const linked: Launch = { ...launch, code: { ...launch.code, hash: "another hash" } }
        await prepareDeno(linked)
        assert.isFalse(await isPrepared(linked))
        const made = fs.readdirSync(launch.prepared!, { recursive: true, encoding: "utf8" })
        assert.deepEqual(made.filter((name) => !name.endsWith(".unfit")), [])
        // The control: the same module inside of the copy is taken.
        fs.rmSync(path.join(folder, "code", "link.ts"))
        fs.copyFileSync(path.join(folder, "secret.ts"), path.join(folder, "code", "link.ts"))
        const inside: Launch = { ...launch, code: { ...launch.code, hash: "a third hash" } }
        await prepareDeno(inside)
        assert.isTrue(await isPrepared(inside))
        assert.deepEqual(await say(inside), { output: { said: "a secret" } })
      }),
    120_000
  )

  it(
    "is left to Deno where it asks where it is, or imports what is not there, and works all the same",
    () =>
      withFolder(async (folder) => {
        const launch = launchOf(folder, {
          "index.ts": plugin(`const what = new URL(import.meta.url).pathname.split("/").at(-1)!`)
        })
        await prepareDeno(launch)
        assert.isFalse(await isPrepared(launch))
        assert.deepEqual(await say(launch), { output: { said: "index.ts" } })
        fs.writeFileSync(
          path.join(folder, "code", "index.ts"),
          plugin(`import { absent } from "syris"\nconst what = String(absent)`)
        )
        const absent: Launch = { ...launch, code: { ...launch.code, hash: "another hash" } }
        await prepareDeno(absent)
        assert.isFalse(await isPrepared(absent))
        assert.match(String(await say(absent).catch((error: Error) => error.message)), /absent/)
      }),
    120_000
  )
})

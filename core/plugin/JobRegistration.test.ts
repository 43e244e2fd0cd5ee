/** What a kind of job must be, and the tool that starts it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { jobDefaults, registerJob } from "./JobRegistration.ts"
import { laneOf, startingTool } from "./JobTool.ts"
import { Refused } from "./PartChecks.ts"
import { definePlugin, type JobKind } from "./Plugin.ts"
import { codeOf, type PluginCode } from "./PluginCode.ts"
import type { BoundLog } from "./PluginLog.ts"
import { secret } from "./Secret.ts"
import { registerTool } from "./ToolRegistration.ts"

const log = { with: () => log } as unknown as BoundLog
const code: PluginCode = {
  entry: "/p/index.ts",
  plugin: "report",
  name: "report",
  options: {},
  timezone: "UTC",
  folders: ["/p"],
  grant: undefined
}
const kind: JobKind = {
  name: "report.render",
  input: Schema.Struct({ pages: Schema.FiniteFromString }),
  run: () => null
}
const register = (given: object, runtime: "inline" | "deno" = "inline") =>
  registerJob("report", { ...kind, ...given } as JobKind, { code, log, runtime })

describe("a kind of job", () => {
  it("is what its defaults say where it says nothing", () => {
    const { retry, runtime, runtimes, ...job } = register({})
    assert.deepInclude(job, {
      kind: "report.render",
      description: "report.render",
      timeoutMs: 600_000,
      memoryMb: 256,
      concurrency: 2,
      maxAttempts: 1
    })
    assert.deepEqual(retry, jobDefaults.retry)
    assert.strictEqual(runtime, "thread")
    assert.deepEqual([...runtimes], ["thread", "process", "deno"])
    assert.deepInclude(register({ retry: { strategy: "fixed", baseDelay: "2 seconds" } }).retry, {
      strategy: "fixed",
      base_delay_ms: 2_000,
      max_delay_ms: 60_000
    })
  })

  it("runs where its plugin runs, whatever it says", () => {
    const { runtime, runtimes } = register({ runtime: "thread" }, "deno")
    assert.strictEqual(runtime, "deno")
    assert.deepEqual([...runtimes], ["deno"])
  })

  it.each<readonly [given: object, mistake: RegExp]>([
    [{ name: "Report" }, /a job is named "Report": use lower-case letters/],
    [{ name: "x".repeat(91) }, /use lower-case letters/],
    [{ rnu: 1 }, /job report\.render: .*"rnu".*run/],
    [{ description: " " }, /needs its description to be a sentence/],
    [{ input: {} }, /needs an input: use Schema\.Struct/],
    [{ input: Schema.String }, /must be an object/],
    [{ output: {} }, /has an output that is not a Schema/],
    [{ run: 1 }, /needs run to be a function/],
    [{ risk: "huge" }, /needs risk: "low", "medium", "high", "critical" or a function/],
    [{ effect: "big" }, /needs effect: "read", "write", "irreversible"/],
    [{ scopes: "a" }, /needs scopes: a list of names/],
    [{ scopes: ["A b"] }, /has the scope "A b"/],
    [{ runtime: "moon" }, /needs runtime: "thread", "process", "deno"/],
    [{ limits: { timeoutMs: 0 } }, /needs limits\.timeoutMs from 1 to 86400000/],
    [{ limits: { timeoutMs: 86_400_001 } }, /at most 24 hours/],
    [{ limits: { memoryMb: 8 } }, /needs limits\.memoryMb from 16 to 65536/],
    [{ limits: { memory: 8 } }, /limits: .*"memory".*memoryMb/],
    [{ concurrency: 0 }, /needs a concurrency from 1 to 1000/],
    [{ maxAttempts: 101 }, /needs maxAttempts to be a whole number from 1 to 100/],
    [{ retry: { strategy: "never" } }, /needs retry\.strategy/]
  ])("is refused with a sentence: %o", (given, mistake) => {
    try {
      register(given)
      assert.fail("it was taken")
    } catch (error) {
      assert.instanceOf(error, Refused)
      assert.match((error as Refused).where.mistake, mistake)
      assert.strictEqual((error as Refused).where.phase, "jobs")
    }
  })
})

describe("the tool that starts a job", () => {
  const toolOf = (given: object) => {
    const tool = registerTool("report", startingTool(register(given), () => Effect.die("not here")), log)
    if (typeof tool === "string") throw new Error(tool)
    return tool
  }

  it("takes what its kind takes, and a runtime and limits within those of the kind", () => {
    const tool = toolOf({
      limits: { timeoutMs: 500, memoryMb: 64 },
      risk: ({ pages }: { pages: number }) => pages > 9 ? "high" : "low"
    })
    assert.strictEqual(tool.definition.name, "job.run.report.render")
    assert.deepNestedPropertyVal(tool.inputSchema, "properties.limits.properties.timeout_ms.maximum", 500)
    const asked = Effect.runSync(tool.decodeInput({ input: { pages: "12" }, limits: { memory_mb: 32 } }))
    assert.deepEqual(asked, {
      input: { pages: "12" },
      decoded: { pages: 12 },
      runtime: "thread",
      limits: { timeout_ms: 500, memory_mb: 32 }
    })
    assert.strictEqual(tool.riskOf(asked), "high")
    const refusal = (given: object) => Effect.runSync(Effect.flip(tool.decodeInput(given)))
    assert.match(refusal({ input: { pages: "many" } }), /The input of report\.render.*pages/)
    assert.match(refusal({ input: { pages: "1" }, limits: { timeout_ms: 501 } }), /limits can only be lowered/)
    assert.match(refusal({ input: { pages: "1" }, hurry: true }), /The input of job\.run\.report\.render.*hurry/)
    assert.strictEqual(laneOf(tool.definition.name), "sandbox")
    assert.strictEqual(laneOf("coffee.brew"), "fast")
  })

  it("is one more risk where the job can't be taken back", () => {
    assert.strictEqual(toolOf({ effect: "irreversible", risk: "high" }).riskOf({}), "critical")
    assert.strictEqual(toolOf({ risk: "high" }).riskOf({}), "high")
  })
})

describe("where the code of a plugin is", () => {
  const report = definePlugin<{ readonly a?: unknown }, { readonly a?: unknown }>({ name: "report", setup: () => ({}) })

  it("is the file that defines it; its options cross where they are plain", () => {
    const found = codeOf(report({ a: [secret("mail", "key"), { b: 1 }] }), "report", "UTC")
    if (typeof found === "string") return assert.fail(found)
    assert.strictEqual(found.entry, import.meta.filename)
    assert.deepEqual([...found.folders], [import.meta.filename])
    assert.deepInclude(found, { plugin: "report", name: "report", timezone: "UTC", grant: undefined })
  })

  it("is its folder, where the file is an index", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-code-"))
    try {
      const file = path.join(folder, "index.mjs")
      fs.writeFileSync(file, "export default (define) => define({ name: 'far', setup: () => ({}) })\n")
      const { default: make } = await import(/* @vite-ignore */ file) as { default: (define: unknown) => typeof report }
      const found = codeOf(make(definePlugin)(), "far", "UTC")
      if (typeof found === "string") return assert.fail(found)
      assert.strictEqual(fs.realpathSync(found.entry), fs.realpathSync(file))
      assert.deepEqual([...found.folders], [path.dirname(found.entry)])
    } finally {
      fs.rmSync(folder, { recursive: true })
    }
  })

  it("is a sentence where it can't be handed over", () => {
    const sentence = (given: ReturnType<typeof report>) => {
      const found = codeOf(given, "report", "UTC")
      return typeof found === "string" ? found : "it is known"
    }
    assert.match(sentence(report({ a: () => 1 })), /can't be handed to a job: they have a function at "a"/)
    assert.match(sentence({ ...report(), module: "/nowhere.ts" }), /is not known: call definePlugin in a file/)
  })
})

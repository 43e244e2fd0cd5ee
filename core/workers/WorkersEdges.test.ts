/**
 * What seldom happens to a job: odd words, a plugin that hangs while it is loaded, a later attempt that does the same in
 * another order, strangers' words, a question that nobody waits for any more, a host that does not know its kind.
 */
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, Redacted, Schema } from "effect"
import { until } from "../../test/storms/Until.ts"
import { isolate } from "../plugin/Configuration.ts"
import { definePlugin, defineTool } from "../plugin/index.ts"
import { openStore } from "../secrets/SecretsStore.ts"
import { type TestHost, testHost, type TestHostOptions } from "../testing/TestHost.ts"
import { makeDatabase } from "../watchers/TestWatchers.ts"
import { makeStrangers } from "./JobStrangers.ts"
import edges from "./testPlugins/edges.ts"

const makeFolder = () => fs.mkdtempSync(path.join(os.tmpdir(), "syris-edges-"))
const removeFolder = (folder: string) => fs.rmSync(folder, { recursive: true, force: true })

const opened: Array<string> = []

const house = definePlugin({
  name: "house",
  setup: () => ({
    tools: [
      defineTool({
        name: "page.read",
        description: "Reads the page.",
        input: Schema.Struct({}),
        effect: "read",
        risk: "low",
        scopes: [],
        trust: "untrusted",
        run: () => "what a stranger wrote"
      }),
      defineTool({
        name: "door.open",
        description: "Opens the door.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "high",
        scopes: [],
        run: () => {
          opened.push("door")
          return "open"
        }
      })
    ]
  })
})

/** Its events could be the operator's own words. */
const channel = definePlugin({
  name: "bell",
  setup: () => ({ channels: [{ name: "edges", trust: "operator" as const }] })
})

const start = (folder: string, options: TestHostOptions = {}) =>
  testHost({ plugins: [edges({ folder }), house(), channel()], timezone: "UTC", ...options })
const jobOf = async (host: TestHost, trace_id: string) =>
  (await host.sql<Record<string, any>>`select * from jobs where trace_id = ${trace_id}`)[0] ?? {}
const endOf = (host: TestHost, trace_id: string, boundMs = 20_000) =>
  until("the end of the job", async () => {
    const job = await jobOf(host, trace_id)
    return job["ended_at"] === null ? undefined : job
  }, boundMs)
const eventsOf = (host: TestHost, trace_id: string) =>
  host.sql<{ readonly text: string; readonly trust: string }>`
    select text, trust from events where trace_id = ${trace_id} and channel = 'edges' order by event_id`

describe("a job", () => {
  const folder = makeFolder()
  let host: TestHost
  beforeAll(async () => {
    const home = path.join(folder, "home")
    await Effect.runPromise(openStore(home).set("shop", "key", Redacted.make("rosebud-1941")))
    host = await start(folder, { home })
  })
  afterAll(async () => {
    await host?.stop()
    removeFolder(folder)
  })

  it("that throws words which can't be kept has failed at once, with those that can", async () => {
    const { trace_id } = await host.send("edges odd")
    const { error, status } = await endOf(host, trace_id)
    assert.strictEqual(status, "failed")
    assert.deepInclude(error, { code: "job.failed" })
    assert.match(error.message, /^It has a ␀ and half a .{1,2} in it\.$/)
  })

  it("whose plugin hangs while it is loaded ends at its time, and when it is canceled", async () => {
    fs.writeFileSync(path.join(folder, "stuck"), "x")
    const late = await endOf(host, (await host.send("edges late")).trace_id)
    assert.deepInclude(late, { status: "timed_out" })
    const { trace_id } = await host.send("edges odd")
    await until("its start", async () => (await jobOf(host, trace_id))["status"] === "running")
    await host.send("cancel the odd job")
    assert.deepInclude(await endOf(host, trace_id), { status: "canceled" })
    fs.rmSync(path.join(folder, "stuck"))
  })

  it("hands over what it handed over before once, in whatever order", async () => {
    const { trace_id } = await host.send("edges swaps")
    const job = await endOf(host, trace_id)
    assert.deepInclude(job, { status: "succeeded", attempt: 2 }, JSON.stringify(job["error"]))
    assert.deepEqual((await eventsOf(host, trace_id)).map(({ text }) => text), ["the first", "the second"])
  })

  it("that has read a stranger's words hands over and keeps nothing as its own", async () => {
    const { trace_id } = await host.send("edges tells")
    const { error, job_id, status } = await endOf(host, trace_id)
    assert.strictEqual(status, "succeeded", JSON.stringify(error))
    assert.deepEqual(await eventsOf(host, trace_id), [
      { text: "the first", trust: "trusted" },
      { text: "the second", trust: "untrusted" }
    ])
    const [kept] = await host.sql`select labels ->> 'trust' as trust from artifacts where job_id = ${job_id}`
    assert.deepEqual(kept, { trust: "untrusted" })
  })

  it("that is canceled for good takes its question with it: a late yes does nothing", async () => {
    const { trace_id } = await host.send("edges asks")
    const question = await until("the question", async () =>
      (await host.sql<{ number: bigint; status: string }>`
        select number, status from approvals where trace_id = ${trace_id}`)[0])
    assert.strictEqual(question.status, "pending")
    await host.send("cancel the asks job")
    assert.deepInclude(await endOf(host, trace_id), { status: "canceled" })
    await until("the question to be taken back", async () =>
      (await host.sql<{ status: string }>`
        select status from approvals where trace_id = ${trace_id}`)[0]?.status === "revoked")
    await host.send(`approve ${question.number}`)
    assert.deepEqual(opened, [])
  })

  it("reads a secret, and shows it to nobody", async () => {
    const { trace_id } = await host.send("edges secret")
    const job = await endOf(host, trace_id)
    assert.deepInclude(job, {
      status: "succeeded",
      output: { key: "[secret shop.key]", length: 12 },
      progress: { message: "with [secret shop.key]" }
    })
    const [{ found } = { found: 0 }] = await host.sql<{ found: number }>`
      select (select count(*)::int from audit_events where trace_id = ${trace_id} and data::text || summary like '%rosebud%')
           + (select count(*)::int from artifacts where convert_from(data, 'UTF8') like '%rosebud%') as found`
    assert.strictEqual(found, 0)
  })
})

describe("a job that waits in the queue", () => {
  const hosts: Array<TestHost> = []
  let folder: string
  let database: Awaited<ReturnType<typeof makeDatabase>>
  beforeEach(async () => {
    folder = makeFolder()
    database = await makeDatabase()
  })
  afterEach(async () => {
    await Promise.all(hosts.splice(0).map((host) => host.stop()))
    await database.close()
    removeFolder(folder)
  })

  const startHere = async (options: TestHostOptions = {}) => {
    const host = await start(folder, { databaseUrl: database.url, ...options })
    hosts.push(host)
    return host
  }
  const stop = async (host: TestHost) => {
    hosts.splice(hosts.indexOf(host), 1)
    await host.stop()
  }
  /** One more like the one of a trace, which has ended; nobody has begun it. */
  const oneMore = async (host: TestHost, trace_id: string) => {
    const [made] = await host.sql<{ job_id: string }>`
      with made as (
        insert into jobs (job_id, trace_id, event_id, tool_call_id, plugin, kind, runtime, status, input, limits, labels,
                          retry, max_attempts, code_hash, created_at)
        select gen_random_uuid(), trace_id, event_id, tool_call_id, plugin, kind, runtime, 'queued', input, limits, labels,
               retry, max_attempts, code_hash, created_at
        from jobs where trace_id = ${trace_id} limit 1
        returning *)
      insert into work (work_id, kind, event_id, trace_id, tool, fence)
      select job_id, 'job', event_id, trace_id, 'job:' || kind, 1 from made
      returning work_id as job_id`
    return made!.job_id
  }
  const now = async (host: TestHost, job_id: string) => {
    const [job] = await host.sql<Record<string, any>>`
      select j.*, w.fence::int as claims, w.claimed_by from jobs j left join work w on w.work_id = j.job_id
      where j.job_id = ${job_id}`
    return job!
  }
  const ended = (host: TestHost, job_id: string) =>
    until("its end", async () => {
      const job = await now(host, job_id)
      return job["ended_at"] === null ? undefined : job
    })

  it("is left for a host that has its plugin by one that has not", async () => {
    const first = await startHere()
    const { trace_id } = await first.send("edges plain")
    await endOf(first, trace_id)
    await stop(first)
    const stranger = await startHere({ plugins: [] })
    const job_id = await oneMore(stranger, trace_id)
    await until("a look at it", async () => {
      const { claimed_by, claims } = await now(stranger, job_id)
      return claims > 1 && claimed_by === null
    })
    assert.deepInclude(await now(stranger, job_id), { status: "queued", attempt: 0 })
    const second = await startHere()
    assert.deepInclude(await ended(second, job_id), { status: "succeeded", output: "done" })
  })

  it(
    "waits until its plugin is loaded in its isolate, and runs nothing but the code that it was asked of",
    async () => {
      const file = path.join(folder, "lathe.ts")
      const source = (words: string) => `
      import { definePlugin, Schema } from "syris"
      export default definePlugin({ name: "lathe", setup: () => ({
        jobs: [{ name: "lathe.turn", input: Schema.Struct({}), run: () => ${JSON.stringify(words)} }],
        intents: [{ name: "lathe.turn", tool: "job.run.lathe.turn", patterns: [/turn it/] }]
      }) })`
      fs.writeFileSync(file, source("a leg"))
      const again = () =>
        startHere({ home: path.join(folder, "home"), plugins: [isolate(file, { runtime: "process", reload: true })] })
      const first = await again()
      const { trace_id } = await until("the plugin", async () => {
        const sent = await first.send("turn it")
        return sent.lane === "sandbox" ? sent : undefined
      }, 90_000)
      assert.deepInclude(await endOf(first, trace_id), { status: "succeeded", output: "a leg" })
      await stop(first)
      const stranger = await startHere({ plugins: [] })
      const waiting = await oneMore(stranger, trace_id)
      const second = await again()
      assert.deepInclude(await ended(second, waiting), { status: "succeeded", output: "a leg" })
      await stop(second)
      const late = await oneMore(stranger, trace_id)
      fs.writeFileSync(file, source("a bowl"))
      const third = await again()
      const { error, status } = await ended(third, late)
      assert.strictEqual(status, "failed")
      assert.deepInclude(error, {
        code: "job.code_changed",
        message: "The code of lathe is not the one any more that it was asked of: start it anew."
      })
    },
    180_000
  )
})

describe("kinds that a host can't run", () => {
  it("are left for a while, and given up when nobody has come for a minute", () => {
    let [at, known] = [0, false]
    const strangers = makeStrangers(() => known, () => at)
    assert.isFalse(strangers.meet("a.b"))
    assert.deepEqual(strangers.kinds(), ["a.b"])
    at = 5_000
    assert.deepEqual(strangers.kinds(), [])
    assert.isFalse(strangers.meet("a.b"))
    at = 60_000
    assert.isTrue(strangers.meet("a.b"))
    known = true
    assert.deepEqual(strangers.kinds(), [], "its plugin has come")
    known = false
    assert.isFalse(strangers.meet("a.b"), "and has gone anew")
  })
})

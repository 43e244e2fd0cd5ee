/** Jobs of several hosts on one database: a host that stops, one that is gone, and one that wakes late. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type TestHost, testHost } from "../testing/TestHost.ts"
import { makeDatabase, type OwnDatabase } from "../watchers/TestWatchers.ts"
import { untilHolds } from "../../test/storms/Until.ts"
import bench from "./testPlugins/bench.ts"

let database: OwnDatabase
let folder: string
let hosts: Array<TestHost> = []

beforeEach(async () => {
  database = await makeDatabase()
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-jobs-"))
})
afterEach(async () => {
  // What still waits has no reason to.
  fs.writeFileSync(path.join(folder, "go"), "x")
  await Promise.all(hosts.map((host) => host.stop()))
  await database?.close()
  fs.rmSync(folder, { recursive: true, force: true })
  hosts = []
})

const start = async (): Promise<TestHost> => {
  const host = await testHost({ databaseUrl: database.url, plugins: [bench({ folder })], timezone: "UTC" })
  hosts.push(host)
  return host
}
const marked = (name: string): number =>
  fs.existsSync(path.join(folder, name)) ? fs.readFileSync(path.join(folder, name), "utf8").length : 0
const jobOf = async (host: TestHost, trace_id: string) =>
  (await host.sql<Record<string, any>>`select * from jobs where trace_id = ${trace_id}`)[0] ?? {}
const workersTypes = async (host: TestHost, trace_id: string) =>
  (await host.auditTypes(trace_id)).filter((type) => type.startsWith("worker.")).map((type) =>
    type.slice("worker.job_".length)
  )

describe("a job whose host ends", () => {
  it("goes on in another host after a stop of its own, since it has another attempt", async () => {
    const first = await start()
    const { trace_id } = await first.send("run wait {}")
    await untilHolds(() => marked("waiting"), (count) => count === 1)
    await first.stop()
    hosts = []
    const second = await start()
    await untilHolds(() => marked("waiting"), (count) => count === 2)
    fs.writeFileSync(path.join(folder, "go"), "x")
    const job = await untilHolds(() => jobOf(second, trace_id), ({ ended_at }) => ended_at !== null)
    assert.deepInclude(job, { status: "succeeded", attempt: 2, output: { attempt: 2 } })
    assert.deepEqual(await workersTypes(second, trace_id), [
      "queued",
      "started",
      "interrupted",
      "started",
      "succeeded"
    ])
  })

  it("has failed where it has no other attempt, and whoever asked is told", async () => {
    const first = await start()
    const { trace_id } = await first.send("run once {}")
    await untilHolds(() => marked("once"), (count) => count === 1)
    await first.stop()
    hosts = []
    const second = await start()
    const job = await jobOf(second, trace_id)
    assert.deepInclude(job, { status: "failed", attempt: 1 })
    assert.deepInclude(job["error"], { code: "job.host_ended" })
    assert.deepEqual(await workersTypes(second, trace_id), ["queued", "started", "interrupted", "failed"])
    const said = await second.sql<
      { text: string }
    >`select text from chat_messages where trace_id = ${trace_id} order by xid, seq`
    assert.strictEqual(said.at(-1)?.text, "bench.once failed: The host that ran it ended.")
  })

  it("is taken over from a host that is taken for dead, which writes nothing when it wakes", async () => {
    const first = await start()
    const { trace_id } = await first.send("run wait {}")
    await untilHolds(() => marked("waiting"), (count) => count === 1)
    const second = await start()
    // Nobody has heard of the first for a while.
    await second.sql`
      update hosts set ended_at = clock_timestamp(), end_proof = 'pid_gone'
      where host_id = (select claimed_by from work where kind = 'job')`
    await untilHolds(() => marked("waiting"), (count) => count === 2)
    const [holder] = await second
      .sql`select h.ended_at from work w join hosts h on h.host_id = w.claimed_by where w.kind = 'job'`
    assert.isNull(holder?.["ended_at"])
    // Both runs end: one of them is the job's.
    fs.writeFileSync(path.join(folder, "go"), "x")
    const job = await untilHolds(() => jobOf(second, trace_id), ({ ended_at }) => ended_at !== null)
    assert.deepInclude(job, { status: "succeeded", attempt: 2, output: { attempt: 2 } })
    await first.stop()
    hosts = [second]
    assert.deepEqual(await workersTypes(second, trace_id), [
      "queued",
      "started",
      "interrupted",
      "started",
      "succeeded"
    ])
  })
})

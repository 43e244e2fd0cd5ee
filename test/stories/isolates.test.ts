/**
 * A plugin that its operator keeps apart from the host, on a host as it really runs: what it was granted works and nothing else, its
 * death is told and mended, and when the host is killed nothing of it stays.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { long, until } from "../storms/Until.ts"
import { type JobHouse, jobHouse, type JobLife, leftOf, nothingLeft } from "./JobHouse.ts"

const within = 120_000

describe.each(long ? ["process", "deno"] : ["deno"])("a plugin that runs apart, in a %s", (runtime) => {
  let house: JobHouse
  let life: JobLife
  beforeAll(async () => {
    house = await jobHouse("counting.ts", { isolated: "vane.ts", how: { runtime, allow: { tools: ["count.note"] } } })
    life = await house.begin()
  }, within)
  afterAll(() => house?.end())

  const look = async () => {
    const { event_id, outcome, trace_id } = await life.host.send({ channel: "chat", text: "where is the wind" })
    const { tool_calls } = await life.host.get(`/traces/${trace_id}`)
    return { event_id, outcome, output: tool_calls[0]?.output }
  }
  const isRunning = async () => (await life.host.get("/plugins")).items.find(({ name }: any) => name === "vane")?.state

  it("does what it was granted, in its calls and in its jobs, and is refused the rest", async () => {
    const { outcome, output } = await look()
    assert.deepEqual([outcome, output.message], ["succeeded", "north"])
    const job = await life.start("vane.try", {})
    const asked = await until("the question about its call", async () => {
      const { items } = await life.host.get(`/approvals?status=pending&trace_id=${job.trace_id}`)
      return items[0]
    })
    assert.deepInclude(asked, { tool: "count.note", risk: "medium" }, "what comes from it is untrusted")
    await life.post(`/approvals/${asked.approval_id}/approve`, { what_hash: asked.what_hash })
    assert.strictEqual((await life.ear.ended(job)).type, "worker.job_succeeded")
    const { output: tried, runtime: ran } = await life.job(job)
    assert.strictEqual(ran, runtime)
    assert.deepEqual(tried.note, { message: "count.note: the wind" })
    assert.match(tried.door, /^ToolRefused: Plugin vane was not granted the tool door\.open: add it to allow\.tools /)
    assert.match(
      tried.secret,
      /^ToolRefused: Plugin vane was not granted the secret house\.key: add it to allow\.secrets /
    )
    const { events } = await life.host.get(`/traces/${job.trace_id}`)
    assert.deepEqual(
      (events as ReadonlyArray<any>).filter(({ source }) => source.channel === "worker").map(({ security }) =>
        security.trust
      ),
      ["untrusted"]
    )
  }, within)

  it("dies, is told of, and comes back", async () => {
    const dead = { channel: "chat", structured: { intent: "vane.look", input: { die: true } } }
    assert.strictEqual((await life.host.send(dead)).outcome, "failed")
    await life.ear.until("its end", (rows) => rows.find(({ type }) => type === "worker.plugin_ended"))
    await life.ear.until("its way back", (rows) => rows.find(({ type }) => type === "worker.plugin_started"))
    assert.strictEqual(await isRunning(), "running")
    assert.strictEqual((await look()).output.message, "north")
  }, within)

  it("is gone with a host that is killed, and so is its job; the next one has it again", async () => {
    const job = await life.start("vane.try", { endless: true })
    await life.progressed(job)
    assert.isAtLeast(leftOf(house, life.host.pid).length, 4, "two isolates and their folders")
    await life.host.kill()
    await nothingLeft({ home: house.home, temporary: "" })
    life = await house.begin()
    await until("it to run", async () => await isRunning() === "running")
    assert.strictEqual((await look()).output.message, "north")
    const failed = await life.job(job)
    assert.deepEqual([failed.status, failed.error?.code], ["failed", "job.host_ended"])
    // Its folder of this life is the only one.
    assert.deepEqual(fs.existsSync(house.temporary) ? fs.readdirSync(house.temporary) : [], [])
    assert.lengthOf(fs.readdirSync(path.join(house.home, "isolates", "tmp")), 1)
  }, within)
})

/**
 * Long work as its operator sees it: asked for, watched while it runs, canceled, and what becomes of it when its host is stopped or
 * killed. Each story has hosts of its own; they run beside each other, since they wait most of the time.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { makeDatabase } from "../storms/Databases.ts"
import { startProxy } from "../storms/Proxy.ts"
import { long, until } from "../storms/Until.ts"
import { listenTo } from "./ChatEar.ts"
import { processesIn } from "./HostProcess.ts"
import { type JobHouse, jobHouse, type JobLife, leftOf, nothingLeft, type Runtime, runtimes } from "./JobHouse.ts"

const within = 150_000

/** More than any test waits for. */
const endless = 1_000_000

const story = (name: string, tell: (house: JobHouse) => Promise<void>): void =>
  it(name, async () => {
    const house = await jobHouse("counting.ts")
    try {
      await tell(house)
    } finally {
      await house.end()
    }
  }, within)

const openJobs = async ({ host }: JobLife): Promise<number> => (await host.get("/state")).counts.jobs

describe.concurrent("a long job", () => {
  story(
    "is seen while it runs, says how far it is, and is canceled, wherever it runs; nothing of it is left",
    async (house) => {
      const life = await house.begin()
      for (const runtime of runtimes) {
        const job = await life.start("count.up", { to: endless }, { runtime })
        const progress = await life.progressed(job)
        assert.match(progress.summary, /^count\.up: 0 %, \d+ of 1000000$/)
        assert.strictEqual(await openJobs(life), 1)
        // The control: a job that runs is seen where nothing may be left.
        if (runtime !== "thread") assert.isAtLeast(leftOf(house, life.host.pid).length, 2)
        const { status } = await life.post(`/jobs/${job.job_id}/cancel`, { reason: "Not today." })
        assert.strictEqual(status, 200)
        assert.deepInclude(await life.ear.ended(job), {
          type: "worker.job_canceled",
          actor: "operator",
          summary: "count.up was canceled: Not today."
        })
        assert.deepEqual(leftOf(house, life.host.pid), [], "when its end is told, nothing of it is left")
        assert.deepInclude(await life.job(job), {
          status: "canceled",
          runtime,
          attempt: 1,
          cancel_reason: "Not today."
        })
        assert.deepEqual(await life.told(job), ["queued", "started", "progress", "canceled"])
        assert.strictEqual(await openJobs(life), 0)
      }
    }
  )

  story(
    "is asked for in the chat, has tools called, and is told of there; one whose folder can't be made says so",
    async (house) => {
      const life = await house.begin()
      const chat = await listenTo(life.host)
      const sent = await life.host.send({ channel: "chat", text: "count to 3" })
      assert.deepInclude(sent, { lane: "sandbox", outcome: "succeeded" })
      const words = await chat.until((heard) => heard.find(({ data }) => data.text?.startsWith("count.up is done")))
      assert.strictEqual(words.data.text, "count.up is done: it counted to 3")
      chat.close()

      const house_ = await life.start("count.house", {})
      const approval = await until("the question about the door", async () => {
        const { items } = await life.host.get(`/approvals?status=pending&trace_id=${house_.trace_id}`)
        return items[0]
      })
      assert.deepInclude(approval, { tool: "door.open", risk: "high" })
      assert.deepInclude(await life.job(house_), { status: "running" })
      await life.post(`/approvals/${approval.approval_id}/approve`, { what_hash: approval.what_hash })
      assert.strictEqual((await life.ear.ended(house_)).type, "worker.job_succeeded")
      assert.deepEqual((await life.job(house_)).output, {
        lamps: ["lamp.set: one", "lamp.set: two"],
        deduped: false,
        door: "door.open: front"
      })
      const calls = await until<ReadonlyArray<any>>("its event to be done", async () => {
        const { tool_calls } = await life.host.get(`/traces/${house_.trace_id}`)
        return tool_calls.every(({ status }: any) => status === "succeeded") && tool_calls.length === 5 &&
          tool_calls as ReadonlyArray<any>
      })
      assert.sameMembers(calls.map((call) => call.tool), [
        "job.run.count.house",
        "lamp.set",
        "lamp.set",
        "count.note",
        "door.open"
      ])

      await nothingLeft(house, life.host.pid)
      fs.rmSync(house.temporary, { recursive: true, force: true })
      fs.writeFileSync(house.temporary, "a disk without room")
      const late = await life.start("count.once", { to: 1 }, { runtime: "process" })
      const { summary, type } = await life.ear.ended(late)
      assert.strictEqual(type, "worker.job_failed")
      assert.match(summary, /^count\.once failed: It could not be loaded: its temporary folder can't be made .*\.$/)
      assert.strictEqual((await life.job(late)).error.code, "job.start_failed")
      assert.strictEqual((await life.host.get("/health")).status, "healthy")
    }
  )

  story(
    "whose host is killed: its processes are gone at once, and after the restart it goes by its policy",
    async (house) => {
      let life = await house.begin()
      await life.post("/controls/autonomy", { level: "A1" })
      const asked = await life.post("/jobs", { kind: "count.once", input: { to: 3 }, runtime: "process" })
      assert.strictEqual(asked.status, 202)
      const { approval, trace_id } = asked.body
      await life.post("/controls/autonomy", { level: "A2" })

      /** Two that run in these, one of each policy; the host is killed, and started again. */
      const killed = async (again: Runtime, never: Runtime) => {
        const up = await life.start("count.up", { to: endless, again: 3 }, { runtime: again })
        const once = await life.start("count.once", { to: endless }, { runtime: never })
        await Promise.all([life.progressed(up), life.progressed(once)])
        await life.host.kill()
        await nothingLeft({ home: house.home, temporary: "" })
        life = await house.begin()
        await until("their ends", async () => await openJobs(life) === 0)
        assert.deepInclude(await life.job(up), {
          status: "succeeded",
          attempt: 2,
          runtime: again,
          output: { message: "it counted to 3", attempt: 2 }
        })
        assert.deepEqual(await life.told(up), [
          "queued",
          "started",
          "progress",
          "interrupted",
          "started",
          "progress",
          "succeeded"
        ])
        const failed = await life.job(once)
        assert.deepInclude(failed, { status: "failed", attempt: 1, runtime: never })
        assert.deepInclude(failed.error, { code: "job.host_ended", message: "The host that ran it ended." })
        assert.deepEqual(await life.told(once), ["queued", "started", "progress", "interrupted", "failed"])
        await nothingLeft(house, life.host.pid)
      }
      await killed("process", "deno")
      // A thread ends with its host by itself; the story of two hosts has one.
      if (long) await killed("deno", "thread")

      const path_ = `/approvals/${approval.approval_id}/approve`
      const answers = await Promise.all([1, 2].map(() => life.post(path_, { what_hash: approval.what_hash })))
      assert.include(answers.map(({ status }) => status), 200)
      const ended = await life.ear.until(
        "the approved job",
        (rows) => rows.find((row) => row.trace_id === trace_id && row.type === "worker.job_succeeded")
      )
      assert.deepEqual(
        await life.told({ trace_id, job_id: ended.refs.job_id }),
        ["queued", "started", "progress", "succeeded"],
        "it ran once"
      )
      assert.lengthOf((await life.host.get(`/jobs?trace_id=${trace_id}`)).items, 1)
    }
  )

  story("of two hosts of which one is killed is taken over when its lease is over", async (house) => {
    const one = await house.begin()
    const second = house.anotherPlace()
    const two = await house.begin(second)
    const up = await one.start("count.up", { to: endless, again: 3 })
    const once = await one.start("count.once", { to: endless }, { runtime: "process" })
    const other = await two.start("count.up", { to: endless }, { runtime: "process" })
    await Promise.all([two.progressed(up), two.progressed(once), two.progressed(other)])
    await one.host.kill()
    await nothingLeft({ home: house.home, temporary: "" })
    assert.strictEqual((await two.job(up)).status, "running", "nobody has proved the first dead")
    // The short form does not wait for its lease.
    if (!long) {
      await house.database.query(
        "update hosts set lease_until = clock_timestamp() where pid = $1 and ended_at is null",
        [one.host.pid]
      )
    }
    const [upEnd, onceEnd] = await Promise.all([two.ear.ended(up), two.ear.ended(once)])
    assert.deepEqual([upEnd.type, onceEnd.type], ["worker.job_succeeded", "worker.job_failed"])
    assert.deepInclude(await two.job(up), { attempt: 2, output: { message: "it counted to 3", attempt: 2 } })
    assert.deepInclude((await two.job(once)).error, { code: "job.host_ended" })
    assert.deepInclude(await two.job(other), { status: "running", attempt: 1 })
    // A host that stops tells what it runs, and gives it back.
    two.host.signal("SIGTERM")
    assert.strictEqual((await two.host.ended).code, 0)
    assert.deepEqual(processesIn(path.dirname(house.home)), [])
    const [row] = await house.database.query(
      "select status, attempt, error ->> 'code' as code from jobs where job_id = $1::uuid",
      [other.job_id]
    )
    assert.deepEqual(row, { status: "queued", attempt: 1, code: "job.host_ended" })
  })

  story("ends once, though its database is slow and the answer to its end is lost", async (house) => {
    const own = await makeDatabase()
    const proxy = await startProxy(own.url)
    try {
      const life = await house.begin({ ...house.anotherPlace(), databaseUrl: proxy.url })
      proxy.delay(() => 100)
      const lost = proxy.arm({ side: "answer", at: 1, of: /worker\.job_succeeded/, strike: ({ cut }) => cut() })
      const job = await life.start("count.up", { to: 50 })
      assert.strictEqual((await life.ear.ended(job)).type, "worker.job_succeeded")
      assert.isTrue(lost.struck())
      proxy.delay(() => 0)
      assert.deepInclude(await life.job(job), { status: "succeeded", attempt: 1 })
      assert.deepEqual(await life.told(job), ["queued", "started", "progress", "succeeded"])
      assert.deepEqual(await own.query("select 1 from work"), [])
    } finally {
      await proxy.close()
      await own.close()
    }
  })
})

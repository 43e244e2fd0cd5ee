/**
 * Jobs in a whole host with real threads on a real PostgreSQL: asked for in the chat, run, told.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { testHost, type TestHost, type TestHostOptions } from "../testing/TestHost.ts"
import { untilHolds } from "../../test/storms/Until.ts"
import bench from "./testPlugins/bench.ts"

/** Waits for something that happens by itself. */

const hosts: Array<TestHost> = []
const folders: Array<string> = []

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()))
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true })
})

const start = async (options: TestHostOptions = {}) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-jobs-"))
  folders.push(folder)
  const host = await testHost({ plugins: [bench({ folder })], timezone: "UTC", ...options })
  hosts.push(host)
  const mark = (name: string) => fs.writeFileSync(path.join(folder, name), "x")
  const marked = (name: string) =>
    fs.existsSync(path.join(folder, name)) ? fs.readFileSync(path.join(folder, name), "utf8").length : 0
  const job = async (trace_id: string) => {
    const [found] = await host.sql<Record<string, any>>`
      select * from jobs where trace_id = ${trace_id} order by job_id`
    return found ?? { ended_at: null }
  }
  const ended = (trace_id: string) => untilHolds(() => job(trace_id), (found) => found["ended_at"] !== null)
  const ask = (kind: string, input: unknown = {}, more: object = {}) =>
    host.send(`run ${kind} ${JSON.stringify({ input, ...more })}`)
  return { host, folder, mark, marked, job, ended, ask }
}

describe("a job", () => {
  it("is asked for in the chat, runs apart from the host, and its end is told there", async () => {
    const { ended, host } = await start()
    const sent = await host.send("Render the report of owls")
    assert.deepInclude(sent, {
      lane: "sandbox",
      outcome: "succeeded",
      reply: "bench.report was started; `syris jobs` shows it."
    })
    const job = await ended(sent.trace_id)
    assert.deepInclude(job, {
      status: "succeeded",
      kind: "bench.report",
      runtime: "thread",
      attempt: 1,
      output: { message: "the report of owls has 10 pages", pages: 10 },
      progress: { percent: 100, message: "page 4 of 10" }
    })
    const types = await host.auditTypes(sent.trace_id)
    // One progress or two: the last of a second, and the last of all.
    assert.deepEqual([...new Set(types.filter((type) => type.startsWith("worker.")))], [
      "worker.job_queued",
      "worker.job_started",
      "worker.job_progress",
      "worker.job_succeeded"
    ])
    const said = await host.sql<{ readonly text: string }>`
      select text from chat_messages where trace_id = ${sent.trace_id} order by xid, seq`
    assert.deepEqual(said.map(({ text }) => text), [
      "bench.report was started; `syris jobs` shows it.",
      "bench.report is done: the report of owls has 10 pages"
    ])
    const artifacts = await host.sql<{ readonly name: string; readonly text: string }>`
      select name, convert_from(data, 'UTF8') as text from artifacts where job_id = ${job.job_id} order by artifact_id`
    assert.deepEqual(artifacts.map(({ name }) => name), ["report.txt", "job.log"])
    assert.match(artifacts[1]!.text, /info It begins\. {"about":"owls"}\n.*info It is kept as report\.txt\.\n/)
    assert.lengthOf(await host.sql`select 1 from work`, 0, "nothing is owed any more")
  })

  it("is tried again as its kind says, and fails with a sentence when that is no use", async () => {
    const { ask, ended, host, marked } = await start()
    const twice = await ended((await ask("flaky", { fails: 2 })).trace_id)
    assert.deepInclude(twice, { status: "succeeded", attempt: 3, output: { attempt: 3 }, error: null })
    const thrice = await ask("flaky", { fails: 3 })
    assert.deepInclude(await ended(thrice.trace_id), {
      status: "failed",
      attempt: 3,
      output: null,
      error: { code: "job.failed", message: "Attempt 3 went wrong.", retryable: true }
    })
    assert.strictEqual(marked("flaky"), 6)
    const types = (await host.auditTypes(thrice.trace_id)).filter((type) => type.startsWith("worker."))
    assert.deepEqual(types, [
      "worker.job_queued",
      "worker.job_started",
      "worker.job_retried",
      "worker.job_started",
      "worker.job_retried",
      "worker.job_started",
      "worker.job_failed"
    ])
    // Nothing but time helps against these, and there is none: they are not tried again.
    const refused = await ended((await ask("refuses")).trace_id)
    assert.deepInclude(refused, { status: "failed", attempt: 1 })
    assert.deepInclude(refused.error, { code: "job.refused", message: "There is no paper." })
    const odd = await ended((await ask("odd")).trace_id)
    assert.deepInclude(odd.error, { code: "job.output_invalid" })
    const slow = await ended((await ask("slow")).trace_id)
    assert.deepInclude(slow, { status: "timed_out", attempt: 1 })
    assert.deepInclude(slow.error, { code: "job.timeout", message: "It did not end within 300 ms." })
    const said = await host.sql<{ readonly text: string }>`
      select text from chat_messages where trace_id = ${thrice.trace_id} order by xid, seq`
    assert.strictEqual(said.at(-1)?.text, "bench.flaky failed: Attempt 3 went wrong.")
  })

  it("is refused before it begins where it asks for what its kind does not have", async () => {
    const { ask, host } = await start()
    const replyOf = async (...given: Parameters<typeof ask>) => (await ask(...given)).reply ?? ""
    assert.match(await replyOf("report", { abuot: "owls" }), /The input of bench\.report.*about/)
    assert.match(
      await replyOf("slow", {}, { limits: { timeout_ms: 301 } }),
      /may run for 300 ms, and you ask for 301: limits can only/
    )
    assert.match(
      await replyOf("slow", {}, { limits: { memory_mb: 4_096 } }),
      /may have 16 to 256 MiB of memory, and you ask for 4096/
    )
    assert.match(await replyOf("slow", {}, { runtime: "moon" }), /runtime/)
    assert.lengthOf(await host.sql`select 1 from jobs`, 0)
  })

  it("waits for its turn where its kind has no room, and is canceled there, or in the middle of it", async () => {
    const { ask, ended, host, job, mark, marked } = await start()
    const cancel = async (job_id: string) => {
      const { outcome, reply } = await host.send(`cancel job ${job_id.slice(-6)}`)
      assert.strictEqual(outcome, "succeeded", reply)
    }
    const first = await ask("wait")
    await untilHolds(() => marked("waiting"), (count) => count === 1)
    const second = await ask("wait")
    const third = await ask("wait")
    assert.deepInclude(await job(second.trace_id), { status: "queued", attempt: 0 })
    // Another kind is not held up by it.
    assert.deepInclude(await ended((await ask("flaky", { fails: 0 })).trace_id), { status: "succeeded" })
    assert.strictEqual(marked("waiting"), 1)
    await cancel((await job(second.trace_id)).job_id)
    assert.deepInclude(await ended(second.trace_id), { status: "canceled", attempt: 0 })
    await cancel((await job(first.trace_id)).job_id)
    assert.deepInclude(await ended(first.trace_id), { status: "canceled", attempt: 1, output: null })
    assert.include(await host.auditTypes(first.trace_id), "worker.job_canceled")
    // Its place is free: the third has its turn.
    await untilHolds(() => marked("waiting"), (count) => count === 2)
    mark("go")
    assert.deepInclude(await ended(third.trace_id), { status: "succeeded", attempt: 1 })
    assert.lengthOf(await host.sql`select 1 from work`, 0)
  })

  it("is not begun while the system is paused, and is when it goes on", async () => {
    const { ask, ended, host, mark, marked } = await start()
    const running = await ask("wait")
    const queued = await ask("wait")
    await untilHolds(() => marked("waiting"), (count) => count === 1)
    await host.send("pause")
    mark("go")
    assert.deepInclude(await ended(running.trace_id), { status: "succeeded" }, "what runs goes on")
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.strictEqual(marked("waiting"), 1)
    await host.send("resume")
    assert.deepInclude(await ended(queued.trace_id), { status: "succeeded" })
  })

  it("is asked about at A1, started once when the operator says yes, and only shown at A0", async () => {
    const careful = await start({ autonomy: "A1" })
    const asked = await careful.ask("flaky", { fails: 0 })
    assert.deepInclude(asked, { lane: "sandbox", outcome: "waiting" })
    assert.lengthOf(await careful.host.sql`select 1 from jobs`, 0)
    const yes = await careful.host.send("approve")
    assert.strictEqual(yes.outcome, "succeeded", yes.reply)
    assert.deepInclude(await careful.ended(asked.trace_id), { status: "succeeded" })
    assert.lengthOf(await careful.host.sql`select 1 from jobs`, 1)
    // A kind that is full holds up no call that starts one more.
    for (const jobs of [2, 3]) {
      await careful.ask("wait")
      await careful.host.send("approve")
      await untilHolds(() => careful.host.sql`select 1 from jobs`, (found) => found.length === jobs)
    }
    careful.mark("go")
    await careful.host.stop()
    const looking = await start({ autonomy: "A0" })
    const shown = await looking.ask("flaky", { fails: 0 })
    assert.match(shown.reply ?? "", /It would start the job bench\.flaky/)
    assert.lengthOf(await looking.host.sql`select 1 from jobs`, 0)
  })

  it("is one job however often the same message comes, and its events are children of its own", async () => {
    const { ended, host } = await start()
    const message = { channel: "chat", text: "run emits {}", message_id: "m1" }
    const sent = await host.send(message)
    assert.isTrue((await host.send(message)).deduped)
    const { output, job_id } = await ended(sent.trace_id)
    assert.lengthOf(await host.sql`select 1 from jobs`, 1)
    const { first } = output as { readonly first: { readonly event_id: string; readonly deduped: boolean } }
    const [child] = await host
      .sql`select trace_id, parent_event_id, trust, depth from events where event_id = ${first.event_id}`
    assert.deepEqual(child, { trace_id: sent.trace_id, parent_event_id: sent.event_id, trust: "untrusted", depth: 1 })
    const rows = await host.audit(sent.trace_id)
    assert.isTrue(rows.some(({ refs, type }) => type === "event.ingested" && refs.job_id === job_id))
  })

  it("gives the same answer in a process and in Deno, and nothing of it is left", async () => {
    const { ask, ended, host } = await start()
    for (const runtime of ["process", "deno"]) {
      const { trace_id } = await ask("report", { about: "owls" }, { runtime })
      const job = await ended(trace_id)
      assert.deepInclude(job, {
        status: "succeeded",
        runtime,
        output: { message: "the report of owls has 10 pages", pages: 10 },
        progress: { percent: 100, message: "page 4 of 10" }
      }, JSON.stringify(job["error"]))
      const kept = await host.sql`select name from artifacts where job_id = ${job["job_id"]} order by artifact_id`
      assert.deepEqual(kept, [{ name: "report.txt" }, { name: "job.log" }])
    }
  }, 60_000)
})

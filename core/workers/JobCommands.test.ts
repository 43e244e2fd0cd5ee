/**
 * Starting and canceling jobs through the API of a whole host: what the gates say is what is answered.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Job } from "../contract/Job.ts"
import { testHost, type TestHost } from "../testing/TestHost.ts"
import stub from "./testPlugins/stub.ts"

let host: TestHost

interface Answer {
  readonly status: number
  readonly location: string | null
  readonly body: any
}

const ask = async (path: string, body?: unknown): Promise<Answer> => {
  const { token, url } = host.http!
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, location: response.headers.get("location"), body: await response.json() }
}

/** A place in the stream of the audit, before everything that the tests do. */
let beginning: string | undefined

/** The rows of the audit from the beginning, as they come, up to the one that is waited for. */
const rowsUntil = async (found: (row: any) => boolean): Promise<ReadonlyArray<any>> => {
  const { token, url } = host.http!
  const stop = new AbortController()
  const response = await fetch(`${url}/audit/stream`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(beginning === undefined ? {} : { "last-event-id": beginning })
    },
    signal: stop.signal
  })
  const rows: Array<any> = []
  let text = ""
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk, { stream: true })
      for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n")
        text = text.slice(end + 2)
        const data = lines.find((line) => line.startsWith("data: "))?.slice(6)
        if (data === undefined) continue
        beginning ??= lines.find((line) => line.startsWith("id: "))?.slice(4)
        rows.push(JSON.parse(data))
        if (found(rows.at(-1))) return rows
      }
    }
    throw new Error("The stream ended.")
  } finally {
    stop.abort()
  }
}

/** What is told of the job of a trace, up to its end. */
const toldOf = async (trace_id: string): Promise<ReadonlyArray<any>> => {
  const ofJob = (row: any) => row.trace_id === trace_id && row.refs.job_id !== undefined
  const rows = await rowsUntil((row) =>
    ofJob(row) && /^worker\.job_(succeeded|failed|canceled|timed_out)$/.test(row.type)
  )
  return rows.filter(ofJob)
}

beforeAll(async () => {
  host = await testHost({ http: true, plugins: [stub()] })
  const first = rowsUntil(() => true)
  // Until a row has come the stream has no place.
  while (beginning === undefined) await Promise.race([first, host.send("hello")])
}, 60_000)
afterAll(() => host.stop())

describe("POST /jobs", () => {
  it("starts a job, whose progress comes live, and which ends with its output", async () => {
    const started = await ask("/jobs", { kind: "stub.count", input: { to: 3, everyMs: 20 } })
    assert.deepEqual([started.status, started.location], [201, `/jobs/${started.body.job_id}`], started.body.detail)
    const { kind, limits, runtime, trace_id } = started.body as Job
    assert.deepEqual([kind, runtime, limits], ["stub.count", "thread", { timeout_ms: 60_000, memory_mb: 128 }])
    const rows = await toldOf(trace_id)
    assert.strictEqual(rows.at(-1).type, "worker.job_succeeded", rows.at(-1).summary)
    assert.deepInclude(
      rows.findLast((row) => row.type === "worker.job_progress").data,
      { percent: 100, message: "3 of 3" }
    )
    const done = (await ask(`/jobs/${started.body.job_id}`)).body
    assert.deepInclude(done, { status: "succeeded", output: { counted: 3 }, attempt: 1 })

    const trace = (await ask(`/traces/${trace_id}`)).body
    assert.deepEqual(trace.events.map((event: any) => [event.source.channel, event.security.trust]), [[
      "api",
      "operator"
    ]])
    assert.deepEqual(trace.tool_calls.map((call: any) => [call.tool, call.status]), [[
      "job.run.stub.count",
      "succeeded"
    ]])
    assert.deepEqual(trace.jobs.map((job: Job) => job.job_id), [started.body.job_id])
    const [log] = (await ask(`/artifacts?trace_id=${trace_id}`)).body.items
    assert.deepInclude(log, { job_id: started.body.job_id, artifact_id: done.log_artifact_id, name: "job.log" })
  }, 30_000)

  it(
    "the same message is one job, also of two at the same moment; with another body it says so and runs nothing",
    async () => {
      const body = { kind: "stub.count", input: { to: 1 }, message_id: "nightly-1" }
      const both = await Promise.all([ask("/jobs", body), ask("/jobs", body)])
      assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 201], JSON.stringify(both))
      const [first, second] = both.toSorted((a, b) => b.status - a.status)
      const { job_id, trace_id } = first!.body
      assert.deepInclude(second!.body, { job_id, deduped: true })
      assert.notProperty(second!.body, "conflict")
      assert.strictEqual(second!.location, `/jobs/${job_id}`)
      assert.strictEqual((await toldOf(trace_id)).at(-1).type, "worker.job_succeeded")

      const other = await ask("/jobs", { ...body, input: { to: 2 } })
      assert.deepEqual([other.status, other.body.job_id, other.body.conflict], [200, job_id, true])
      assert.deepEqual(other.body.input, { to: 1 })
      const of = async () => (await ask("/jobs?kind=stub.count&limit=500")).body.items
      const before = await of()
      assert.lengthOf(before.filter((job: Job) => job.trace_id === trace_id), 1)
      const repeated = (await ask(`/audit?trace_id=${trace_id}&type=event.deduped`)).body.items
      assert.deepEqual(repeated.map((row: any) => row.data.body_differs), [false, true])

      // The control: without the key it is another job.
      const { message_id: _, ...bare } = body
      const again = await ask("/jobs", bare)
      assert.strictEqual(again.status, 201)
      assert.lengthOf(await of(), before.length + 1)
    },
    30_000
  )

  it("what can't be right leaves nothing behind", async () => {
    const before = (await ask("/events?channel=api")).body.items.length
    for (
      const [body, status, code, says] of [
        [
          { kind: "stub.cuont", input: {} },
          404,
          "job.unknown_kind",
          /kind of job "stub\.cuont"; did you mean "stub\.count"\?/
        ],
        [{ kind: "stub.count", input: {} }, 400, "job.refused", /"?to"?.* is missing/],
        [{ kind: "stub.count", input: { to: 1 }, limits: { memory_mb: 4_096 } }, 400, "job.refused", /16 to 128 MiB/]
      ] as const
    ) {
      const answer = await ask("/jobs", body)
      assert.deepEqual([answer.status, answer.body.code], [status, code])
      assert.match(answer.body.detail, says)
    }
    assert.strictEqual((await ask("/events?channel=api")).body.items.length, before)
  })

  it("where a person is asked, the answer is the approval; with a yes it runs, once", async () => {
    const asked = await ask("/jobs", { kind: "stub.danger" })
    assert.deepEqual([asked.status, asked.location], [202, `/approvals/${asked.body.approval.approval_id}`])
    assert.deepInclude(asked.body.approval, { tool: "job.run.stub.danger", status: "pending", risk: "high" })
    const of = `/jobs?trace_id=${asked.body.trace_id}`
    assert.lengthOf((await ask(of)).body.items, 0)
    const { approval_id, what_hash } = asked.body.approval
    assert.strictEqual((await ask(`/approvals/${approval_id}/approve`, { what_hash })).status, 200)
    assert.strictEqual((await toldOf(asked.body.trace_id)).at(-1).type, "worker.job_succeeded")
    assert.deepEqual((await ask(of)).body.items.map((job: Job) => [job.status, job.output]), [["succeeded", "done"]])
  }, 30_000)

  it("what the gates forbid is 403, and at A0 it says what would have been done", async () => {
    const blocked = await ask("/jobs", { kind: "stub.secret" })
    assert.deepEqual([blocked.status, blocked.body.code], [403, "job.forbidden"])
    assert.match(blocked.body.detail, /job\.run\.stub\.secret is blocked/)
    await ask("/controls/autonomy", { level: "A0" })
    try {
      const looked = await ask("/jobs", { kind: "stub.count", input: { to: 1 } })
      assert.deepEqual([looked.status, looked.body.code], [403, "job.forbidden"])
      assert.match(looked.body.detail, /^At autonomy A0 nothing runs.*would start the job stub\.count/)
    } finally {
      await ask("/controls/autonomy", { level: "A2" })
    }
    assert.lengthOf((await ask("/jobs?kind=stub.secret")).body.items, 0)
  })

  it("while everything is paused it is stored, and begins when it is resumed", async () => {
    await ask("/controls/pause", {})
    const paused = await ask("/jobs", { kind: "stub.count", input: { to: 1 } })
    assert.deepEqual([paused.status, paused.location], [202, `/traces/${paused.body.trace_id}`])
    assert.notProperty(paused.body, "approval")
    await ask("/controls/resume", {})
    assert.strictEqual((await toldOf(paused.body.trace_id)).at(-1).type, "worker.job_succeeded")
  }, 30_000)
})

describe("POST /jobs/{id}/cancel", () => {
  it("tells the host that runs it; the audit has its end, and a second one is 409", async () => {
    const { body: { job_id, trace_id } } = await ask("/jobs", { kind: "stub.count", input: { to: 1_000, everyMs: 20 } })
    const before = (await ask("/state")).body.counts.jobs
    assert.isAtLeast(before, 1)
    const canceled = await ask(`/jobs/${job_id}/cancel`, { reason: "Enough." })
    assert.strictEqual(canceled.status, 200)
    assert.deepInclude((await toldOf(trace_id)).at(-1), { type: "worker.job_canceled", actor: "operator" })
    assert.deepInclude((await ask(`/jobs/${job_id}`)).body, { status: "canceled", cancel_reason: "Enough." })
    assert.strictEqual((await ask("/state")).body.counts.jobs, before - 1)
    const again = await ask(`/jobs/${job_id}/cancel`, {})
    assert.deepEqual([again.status, again.body.code], [409, "job.state"])
  }, 30_000)

  it("is understood in the chat", async () => {
    const { body: { trace_id } } = await ask("/jobs", { kind: "stub.count", input: { to: 1_000, everyMs: 20 } })
    assert.match((await host.send("what jobs are running?")).reply ?? "", /^stub\.count is running \(/)
    assert.strictEqual((await host.send("cancel the stub.count job")).reply, "stub.count is being ended.")
    assert.strictEqual((await toldOf(trace_id)).at(-1).type, "worker.job_canceled")
    assert.strictEqual((await host.send("jobs")).reply, "No job is running.")
  }, 30_000)
})

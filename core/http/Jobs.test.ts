import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Approval } from "../contract/Approval.ts"
import { Job } from "../contract/Job.ts"
import { newId } from "../database/Ids.ts"
import { EventNotAccepted } from "../pipeline/Submission.ts"
import { JobCommands, JobKindUnknown, JobNotStarted } from "../workers/JobCommands.ts"
import { cancelJob } from "../workers/JobMoves.ts"
import { storeJob } from "../workers/TestJobs.ts"
import { connect, type Frame } from "./TestStream.ts"
import { ids, layerTestServer, send } from "./TestServer.ts"

type Commands = JobCommands["Service"]

/** What the scripted host does. */
const script: { start: Commands["start"]; cancel: Commands["cancel"] } = {
  start: () => Effect.die("no start"),
  cancel: () => Effect.die("no cancel")
}

const approval: Approval = {
  approval_id: newId(),
  number: 7,
  ...ids,
  tool_call_id: newId(),
  status: "pending",
  tool: "job.run.report.render",
  what: { input: { pages: 3 } },
  what_hash: "0".repeat(64),
  tool_pin: "0".repeat(64),
  why: "At A1 you are asked first.",
  reasons: ["autonomy A1"],
  risk: "low",
  autonomy: "A1",
  labels: { trust: "operator", confidentiality: "private" },
  how_to_approve: "Say \"approve 7\".",
  created_at: "2026-01-05T12:00:00.000Z",
  expires_at: "2026-01-05T12:15:00.000Z"
}

layer(
  layerTestServer({
    jobs: {
      start: (job, until) => script.start(job, until),
      cancel: (job_id, reason) => script.cancel(job_id, reason)
    }
  }),
  { timeout: "60 seconds", excludeTestServices: true }
)("jobs over HTTP", (it) => {
  it.effect("a job is started, and answered with its record", () =>
    Effect.gen(function*() {
      const { job_id } = yield* storeJob({ input: { pages: 3 } })
      const stored = (yield* send(`/jobs/${job_id}`)).json
      yield* Schema.decodeUnknownEffect(Job, { onExcessProperty: "error" })(stored)
      const asked: Array<unknown> = []
      script.start = (job) => Effect.sync(() => (asked.push(job), { is: "started", job: stored }))
      const limits = { timeout_ms: 60_000 }
      const body = { kind: "report.render", input: { pages: 3 }, runtime: "process", limits }
      const answer = yield* send("/jobs", { body })
      assert.deepEqual([answer.status, answer.headers.location, answer.json], [201, `/jobs/${job_id}`, stored])
      yield* send("/jobs", { body: { kind: "report.render" } })
      assert.deepEqual(asked, [body, { kind: "report.render", input: {} }])
    }))

  it.effect("where a person is asked first, the approval is answered; where it takes long, the trace", () =>
    Effect.gen(function*() {
      const body = { kind: "report.render", input: { pages: 3 } }
      script.start = () => Effect.succeed({ is: "asked", approval, ...ids })
      const asked = yield* send("/jobs", { body })
      assert.deepEqual([asked.status, asked.headers.location, asked.json], [
        202,
        `/approvals/${approval.approval_id}`,
        { ...ids, approval }
      ])
      script.start = () => Effect.succeed({ is: "accepted", ...ids })
      const accepted = yield* send("/jobs", { body })
      assert.deepEqual([accepted.status, accepted.headers.location, accepted.json], [
        202,
        `/traces/${ids.trace_id}`,
        ids
      ])
    }))

  it.effect("a message that was there already has the job of the first, and says whether it was another", () =>
    Effect.gen(function*() {
      const { job_id } = yield* storeJob({ input: { pages: 3 } })
      const stored = (yield* send(`/jobs/${job_id}`)).json
      const body = { kind: "report.render", input: {}, message_id: "m-1" }
      const asked: Array<unknown> = []
      script.start = (job) =>
        Effect.sync(() => (asked.push(job), { is: "started", job: stored, deduped: true, conflict: true }))
      const again = yield* send("/jobs", { body })
      assert.deepEqual([again.status, again.headers.location, again.json], [
        200,
        `/jobs/${job_id}`,
        { ...stored, deduped: true, conflict: true }
      ])
      assert.deepEqual(asked, [body])
      script.start = () => Effect.succeed({ is: "accepted", ...ids, deduped: true })
      const waiting = yield* send("/jobs", { body })
      assert.deepEqual([waiting.status, waiting.json], [202, { ...ids, deduped: true }])
      const wrong = yield* send("/jobs", { body: { ...body, message_id: "" } })
      assert.deepEqual([wrong.status, wrong.json.code], [400, "request.field"])
    }))

  it.effect("what is not started is told why", () =>
    Effect.gen(function*() {
      const refused = Effect.fnUntraced(function*(start: Commands["start"]) {
        script.start = start
        const { json, status } = yield* send("/jobs", { body: { kind: "report.rendr" } })
        return [status, json.code, json.detail]
      })
      const detail = "There is no kind of job \"report.rendr\"; did you mean \"report.render\"?"
      assert.deepEqual(yield* refused(() => new JobKindUnknown({ detail })), [404, "job.unknown_kind", detail])
      const preview = "At autonomy A0 nothing runs: job.run.report.render was only looked at."
      assert.deepEqual(yield* refused(() => new JobNotStarted({ detail: preview, forbidden: true })), [
        403,
        "job.forbidden",
        preview
      ])
      assert.deepEqual(yield* refused(() => new JobNotStarted({ detail: "\"pages\" is missing.", forbidden: false })), [
        400,
        "job.refused",
        "\"pages\" is missing."
      ])
      const away = yield* refused(() => new EventNotAccepted({ cause: "gone" }))
      assert.deepEqual(away.slice(0, 2), [503, "database.unavailable"])
      assert.match(String(away[2]), /GET \/jobs/)

      script.start = () => Effect.die("a wrong body came through")
      for (
        const [body, status, says] of [
          [{}, 400, /kind/],
          [{ kind: "" }, 400, /kind/],
          [{ kind: "a", runtme: "deno" }, 400, /runtme.*did you mean "runtime"/],
          [{ kind: "a", runtime: "inline" }, 400, /runtime/],
          [{ kind: "a", limits: { timeout_ms: 0 } }, 400, /timeout_ms/],
          [{ kind: "a", limits: { cpu: 1 } }, 400, /cpu/],
          ["no", 400, /JSON/]
        ] as const
      ) {
        const answer = yield* send("/jobs", { method: "POST", body })
        assert.strictEqual(answer.status, status)
        assert.match(answer.json.detail, says)
      }
    }))

  it.effect("a list has its filters and its pages; what nobody knows is 404", () =>
    Effect.gen(function*() {
      const trace_id = newId()
      const due_at = new Date(Date.now() + 60_000)
      const waiting = yield* storeJob({ trace_id, status: "waiting", due_at, max_attempts: 3 })
      const running = yield* storeJob({
        trace_id,
        status: "running",
        kind: "backup.run",
        progress: { percent: 40, message: "files" }
      })
      const failed = yield* storeJob({ trace_id, status: "failed" })
      const of = (target: string) =>
        Effect.map(send(target), ({ json }) => json.items.map((job: { job_id: string }) => job.job_id))
      const list = `/jobs?trace_id=${trace_id}`
      assert.deepEqual(yield* of(list), [failed.job_id, running.job_id, waiting.job_id])
      const first = yield* send(`${list}&limit=2`)
      assert.deepEqual(yield* of(`${list}&limit=2&cursor=${first.json.next_cursor}`), [waiting.job_id])
      assert.deepEqual(yield* of(`${list}&status=open`), [running.job_id, waiting.job_id])
      assert.deepEqual(yield* of(`${list}&status=failed`), [failed.job_id])
      assert.deepEqual(yield* of(`${list}&status=ended,waiting`), [failed.job_id, waiting.job_id])
      assert.deepEqual(yield* of(`${list}&kind=backup.run`), [running.job_id])
      assert.deepEqual(yield* of(`${list}&until=2026-01-01`), [])
      const later = (yield* send(`/jobs/${waiting.job_id}`)).json
      assert.deepEqual([later.next_attempt_at, later.attempt, later.error.code], [
        due_at.toISOString(),
        1,
        "job.failed"
      ])
      assert.deepEqual((yield* send(`/jobs/${running.job_id}`)).json.progress, { percent: 40, message: "files" })
      const nobody = yield* send(`/jobs/${newId()}`)
      assert.deepEqual([nobody.status, nobody.json.code], [404, "job.not_found"])
      for (const target of ["/jobs?status=done", "/jobs?status=failed,,open", "/jobs/1", "/jobs?cursor=x"]) {
        assert.strictEqual((yield* send(target)).status, 400, target)
      }
    }))

  it.effect("a queued job is canceled with its row of the audit; a running one is told; an ended one is 409", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      script.cancel = (job_id, reason) =>
        Effect.asVoid(sql.withTransaction(cancelJob(job_id, reason))).pipe(
          Effect.provideService(SqlClient.SqlClient, sql)
        )
      const cancel = (job_id: string, body?: unknown) =>
        send(`/jobs/${job_id}/cancel`, { method: "POST", ...(body === undefined ? {} : { body }) })
      const queued = yield* storeJob({ answer_by: "chat" })
      const canceled = yield* cancel(queued.job_id, { reason: "Enough." })
      assert.deepEqual([canceled.status, canceled.json.status, canceled.json.cancel_reason], [
        200,
        "canceled",
        "Enough."
      ])
      const rows = yield* sql<{ readonly type: string; readonly refs: Record<string, string>; readonly actor: string }>`
        select type, refs, actor from audit_events where trace_id = ${queued.trace_id}`
      assert.deepEqual(rows.map((row) => [row.type, row.refs["job_id"], row.actor]), [[
        "worker.job_canceled",
        queued.job_id,
        "operator"
      ]])
      assert.deepEqual(
        yield* sql`select kind, text from chat_messages where trace_id = ${queued.trace_id}`,
        [{ kind: "reply", text: "report.render was canceled: Enough." }]
      )
      assert.lengthOf(yield* sql`select 1 from work where work_id = ${queued.job_id}`, 0)

      const again = yield* cancel(queued.job_id)
      assert.deepEqual([again.status, again.json.code, again.json.detail], [
        409,
        "job.state",
        "The job report.render was canceled: it can't be canceled."
      ])
      assert.deepEqual((yield* cancel(newId())).status, 404)
      assert.deepEqual((yield* cancel(queued.job_id, { reson: "x" })).status, 400)

      const running = yield* storeJob({ status: "running", claimed_by: newId() })
      for (const body of [{ reason: "Enough." }, undefined, {}, { reason: "" }]) {
        const told = yield* cancel(running.job_id, body)
        assert.deepEqual([told.status, told.json.status, told.json.cancel_reason], [200, "running", "Enough."])
      }
      assert.deepEqual(yield* sql`select wish from work where work_id = ${running.job_id}`, [{ wish: "cancel" }])
      assert.lengthOf(yield* sql`select 1 from audit_events where trace_id = ${running.trace_id}`, 0)
    }))

  it.effect("is counted in the state, told in its trace, and its progress comes live", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const before = (yield* send("/state")).json
      const job = yield* storeJob({ status: "running", claimed_by: newId() })
      yield* storeJob({ trace_id: job.trace_id, event_id: job.event_id })
      yield* storeJob({ trace_id: job.trace_id, event_id: job.event_id, status: "succeeded", output: { pages: 3 } })
      const after = (yield* send("/state")).json
      assert.deepEqual([after.counts.jobs - before.counts.jobs, after.queue_depth - before.queue_depth], [2, 1])

      const stream = yield* connect("/audit/stream")
      const progress = { percent: 40, message: "page 12 of 30" }
      yield* sql`
        insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
        values (${newId()}, now(), ${job.trace_id}, 'worker', 'worker.job_progress', 'info', 'report.render: 40 %',
                ${JSON.stringify({ job_id: job.job_id })}::jsonb, ${JSON.stringify(progress)}::jsonb)`
      const ofJob = ({ data }: Frame) => data.refs?.job_id === job.job_id
      yield* stream.until((seen) => seen.some(ofJob))
      const data = stream.seen.find(ofJob)?.data
      assert.deepEqual([data.type, data.data], ["worker.job_progress", progress])

      const trace = (yield* send(`/traces/${job.trace_id}`)).json
      assert.deepEqual(trace.jobs.map((one: Job) => [one.status, one.output]), [
        ["running", undefined],
        ["queued", undefined],
        ["succeeded", { pages: 3 }]
      ])

      const artifact_id = newId()
      yield* sql`
        insert into artifacts (artifact_id, trace_id, job_id, name, media_type, bytes, sha256, labels, created_at, data)
        values (${artifact_id}, ${job.trace_id}, ${job.job_id}, 'job.log', 'text/plain', 2, ${"0".repeat(64)},
                '{"trust": "trusted", "confidentiality": "private"}', now(), 'ok')`
      const kept = (yield* send(`/artifacts?trace_id=${job.trace_id}`)).json.items
      assert.deepEqual(kept.map((one: { name: string; job_id: string }) => [one.name, one.job_id]), [[
        "job.log",
        job.job_id
      ]])
    }).pipe(Effect.scoped))

  it.effect("has its part of the document", () =>
    Effect.gen(function*() {
      const document = (yield* send("/openapi.json")).json
      const { responses } = document.paths["/jobs"].post
      assert.deepEqual(Object.keys(responses).filter((status) => status < "300"), ["200", "201", "202"])
      assert.match(
        JSON.stringify(document.components.schemas.NewJob),
        /"runtime".*"timeout_ms"|"timeout_ms".*"runtime"/
      )
    }))
})

/** The moves of a job on a real PostgreSQL: made under the claim, once, or not at all. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { toRow } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { endedFact } from "./JobFacts.ts"
import { type Move, moveJob, tellProgress } from "./JobStatements.ts"
import { storeJob } from "./TestJobs.ts"

const at = new Date()

const held = Effect.gen(function*() {
  const host = newId()
  const ids = yield* storeJob({ status: "running", claimed_by: host, answer_by: "chat" })
  return { ...ids, host, job: { job_id: ids.job_id, fence: 1 } }
})

const done = ({ event_id, job_id, trace_id }: { job_id: string; trace_id: string; event_id: string }): Move => ({
  status: "succeeded",
  at,
  output: { pages: 3 },
  reply: "report.render is done.",
  log: { artifact_id: newId(), data: Buffer.from("a line\n"), sha256: "0".repeat(64), trust: "operator" },
  rows: [toRow(endedFact(
    { job_id, trace_id, event_id, tool_call_id: null, kind: "report.render", attempt: 1, max_attempts: 1 },
    { status: "succeeded", output: null },
    at
  ))]
})

const left = Effect.fnUntraced(function*(job_id: string, trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<Record<string, unknown>>`
    select status, (select count(*)::int from work where work_id = ${job_id}) as work,
           (select count(*)::int from audit_events where trace_id = ${trace_id}) as audit,
           (select count(*)::int from chat_messages where trace_id = ${trace_id}) as said,
           (select count(*)::int from artifacts where job_id = ${job_id} and artifact_id = j.log_artifact_id) as log
    from jobs j where job_id = ${job_id}`
  return row
})

layer(layerTestDatabase)("the end of a job", (it) => {
  it.effect("is written whole by whoever holds it, once, however often it is sent", () =>
    Effect.gen(function*() {
      const { host, job, ...ids } = yield* held
      const move = done(ids)
      assert.isTrue((yield* moveJob(job, host, move)).moved)
      assert.isFalse((yield* moveJob(job, host, move)).moved)
      assert.deepEqual(yield* left(ids.job_id, ids.trace_id), {
        status: "succeeded",
        work: 0,
        audit: 1,
        said: 1,
        log: 1
      })
    }))

  it.effect("is not written by a host that holds it no more, nor is anything else", () =>
    Effect.gen(function*() {
      const { host, job, ...ids } = yield* held
      assert.isFalse((yield* moveJob(job, newId(), done(ids))).moved, "another host")
      assert.isFalse((yield* moveJob({ ...job, fence: 0 }, host, done(ids))).moved, "an older claim")
      yield* tellProgress({ ...job, fence: 7 }, { percent: 50 }, done(ids).rows[0]!)
      assert.deepEqual(yield* left(ids.job_id, ids.trace_id), { status: "running", work: 1, audit: 0, said: 0, log: 0 })
    }))

  it.effect("is that it was canceled, where it is to be canceled by then", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { host, job, ...ids } = yield* held
      yield* sql`update work set wish = 'cancel' where work_id = ${ids.job_id}`
      yield* sql`update jobs set cancel_reason = 'too late' where job_id = ${ids.job_id}`
      const first = yield* moveJob(job, host, done(ids))
      assert.deepEqual(first, { moved: false, canceled: true, reason: "too late" })
      const { output: _, ...rest } = done(ids)
      assert.isTrue((yield* moveJob(job, host, { ...rest, status: "canceled" })).moved)
      assert.deepInclude(yield* left(ids.job_id, ids.trace_id), { status: "canceled", work: 0 })
    }))
})

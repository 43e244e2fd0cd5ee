/**
 * The state machine of jobs stands in three places: the table in the code, the triggers of the migration, and what a real
 * PostgreSQL lets through. Here they are the same.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as path from "node:path"
import { JobStatus } from "../contract/Enums.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { endedStatuses, guard, jobMoves, mayFollow } from "./JobState.ts"
import { storeJob } from "./TestJobs.ts"

const migration = fs.readFileSync(path.join(import.meta.dirname, "../../migrations/0008_jobs.sql"), "utf8")

describe("the state machine of jobs", () => {
  it("is what the migration guards, and leads nowhere but to statuses that there are", () => {
    const [, between = ""] = /--BEGIN JOB STATE\n([\s\S]*)--END JOB STATE/.exec(migration) ?? []
    assert.strictEqual(between.trim(), guard())
    assert.sameMembers(Object.keys(jobMoves), ["born", ...JobStatus.literals])
    assert.sameMembers([...endedStatuses], ["succeeded", "failed", "canceled", "timed_out"])
  })
})

/** Of an update that is refused: its code; nothing of one that is not. */
const refusalOf = (set: string, job_id: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const done = yield* Effect.result(sql.unsafe(`update jobs set ${set} where job_id = $1`, [job_id]))
    if (done._tag === "Success") return undefined
    return /SY\d+|violates check/.exec(
      JSON.stringify(done.failure.reason.cause ?? "") + String(done.failure.reason.cause)
    )?.[0]
  })

const error = `'{"code": "job.failed", "message": "No.", "retryable": false}'`

/** What a row must have besides to be of a status. */
const besides: Readonly<Record<JobStatus, string>> = {
  waiting: `error = ${error}`,
  queued: "error = null",
  running: "attempt = greatest(attempt, 1), started_at = coalesce(started_at, created_at)",
  succeeded: "output = '{}', ended_at = now()",
  failed: `error = ${error}, ended_at = now()`,
  canceled: "ended_at = now()",
  timed_out: `error = ${error}, ended_at = now()`
}

layer(layerTestDatabase)("what PostgreSQL lets through of a job", (it) => {
  it.effect("is each move of the table and no other, and nothing after the end", () =>
    Effect.gen(function*() {
      for (const from of JobStatus.literals) {
        for (const to of JobStatus.literals) {
          if (from === to) continue
          const { job_id } = yield* storeJob({ status: from, attempt: from === "queued" ? 0 : 1 })
          const refused = yield* refusalOf(`status = '${to}', ${besides[to]}`, job_id)
          // A job that never ran has no attempt of which it could say so.
          assert.strictEqual(refused === undefined, mayFollow(from, to), `${from} to ${to}: ${refused}`)
        }
      }
    }), 60_000)

  it.effect("is never another identity, a lower fence, an output of what did not succeed, or an end without its time", () =>
    Effect.gen(function*() {
      const { job_id } = yield* storeJob({ status: "running" })
      assert.strictEqual(yield* refusalOf("kind = 'other.kind'", job_id), "SY080")
      assert.strictEqual(yield* refusalOf("input = '{\"a\": 1}'", job_id), "SY080")
      assert.strictEqual(yield* refusalOf("fence = fence - 1", job_id), "SY083")
      assert.strictEqual(yield* refusalOf("attempt = 0, started_at = null", job_id), "SY083")
      assert.strictEqual(yield* refusalOf("output = '{}'", job_id), "violates check")
      assert.strictEqual(yield* refusalOf("status = 'succeeded', output = '{}'", job_id), "violates check")
      assert.strictEqual(yield* refusalOf(`status = 'failed', ended_at = now()`, job_id), "violates check")
      assert.isUndefined(yield* refusalOf("progress = '{\"percent\": 4}'", job_id))
      assert.isUndefined(yield* refusalOf("status = 'succeeded', output = '{}', ended_at = now()", job_id))
      assert.strictEqual(yield* refusalOf("progress = '{}'", job_id), "SY082")
    }))
})

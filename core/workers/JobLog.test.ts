/** The list of jobs by one status or several, beside many of another. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { rowsRead } from "../testing/RowsRead.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { JobLog } from "./JobLog.ts"
import { storeJob } from "./TestJobs.ts"

const services = JobLog.layer.pipe(Layer.provideMerge(layerTestDatabase))
const all = ["succeeded", "failed", "queued", "timed_out", "canceled", "waiting", "running"] as const

/** The ids of all pages, each of two. */
const walk = Effect.fnUntraced(function*(filter: Parameters<JobLog["Service"]["page"]>[0]) {
  const log = yield* JobLog
  const found: Array<string> = []
  let cursor: string | undefined
  do {
    const page = yield* log.page(filter, { limit: 2, cursor })
    found.push(...page.items.map((job) => job.job_id))
    cursor = page.next_cursor
  } while (cursor !== undefined)
  return found
})

layer(services, { timeout: "60 seconds", excludeTestServices: true })("the list of jobs", (it) => {
  it.effect("has those of each status that is asked for, newest first, in pages that meet", () =>
    Effect.gen(function*() {
      const trace_id = newId()
      const made: Array<readonly [string, string]> = []
      for (const status of [...all, ...all]) made.unshift([status, (yield* storeJob({ trace_id, status })).job_id])
      const of = (...statuses: ReadonlyArray<string>) =>
        made.flatMap(([status, job_id]) => statuses.includes(status) ? [job_id] : [])
      const asked = (...status: NonNullable<Parameters<typeof walk>[0]["status"]> & ReadonlyArray<any>) =>
        walk({ trace_id, status })
      assert.deepStrictEqual(yield* asked("ended"), of("succeeded", "failed", "timed_out", "canceled"))
      assert.deepStrictEqual(yield* asked("open"), of("queued", "waiting", "running"))
      assert.deepStrictEqual(yield* asked("failed", "timed_out", "failed"), of("failed", "timed_out"))
      assert.deepStrictEqual(yield* asked("queued", "running"), of("queued", "running"))
      assert.deepStrictEqual(yield* asked("running", "canceled"), of("running", "canceled"))
      assert.deepStrictEqual(yield* asked("open", "ended"), made.map(([, job_id]) => job_id))
    }))

  it.effect("looks at no others, however many there are", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const log = yield* JobLog
      yield* sql`
        insert into jobs (job_id, trace_id, event_id, plugin, kind, runtime, status, input, limits, labels, retry, attempt,
                          max_attempts, created_at, started_at)
        select uuidv7(), gen_random_uuid(), gen_random_uuid(), 'report', 'report.render', 'thread', 'running', '{}', '{}', '{}', '{}',
               1, 1, now(), now()
        from generate_series(1, 5000)`
      yield* sql`update jobs set status = 'succeeded', output = 'null', ended_at = now() where limits = '{}'`
      yield* sql`analyze jobs, work`
      const failures = log.page({ status: ["failed", "timed_out"] }, { limit: 50 })
      assert.isBelow(yield* rowsRead("jobs", failures), 200)
      // The control: the statement of one condition for both.
      const atOnce = sql`
        select job_id from jobs where status || '' in ('failed', 'timed_out') order by job_id desc limit 51`
      assert.isAtLeast(yield* rowsRead("jobs", atOnce), 5_000)
    }))
})

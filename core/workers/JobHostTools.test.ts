/**
 * What a person can ask about jobs: which sentences mean what, which job is meant, and the words of the answer.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { makeIntentMatcher } from "../plugin/IntentMatcher.ts"
import { isForOperatorOnly, steeringOf } from "../plugin/OperatorOnly.ts"
import { ToolRefused, type TransactionalContext } from "../plugin/Tool.ts"
import { taskSentences } from "../tasks/TaskSentences.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { jobTools } from "./JobHostTools.ts"
import { jobSentences } from "./JobSentences.ts"
import { storeJob } from "./TestJobs.ts"

const parts = await jobTools.spec.setup({
  options: {},
  name: "syris",
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  timezone: "Europe/London",
  secret: () => {
    throw new Error("unused")
  }
})
const toolOf = (name: string) => {
  const tool = (parts as { readonly tools: ReadonlyArray<any> }).tools.find((one) => one.name === name)
  assert.isDefined(tool)
  return tool
}

describe("the sentences", () => {
  const match = makeIntentMatcher([...taskSentences, ...jobSentences].map((intent) => ({ ...intent, plugin: "syris" })))
  const understood = (text: string) => {
    const found = match(text)
    return found === undefined ? undefined : [found.intent.name, found.intent.input?.(found.groups)]
  }
  const list = (which = "") => ["job.list", { which }]
  const cancel = (which = "") => ["job.cancel", { which }]

  it.each([
    ["jobs", list()],
    ["Show me the running jobs.", list()],
    ["what jobs are running?", list()],
    ["are there any jobs right now", list()],
    ["how is the report.render job going?", list("report.render")],
    ["is the backup job done yet?", list("backup")],
    ["cancel the job", cancel()],
    ["please cancel job report.render", cancel("report.render")],
    ["stop the report job", cancel("report")],
    ["cancel job …a1b2c3", cancel("…a1b2c3")],
    ["cancel task backup", ["task.cancel", { which: "backup" }]],
    ["tasks", ["task.status", { which: "" }]]
  ])("%s", (text, expected) => assert.deepStrictEqual(understood(text), expected))

  it("only the operator cancels, also while everything is paused", () => {
    assert.isTrue(isForOperatorOnly(toolOf("job.cancel")))
    assert.isDefined(steeringOf(toolOf("job.cancel")))
    assert.isFalse(isForOperatorOnly(toolOf("job.list")))
  })
})

layer(layerTestDatabase, { timeout: "60 seconds", excludeTestServices: true })("the tools", (it) => {
  const now = new Date("2026-07-01T12:00:00Z")
  const call = (tool: string, which: string) =>
    Effect.exit(
      toolOf(tool).run({ which }, { now: () => now } as TransactionalContext) as Effect.Effect<
        { readonly message: string; readonly job_id?: string; readonly jobs?: ReadonlyArray<unknown> },
        unknown,
        SqlClient.SqlClient
      >
    )
  const done = (tool: string, which = "") =>
    Effect.flatMap(
      call(tool, which),
      (exit) => Exit.isSuccess(exit) ? Effect.succeed(exit.value) : Effect.die(Cause.squash(exit.cause))
    )
  const refused = (which: string) =>
    Effect.map(call("job.cancel", which), (exit) => {
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(error, ToolRefused)
      return (error as Error).message
    })
  const clear = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`truncate work, jobs`)

  it.effect("say what is running, what waits, and how far it is", () =>
    Effect.gen(function*() {
      yield* clear
      assert.deepStrictEqual(yield* done("job.list"), { message: "No job is running.", jobs: [] })
      const { job_id } = yield* storeJob({
        status: "running",
        claimed_by: newId(),
        progress: { percent: 40.7, message: "page 12 of 30" },
        started_at: "2026-07-01T11:57:00Z"
      })
      assert.deepStrictEqual(yield* done("job.list"), {
        message: "report.render is running (40 percent, page 12 of 30, for 3 minutes).",
        jobs: [{ job_id, kind: "report.render", status: "running", percent: 40.7, doing: "page 12 of 30" }]
      })
      yield* storeJob({ kind: "backup.run" })
      yield* storeJob({
        kind: "mail.fetch",
        status: "waiting",
        due_at: new Date("2026-07-01T16:00:00Z"),
        max_attempts: 3
      })
      yield* storeJob({ kind: "old.one", status: "succeeded" })
      assert.strictEqual(
        (yield* done("job.list")).message,
        "3 jobs: report.render is running (40 percent, page 12 of 30, for 3 minutes); backup.run waits for its turn; " +
          "mail.fetch is tried again at 17:00."
      )
      assert.strictEqual((yield* done("job.list", "backup")).message, "backup.run waits for its turn.")
      assert.strictEqual(
        (yield* done("job.list", "old.one")).message,
        "No job called \"old.one\" is running or waiting."
      )
    }))

  it.effect("end the one that is meant, and ask where it could be another", () =>
    Effect.gen(function*() {
      yield* clear
      assert.strictEqual(yield* refused(""), "No job is running.")
      const sql = yield* SqlClient.SqlClient
      const first = yield* storeJob()
      const second = yield* storeJob({ status: "running", claimed_by: newId() })
      assert.match(yield* refused("render"), /^Which one\? 2 jobs: report\.render …\w{6} waits .* the end of its id\.$/)
      assert.deepStrictEqual(yield* done("job.cancel", `…${first.job_id.slice(-6)}`), {
        message: "report.render is canceled.",
        job_id: first.job_id
      })
      assert.strictEqual((yield* done("job.cancel", "report.render")).message, "report.render is being ended.")
      const rows = yield* sql`
        select j.status, w.wish from jobs j left join work w on w.work_id = j.job_id order by j.job_id`
      assert.deepStrictEqual(rows, [{ status: "canceled", wish: null }, { status: "running", wish: "cancel" }])
      assert.strictEqual((yield* done("job.list")).jobs?.length, 1, second.job_id)
    }))
})

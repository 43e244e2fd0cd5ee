import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TerminalCapabilities } from "effect/cli"
import type * as http from "node:http"
import type { Job } from "../contract/Job.ts"
import { ProgressScreen } from "./jobFollow.ts"
import { bar, drawJob, liveLine } from "./jobView.ts"
import { localTime, paints } from "./layout.ts"
import { answer, type Asked, recordedHost, run } from "./RecordedHost.ts"

const now = Date.UTC(2026, 10, 22, 14, 10)
const at = (seconds: number) => new Date(now - seconds * 1_000).toISOString()
const job_id = "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40"
const trace_id = "0199b3f2-6c1e-7a52-9d3e-000000000001"

const report: Job = {
  job_id,
  trace_id,
  event_id: "e1",
  plugin: "report",
  kind: "report.render",
  runtime: "process",
  status: "running",
  progress: { percent: 40.5, message: "page 12\u001b[2J" },
  input: { pages: 30 },
  limits: { timeout_ms: 600_000, memory_mb: 256 },
  attempt: 1,
  max_attempts: 3,
  created_at: at(300),
  started_at: at(60)
}
const done: Job = { ...report, status: "succeeded", output: { file: "a.pdf" }, ended_at: at(20), log_artifact_id: "a1" }

const drawn = (job: Job) =>
  drawJob(job, { now, paint: paints(false), say: (...args) => ["syris", ...args].join(" ") }).join("\n")

describe("a job on the screen", () => {
  it("says how far it is, and what can be done", () => {
    assert.strictEqual(
      drawn(report),
      `job ${job_id}  report.render  running
made ${localTime(at(300))}, 5 min 00 s ago · runs for 1 min 00 s
in a process · attempt 1 of 3 · at most 10 min 00 s and 256 MiB · trace ${trace_id}
progress  40 %  page 12<U+001B>[2J
input     {"pages":30}

What can be done:
  syris jobs 0c5b6f1d2e40 --follow  watch it
  syris jobs cancel 0c5b6f1d2e40    end it`
    )
  })

  it("says how it ended, and where its log is", () => {
    assert.match(
      drawn(done),
      /ran 40\.00 s\n[^]*output {4}\{"file":"a\.pdf"\}\n\nWhat can be done:\n {2}syris jobs 0c5b6f1d2e40 --log {2}what it wrote$/
    )
    const error = { code: "job.failed", message: "No paper\u202e.", retryable: false }
    assert.match(drawn({ ...report, status: "failed", error }), /error {5}job\.failed: No paper<U\+202E>\.$/)
    assert.match(
      drawn({ ...report, status: "canceled", cancel_reason: "Enough." }),
      /report\.render {2}canceled: Enough\.\n/
    )
  })

  it("has one line while it runs", () => {
    assert.strictEqual(
      liveLine(report, now),
      "report.render  [##########..............]  40 %  page 12<U+001B>[2J  60 s"
    )
    assert.strictEqual(liveLine({ ...report, progress: {} }, now), "report.render  60 s")
    assert.strictEqual(liveLine({ ...report, status: "queued", progress: {} }, now), "report.render  queued")
    assert.deepStrictEqual([bar(-1), bar(250)], [`[${".".repeat(24)}]`, `[${"#".repeat(24)}]`])
  })
})

const list = (asked: Asked) => {
  const url = new URL(asked.url, "http://host")
  return { path: url.pathname, query: Object.fromEntries(url.searchParams) }
}

/** A host whose job goes on to its end once somebody watches it. */
const hostWith = Effect.fnUntraced(
  function*(end: Job, started: readonly [status: number, body: unknown] = [201, report]) {
    let stream: http.ServerResponse | undefined
    let looks = 0
    const row = (type: string, summary: string, data: object = {}, of = job_id) =>
      stream?.write(
        `id: ${++looks}\ndata: ${
          JSON.stringify({
            audit_id: `a${looks}`,
            type,
            summary,
            timestamp: at(0),
            trace_id,
            refs: { job_id: of },
            data
          })
        }\n\n`
      )
    return yield* recordedHost((asked, response) => {
      const { path, query } = list(asked)
      if (path === "/audit/stream") {
        stream = response
        response.writeHead(200, { "content-type": "text/event-stream" })
        return response.write(": welcome\n\n")
      }
      if (path === "/audit") return answer(response, 200, { items: [] })
      if (path === "/artifacts/a1") {
        return response.writeHead(200, { "content-type": "text/plain" }).end("one\n\u001btwo\n")
      }
      if (path === "/jobs" && asked.method === "POST") return answer(response, ...started)
      if (path === "/jobs") {
        const items = query["status"] === "failed"
          ? []
          : [{ ...report, created_at: new Date(Date.now() - 300_000).toISOString() }]
        return answer(response, 200, { items })
      }
      if (path === `/jobs/${job_id}/cancel`) return answer(response, 200, report)
      if (path !== `/jobs/${job_id}`) {
        return answer(response, 404, { detail: "No job has this id.", code: "job.not_found" })
      }
      if (stream === undefined) {
        return answer(response, 200, report)
      }
      if (looks > 0) return answer(response, 200, end)
      answer(response, 200, report)
      row("worker.job_progress", "other: 99 %", { percent: 99 }, "another")
      row("worker.job_progress", "report.render: 75 %, page 22", { percent: 75, message: "page 22" })
      row(`worker.job_${end.status}`, `report.render is ${end.status}.`)
    })
  }
)

describe("syris jobs", () => {
  it.live("lists the open ones, and others by status and kind", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* hostWith(done)
      const ran = yield* run(env, ["jobs"])
      assert.deepStrictEqual(ran.out.replaceAll(/5 min \d\d s/g, "5 min 00 s").split("\n"), [
        "JOB           STATUS   KIND           RUNTIME  AGE         ATTEMPT  PROGRESS",
        "0c5b6f1d2e40  running  report.render  process  5 min 00 s  1/3      40 %  page 12<U+001B>[2J"
      ])
      assert.strictEqual((yield* run(env, ["jobs", "--status", "failed", "--kind", "a.b"])).out, "No job fits.")
      assert.strictEqual(JSON.parse((yield* run(env, ["jobs", "--all", "--json"])).out).job_id, job_id)
      assert.deepStrictEqual(asked.map(list).map(({ query }) => query), [
        { status: "open", limit: "50" },
        { status: "failed", kind: "a.b", limit: "50" },
        { limit: "50" }
      ])
      assert.strictEqual((yield* run(env, ["jobs", "--limit", "0"])).code, 2)
      assert.strictEqual((yield* run(env, ["jobs", "--log"])).code, 2)
    }))

  it.effect("shows the one that is meant, and what it wrote", () =>
    Effect.gen(function*() {
      const { env } = yield* hostWith(done)
      for (const id of [job_id, "0c5b6f1d2e40", "2E40"]) {
        assert.match((yield* run(env, ["jobs", id])).out, new RegExp(`^job ${job_id} {2}report\\.render {2}running\n`))
      }
      assert.match((yield* run(env, ["jobs", "ffff"])).err, /open and newest jobs .* ends with ffff: give the whole id/)
      const nobody = yield* run(env, ["jobs", job_id.replace("0c5b", "ffff")])
      assert.deepStrictEqual([nobody.code, nobody.err], [1, "syris: No job has this id."])
      assert.match((yield* run(env, ["jobs", "2e40", "--log"])).err, /once this attempt has ended/)
      const { env: ended } = yield* recordedHost((asked, response) =>
        list(asked).path === "/artifacts/a1"
          ? response.writeHead(200).end("one\n\u001btwo\n")
          : answer(response, 200, done)
      )
      assert.strictEqual((yield* run(ended, ["jobs", job_id, "--log"])).out, "one\n<U+001B>two")
    }))

  it.effect("cancels one", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* hostWith(done)
      const ran = yield* run(env, ["jobs", "cancel", "2e40", "--reason", "Enough."])
      assert.strictEqual(ran.out, "report.render (0c5b6f1d2e40) is being ended: it has two seconds to stop by itself.")
      assert.deepStrictEqual([asked.at(-1)?.method, asked.at(-1)?.body], ["POST", { reason: "Enough." }])
    }))
})

describe("syris jobs --follow", () => {
  it.live("tells what happens to any job, and nothing else", () =>
    Effect.gen(function*() {
      const { env } = yield* recordedHost((asked, response) => {
        if (list(asked).path === "/audit") return answer(response, 200, { items: [] })
        response.writeHead(200, { "content-type": "text/event-stream" })
        for (const [n, type] of ["event.ingested", "worker.job_queued", "worker.job_failed"].entries()) {
          const row = { audit_id: `a${n}`, type, summary: `row ${n}`, timestamp: at(0), trace_id, refs: {}, data: {} }
          response.write(`id: ${n}\ndata: ${JSON.stringify(row)}\n\n`)
        }
      })
      const seen: Array<string> = []
      const last = yield* Deferred.make<void>()
      const following = yield* Effect.forkChild(run(env, ["jobs", "--follow"], (line) => {
        seen.push(line.slice(10))
        if (line.endsWith("row 2")) Deferred.doneUnsafe(last, Effect.void)
      }))
      yield* Deferred.await(last)
      yield* Fiber.interrupt(following)
      assert.deepStrictEqual(seen, ["row 1", "row 2"])
    }))
})

describe("syris jobs run", () => {
  it.live("starts one and tells what becomes of it, line by line", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* hostWith(done)
      const ran = yield* run(env, [
        "jobs",
        "run",
        "report.render",
        "{\"pages\": 30}",
        "--timeout",
        "60",
        "--runtime",
        "deno"
      ])
      assert.deepStrictEqual([ran.code, ran.err], [0, ""])
      const clock = localTime(at(0)).slice(11, 19)
      assert.deepStrictEqual(ran.out.split("\n"), [
        "report.render (0c5b6f1d2e40) is running. Ctrl-C ends the watching, not the job: syris jobs cancel 0c5b6f1d2e40",
        `${clock}  report.render: 75 %, page 22`,
        `${clock}  report.render is succeeded.`,
        "report.render (0c5b6f1d2e40) succeeded after 40.00 s.",
        "{\"file\":\"a.pdf\"}"
      ])
      assert.deepStrictEqual(asked[0]?.body, {
        kind: "report.render",
        input: { pages: 30 },
        runtime: "deno",
        limits: { timeout_ms: 60_000 }
      })
    }))

  it.live("has a progress bar on a terminal, which is gone at the end", () =>
    Effect.gen(function*() {
      const { env } = yield* hostWith(done)
      const written: Array<string> = []
      const ran = yield* run(env, ["jobs", job_id, "--follow"]).pipe(
        Effect.provideService(ProgressScreen, { columns: 100, rows: 24, write: (text) => written.push(text) }),
        Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
          canAnimate: true,
          canColor: false,
          canPrompt: false
        })
      )
      assert.strictEqual(ran.code, 0)
      assert.notInclude(ran.out, "75 %")
      const screen = written.join("")
      assert.match(screen, /report\.render {2}\[#{10}\.{14}\] {2}40 % {2}page 12<U\+001B>\[2J/)
      assert.match(screen, /report\.render {2}\[#{18}\.{6}\] {2}75 % {2}page 22/)
      assert.notInclude(screen, "99 %")
      assert.isTrue(written.at(-1)?.endsWith("\u001b[J"))
    }))

  it.live("fails where the job fails, and says where to look", () =>
    Effect.gen(function*() {
      const error = { code: "job.failed", message: "No paper.", retryable: false }
      const { env } = yield* hostWith({ ...done, status: "failed", error })
      const ran = yield* run(env, ["jobs", "run", "report.render"])
      assert.strictEqual(ran.code, 1)
      assert.match(
        ran.out,
        /\) failed after 40\.00 s: No paper\.\n\{"file":"a\.pdf"\}\nWhat it wrote: syris jobs 0c5b6f1d2e40 --log$/
      )
    }))

  it.effect("says where it waits for a yes, or for its turn", () =>
    Effect.gen(function*() {
      const approval = { number: 7, why: "At A1 you are asked first." }
      const asked = yield* hostWith(done, [202, { event_id: "e", trace_id, approval }])
      const waits = yield* run(asked.env, ["jobs", "run", "report.render"])
      assert.deepStrictEqual([waits.code, waits.out], [
        0,
        "It waits for your yes. At A1 you are asked first. Start it with: syris approve 7"
      ])
      const paused = yield* hostWith(done, [202, { event_id: "e", trace_id }])
      assert.match(
        (yield* run(paused.env, ["jobs", "run", "report.render"])).out,
        /^It is stored and not started yet: SYRIS is paused/
      )
      const detached = yield* hostWith(done)
      assert.strictEqual(
        (yield* run(detached.env, ["jobs", "run", "report.render", "--detach"])).out,
        "report.render (0c5b6f1d2e40) is running."
      )
      const wrong = yield* run(detached.env, ["jobs", "run", "report.render", "{pages: 30}"])
      assert.deepStrictEqual([wrong.code, wrong.err.slice(0, 32)], [2, "syris: The input must be JSON, s"])
      const refused = yield* hostWith(done, [404, { detail: "There is no kind \"a\".", code: "job.unknown_kind" }])
      assert.strictEqual((yield* run(refused.env, ["jobs", "run", "a"])).err, "syris: There is no kind \"a\".")
    }))
})

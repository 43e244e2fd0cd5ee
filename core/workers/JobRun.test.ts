/** One attempt of a job over isolates that only the test leads: how it ends, whatever they do. */
import { assert, describe, it } from "@effect/vitest"
import type { Schema } from "effect"
import { type Hearing, type Invocation, type Isolate, type IsolateEnd, IsolateLost } from "../../sandbox/Isolate.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import type { HeldJob } from "./HeldJob.ts"
import { progressOf } from "./JobAsks.ts"
import { makeLines } from "./JobLines.ts"
import { makePlaces, markOf } from "./JobPlaces.ts"
import { makeProgressWriter } from "./JobProgress.ts"
import { runJob } from "./JobRun.ts"

const job: HeldJob = {
  job_id: "j",
  trace_id: "t",
  event_id: "e",
  tool_call_id: null,
  plugin: "bench",
  kind: "bench.one",
  attempt: 1,
  max_attempts: 1,
  runtime: "process",
  input: { pages: 3 },
  limits: { timeout_ms: 60_000, memory_mb: 64 },
  labels: { trust: "trusted", confidentiality: "public" },
  retry: { strategy: "none", base_delay_ms: 0, max_delay_ms: 0, jitter: 0 },
  fence: 1,
  answer_by: null,
  event: { event_id: "e", trace_id: "t", depth: 0, channel: "chat" }
}

/** An isolate whose one invocation does as it is told, and what was done to it. */
const isolateThat = (does: (invocation: Invocation) => Promise<unknown>) => {
  const done: Array<string> = []
  const stopped: IsolateEnd = { code: "stopped", reason: "it was told to end" }
  const isolate: Isolate = {
    runtime: "process",
    pid: undefined,
    described: {} as Isolate["described"],
    invoke: async (invocation) => await does(invocation) as Schema.Json,
    ended: new Promise(() => {}),
    stop: async (graceMs) => {
      done.push(`stop ${graceMs}`)
      return stopped
    }
  }
  return { done, isolate }
}

const runOf = (start: (hearing: Hearing) => Promise<Isolate>, limits = job.limits) =>
  runJob({ ...job, limits }, { kind: job.kind }, {
    start,
    asks: () => ({}),
    redact: { redactText: (text) => text.replaceAll("hunter2", "[secret]") },
    graceMs: 7
  })

const untilAborted = ({ signal }: Invocation) =>
  new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(new DOMException("It was aborted.", "AbortError")))
  )

describe("one attempt of a job", () => {
  it("gives back what the run gave back, as plain JSON, and leaves nothing behind", async () => {
    let given: Invocation | undefined
    const { done, isolate } = isolateThat(async (invocation) => {
      given = invocation
      return { output: { pages: 3 } }
    })
    const run = runOf(async (hearing) => {
      hearing.log({ level: "info", message: "it is hunter2", fields: { a: 1 } })
      return isolate
    })
    assert.deepEqual(await run.ended, { is: "done", output: { pages: 3 } })
    await run.gone
    assert.deepEqual(done, ["stop 7"])
    assert.deepInclude(given, { part: "job", name: "bench.one", member: "run", args: [{ pages: 3 }] })
    assert.match(run.log.text() ?? "", /^\S+Z info it is \[secret\] {"a":1}\n$/)
  })

  it("fails with a code and a sentence for each way in which it can", async () => {
    const lost = (code: IsolateEnd["code"]) => () =>
      Promise.reject(new IsolateLost({ code, reason: "it ended by itself" }))
    const cases: ReadonlyArray<readonly [(invocation: Invocation) => Promise<unknown>, string, boolean]> = [
      [() => Promise.reject(new Error("There is no ink")), "job.failed", true],
      [() => Promise.reject(new ToolRefused("There is no paper.")), "job.refused", false],
      [lost("memory"), "job.memory", true],
      [lost("exited"), "job.exited", true],
      [lost("signal"), "job.exited", true],
      [lost("protocol"), "job.protocol", true],
      [async () => ({ invalid: "The output of bench.one breaks its schema" }), "job.output_invalid", false],
      [async () => ({ output: "x".repeat(1_100_000) }), "job.output_invalid", false],
      [async () => ({ output: JSON.parse("{\"__proto__\": 1}") as unknown }), "job.output_invalid", false]
    ]
    for (const [does, code, retryable] of cases) {
      const end = await runOf(async () => isolateThat(does).isolate).ended
      assert.strictEqual(end.is, "failed")
      if (end.is !== "failed") continue
      assert.deepInclude(end.error, { code, retryable })
      assert.match(end.error.message, /^[A-Z].*\.$/)
    }
    const unloaded = await runOf(() => Promise.reject(new Error("it threw while it was loaded: no"))).ended
    assert.deepInclude(unloaded, {
      error: {
        code: "job.start_failed",
        message: "It could not be loaded: it threw while it was loaded: no.",
        retryable: true
      }
    })
  })

  it("is told to stop at its time, and is over when nothing of it is left", async () => {
    const { done, isolate } = isolateThat(untilAborted)
    const end = await runOf(async () => isolate, { timeout_ms: 20, memory_mb: 64 }).ended
    assert.strictEqual(end.is, "timed_out")
    assert.deepEqual(done, ["stop 7"])
  })

  it("is stopped in the middle, or while it is loaded", async () => {
    const running = isolateThat(untilAborted)
    const run = runOf(async () => running.isolate)
    setTimeout(() => run.stop("cancel"), 5)
    assert.deepEqual(await run.ended, { is: "stopped", why: "cancel" })
    assert.deepEqual(running.done, ["stop 7"])
    const loading = isolateThat(untilAborted)
    const ready = Promise.withResolvers<Isolate>()
    const early = runOf(() => ready.promise)
    early.stop("host")
    ready.resolve(loading.isolate)
    assert.deepEqual(await early.ended, { is: "stopped", why: "host" })
    await early.gone
    assert.deepEqual(loading.done, ["stop 0"])
  })
})

describe("the log of a run", () => {
  it("keeps its beginning and its end, and says how much is missing between", () => {
    const lines = makeLines({ redactText: (text) => text }, () => new Date(0), 1_000)
    for (let i = 1; i <= 100; i++) lines.add({ level: "info", message: `line ${i}` })
    const text = lines.text() ?? ""
    assert.isAtMost(text.length, 2_100)
    assert.match(text, /^1970-\S+ info line 1\n/)
    assert.match(text, /… \d+ lines were left out here …/)
    assert.match(text, /line 100\n$/)
    const [, out] = /… (\d+) lines/.exec(text) ?? []
    assert.strictEqual(text.split("\n").length - 2 + Number(out), 100)
    assert.isUndefined(makeLines({ redactText: (given) => given }).text())
  })
})

describe("progress", () => {
  it("is bounded, and written at most once a second with the newest at the end", async () => {
    assert.deepEqual(progressOf({ percent: 400, message: "x".repeat(300) }), { percent: 100, message: "x".repeat(200) })
    assert.deepEqual(progressOf({ percent: NaN, message: 4 }), {})
    assert.deepEqual(progressOf(null), {})
    const written: Array<unknown> = []
    const writer = makeProgressWriter(async (progress) => void written.push(progress))
    writer.say({ message: "begins" })
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (let percent = 1; percent <= 50; percent++) writer.say({ percent })
    assert.deepEqual(await writer.end(), { percent: 50, message: "begins" })
    writer.say({ percent: 60 })
    assert.deepEqual(written, [{ message: "begins" }])
  })
})

describe("the places of a host", () => {
  it("are so many in all, and so many of each kind", () => {
    const kinds = [{ kind: "a", concurrency: 1 }, { kind: "b", concurrency: 5 }] as ReadonlyArray<any>
    let freed = 0
    const places = makePlaces(
      3,
      { jobs: () => kinds, job: (kind) => kinds.find((one) => one.kind === kind) },
      () => freed++
    )
    assert.strictEqual(places.room(), 1, "a claim could bring as many of the kind that has the least room")
    assert.isTrue(places.take("1", "a"))
    assert.isFalse(places.take("2", "a"))
    assert.deepEqual(places.full(), ["a"])
    assert.strictEqual(places.room(), 2)
    places.hold("3", markOf("b"))
    assert.isTrue(places.take("4", "b"))
    assert.isFalse(places.take("5", "b"))
    assert.strictEqual(places.room(), 0)
    places.leave("1")
    places.leave("1")
    assert.strictEqual(freed, 1)
    places.doubt("3")
    assert.isTrue(places.neverRan("3"))
    assert.isFalse(places.neverRan("3"))
  })
})

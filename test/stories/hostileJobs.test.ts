/**
 * Jobs that do harm, in every runtime where they can: each is ended within its limits, with a sentence that says why, the host is
 * well all the while, and nothing of them is left. All of them are asked for at once; the host runs them as it has room.
 *
 * The short form tries every second way of each sort, the others the next time (SYRIS_TEST_SEED repeats them); SYRIS_TEST_LONG=1
 * all, in every runtime.
 *
 * What a thread does not stop is not tried in one (`docs/isolates.md`), but for the control: what is denied elsewhere is done there.
 */
import * as fs from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { long, moment, seed, until } from "../storms/Until.ts"
import { processesIn } from "./HostProcess.ts"
import { type JobHouse, jobHouse, type JobLife, nothingLeft, type Runtime, runtimes } from "./JobHouse.ts"

const within = 240_000
const mebibyte = 1_048_576

/** Found in the command line of whatever a job leaves behind; as seconds, longer than any test. */
const marker = `98765.${process.pid}`

type Type = "succeeded" | "failed" | "timed_out" | "canceled"

interface Harm {
  readonly how: string
  readonly in: ReadonlyArray<Runtime>
  /** How it may end. */
  readonly types: ReadonlyArray<Type>
  /** The sentence that tells it, without the name of the kind. */
  readonly says: RegExp
  readonly timeoutMs?: number
  /** Canceled as soon as it has said that it is at it. Nothing of these heeds that. */
  readonly cancel?: true
  /** In its log. */
  readonly logs?: RegExp
}

const pipes: ReadonlyArray<Runtime> = ["process", "deno"]
/** Those that cost most are tried in all runtimes in the long form only. */
const some = (...given: ReadonlyArray<Runtime>): ReadonlyArray<Runtime> => long ? runtimes : given
const somePipes = (given: Runtime): ReadonlyArray<Runtime> => long ? pipes : [given]

const canceled = { types: ["canceled"], says: /^was canceled: Enough\.$/, cancel: true } as const
const timedOut = { types: ["timed_out"], says: /^took too long: It did not end within \d s\.$/ } as const
const failed = (says: RegExp) => ({ types: ["failed"], says }) as const
const memory = failed(/^failed: It took more memory than its 64 MiB\.$/)
const denied = failed(/^failed: (Access to this API has been restricted|spawn \w+ (ENOENT|EACCES|EPERM)|.*run access)/)

const harms: ReadonlyArray<Harm> = [
  // The control: one that does no harm.
  { how: "nothing", in: runtimes, types: ["succeeded"], says: /^is done: done$/ },
  { how: "spin", in: some("thread"), ...timedOut, timeoutMs: 2_000 },
  { how: "bigArtifacts", in: some("deno"), ...timedOut, timeoutMs: 6_000 },
  { how: "messages", in: some("thread", "deno"), ...canceled, logs: /line 0 x/ },
  // Node keeps what nobody reads yet in its own memory.
  {
    how: "prints",
    in: long ? ["thread", "process"] : ["process"],
    ...canceled,
    types: ["canceled", "failed"],
    says: /^was canceled: |^failed: It took more memory/
  },
  { how: "prints", in: ["deno"], ...canceled, logs: /line 0 x/ },
  { how: "deaf", in: some("process"), ...canceled },
  { how: "spite", in: some("deno"), ...canceled },
  { how: "heap", in: runtimes, ...memory },
  { how: "buffers", in: somePipes("process"), ...memory },
  { how: "wasm", in: somePipes("deno"), ...memory },
  { how: "exit", in: ["thread"], ...failed(/^failed: Its thread ended \(.*3\)\.$/) },
  { how: "exit", in: ["process"], ...failed(/^failed: It ended by itself \(code 3\)\.$/) },
  { how: "exit", in: long ? ["deno"] : [], ...failed(/^failed: Deno\.exit is not a function\.$/) },
  { how: "exitWell", in: some(), ...failed(/^failed: .+ended.*\b0\)\.$|Deno\.exit/) },
  { how: "throws", in: some("thread"), ...failed(/^failed: The soup is cold\.$/) },
  { how: "throwsNothing", in: some("thread"), ...failed(/^failed: .+\.$/) },
  { how: "throwsOdd", in: some("thread"), ...failed(/^failed: .+\.$/) },
  {
    how: "junk",
    in: somePipes("process"),
    ...failed(/^failed: It sent a frame of 1416128883 bytes, and 1048576 are the most\.$/)
  },
  { how: "forged", in: somePipes("deno"), ...failed(/^failed: It sent .*JSON.*\.$/) },
  {
    how: "gigabyte",
    in: somePipes("deno"),
    ...failed(/^failed: It sent a frame of 1073741824 bytes, and 1048576 are the most\.$/)
  },
  { how: "forks", in: pipes, ...denied },
  { how: "session", in: long ? pipes : [], ...denied },
  { how: "artifacts", in: some("thread"), ...failed(/^failed: One run keeps at most 32 artifacts, /) },
  { how: "output", in: some("thread"), ...failed(/^failed: The output of bad\.do is longer than 1 MiB\.$/) }
]

/** What is alike, of which the short form tries a half. */
const sorts: ReadonlyArray<RegExp> = [
  /^nothing$/,
  /^spin$|^bigArtifacts$/,
  /^messages$|^prints$/,
  /^deaf$|^spite$/,
  /^heap$|^buffers$|^wasm$/,
  /^exit/,
  /^throws/,
  /^junk$|^forged$|^gigabyte$/,
  /^forks$|^session$/,
  /^artifacts$|^output$/
]

const all = harms.flatMap((harm) => harm.in.map((runtime) => ({ ...harm, runtime })))
const sorted = sorts.map((sort) => all.filter(({ how }) => sort.test(how)))
const cases = long ? all : sorted.flatMap((alike) => alike.filter((_, index) => (index + seed) % 2 === 0))

/** Asks the host how it is, all the time; and how large it is. */
const watch = (life: JobLife) => {
  const residentBytes = () => {
    const [, kilobytes = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${life.host.pid}/status`, "utf8")) ??
      []
    return Number(kilobytes) * 1_024
  }
  const before = residentBytes()
  const strange: Array<unknown> = []
  let over = false
  let [asked, worstMs, mostBytes] = [0, 0, before]
  const loop = async () => {
    while (!over) {
      const began = performance.now()
      const response = await life.host.request("/health", { signal: AbortSignal.timeout(30_000) })
      const { status } = await response.json() as { readonly status: string }
      worstMs = Math.max(worstMs, performance.now() - began)
      mostBytes = Math.max(mostBytes, residentBytes())
      asked++
      if (response.status !== 200 || status !== "healthy") strange.push([response.status, status])
      await moment(100)
    }
  }
  const done = loop().catch((error: unknown) => void strange.push(error))
  return async () => {
    over = true
    await done
    return { asked, strange, worstMs: Math.round(worstMs), grownMb: Math.round((mostBytes - before) / mebibyte) }
  }
}

describe("a job that does harm", () => {
  const jobs = new Map<string, any>()
  let house: JobHouse
  let life: JobLife
  let watched: ReturnType<typeof watch>

  beforeAll(async () => {
    house = await jobHouse("hostile.ts")
    life = await house.begin()
    watched = watch(life)
    for (const { cancel, how, runtime, timeoutMs = 60_000 } of cases) {
      const job = await life.start("bad.do", { how, marker }, { runtime, limits: { timeout_ms: timeoutMs } })
      jobs.set(`${how} ${runtime}`, job)
      if (cancel === true) {
        void life.progressed(job).then(() => life.post(`/jobs/${job.job_id}/cancel`, { reason: "Enough." }), () => {})
      }
    }
  }, within)
  afterAll(() => house?.end())

  it.each(cases)("$how, in a $runtime", async ({ how, logs, runtime, says, types }) => {
    const job = jobs.get(`${how} ${runtime}`)
    const row = await life.ear.ended(job, within)
    const status = row.type.slice("worker.job_".length)
    assert.include(types, status, row.summary)
    assert.match(row.summary.slice("bad.do ".length), says)
    const stored = await life.job(job)
    assert.deepInclude(stored, { status, attempt: 1 })
    const told = life.ear.rows.filter(({ refs, type }) => refs.job_id === job.job_id && type === "worker.job_progress")
    const seconds = (Date.parse(stored.ended_at) - Date.parse(stored.started_at)) / 1_000
    assert.isAtMost(told.length, seconds + 2, "progress is written once a second, and at the end")
    if (logs === undefined) return
    const log = await (await life.host.request(`/artifacts/${stored.log_artifact_id}`)).text()
    assert.isAtMost(log.length, 1_200_000)
    assert.match(log, logs)
  }, within)

  it("leaves no process and no folder, and the host was well all the while", async () => {
    await nothingLeft(house, life.host.pid)
    assert.deepEqual(processesIn(marker), [])
    const { asked, grownMb, strange, worstMs } = await watched()
    console.log(`The host answered ${asked} times in at most ${worstMs} ms, and grew by ${grownMb} MiB at most.`)
    assert.deepEqual(strange, [])
    // Where the machine has nothing else to do.
    if (long) assert.isBelow(worstMs, 1_000)
    assert.isBelow(grownMb, 400)
    assert.deepEqual(await house.database.query("select 1 from work"), [])
  }, within)

  it("in a thread, which does not stop it, leaves one that is seen", async () => {
    const job = await life.start("bad.do", { how: "session", marker }, { runtime: "thread" })
    assert.strictEqual((await life.ear.ended(job)).type, "worker.job_succeeded")
    await until("what it left", () => processesIn(marker).length === 1)
    for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(marker)) process.kill(Number(pid))
      } catch {
        // It has ended.
      }
    }
    await until("its end", () => processesIn(marker).length === 0)
  }, within)
})

/**
 * What isolates cost: a job in a warm thread against the same function in bare piscina, a cold Deno isolate against `deno run`
 * of an empty file, a call of a warm one against the same bytes through a bare pipe, how soon one is dead that heeds nothing,
 * and what many of them take that do nothing. No database: what a job's two commits take is in `throughput`.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as path from "node:path"
import { Piscina } from "piscina"
import type { Runtime } from "../core/contract/Enums.ts"
import { prepareDeno } from "../sandbox/guest/bundle.ts"
import type { Isolate, Launch } from "../sandbox/Isolate.ts"
import { kernel } from "../sandbox/runtimes/Kernel.ts"
import { startIsolate } from "../sandbox/startIsolate.ts"
import { family, megabytes } from "./Processes.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { root, temporaryFolder } from "./Setup.ts"

const plugin = `import { definePlugin, Schema } from "syris"

export default definePlugin({
  name: "bench",
  setup: () => ({
    jobs: [
      { name: "bench.same", input: Schema.Struct({ n: Schema.Int }), run: ({ n }) => ({ n }) },
      { name: "bench.spin", input: Schema.Struct({}), run: () => { for (;;); } }
    ]
  })
})
`

const graceMs = 200

const launchOf = (runtime: Runtime, folder: string): Launch => ({
  runtime,
  code: {
    entry: path.join(folder, "plugin", "index.ts"),
    plugin: "bench",
    name: "bench",
    options: undefined,
    timezone: "UTC",
    folders: [path.join(folder, "plugin")],
    grant: {},
    hash: "bench"
  },
  limits: { memoryMb: 128 },
  temporary: path.join(folder, "temporary"),
  prepared: path.join(folder, "prepared"),
  env: {}
})

const silent = { log: () => undefined }

const call = (isolate: Isolate, name: string, args: Record<string, number>): Promise<unknown> =>
  isolate.invoke({
    part: "job",
    name,
    member: "run",
    args: [args],
    facts: { jobId: "bench", traceId: "bench", attempt: 1, trust: "trusted" },
    asks: {},
    signal: new AbortController().signal
  })

const timed = async (run: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await run()
  return performance.now() - began
}

/** Both, in turns, and their medians with the median of the ratios. */
const inTurns = async (
  rounds: number,
  each: number,
  one: () => Promise<number>,
  other: () => Promise<number>,
  verbose: boolean
) => {
  const all = { one: [] as Array<number>, other: [] as Array<number> }
  const ratios: Array<number> = []
  const differences: Array<number> = []
  for (let round = -1; round < rounds; round++) {
    const here = { one: [] as Array<number>, other: [] as Array<number> }
    for (let i = 0; i < each; i++) {
      here.one.push(await one())
      here.other.push(await other())
    }
    if (verbose) say(`${median(here.one).toFixed(3)} ms against ${median(here.other).toFixed(3)} ms`)
    if (round < 0) continue
    all.one.push(...here.one)
    all.other.push(...here.other)
    ratios.push(median(here.one) / median(here.other))
    differences.push(median(here.one) - median(here.other))
  }
  return { ...all, ratio: median(ratios), difference: median(differences) }
}

const threads = async ({ quick, verbose }: Options, folder: string): Promise<void> => {
  const bare = new Piscina({ filename: path.join(root, "bench", "controls", "sameTask.ts"), minThreads: 1 })
  try {
    let n = 0
    const job = () =>
      timed(async () => {
        const isolate = await startIsolate(launchOf("thread", folder), silent)
        await call(isolate, "bench.same", { n: n++ })
        await isolate.stop()
      })
    const found = await inTurns(quick ? 3 : 9, quick ? 30 : 100, job, () => timed(() => bare.run({ n: n++ })), verbose)
    figure("a job in a warm thread, loaded, run and ended, p50", median(found.one), "ms")
    figure("control: the same function by bare piscina, p50", median(found.other), "ms")
    figure("what the isolate adds, beside the two commits of a job", found.difference, "ms")
  } finally {
    await bare.destroy()
  }
}

const coldDeno = async ({ quick, verbose }: Options, folder: string, binary: string): Promise<void> => {
  const empty = path.join(folder, "empty.ts")
  fs.writeFileSync(empty, "")
  const env = { DENO_DIR: path.join(folder, "deno"), NO_COLOR: "1" }
  await prepareDeno(launchOf("deno", folder))
  const isolates: Array<Isolate> = []
  const cold = async () => {
    const took = await timed(async () => {
      isolates.push(await startIsolate(launchOf("deno", folder), silent))
    })
    await isolates.pop()?.stop()
    return took
  }
  const bare = () => timed(() => once(spawn(binary, ["run", "--no-config", "--no-lock", empty], { env }), "exit"))
  const found = await inTurns(quick ? 3 : 9, quick ? 3 : 8, cold, bare, verbose)
  figure("a cold Deno isolate with its plugin loaded, p50", median(found.one), "ms")
  figure("control: deno run of an empty file, p50", median(found.other), "ms")
  target("a cold Deno isolate / deno run of an empty file", found.ratio, "", "at most", 1.3)
}

/** Lines to a Deno that gives them back. */
const barePipe = (
  binary: string,
  folder: string
): { readonly child: ChildProcess; readonly echo: () => Promise<void> } => {
  const child = spawn(binary, ["run", "--no-config", "--no-lock", path.join(root, "bench", "controls", "echoes.ts")], {
    env: { DENO_DIR: path.join(folder, "deno"), NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const line = `${
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "invoke", params: { name: "bench.same", args: [{ n: 1 }] } })
  }\n`
  return {
    child,
    echo: async () => {
      child.stdin?.write(line)
      await once(child.stdout!, "data")
    }
  }
}

const warmDeno = async ({ quick, verbose }: Options, folder: string, binary: string): Promise<void> => {
  const isolate = await startIsolate(launchOf("deno", folder), silent)
  const { child, echo } = barePipe(binary, folder)
  try {
    let n = 0
    const found = await inTurns(
      quick ? 3 : 9,
      quick ? 100 : 300,
      () => timed(() => call(isolate, "bench.same", { n: n++ })),
      () => timed(echo),
      verbose
    )
    figure(
      "a call of a warm Deno isolate, p50",
      median(found.one),
      "ms",
      `p99 ${percentile(found.one, 0.99).toFixed(2)}`
    )
    figure("control: as many bytes to Deno and back by a bare pipe, p50", median(found.other), "ms")
    target("what a call adds to the bare pipe", found.difference, "ms", "at most", 1)
  } finally {
    child.kill("SIGKILL")
    await isolate.stop()
  }
}

const ends = async ({ quick }: Options, folder: string): Promise<void> => {
  for (const runtime of ["thread", "process", "deno"] as const) {
    const beyond: Array<number> = []
    for (let i = 0; i < (quick ? 3 : 10); i++) {
      const isolate = await startIsolate(launchOf(runtime, folder), silent)
      call(isolate, "bench.spin", {}).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 50))
      beyond.push(await timed(() => isolate.stop(graceMs)) - graceMs)
    }
    target(`a ${runtime} that spins: dead after the grace, p50`, median(beyond), "ms", "at most", 100)
  }
}

const idle = async ({ quick }: Options, folder: string): Promise<void> => {
  const count = quick ? 10 : 200
  const isolates: Array<Isolate> = []
  try {
    for (let i = 0; i < count; i++) isolates.push(await startIsolate(launchOf("deno", folder), silent))
    const all = isolates.flatMap(({ pid }) => pid === undefined ? [] : family(pid))
    figure(`${count} Deno isolates that do nothing, memory (PSS)`, megabytes(all, "Pss"), "MB")
    figure("of each", megabytes(all, "Pss") / count, "MB")
  } finally {
    await Promise.all(isolates.map((isolate) => isolate.stop()))
  }
}

export const isolates = async (options: Options): Promise<void> => {
  title("Isolates: what they cost, and how they end")
  await using folder = temporaryFolder()
  fs.mkdirSync(path.join(folder.path, "plugin"))
  fs.writeFileSync(path.join(folder.path, "plugin", "index.ts"), plugin)
  const { deno } = await kernel()
  await threads(options, folder.path)
  if ("missing" in deno) say(`There is no Deno here: ${deno.missing}.`)
  else {
    await coldDeno(options, folder.path, deno.path)
    await warmDeno(options, folder.path, deno.path)
    await ends(options, folder.path)
    await idle(options, folder.path)
  }
}

/**
 * From just before a task is handed in to the begin of its call, one at a time on a machine at rest: where the host starts
 * it that was handed it, and where another does, which NOTIFY wakes. Against graphile-worker with LISTEN, the job added in
 * the process that runs it and in another one. A process adds, a process runs; both read the clock of the machine.
 */
import * as path from "node:path"
import { startGraphile, startTaskHost, tryTaskHost } from "./Controls.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { startPostgres, temporaryFolder } from "./Setup.ts"
import { enoughSeconds } from "./Turns.ts"

/** As many as a host holds at once: full, it leaves what it is handed to others. */
const room = 2_000

interface Starts {
  readonly ask: (name: "started", task: { readonly id: string }) => Promise<number>
}
interface Enqueues {
  readonly ask: (name: "enqueue", task: { readonly id: string }) => Promise<number>
}

let ids = 0

/** Milliseconds of each of `count`, a few milliseconds apart so that nothing is left of the one before. */
const measure = async (enqueuer: Enqueues, starter: Starts, count: number): Promise<ReadonlyArray<number>> => {
  const took: Array<number> = []
  for (let i = 0; i < count; i++) {
    const id = `${process.pid}-${ids++}`
    const [startedAt, enqueuedAt] = await Promise.all([
      starter.ask("started", { id }),
      enqueuer.ask("enqueue", { id })
    ])
    took.push(startedAt - enqueuedAt)
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 10))
  }
  return took
}

export const taskLatency = async ({ quick, verbose }: Options): Promise<void> => {
  title("From handing in a task to the begin of its call, one at a time")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  for (const name of ["host", "hosts"]) await postgres.createDatabase(name)
  for (const name of ["default_jobs", "tuned_jobs"]) await postgres.createDatabase(name, "nothing")
  await using graphileDefault = await startGraphile(postgres, "default_jobs")
  await using graphileTuned = await startGraphile(postgres, "tuned_jobs", { SETTING: "tuned" })
  // These only add.
  await using addsDefault = await startGraphile(postgres, "default_jobs")
  await using addsTuned = await startGraphile(postgres, "tuned_jobs")
  for (const worker of [graphileDefault, graphileTuned]) await worker.ask("work")

  await using host = await tryTaskHost(path.join(folder.path, "home"), postgres, "host")
  await using full = host === undefined
    ? undefined
    : await startTaskHost(path.join(folder.path, "full-home"), postgres, "hosts")
  await full?.ask("fill", { count: room })
  await using other = host === undefined
    ? undefined
    : await startTaskHost(path.join(folder.path, "other-home"), postgres, "hosts")

  const pairs: Record<string, readonly [Enqueues, Starts]> = {
    ...host === undefined ? {} : { same: [host, host] as const },
    graphileDefaultSame: [graphileDefault, graphileDefault],
    graphileTunedSame: [graphileTuned, graphileTuned],
    ...full === undefined || other === undefined ? {} : { other: [full, other] as const },
    graphileDefaultOther: [addsDefault, graphileDefault],
    graphileTunedOther: [addsTuned, graphileTuned]
  }
  const rounds = new Map<string, Array<ReadonlyArray<number>>>(Object.keys(pairs).map((name) => [name, []]))
  const began = performance.now()
  for (let round = -1; round < (quick ? 3 : 7); round++) {
    if (round >= 3 && performance.now() - began > enoughSeconds * 1_000) break
    const told: Array<string> = []
    for (const [name, [enqueuer, starter]] of Object.entries(pairs)) {
      const took = await measure(enqueuer, starter, round < 0 || quick ? 60 : 200)
      if (round >= 0) rounds.get(name)?.push(took)
      told.push(`${name} ${median(took).toFixed(2)}`)
    }
    if (verbose) say(told.join("   "))
  }
  const of = (name: string) => rounds.get(name) ?? []
  const show = (name: string, as: string) => {
    figure(`${as}, p50`, median(of(name).flat()), "ms", `p99 ${percentile(of(name).flat(), 0.99).toFixed(2)}`)
  }
  const ratio = (over: string, under: string, p: number) =>
    median(of(over).map((took, round) => percentile(took, p) / percentile(of(under)[round] ?? [], p)))
  if (host !== undefined) show("same", "the host that is handed it starts it")
  if (full !== undefined) show("other", "another host starts it")
  for (const setting of ["Default", "Tuned"]) {
    const words = setting === "Default" ? "nothing set" : "tuned"
    show(`graphile${setting}Same`, `control: graphile-worker, ${words}, added where it runs`)
    show(`graphile${setting}Other`, `control: graphile-worker, ${words}, added in another process`)
  }
  if (host === undefined) return
  for (const setting of ["Default", "Tuned"]) {
    for (const [p, as] of [[0.5, "p50"], [0.99, "p99"]] as const) {
      const words = `graphile-worker${setting === "Default" ? "" : ", tuned"}, ${as}`
      target(`same host / ${words}`, ratio("same", `graphile${setting}Same`, p), "", "at most", 1)
      target(`another host / ${words}`, ratio("other", `graphile${setting}Other`, p), "", "at most", 1.5)
    }
  }
}

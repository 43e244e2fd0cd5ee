/**
 * Durable tasks a second: of three no-op steps, 64 at once, against DBOS Transact and thin SQL; of one step with its audit
 * rows, against the bare jobs of graphile-worker and pg-boss. All against one PostgreSQL, in turns.
 */
import * as path from "node:path"
import { startDbos, startGraphile, startPgBoss, startThin, type TaskHost, tryTaskHost } from "./Controls.ts"
import { load, request, type Target } from "./HttpLoad.ts"
import type { PgWire } from "./PgWire.ts"
import { processorSeconds } from "./Processes.ts"
import { type Options, target, title } from "./Report.ts"
import { type Postgres, startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"
import type { Run } from "./Subject.ts"
import { type Contender, inTurns } from "./Turns.ts"

const atOnce = 64

/** Single-step tasks of the host that are under way at once, like the jobs that the tuned peers hold. */
const manyAtOnce = 500

const ran = (host: TaskHost, steps: number, under: number) => (count: number) =>
  host.ask("run", { count, atOnce: under, steps })

const threeNoops = JSON.stringify({
  steps: ["one", "two", "three"].map((name) => ({ name, tool: "noop.run", input: {} }))
})
const postTask = (to: Target) => request(to, "POST", "/tasks", threeNoops)

/** The whole host, as an operator starts it; a task counts when the work is empty again. */
const throughHttp = (host: { readonly target: Target; readonly pid: number }, database: PgWire) =>
async (
  count: number
): Promise<Run> => {
  const used = processorSeconds(host.pid)
  const began = performance.now()
  await load(host.target, count, atOnce, postTask)
  await until(async () => (await database.query("select 1 from work limit 1")).length === 0 ? true : undefined, 1)
  return { seconds: (performance.now() - began) / 1_000, nodeSeconds: processorSeconds(host.pid) - used }
}

const threeSteps = async (postgres: Postgres, folder: string, { quick, verbose }: Options): Promise<void> => {
  title("Tasks of three no-op steps, 64 at once, each counted when its end is committed")
  for (const name of ["host", "http"]) await postgres.createDatabase(name)
  for (const name of ["dbos", "shared", "single"]) await postgres.createDatabase(name, "nothing")
  await using dbos = await startDbos(postgres, "dbos")
  await using shared = await startThin(postgres, "shared", { COMMITS: "shared" })
  await using single = await startThin(postgres, "single", { COMMITS: "single" })
  await using host = await tryTaskHost(path.join(folder, "host-home"), postgres, "host")
  await using http = host === undefined
    ? undefined
    : await startHost(path.join(folder, "http-home"), postgres.url("http"))
  const database = await postgres.connect("http")
  const scale = quick ? 0.3 : 1
  const contenders: Record<string, Contender> = {
    ...host === undefined ? {} : { host: { count: 8_000 * scale, run: ran(host, 3, atOnce) } },
    dbos: { count: 1_000 * scale, run: (count) => dbos.ask("run", { count, atOnce }) },
    shared: { count: 20_000 * scale, run: (count) => shared.ask("run", { count, atOnce }) },
    ...http === undefined
      ? {}
      : {
        http: {
          count: 5_000 * scale,
          run: throughHttp({ target: http.target, pid: http.child.pid ?? 0 }, database)
        }
      },
    single: { count: 4_000 * scale, run: (count) => single.ask("run", { count, atOnce }) }
  }
  const turns = await inTurns(postgres.pid, contenders, quick ? 3 : 7, verbose)
  await database.close()
  if (host !== undefined) turns.show("host", "host")
  turns.show("shared", "control: thin SQL, checkpoints share commits")
  turns.show("single", "thin SQL, a commit a checkpoint, ten connections")
  turns.show("dbos", "control: DBOS Transact, ten connections")
  if (http !== undefined) turns.show("http", "host through POST /tasks")
  if (host === undefined) return
  target("host / DBOS Transact", turns.ratio("host", "dbos"), "", "at least", 8)
  target("host / thin SQL with shared commits", turns.ratio("host", "shared"), "", "at least", 0.3)
}

const singleStep = async (postgres: Postgres, folder: string, { quick, verbose }: Options): Promise<void> => {
  title("Tasks of one no-op step with their audit rows, and bare jobs of others, each as its library is best used")
  await postgres.createDatabase("host_one")
  const empty = async (name: string) => {
    await postgres.createDatabase(name, "nothing")
    return name
  }
  const tuned = { SETTING: "tuned" }
  await using graphileTuned = await startGraphile(postgres, await empty("graphile_tuned"), tuned)
  await using graphileMore = await startGraphile(postgres, await empty("graphile_more"), {
    ...tuned,
    LOCAL_QUEUE: "1000"
  })
  await using graphileDefault = await startGraphile(postgres, await empty("graphile_default"))
  await using bossTuned = await startPgBoss(postgres, await empty("boss_tuned"), tuned)
  await using bossDefault = await startPgBoss(postgres, await empty("boss_default"))
  for (const worker of [graphileTuned, graphileMore, graphileDefault]) await worker.ask("work")
  await using host = await tryTaskHost(path.join(folder, "one-home"), postgres, "host_one")
  const scale = quick ? 0.3 : 1
  const jobs = (worker: typeof graphileTuned, count: number): Contender => ({
    count: count * scale,
    run: (count) => worker.ask("run", { count, atOnce: 1 }),
    tidy: () => worker.ask("tidy")
  })
  const contenders: Record<string, Contender> = {
    ...host === undefined ? {} : { host: { count: 20_000 * scale, run: ran(host, 1, manyAtOnce) } },
    graphileTuned: jobs(graphileTuned, 30_000),
    graphileMore: jobs(graphileMore, 30_000),
    graphileDefault: jobs(graphileDefault, 4_000),
    bossTuned: { count: 30_000 * scale, run: (count) => bossTuned.ask("run", { count, atOnce: 2 }) },
    bossDefault: { count: 3, run: (count) => bossDefault.ask("run", { count, atOnce: 1 }) }
  }
  const turns = await inTurns(postgres.pid, contenders, quick ? 3 : 7, verbose)
  if (host !== undefined) turns.show("host", `host, ${manyAtOnce} at once`)
  turns.show("graphileTuned", "control: graphile-worker, the settings of its benchmark")
  turns.show("graphileMore", "graphile-worker, a local queue of 1 000 instead of 500")
  turns.show("graphileDefault", "control: graphile-worker, nothing set")
  turns.show("bossTuned", "pg-boss, batches of 500 fetched by two workers")
  turns.show("bossDefault", "control: pg-boss, nothing set")
  if (host === undefined) return
  target("host / graphile-worker, tuned", turns.ratio("host", "graphileTuned"), "", "at least", 0.3)
  target("host / graphile-worker, nothing set", turns.ratio("host", "graphileDefault"), "", "at least", 1)
  target("host / pg-boss, nothing set", turns.ratio("host", "bossDefault"), "", "at least", 1)
}

export const tasks = async (options: Options): Promise<void> => {
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await threeSteps(postgres, folder.path, options)
  await singleStep(postgres, folder.path, options)
}

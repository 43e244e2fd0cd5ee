/**
 * Control: graphile-worker, bare jobs that do nothing, added and run in this process.
 *
 * `SETTING=default`: nothing set (one job at once, a round trip to get it and one to complete it).
 * `SETTING=tuned`: the settings that its documentation gives for its own benchmark: 24 at once on 25 connections, a local
 * queue of 500, completions batched without a delay. Both LISTEN.
 *
 * Three favours to it. Its table is analyzed once, while jobs are in it, and never again: autovacuum that meets it empty
 * makes it plan for an empty table, which was 50 jobs a second. And it is vacuumed before each turn: a job that is done is
 * a dead row, and beside 500 000 of them a fetch takes five times as long.
 */
import { Logger, makeWorkerUtils, run, type RunnerOptions } from "graphile-worker"
import * as PgWire from "../PgWire.ts"
import { until } from "../Setup.ts"
import { keepUnderWay, type Run, sharedClock, takeOrders, timed } from "../Subject.ts"

const { DATABASE = "", SETTING = "default", SOCKET = "", URL: url = "", USER_NAME = "" } = process.env

const tuned = {
  concurrentJobs: Number(process.env["CONCURRENT"] ?? 24),
  maxPoolSize: Number(process.env["CONCURRENT"] ?? 24) + 1,
  localQueue: { size: Number(process.env["LOCAL_QUEUE"] ?? 500) },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0
}
const logger = new Logger(() => () => {})
const preset = { worker: { connectionString: url, logger, ...(SETTING === "tuned" ? tuned : {}) } }

let executed = 0
const starts = new Map<string, (at: number) => void>()
const options: RunnerOptions = {
  preset,
  noHandleSignals: true,
  taskList: {
    noop: () => {
      executed++
    },
    started: (payload) => {
      const { id } = payload as { readonly id: string }
      starts.get(id)?.(sharedClock())
      starts.delete(id)
    }
  }
}
const utils = await makeWorkerUtils({ preset })
await utils.migrate()
const wire = await PgWire.connect({ path: SOCKET, database: DATABASE, user: USER_NAME })

/** Jobs added by one call. */
const batch = 500
const add = (count: number, atOnce: number) =>
  keepUnderWay(
    Math.ceil(count / batch),
    atOnce,
    () => utils.addJobs(Array.from({ length: Math.min(batch, count) }, () => ({ identifier: "noop", payload: {} })))
  )

/** A job that is done is deleted. */
const allDone = (before: number, count: number) =>
  until(
    async () =>
      executed >= before + count &&
        (await wire.query("select 1 from graphile_worker._private_jobs limit 1")).length === 0
        ? true
        : undefined,
    1
  )

await wire.query("alter table graphile_worker._private_jobs set (autovacuum_enabled = off)")
await add(4_000, 1)
await wire.query("analyze graphile_worker._private_jobs")
await wire.query("delete from graphile_worker._private_jobs")

let runner: Awaited<ReturnType<typeof run>> | undefined
const orders = {
  work: async () => {
    runner ??= await run(options)
  },
  rest: async () => {
    await runner?.stop()
    runner = undefined
  },
  tidy: async () => {
    await wire.query("vacuum graphile_worker._private_jobs")
  },
  /** Adds jobs, a batch a call, while the worker runs them. Until the last one is deleted. */
  run: ({ atOnce, count }: { readonly atOnce: number; readonly count: number }): Promise<Run> =>
    timed(async () => {
      const before = executed
      await add(count, atOnce)
      await allDone(before, count)
    }),
  /** The jobs are there before the worker is started. */
  drain: async ({ count }: { readonly count: number }): Promise<Run> => {
    await add(count, 2)
    return timed(async () => {
      const before = executed
      await orders.work()
      await allDone(before, count)
    })
  },
  /** When it was about to be added, on the clock that processes share. */
  enqueue: async ({ id }: { readonly id: string }): Promise<number> => {
    const at = sharedClock()
    await utils.addJob("started", { id })
    return at
  },
  /** To be asked before it is added: when its function began. */
  started: ({ id }: { readonly id: string }): Promise<number> => new Promise((resolve) => starts.set(id, resolve))
}
export type GraphileOrders = typeof orders
takeOrders(orders)

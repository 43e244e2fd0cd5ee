/**
 * Control: pg-boss, bare jobs that do nothing, added and run in this process.
 *
 * `SETTING=default`: nothing set, which is a job each two seconds. `SETTING=tuned`: what it offers for throughput: workers
 * side by side, batches, fetching on without a pause while batches are full, NOTIFY.
 */
import { PgBoss } from "pg-boss"
import * as PgWire from "../PgWire.ts"
import { until } from "../Setup.ts"
import { keepUnderWay, type Run, takeOrders, timed } from "../Subject.ts"

const { DATABASE = "", SETTING = "default", SOCKET = "", URL: url = "", USER_NAME = "" } = process.env
const tuned = SETTING === "tuned"
const workers = Number(process.env["WORKERS"] ?? 2)
const fetched = Number(process.env["FETCHED"] ?? 500)

const boss = new PgBoss({ connectionString: url, ...(tuned ? { useListenNotify: true } : {}) })
boss.on("error", (error) => console.error(error))
await boss.start()
await boss.createQueue("noop", tuned ? { notify: true } : {})
let executed = 0
await boss.work(
  "noop",
  tuned ? { localConcurrency: workers, batchSize: fetched, burstWhenBatchFull: true } : {},
  async (jobs) => {
    executed += jobs.length
  }
)
const wire = await PgWire.connect({ path: SOCKET, database: DATABASE, user: USER_NAME })

/** Jobs added by one call. */
const batch = 500
const orders = {
  /** Until the last one is stored as completed. */
  run: ({ atOnce, count }: { readonly atOnce: number; readonly count: number }): Promise<Run> =>
    timed(async () => {
      const before = executed
      await keepUnderWay(
        Math.ceil(count / batch),
        atOnce,
        () => boss.insert("noop", Array.from({ length: Math.min(batch, count) }, () => ({ data: {} })))
      )
      await until(
        async () =>
          executed >= before + count &&
            (await wire.query("select 1 from pgboss.job where name = 'noop' and state < 'completed' limit 1"))
                .length === 0
            ? true
            : undefined,
        1,
        120
      )
    })
}
export type PgBossOrders = typeof orders
takeOrders(orders)

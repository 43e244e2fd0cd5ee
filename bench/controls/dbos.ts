/**
 * Control: DBOS Transact, a workflow of three durable steps that do nothing, started in this process and awaited here.
 *
 * Set for speed as its documentation goes: workflows run where they are started (a queue would add an enqueue and a
 * dequeue to each), no telemetry, no log, no notification listener (no workflow waits for a message). `POOL_SIZE` is the one
 * setting that has to be tried.
 */
import { DBOS } from "@dbos-inc/dbos-sdk"
import { keepUnderWay, type Run, takeOrders, timed } from "../Subject.ts"

const { POOL_SIZE = "10", URL: url = "" } = process.env

const nothing = async () => "Did nothing."
const threeSteps = DBOS.registerWorkflow(async () => {
  await DBOS.runStep(nothing, { name: "one" })
  await DBOS.runStep(nothing, { name: "two" })
  return DBOS.runStep(nothing, { name: "three" })
}, { name: "threeSteps" })

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: url,
  systemDatabasePoolSize: Number(POOL_SIZE),
  useListenNotify: process.env["LISTEN"] === "yes",
  enableOTLP: false,
  tracingEnabled: false,
  logLevel: "error"
})
await DBOS.launch()

const orders = {
  /** Each workflow counts when its end is stored. */
  run: ({ atOnce, count }: { readonly atOnce: number; readonly count: number }): Promise<Run> =>
    timed(() => keepUnderWay(count, atOnce, () => threeSteps()))
}
export type DbosOrders = typeof orders
takeOrders(orders)

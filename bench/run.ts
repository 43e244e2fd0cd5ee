/**
 * `npm run bench [-- name] [--quick] [--verbose]`: the measured promises. Each figure is a median, each promise a ratio
 * against a control of the same run. Nothing is asserted; README.md says how to read it.
 */
import { approvals } from "./approvals.ts"
import { auditPage } from "./auditPage.ts"
import { context } from "./context.ts"
import { gates } from "./gates.ts"
import { homeAssistant } from "./homeAssistant.ts"
import { idle } from "./idle.ts"
import { isolates } from "./isolates.ts"
import { latency } from "./latency.ts"
import { loop } from "./loop.ts"
import { mailbox } from "./mailbox.ts"
import { mcp } from "./mcp.ts"
import { page } from "./page.ts"
import type { Options } from "./Report.ts"
import { rules } from "./rules.ts"
import { schedules } from "./schedules.ts"
import { search } from "./search.ts"
import { start } from "./start.ts"
import { taskLatency } from "./taskLatency.ts"
import { tasks } from "./tasks.ts"
import { throughput } from "./throughput.ts"
import { waiting } from "./waiting.ts"

const benches: Readonly<Record<string, (options: Options) => Promise<void>>> = {
  throughput,
  latency,
  start,
  idle,
  auditPage,
  search,
  tasks,
  taskLatency,
  waiting,
  gates,
  approvals,
  rules,
  schedules,
  context,
  loop,
  mcp,
  isolates,
  homeAssistant,
  mailbox,
  page
}

const args = process.argv.slice(2)
const options: Options = { quick: args.includes("--quick"), verbose: args.includes("--verbose") }
const names = args.filter((arg) => !arg.startsWith("--"))
const unknown = names.find((name) => benches[name] === undefined)
if (unknown !== undefined) {
  console.error(`There is no bench "${unknown}". There are: ${Object.keys(benches).join(", ")}.`)
  process.exit(2)
}
// Told to end it ends what it started.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
for (const [name, bench] of Object.entries(benches)) {
  if (names.length === 0 || names.includes(name)) await bench(options)
}

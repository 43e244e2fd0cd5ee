/** A host that starts an isolate in each runtime that is a process, stops it, and waits to be killed. */
import { evaluates, launchOf } from "../TestLaunch.ts"
import { allProcesses } from "../Processes.ts"
import { openWire } from "../openWire.ts"

const [, , folder = ""] = process.argv
for (const runtime of ["process", "deno"] as const) {
  const wire = await openWire(launchOf(runtime, folder, {}), { log: () => undefined }, evaluates)
  await new Promise<void>((resolve) => {
    wire.receive(() => resolve())
    wire.send({ id: 1, code: "return 1" })
  })
  // Stopped it heeds nothing but SIGKILL. With a namespace of its own it is a child of the program that made it.
  for (const { parent, pid } of allProcesses()) {
    if (pid === wire.pid || parent === wire.pid) process.kill(pid, "SIGSTOP")
  }
  process.stdout.write(`started ${wire.pid}\n`)
}
setInterval(() => undefined, 60_000)

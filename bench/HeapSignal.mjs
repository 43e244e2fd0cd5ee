// Loaded into a host by NODE_OPTIONS: at SIGUSR2 it collects garbage and writes what the heap holds into a file.
import * as fs from "node:fs"
import * as v8 from "node:v8"
import * as vm from "node:vm"

const file = process.env.BENCH_HEAP_FILE
if (file !== undefined) {
  v8.setFlagsFromString("--expose-gc")
  const collect = vm.runInNewContext("gc")
  process.on("SIGUSR2", () => {
    collect()
    fs.writeFileSync(`${file}.new`, String(process.memoryUsage().heapUsed))
    fs.renameSync(`${file}.new`, file)
  })
}

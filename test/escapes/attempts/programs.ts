/** For what runs beside it: the environment of the host, other processes, programs, native code, threads. */
import { type Attempt, row } from "../Attempt.ts"

const program = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  what,
  attempt,
  row: row.program,
  ...more
})

const denoOnly = { triedIn: ["deno"] } as const
const nodeOnly = { triedIn: ["process"] } as const

const signal = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  what,
  attempt,
  row: row.signal,
  byNamespaces: true,
  ...more
})

export const programs: ReadonlyArray<Attempt> = [
  {
    name: "a variable of the host",
    what: "It asks for a variable of the host's environment.",
    attempt: `return known(process.env[world.variable])`,
    row: row.environment
  },
  {
    name: "all variables of the host",
    what: "It asks for all variables.",
    attempt: `return known(JSON.stringify({ ...process.env }))`,
    row: row.environment
  },
  {
    name: "a variable, by Deno",
    what: "It asks for a variable with Deno's own functions.",
    attempt: `return known(Deno.env.get(world.variable) + JSON.stringify(Deno.env.toObject()))`,
    row: row.environment,
    ...denoOnly
  },
  {
    name: "its arguments",
    what: "It looks for what the host was told among its own arguments.",
    attempt: `return known(JSON.stringify([process.argv, process.execArgv, process.argv0, process.title]))`,
    row: row.environment,
    noControl: { deno: "Nobody puts a secret there.", process: "Nobody puts a secret there." }
  },
  {
    name: "the name of the machine",
    what: "It asks how the machine is called.",
    attempt: `return some(node("os").hostname())`,
    row: row.machine,
    notStopped: { process: "The permission model knows no such right." }
  },
  {
    name: "its user",
    what: "It asks as which user it runs.",
    attempt: `return some(node("os").userInfo().username)`,
    row: row.machine,
    notStopped: { process: "The permission model knows no such right." }
  },

  signal(
    "a signal to the host",
    "It sends the host a signal.",
    `
    process.kill(world.host, 0)
    return "sent"`
  ),
  signal(
    "a signal to another",
    "It sends another process a signal.",
    `
    process.kill(world.neighbour, "SIGCONT")
    return "sent"`
  ),
  signal(
    "a signal to its guard",
    "It sends a signal to the guard that ends it with the host.",
    `
    process.kill(world.guard, "SIGCONT")
    return "sent"`
  ),
  signal(
    "a signal to all",
    "It sends a signal to all processes there are.",
    `
    process.kill(-1, 0)
    return "sent"`
  ),
  signal(
    "a signal, by Deno",
    "It sends a signal with Deno's own functions.",
    `
    Deno.kill(world.neighbour, "SIGCONT")
    return "sent"`,
    denoOnly
  ),
  signal(
    "another's priority",
    "It changes the priority of another process.",
    `
    node("os").setPriority(world.neighbour, 19)
    return "changed"`
  ),

  program(
    "spawnSync",
    "It starts a program and waits.",
    `
    const { error, stdout } = node("child_process").spawnSync("/bin/cat", [world.token], { encoding: "utf8" })
    if (error) throw error
    return known(stdout)`
  ),
  program(
    "spawn",
    "It starts a program and does not wait.",
    `
    const child = node("child_process").spawn("/bin/cat", [world.token])
    let text = ""
    child.stdout.on("data", (piece) => { text += piece })
    await new Promise((resolve, reject) => { child.once("error", reject); child.once("close", resolve) })
    return known(text)`
  ),
  program(
    "exec",
    "It starts a shell.",
    `return known(node("child_process").execSync("cat '" + world.token + "'", { encoding: "utf8" }))`
  ),
  program(
    "execFile",
    "It starts a program without a shell.",
    `
    return known(node("child_process").execFileSync("/bin/cat", [world.token], { encoding: "utf8" }))`
  ),
  program(
    "fork",
    "It starts its own runtime again, without its flags.",
    `
    node("fs").writeFileSync(node("os").tmpdir() + "/forked.mjs",
      "import * as fs from 'node:fs'; process.send(fs.readFileSync(" + JSON.stringify(world.token) + ", 'utf8'))")
    const child = node("child_process").fork(node("os").tmpdir() + "/forked.mjs", [], { execArgv: [] })
    return known(await new Promise((resolve, reject) => {
      child.once("message", resolve); child.once("error", reject); child.once("exit", () => reject(new Error("it ended")))
    }))`
  ),
  program(
    "Deno.Command",
    "It starts a program with Deno's own functions.",
    `
    const { stdout } = await new Deno.Command("/bin/cat", { args: [world.token] }).output()
    return known(new TextDecoder().decode(stdout))`,
    denoOnly
  ),
  program(
    "execve",
    "It becomes another program.",
    `
    process.execve("/bin/sh", ["sh", "-c", "cat '" + world.token + "' > '" + world.drop + "'"], {})`,
    nodeOnly
  ),
  program(
    "cluster",
    "It starts its own runtime again as a worker of a cluster.",
    `
    const cluster = node("cluster")
    cluster.setupPrimary({ exec: world.module, execArgv: [] })
    const worker = cluster.fork()
    await new Promise((resolve, reject) => { worker.once("online", resolve); worker.once("error", reject); worker.once("exit", resolve) })
    worker.process.kill("SIGKILL")
    return "started"`,
    { noControl: { deno: "Deno has no clusters." } }
  ),
  program(
    "an inner door to spawn",
    "It takes what Node itself spawns with.",
    `
    const binding = process.binding("spawn_sync")
    return binding.spawn === undefined ? undefined : "opened"`,
    nodeOnly
  ),
  program(
    "an inner door to files",
    "It takes what Node itself reads files with.",
    `
    return process.binding("fs").open === undefined ? undefined : "opened"`,
    { noControl: { deno: "Deno has no such door." } }
  ),
  program(
    "a native library",
    "It loads a native library.",
    `
    try { process.dlopen({ exports: {} }, world.library) }
    catch (error) { if (/self-register|Module did not/.test(error.message)) return "loaded"; throw error }
    return "loaded"`,
    { noControl: { deno: "Deno loads only what was made for Node." } }
  ),
  program(
    "a native library, by Deno",
    "It loads a native library with Deno's own functions.",
    `
    const library = Deno.dlopen(world.library, { getpid: { parameters: [], result: "i32" } })
    return some(library.symbols.getpid())`,
    denoOnly
  ),
  program(
    "memory behind a number",
    "It reads memory behind a pointer.",
    `
    return some(new Deno.UnsafePointerView(Deno.UnsafePointer.of(new Uint8Array(8).fill(7))).getUint8())`,
    denoOnly
  ),
  program(
    "an inspector",
    "It opens a port for debuggers.",
    `
    const inspector = node("inspector")
    inspector.open(0, "127.0.0.1")
    const url = inspector.url()
    inspector.close()
    return some(url)`,
    { noControl: { deno: "Deno opens one at its start only." } }
  ),
  program(
    "WASI",
    "It opens the root of all files to WebAssembly.",
    `
    const { WASI } = node("wasi")
    return some(typeof new WASI({ version: "preview1", preopens: { "/": "/" } }).wasiImport.path_open)`,
    {
      noControl: { deno: "Deno has no WASI." }
    }
  ),
  program(
    "a thread without its flags",
    "It starts a thread that is to have other flags.",
    `
    const { Worker } = node("worker_threads")
    const worker = new Worker("require('worker_threads').parentPort.postMessage(require('fs').readFileSync(" +
      JSON.stringify(world.token) + ", 'utf8'))", { eval: true, execArgv: [] })
    try { return known(await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject) })) }
    finally { worker.terminate() }`
  ),
  program(
    "a worker with more rights",
    "It starts a worker that is to have all rights.",
    `
    const code = "self.postMessage(Deno.readTextFileSync(" + JSON.stringify(world.token) + "))"
    const worker = new Worker("data:text/javascript," + encodeURIComponent(code),
      { type: "module", deno: { permissions: { read: true } } })
    try {
      return known(await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message)) }
      }))
    } finally { worker.terminate() }`,
    denoOnly
  ),
  program(
    "a worker in a worker",
    "It starts a worker that starts a worker that is to have all rights.",
    `
    const inner = "self.postMessage(Deno.readTextFileSync(" + JSON.stringify(world.token) + "))"
    const code = "const inner = new Worker('data:text/javascript," + encodeURIComponent(inner).replaceAll("'", "%27") +
      "', { type: 'module' }); inner.onmessage = ({ data }) => self.postMessage(data);" +
      "inner.onerror = (event) => { event.preventDefault(); self.postMessage('no: ' + event.message) }"
    const { Worker } = globalThis.Worker ? globalThis : await import("node:worker_threads")
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(code)), { type: "module" })
    try {
      return known(await new Promise((resolve, reject) => {
        if (worker.on !== undefined) worker.on("message", resolve).on("error", reject).on("exit", () => reject(new Error("it ended")))
        else {
          worker.onmessage = ({ data }) => resolve(data)
          worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message)) }
        }
      }))
    } finally { worker.terminate() }`,
    denoOnly
  ),
  program(
    "more rights",
    "It asks for a right.",
    `
    const { state } = await Deno.permissions.request({ name: "read" })
    return state === "granted" ? "granted" : undefined`,
    denoOnly
  )
]

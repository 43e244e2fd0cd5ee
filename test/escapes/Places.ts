/**
 * Where attempts are made: in an isolate, as the tool of a plugin, and outside, in a plain process with every right. The module
 * with the attempts is the same in both.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as readline from "node:readline"
import type { Permissions } from "../../core/plugin/Plugin.ts"
import type { Isolate } from "../../sandbox/Isolate.ts"
import { denoBinary } from "../../sandbox/runtimes/DenoBinary.ts"
import { allProcesses } from "../../sandbox/runtimes/Processes.ts"
import { startIsolate } from "../../sandbox/startIsolate.ts"
import type { Attempt, EscapeRuntime } from "./Attempt.ts"
import type { World } from "./World.ts"

export interface Told {
  /** What it got hold of. */
  readonly proof: unknown
  /** What it was told instead, or how it ended. */
  readonly denied?: string
}

export interface Place {
  readonly make: (attempt: Attempt, world: World) => Promise<Told>
  readonly stop: () => Promise<void>
}

/** What an attempt may use by name. */
const words = `
const node = (name) => {
  const found = process.getBuiltinModule("node:" + name)
  if (found === undefined) throw new Error("there is no " + name)
  return found
}
let marker
const known = (text) => String(text).includes(marker) ? marker : undefined
const some = (value) => value === undefined || value === null || value === "" || value === 0 ? undefined : String(value).slice(0, 200)
`

const moduleOf = (attempts: ReadonlyArray<Attempt>, world: World): string => {
  const functions = attempts.map(({ attempt, name }) => {
    const text = attempt.replaceAll("{{outside}}", world.outside).replaceAll("{{open}}", String(world.open))
    return `  ${JSON.stringify(name)}: async (world, ctx) => { marker = world.marker\n${text}\n  }`
  })
  return `${words}\nexport const attempts = {\n${functions.join(",\n")}\n}\n`
}

const plugin = `
import { definePlugin, defineTool, Schema } from "syris"
import { attempts } from "./attempts.mjs"
export default definePlugin({
  name: "stranger",
  setup: () => ({
    tools: [defineTool({
      name: "stranger.try", description: "Tries to get out.", effect: "read", risk: "low", scopes: [],
      input: Schema.Struct({ name: Schema.String, world: Schema.Any }),
      run: async ({ name, world }, ctx) => {
        try { return { proof: (await attempts[name](world, ctx)) ?? null } }
        catch (error) {
          return { proof: null, denied: ((error?.code ?? error?.name) + ": " + (error?.message ?? error)).replaceAll("\\0", "") }
        }
      }
    })]
  })
})
`

/** A folder with the attempts as a module, and as a plugin. */
export const writeCode = (folder: string, attempts: ReadonlyArray<Attempt>, world: World): string => {
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, "attempts.mjs"), moduleOf(attempts, world))
  fs.writeFileSync(path.join(folder, "index.mjs"), plugin)
  return folder
}

/** What an attempt leaves outside when it can't come back to tell. */
const dropped = (drop: string): string | undefined => {
  if (!fs.existsSync(drop)) return undefined
  const text = fs.readFileSync(drop, "utf8")
  fs.rmSync(drop)
  return text
}

/** Of an attempt, milliseconds: one that is held is told so at once. */
const withinMs = 45_000
/** How long what took too much keeps it, milliseconds: a busy host has looked by then. */
const patience = 5_000

const guardOf = (group: number): number =>
  allProcesses().find((line) =>
    line.group === group && line.pid !== group && fs.readFileSync(`/proc/${line.pid}/comm`, "utf8").trim() === "sh"
  )?.pid ?? group

export const launchOf = (runtime: EscapeRuntime, entry: string, world: World, grant: Permissions, memoryMb = 128) => ({
  runtime,
  code: {
    entry,
    plugin: "stranger",
    name: "stranger",
    options: {},
    timezone: "UTC",
    folders: [path.dirname(entry)],
    grant
  },
  limits: { memoryMb },
  temporary: path.join(world.folder, "isolates"),
  env: {}
})

export const openIsolate = async (
  runtime: EscapeRuntime,
  code: string,
  world: World,
  grant: Permissions,
  memoryMb?: number
): Promise<Place> => {
  const launch = launchOf(runtime, path.join(code, "index.mjs"), world, { read: [world.granted], ...grant }, memoryMb)
  const printed: Array<string> = []
  let isolate: Isolate | undefined
  const running = async (): Promise<Isolate> => {
    if (isolate !== undefined) return isolate
    const started = await startIsolate(launch, { log: ({ message }) => void printed.push(message) })
    isolate = started
    void started.ended.then(() => {
      if (isolate === started) isolate = undefined
    })
    return started
  }
  await running()
  return {
    make: async ({ name }, world) => {
      const into = await running()
      const drop = path.join(world.outside, "dropped-inside")
      const told = await into.invoke({
        part: "tool",
        name: "stranger.try",
        member: "run",
        args: [{
          name,
          world: {
            ...world,
            runtime,
            drop,
            patience,
            guard: guardOf(into.pid ?? 0),
            module: path.join(code, "attempts.mjs")
          }
        }],
        facts: {},
        asks: {},
        signal: AbortSignal.timeout(withinMs)
      }).then(
        (answer) => (answer as unknown as { readonly output: Told }).output,
        async (error: Error): Promise<Told> => {
          if (error.name === "AbortError") throw new Error(`It hangs. It said: ${printed.slice(-5).join("\n")}`)
          await into.ended
          return { proof: null, denied: error.message }
        }
      )
      const proof = dropped(drop)
      return proof === undefined ? told : { proof }
    },
    stop: async () => void await isolate?.stop(0)
  }
}

interface Running {
  readonly child: ChildProcess
  readonly ready: Promise<void>
  readonly ask: (question: object) => Promise<Told>
}

const spawnOutside = (runtime: EscapeRuntime, code: string, world: World): Running => {
  const own = path.join(code, "own")
  const tmp = path.join(own, "tmp")
  fs.mkdirSync(tmp, { recursive: true })
  const script = [path.join(import.meta.dirname, "outside.mjs"), path.join(code, "attempts.mjs")]
  const deno = denoBinary()
  const [command, ...args] = runtime === "process"
    ? [process.execPath, "--disable-warning=ExperimentalWarning", ...script]
    : [
      "path" in deno ? deno.path : "deno",
      "run",
      "--allow-all",
      "--quiet",
      "--no-config",
      "--no-lock",
      "--unstable-kv",
      "--unstable-net",
      "--unstable-worker-options",
      "--location=http://left.example/",
      ...script
    ]
  const child = spawn(command!, args, {
    cwd: tmp,
    env: {
      [world.variable]: world.marker,
      PATH: process.env["PATH"],
      TMPDIR: tmp,
      DENO_DIR: path.join(own, "deno"),
      NO_COLOR: "1"
    },
    stdio: ["pipe", "pipe", "ignore"]
  })
  child.stdin?.on("error", () => {})
  const ready = Promise.withResolvers<void>()
  const waiting = new Map<number, (told: Told) => void>()
  let last = 0
  let over = false
  const end = (): void => {
    over = true
    ready.resolve()
    for (const resolve of waiting.values()) resolve({ proof: null, denied: "it ended" })
  }
  child.once("error", end).once("close", end)
  readline.createInterface({ input: child.stdout! }).on("line", (line) => {
    if (!line.startsWith("{")) return
    const { id, ready: isReady, ...told } = JSON.parse(line) as Told & { readonly id: number; readonly ready?: boolean }
    if (isReady === true) return ready.resolve()
    waiting.get(id)?.(told)
    waiting.delete(id)
  })
  return {
    child,
    ready: ready.promise,
    ask: (question) =>
      new Promise((resolve) => {
        if (over) return resolve({ proof: null, denied: "it ended" })
        const id = ++last
        waiting.set(id, resolve)
        child.stdin?.write(`${JSON.stringify({ id, ...question })}\n`)
      })
  }
}

export const openOutside = (runtime: EscapeRuntime, code: string): Place => {
  let running: Running | undefined
  return {
    make: async ({ name }, world) => {
      if (running === undefined || running.child.exitCode !== null || running.child.signalCode !== null) {
        running = spawnOutside(runtime, code, world)
      }
      await running.ready
      const drop = path.join(world.outside, "dropped")
      const told = await running.ask({
        name,
        world: { ...world, runtime, drop, patience: 0, guard: world.neighbour, module: path.join(code, "attempts.mjs") }
      })
      const proof = dropped(drop)
      return proof === undefined ? told : { proof }
    },
    stop: async () => {
      const child = running?.child
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const closed = new Promise((resolve) => child.once("close", resolve))
      child.kill("SIGKILL")
      await closed
    }
  }
}

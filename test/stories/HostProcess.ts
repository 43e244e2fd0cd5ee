/**
 * The host as its operator has it: `node bin/syris.mjs …` as a process, with what it says on each stream, its exit code,
 * and everything that it leaves behind. Whoever starts one ends it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { until } from "../storms/Until.ts"

const root = path.resolve(import.meta.dirname, "..", "..")
const node = path.join(root, "node_modules", ".bin", "node")

export interface Place {
  readonly home: string
  readonly config?: string
  /** Without it the host keeps a database in its home. */
  readonly databaseUrl?: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: ReadonlyArray<string>
}

export interface Ended {
  /** Undefined where a signal ended it. */
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

export interface Asked extends Omit<RequestInit, "headers"> {
  readonly headers?: Readonly<Record<string, string>>
}

export interface HostProcess {
  readonly pid: number
  readonly url: string
  readonly token: string
  readonly said: () => string
  readonly request: (at: string, init?: Asked) => Promise<Response>
  /** The JSON of an answer. */
  readonly get: (at: string) => Promise<any>
  readonly send: (event: object) => Promise<any>
  readonly signal: (signal: NodeJS.Signals) => void
  /** SIGKILL to the whole group. */
  readonly kill: () => Promise<Ended>
  readonly ended: Promise<Ended>
}

const begin = (command: ReadonlyArray<string>, place: Place) => {
  const { DATABASE_URL: _, INIT_CWD: __, SYRIS_TEST_DATABASE_URL: ___, ...inherited } = process.env
  const child = spawn(node, [path.join(root, "bin", "syris.mjs"), ...command], {
    cwd: root,
    detached: true,
    env: {
      ...inherited,
      NODE_ENV: "production",
      SYRIS_HOME: place.home,
      SYRIS_PORT: "0",
      ...(place.config === undefined ? {} : { SYRIS_CONFIG: place.config }),
      ...(place.databaseUrl === undefined ? {} : { DATABASE_URL: place.databaseUrl }),
      ...place.env
    },
    stdio: ["pipe", "pipe", "pipe"]
  })
  let out = ""
  let err = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => out += text)
  child.stderr.setEncoding("utf8").on("data", (text: string) => err += text)
  const ended = new Promise<Ended>((resolve) =>
    child.on("close", (code) => {
      alive.delete(child)
      resolve({ code: code ?? undefined, out, err })
    })
  )
  alive.add(child)
  return { child, ended, said: () => out + err }
}

const alive = new Set<ChildProcess>()
const killGroup = ({ pid }: ChildProcess) => {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL")
  } catch {
    // gone already
  }
}
process.on("exit", () => alive.forEach(killGroup))

/** Runs a command to its end. */
export const runSyris = (command: ReadonlyArray<string>, place: Place, input = ""): Promise<Ended> => {
  const { child, ended } = begin(command, place)
  child.stdin.end(input)
  return ended
}

/** Runs `syris up` where it can't run, and answers how it ended. */
export const refused = (place: Place): Promise<Ended> => runSyris(["up", ...place.args ?? []], place)

/** Starts a host and waits until it listens. */
export const startHost = async (place: Place): Promise<HostProcess> => {
  const address = path.join(place.home, "host.json")
  fs.rmSync(address, { force: true })
  const { child, ended, said } = begin(["up", ...place.args ?? []], place)
  let over = false
  void ended.then(() => {
    over = true
  })
  const url = await until("the host to listen", () => over ? "" : addressIn(address), 120_000)
  if (url === "") throw new Error(`The host ended before it was up:\n${said()}`)
  const token = fs.readFileSync(path.join(place.home, "token"), "utf8").trim()
  const request: HostProcess["request"] = (at, init) =>
    fetch(`${url}${at}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...init?.headers }
    })
  return {
    pid: child.pid!,
    url,
    token,
    said,
    request,
    get: async (at) => (await request(at)).json(),
    send: async (event) =>
      (await request("/events", { method: "POST", headers: { prefer: "wait=30" }, body: JSON.stringify(event) }))
        .json(),
    signal: (signal) => void process.kill(child.pid!, signal),
    kill: () => {
      killGroup(child)
      return ended
    },
    ended
  }
}

/** The address of the host that lives in a home now. */
export const addressIn = (file: string): string | undefined => {
  try {
    return (JSON.parse(fs.readFileSync(file, "utf8")) as { readonly url: string }).url
  } catch {
    return undefined // not there yet, or being written
  }
}

/** The command lines of all processes that work in a folder, PostgreSQL's among them. Linux only. */
export const processesIn = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const command = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()
      const here = command.includes(folder) || fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
      return here && Number(pid) !== process.pid ? [command] : []
    } catch {
      return [] // gone, or a kernel's
    }
  })

/** The audit of a trace, or of a filter, as `type` only; oldest first. */
export const auditTypes = async (host: HostProcess, query: string): Promise<ReadonlyArray<string>> => {
  const { items } = await host.get(`/audit?${query}&limit=500`)
  const types = (items as ReadonlyArray<{ readonly type: string }>).map((row) => row.type)
  return query.includes("trace_id") ? types : types.reverse()
}

/**
 * Real hosts for a test: `bin/syris.mjs up` as child processes, each in a process group of its own, so that the whole
 * group can be killed at once. Whoever starts one ends it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Hopeless, until } from "./Until.ts"

const root = path.resolve(import.meta.dirname, "..", "..")
const node = path.join(root, "node_modules", ".bin", "node")

export interface HostPlace {
  readonly home: string
  readonly config: string
  /** Without it the host keeps a database in its home. */
  readonly databaseUrl?: string
  /** Working folder. Default: the repository. */
  readonly cwd?: string
}

export interface Host {
  readonly pid: number
  readonly url: string
  readonly token: string
  readonly send: (event: object, options?: { readonly wait?: number; readonly signal?: AbortSignal }) => Promise<Answer>
  readonly get: (path: string) => Promise<any>
  /** The status and the JSON of an answer. */
  readonly request: (
    method: string,
    path: string,
    body?: object,
    options?: { readonly wait?: number; readonly signal?: AbortSignal }
  ) => Promise<{ readonly status: number; readonly body: any }>
  readonly signal: (signal: NodeJS.Signals) => void
  /** SIGKILL to the whole group; resolves when the process is gone. */
  readonly kill: () => Promise<void>
  /** SIGTERM; resolves with the exit code. */
  readonly stop: () => Promise<number | null>
  readonly gone: Promise<number | null>
  /** What it has said so far. */
  readonly log: () => string
}

export interface Answer {
  /** 202 or 200 of an event, 201 of a task. */
  readonly status: number
  readonly event_id: string
  readonly trace_id: string
  readonly deduped: boolean
  readonly settled?: boolean
  readonly outcome?: string
  readonly reply?: string
}

/** A host that was started and may not be up yet. */
export interface Starting {
  readonly pid: number
  readonly ready: Promise<Host>
  readonly kill: () => Promise<void>
  readonly gone: Promise<number | null>
  readonly log: () => string
}

/** A temporary folder that PostgreSQL's own user can reach, too. */
export const folder = (name: string): string => {
  const made = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), `syris-${name}-`)))
  fs.chmodSync(made, 0o755)
  return made
}

const maximumLog = 200_000

const keepLog = (child: ChildProcess): () => string => {
  let said = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-maximumLog)
    })
  }
  return () => said
}

const alive = new Set<number>()

/** Kills whatever this process has started and not ended: for the end of a test, however it ends. */
export const endHosts = (): void => {
  for (const pid of alive) endGroup(pid)
}
process.on("exit", endHosts)

const endGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // gone already
  }
}

/** Starts a host and does not wait for it. */
export const beginHost = (place: HostPlace): Starting => {
  const address = path.join(place.home, "host.json")
  fs.mkdirSync(place.home, { recursive: true })
  fs.rmSync(address, { force: true })
  const { DATABASE_URL: _, SYRIS_TEST_DATABASE_URL: __, ...inherited } = process.env
  const child = spawn(node, [path.join(root, "bin", "syris.mjs"), "up"], {
    cwd: place.cwd ?? root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...inherited,
      SYRIS_HOME: place.home,
      SYRIS_PORT: "0",
      SYRIS_CONFIG: place.config,
      NODE_ENV: "production",
      ...(place.databaseUrl === undefined ? {} : { DATABASE_URL: place.databaseUrl })
    }
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${node} can't be started.`)
  alive.add(pid)
  const log = keepLog(child)
  let ended = false
  const gone = new Promise<number | null>((resolve) =>
    child.on("exit", (code) => {
      ended = true
      alive.delete(pid)
      resolve(code)
    })
  )
  const kill = async () => {
    endGroup(pid)
    await gone
  }
  const ready = (async (): Promise<Host> => {
    const url = await until("the host", () => {
      if (ended) throw new Hopeless(`The host ended before it was up:\n${log()}`)
      return fs.existsSync(address) && readAddress(address)
    }, 120_000)
    const token = fs.readFileSync(path.join(place.home, "token"), "utf8").trim()
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
    const request: Host["request"] = async (method, at, body, { signal, wait } = {}) => {
      const response = await fetch(`${url}${at}`, {
        method,
        headers: { ...headers, ...(wait === undefined ? {} : { prefer: `wait=${wait}` }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal })
      })
      return { status: response.status, body: await response.json() }
    }
    return {
      pid,
      url,
      token,
      send: async (event, options) => {
        const { body, status } = await request("POST", "/events", event, options)
        return { ...body as Answer, status }
      },
      request,
      get: async (at) => (await fetch(`${url}${at}`, { headers })).json(),
      signal: (signal) => void (ended || process.kill(-pid, signal)),
      kill,
      stop: () => {
        if (!ended) process.kill(pid, "SIGTERM")
        return gone
      },
      gone,
      log
    }
  })()
  ready.catch(() => {})
  return { pid, ready, kill, gone, log }
}

/** Absent while the file is being written. */
const readAddress = (file: string): string | undefined => {
  const text = fs.readFileSync(file, "utf8")
  return text.endsWith("}") ? (JSON.parse(text) as { url: string }).url : undefined
}

/** Starts a host and waits until it listens. */
export const startHost = (place: HostPlace): Promise<Host> => beginHost(place).ready

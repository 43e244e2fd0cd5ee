/**
 * The machine as it is, for `syris doctor`. Nothing waits longer than five seconds, but channels that are tried: 15 seconds.
 */
import { Effect, Option, Redacted, Result } from "effect"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import type { Integration } from "../contract/Integration.ts"
import { Environment } from "../database/Environment.ts"
import { hostUrl } from "./address.ts"
import type { Answered, Machine } from "./doctorChecks.ts"
import type { PluginState } from "./doctorIsolates.ts"

const patience = 5_000

export const thisMachine = Effect.gen(function*() {
  const { config, databaseUrl, home, host, port } = yield* Environment
  const url = yield* hostUrl
  // Once for all that ask.
  const loaded = new Map<string, ReturnType<typeof loadConfig>>()
  const load = (file: string) => {
    const known = loaded.get(file) ?? loadConfig(file)
    loaded.set(file, known)
    return known
  }
  const machine: Machine = {
    node: process.versions.node,
    uid: process.getuid?.(),
    root: packageFolder(import.meta.dirname),
    home,
    config,
    host,
    port,
    url,
    databaseUrl: databaseUrl === undefined ? undefined : Redacted.value(databaseUrl),
    now: () => Date.now(),
    stat: (file) => {
      try {
        const { mode, mtimeMs, uid } = fs.statSync(file)
        return { mode, uid, folder: (mode & fs.constants.S_IFMT) === fs.constants.S_IFDIR, modified: mtimeMs }
      } catch {
        return undefined
      }
    },
    read: (file) => {
      try {
        return fs.readFileSync(file, "utf8")
      } catch {
        return undefined
      }
    },
    freeBytes: (folder) => {
      const { bavail, bsize } = fs.statfsSync(folder)
      return bavail * bsize
    },
    ask,
    listen,
    askDatabase,
    loadConfig: async (file) => (await load(file)).warnings,
    openSecrets: async () => {
      const { openStore } = await import("../secrets/SecretsStore.ts")
      const opened = await Effect.runPromise(
        Effect.result(openStore(home, { ask: () => Effect.succeed(undefined) }).list)
      )
      return Result.isFailure(opened) ? opened.failure.detail : undefined
    },
    path: (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== ""),
    servers: async (file) => (await load(file)).mcp,
    integrations: () => askList<Integration>("/integrations", url, home),
    connections: async (file) => {
      const { tryConnections } = await import("./doctorConnections.ts")
      return tryConnections(await load(file), home)
    },
    isolates: async (file) => (await load(file)).isolates,
    kernel: async () => (await import("../../sandbox/runtimes/Kernel.ts")).kernel(),
    plugins: () => askList<PluginState>("/plugins", url, home)
  }
  return machine
}).pipe(Effect.provide(Environment.layer))

const packageFolder = (from: string): string => {
  const up = path.dirname(from)
  return fs.existsSync(path.join(from, "package.json")) || up === from ? from : packageFolder(up)
}

const ask = async (url: string): Promise<Answered> => {
  let response
  try {
    response = await fetch(`${url}/health`, { redirect: "manual", signal: AbortSignal.timeout(patience) })
  } catch (error) {
    const { code, name } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
    return code === "ECONNREFUSED" ? { kind: "nobody" } : { kind: "other", what: code ?? name }
  }
  try {
    const body = JSON.parse((await response.text()).slice(0, 65_536)) as Record<string, unknown>
    if (
      typeof body.status === "string" && typeof body.version === "string" && typeof body.uptime_seconds === "number"
    ) {
      const degraded = Array.isArray(body.degraded) ? body.degraded.map(String) : []
      const date = Date.parse(response.headers.get("date") ?? "")
      return { kind: "syris", status: body.status, version: body.version, degraded, date }
    }
  } catch {
    // not JSON: somebody else
  }
  return { kind: "other", what: `HTTP ${response.status}` }
}

const listen = (host: string, port: number) =>
  new Promise<string | undefined>((resolve) => {
    const server = net.createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })

const askDatabase = async (url: string) => {
  const { layerPool } = await import("../database/Database.ts")
  const { SqlClient } = await import("effect/sql")
  return await Effect.runPromise(
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [row] = yield* sql<{ version: number; now: Date }>`
        select current_setting('server_version_num')::int as version, clock_timestamp() as now`
      return { version: row?.version ?? 0, now: row?.now.getTime() ?? Number.NaN }
    }).pipe(
      Effect.provide(layerPool({ url: Redacted.make(url) })),
      Effect.timeoutOption(patience)
    )
  ).then(Option.getOrThrowWith(() => new Error("it does not answer")))
}

const loadConfig = async (file: string) => {
  const { loadConfiguration } = await import("../plugin/ConfigLoader.ts")
  const loaded = await Effect.runPromise(Effect.result(loadConfiguration(file)))
  if (Result.isFailure(loaded)) throw new Error([loaded.failure.detail, ...loaded.failure.more].join(" "))
  return loaded.success
}

const askList = async <A>(list: string, url: string, home: string): Promise<ReadonlyArray<A> | undefined> => {
  const token = fs.readFileSync(path.join(home, "token"), "utf8").trim()
  const response = await fetch(`${url}${list}`, {
    redirect: "error",
    signal: AbortSignal.timeout(patience),
    headers: { authorization: `Bearer ${token}` }
  })
  const { items } = await response.json() as { readonly items?: ReadonlyArray<A> }
  return response.ok && Array.isArray(items) ? items : undefined
}

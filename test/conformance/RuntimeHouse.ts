/**
 * One host for each place in which a plugin can run, with the same plugin in it; and what became of a thing that was told to
 * it, without what is another in every run: ids, times, and what `docs/isolates.md` says is different.
 */
import { isolate } from "syris"
import { testHost, type TestHost } from "syris/testing"
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import type { Runtime } from "../../core/contract/Enums.ts"
import type { RawEvent } from "../../core/contract/Event.ts"
import { secret } from "../../core/plugin/Secret.ts"
import { openStore } from "../../core/secrets/SecretsStore.ts"
import { makeDatabase } from "../../core/watchers/TestWatchers.ts"
import { until } from "../storms/Until.ts"
import same from "./plugin/index.ts"

export type Place = "inline" | Runtime
export const places = ["inline", "thread", "process", "deno"] as const satisfies ReadonlyArray<Place>

const folder = path.join(import.meta.dirname, "plugin")
const bound = path.join(import.meta.dirname, "bound", "index.ts")

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: any
}

export interface RuntimeHouse {
  readonly place: Place
  readonly host: () => TestHost
  /** The body is JSON where it is JSON, else its bytes. */
  readonly request: (at: string, init?: RequestInit) => Promise<Answer>
  readonly post: (at: string, body?: object) => Promise<Answer>
  /** Tells it something and waits until nothing more can come of it; all that did. */
  readonly tell: (event: string | RawEvent) => Promise<any>
  /** What became of a trace, as it is when nothing more can come of it. */
  readonly traceOf: (traceId: string) => Promise<any>
  /** Calls a tool by hand, in the chat. */
  readonly call: (tool: string, input?: object) => Promise<any>
  /** Ends its host and starts another one in its place. */
  readonly restart: () => Promise<void>
  readonly end: () => Promise<void>
}

/** What a plugin reaches over the network. */
export interface Remote {
  readonly port: number
  /** Nobody listens there. */
  readonly closed: number
  readonly close: () => void
}

export const openRemote = async (): Promise<Remote> => {
  const server = http.createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      if (request.url === "/cut") return void response.destroy()
      response.writeHead(request.url === "/gone" ? 410 : 200, { "x-answer": String(request.headers["x-from"]) })
      response.end(`${request.method} ${Buffer.concat(parts).toString()}`)
    })
  })
  const gone = http.createServer()
  await Promise.all([server, gone].map((one) => new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve))))
  const [port, closed] = [server, gone].map((one) => (one.address() as AddressInfo).port)
  gone.close()
  return {
    port: port!,
    closed: closed!,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** `code`: the folder of its plugin. */
export const openHouse = async (place: Place, remote: Remote, code = folder): Promise<RuntimeHouse> => {
  const all = fs.mkdtempSync(path.join(os.tmpdir(), "syris-same-"))
  const home = path.join(all, "home")
  fs.mkdirSync(home, { mode: 0o700 })
  const store = openStore(home)
  for (const key of ["same", "other"]) {
    await Effect.runPromise(store.set(key, "key", Redacted.make(`${key}-key-value`)))
  }
  const database = await makeDatabase()
  const net = [`127.0.0.1:${remote.port}`, `127.0.0.1:${remote.closed}`]
  // Named in the options for the host's own guard, and in the grant for the isolate.
  const options = { key: secret("same", "key"), plain: "plain words", since: "1970", port: remote.port, hosts: net }
  const plugin = () =>
    place === "inline"
      ? same(options)
      : isolate(path.join(code, "index.ts"), {
        runtime: place,
        options,
        trusted: true,
        allow: {
          net,
          secrets: ["same", "other"],
          tools: ["*"]
        }
      })
  const begin = () =>
    testHost({
      home,
      databaseUrl: database.url,
      http: true,
      timezone: "Europe/London",
      autonomy: "A3",
      safety: { notificationsPerHour: 1_000 },
      // What can't be in an isolate is seen once: the guest that refuses it is the same in each of them.
      plugins: place === "thread" ? [plugin(), isolate(bound, { runtime: place, trusted: true })] : [plugin()]
    })
  let host = await begin()
  const request: RuntimeHouse["request"] = async (at, init = {}) => {
    const response = await fetch(`${host.http!.url}${at}`, {
      redirect: "manual",
      ...init,
      headers: {
        authorization: `Bearer ${host.http!.token}`,
        "content-type": "application/json",
        ...init.headers as object
      }
    })
    const isJson = /json/.test(response.headers.get("content-type") ?? "")
    const body: unknown = isJson ? await response.json() : Buffer.from(await response.arrayBuffer()).toString("latin1")
    return { status: response.status, headers: response.headers, body }
  }
  const ready = () =>
    until(`the plugin in ${place}`, async () => {
      const { body } = await request("/plugins")
      return body.items.some((plugin: any) => plugin.name === "same" && plugin.state === "running")
    })
  const restart = async () => {
    // Nobody waits here for the grace that a stop leaves to what runs.
    const ticks = setInterval(() => host.clock.advance("5 seconds"), 50)
    await host.stop().finally(() => clearInterval(ticks))
    host = await begin()
    await ready()
  }
  await ready()
  // Rules, watchers and routes are taken up at a start. Where the machine is so busy that the isolate came after it, they are
  // known to the next one.
  await until(`its watchers in ${place}`, async () => {
    const { body: { items: watchers } } = await request("/watchers?limit=500")
    const known = watchers.some(({ watcher_id }: any) => watcher_id.startsWith("same."))
    if (!known) await restart()
    return known
  }, 120_000)
  const traceOf = (traceId: string) =>
    until(`the end of what was told in ${place}`, async () => {
      const { body } = await request(`/traces/${traceId}`)
      return (body.settled === true || body.outcome === "waiting" || body.outcome === "unknown") && body
    })
  const tell: RuntimeHouse["tell"] = async (event) => traceOf((await host.send(event)).trace_id)
  return {
    place,
    host: () => host,
    request,
    post: (at, body = {}) => request(at, { method: "POST", body: JSON.stringify(body) }),
    tell,
    traceOf,
    call: (tool, input = {}) => tell({ channel: "chat", structured: { intent: tool, input: input as never } }),
    restart,
    end: async () => {
      await host.stop()
      await database.close()
      fs.rmSync(all, { recursive: true, force: true })
    }
  }
}

/** Another in every run, or documented to be another: where a job runs, and the pin of a tool, which is of its code too. */
const left = new Set([
  "latency_ms",
  "took_ms",
  "seq",
  "tool_pin",
  "runtime",
  "fence",
  "hash",
  "prev_hash",
  "what_hash",
  "host_id"
])
/** Told at most once a second. */
const passing = new Set(["worker.job_progress"])

const ids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{64}\b/g
const times = /20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g

/** What is left to compare: ids are numbered as they come, times have no value, long texts are shortened. */
export const comparable = (given: unknown): unknown => {
  const known = new Map<string, string>()
  const text = (value: string): string => {
    const named = value.replaceAll(ids, (id) => {
      if (!known.has(id)) known.set(id, `<${known.size + 1}>`)
      return known.get(id)!
    }).replaceAll(times, "<time>")
    return named.length > 2_500 ? `${named.slice(0, 60)}… (${named.length})` : named
  }
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") return text(value)
    if (typeof value !== "object" || value === null) return value
    if (value instanceof Headers) return null
    if (Array.isArray(value)) {
      const kept = value.filter((item: { readonly type?: string } | null) => !passing.has(item?.type ?? "")).map(walk)
      return kept.length > 1_000 ? `${kept.length} of them` : kept
    }
    return Object.fromEntries(
      Object.entries(value).filter(([key]) => !left.has(key)).map(([key, item]) => [text(key), walk(item)])
    )
  }
  return walk(given)
}

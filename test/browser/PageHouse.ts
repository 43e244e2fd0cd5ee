/**
 * A real host with the page, in a house where something is going on: what each page of it shows is made by events and by the
 * public HTTP API, the rows of a whole year by SQL. One house is for a whole file of tests.
 */
import { type ModelRequest, type Script, type ScriptedAnswer, scriptedModel, type ScriptedModel } from "syris/testing"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type HostProcess, type Place, startHost } from "../stories/HostProcess.ts"
import { freePort } from "../FreePort.ts"

const root = path.resolve(import.meta.dirname, "..", "..")

export interface PageHouse {
  /** The host that lives now: another one after `start`. */
  readonly host: () => HostProcess
  readonly origin: string
  readonly database: OwnDatabase
  readonly model: ScriptedModel
  /** What was done outside, a line each. */
  readonly effects: () => ReadonlyArray<string>
  /** Puts down a text that `house.hear`, `house.refuse` and previews (`text:NAME`) read. */
  readonly leave: (name: string, text: string) => void
  /** The tools that the MCP server `attic` has from now on. */
  readonly attic: (tools: ReadonlyArray<object>) => void
  /** The code of the plugin `vane` from now on; it is looked at when a host starts. */
  readonly vane: (says: string) => void
  readonly send: (text: string, more?: object) => Promise<{ readonly trace_id: string; readonly event_id: string }>
  readonly post: (at: string, body?: object, method?: string) => Promise<any>
  /** Starts the host that was killed, at the same address. */
  readonly start: () => Promise<HostProcess>
  readonly end: () => Promise<void>
}

/** What the model says where a test has not said otherwise: it looks around, then answers. */
const ordinary = ({ body }: ModelRequest): ScriptedAnswer =>
  (body.messages ?? []).some(({ role }) => role === "tool")
    ? { text: "I looked around: all is quiet.", usage: { prompt_tokens: 1_240, completion_tokens: 38 } }
    : { call: { tool: "house.look", input: {} }, usage: { prompt_tokens: 980, completion_tokens: 21 } }

const vaneCode = (says: string): string =>
  `import { definePlugin, defineTool, Schema } from "syris"

export default definePlugin({
  name: "vane",
  version: "0.3.0",
  permissions: { net: ["vane.example:443"] },
  setup: () => ({
    tools: [defineTool({
      name: "vane.look",
      description: "Where the wind comes from.",
      input: Schema.Struct({}),
      effect: "read",
      risk: "low",
      scopes: [],
      run: () => (${JSON.stringify({ message: says })})
    })]
  })
})
`

export const atticTools = (description = "Finds a box in the attic."): ReadonlyArray<object> => [
  { name: "find", description, inputSchema: { type: "object", properties: { box: { type: "string" } } } },
  { name: "count", description: "Counts the boxes.", inputSchema: { type: "object", properties: {} } }
]

const configuration = (at: string, model: string, { mcp = {}, whisper }: HouseOptions): string => {
  const from = (file: string): string => JSON.stringify(path.join(root, file))
  return `import { defineConfig, isolate } from "syris"
import dashboard from ${from("plugins/dashboard/index.ts")}
import noop from ${from("plugins/noop/index.ts")}
import timers from ${from("plugins/timers/index.ts")}
import house from ${from("test/browser/house/index.ts")}

export default defineConfig({
  timezone: "Europe/London",
  plugins: [
    dashboard(),
    noop(),
    timers(),
    house({ outside: ${JSON.stringify(`${at}/outside`)}, texts: ${JSON.stringify(`${at}/texts`)} }),
    isolate(${JSON.stringify(`${at}/vane/index.ts`)}, { runtime: "process" })
  ],
  llm: {
    provider: "openai",
    baseURL: ${JSON.stringify(model)},
    model: "butler-large",
    price: { inputPerMillion: 3, outputPerMillion: 15 },
    budget: { perDayUsd: 5 }
  },
  mcp: {
    attic: {
      command: ${JSON.stringify(process.execPath)},
      args: ["--no-warnings", ${from("core/mcp/testServers/hostile.ts")}, ${
    JSON.stringify(`--tools=${at}/attic.json`)
  }${whisper === undefined ? "" : `, "whisper"`}],
      env: ${JSON.stringify(whisper === undefined ? {} : { WHISPER: whisper })},
      trust: { risk: "low", effect: "read" }
    },
    ...${JSON.stringify(mcp)}
  },
  rules: [
    {
      name: "frost",
      when: { all: [{ path: "source.channel", op: "eq", value: "porch" }, { path: "content.structured.degrees", op: "lt", value: 0 }] },
      then: [{ tool: "lamp.set", input: { what: "porch", to: "warm" } }],
      debounceMs: 60_000
    }
  ],
  policy: [{ tool: "lamp.set", risk: "low", reason: "Lamps are harmless." }],
  safety: { approvalTtl: "2 hours", antiflapCooldown: 0 }
})
`
}

/** The page as its sources are; built once. */
export const builtPage = async (): Promise<void> => {
  const { buildPage } = await import(pathToFileURL(path.join(root, "bin", "build-page.mjs")).href) as {
    readonly buildPage: () => Promise<void>
  }
  await buildPage()
}

export interface HouseOptions {
  /** What the model answers. */
  readonly says?: Script
  /** What the MCP server `attic` writes on its standard error. */
  readonly whisper?: string
  /** Servers besides the attic, as `mcp` of the configuration has them. */
  readonly mcp?: Readonly<Record<string, object>>
}

export const pageHouse = async (options: HouseOptions = {}): Promise<PageHouse> => {
  const { says = ordinary } = options
  const at = folder("page")
  const outside = path.join(at, "outside")
  const attic = (tools: ReadonlyArray<object>) => fs.writeFileSync(path.join(at, "attic.json"), JSON.stringify(tools))
  const vane = (says: string) => fs.writeFileSync(path.join(at, "vane", "index.ts"), vaneCode(says))
  for (const name of ["home", "texts", "vane"]) fs.mkdirSync(path.join(at, name))
  attic(atticTools())
  vane("north")
  const [, database, model, port] = await Promise.all([
    builtPage(),
    makeDatabase(),
    scriptedModel(Array.from({ length: 2_000 }, () => says)),
    freePort()
  ])
  const config = path.join(at, "syris.config.ts")
  fs.writeFileSync(config, configuration(at, model.url, options))
  const place: Place = {
    home: path.join(at, "home"),
    config,
    databaseUrl: database.url,
    env: { SYRIS_PORT: String(port) }
  }
  let host: HostProcess | undefined
  const start = async () => host = await startHost(place)
  const end = async () => {
    await host?.kill()
    await model.close()
    await database.close()
    fs.rmSync(at, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await end()
    throw error
  }
  const post: PageHouse["post"] = async (to, body = {}, method = "POST") => {
    const response = await host!.request(to, { method, body: JSON.stringify(body) })
    const text = await response.text()
    if (!response.ok && response.status !== 409) throw new Error(`${method} ${to}: ${response.status} ${text}`)
    return text === "" ? undefined : JSON.parse(text)
  }
  return {
    host: () => host!,
    origin: `http://127.0.0.1:${port}`,
    database,
    model,
    effects: () => fs.existsSync(outside) ? fs.readFileSync(outside, "utf8").split("\n").slice(0, -1) : [],
    leave: (name, text) => fs.writeFileSync(path.join(at, "texts", name), text),
    attic,
    vane,
    send: (text, more) => post("/events", { channel: "chat", text, ...more }),
    post,
    start,
    end
  }
}

/** Waits until an event has come as far as it comes by itself. */
export const settled = async (house: PageHouse, text: string, more: object = {}): Promise<any> => {
  const response = await house.host().request("/events", {
    method: "POST",
    headers: { prefer: "wait=60" },
    body: JSON.stringify({ channel: "chat", text, ...more })
  })
  const answer = await response.json() as any
  if (answer.settled !== true) throw new Error(`It did not settle: ${text.slice(0, 80)}: ${JSON.stringify(answer)}`)
  return answer
}

/** The one approval that a trace asks for. */
export const askedFor = (house: PageHouse, { trace_id }: { readonly trace_id: string }): Promise<any> =>
  until("a question for approval", async () => {
    const { items } = await house.host().get(`/approvals?status=pending&trace_id=${trace_id}`)
    return items[0]
  })

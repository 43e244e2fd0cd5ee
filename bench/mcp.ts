/**
 * What the host adds to a call of a tool of an MCP server: an event that names the tool, from the request to settled, against
 * the same event for a tool in the host that does nothing (the same commits), and the same call by the bare SDK. And how soon
 * a host is ready that has fifty servers of forty tools, of which one takes ten seconds; and what two thousand tools cost
 * the context of a question.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { scriptedModel } from "syris/testing"
import type { McpOrders } from "./controls/mcpClient.ts"
import { connect, request, type Target } from "./HttpLoad.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { root, startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"
import { startSubject } from "./Subject.ts"

const serverFile = path.join(root, "bench", "controls", "mcpServer.ts")
const servers = 50
const toolsOfEach = 40
const slowMs = 10_000

const entry = (env: Readonly<Record<string, string>>): string =>
  `{ command: ${JSON.stringify(process.execPath)}, args: [${JSON.stringify(serverFile)}], env: ${
    JSON.stringify(env)
  }, ` +
  "trust: { risk: \"low\" } }"

const config = (mcp: string, model?: string) => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"

const same = defineTool({
  name: "bench.echo", description: "Gives back what it is given.", input: Schema.Struct({ n: Schema.Int }),
  output: Schema.Struct({ n: Schema.Int }), effect: "write", risk: "low", scopes: [], run: ({ n }) => ({ n })
})

export default defineConfig({
  timezone: "UTC",
  ${model === undefined ? "" : `llm: { provider: "openai", baseURL: ${JSON.stringify(model)}, model: "scripted" },`}
  plugins: [definePlugin({ name: "bench", setup: () => ({
    tools: [same],
    intents: [{ name: "same", tool: "bench.echo", patterns: [/same (?<n>\\d+)/], input: ({ n }) => ({ n: Number(n) }) }]
  }) })()],
  mcp: { ${mcp} }
})
`

interface IntegrationLine {
  readonly integration_id: string
  readonly kind: string
  readonly state: string
  readonly tools: ReadonlyArray<string>
}

const integrations = async ({ host, port, token }: Target): Promise<ReadonlyArray<IntegrationLine>> => {
  const response = await fetch(`http://${host}:${port}/integrations`, { headers: { authorization: `Bearer ${token}` } })
  const { items } = await response.json() as { readonly items: ReadonlyArray<IntegrationLine> }
  return items.filter(({ kind }) => kind === "mcp")
}

const connected = (target: Target, count: number) =>
  until(async () =>
    (await integrations(target)).filter(({ state }) => state === "connected").length >= count || undefined
  )

const calls = async ({ quick, verbose }: Options, folder: string, database: string): Promise<void> => {
  const file = path.join(folder, "calls.config.ts")
  fs.writeFileSync(file, config(`bench: ${entry({})}`))
  await using host = await startHost(path.join(folder, "calls"), database, { SYRIS_CONFIG: file })
  await using bare = await startSubject<McpOrders>(path.join(root, "bench", "controls", "mcpClient.ts"), {})
  await connected(host.target, 1)
  const http = await connect(host.target.host, host.target.port)
  let asked = 0
  const line = async (text: string): Promise<number> => {
    const began = performance.now()
    const answer = await http.send(
      request(host.target, "POST", "/chat", JSON.stringify({ text }), "Prefer: wait=10\r\n")
    )
    const took = performance.now() - began
    if (!answer.body.includes("\"outcome\":\"succeeded\"")) throw new Error(`It was answered: ${answer.body}`)
    return took
  }
  const rounds: Array<{ readonly mcp: number; readonly same: number; readonly sdk: number }> = []
  const all = { mcp: [] as Array<number>, same: [] as Array<number>, sdk: [] as Array<number> }
  for (let round = -1; round < (quick ? 4 : 12); round++) {
    const own = { mcp: [] as Array<number>, same: [] as Array<number>, sdk: [] as Array<number> }
    for (let i = 0; i < (quick ? 60 : 200); i++) {
      const n = ++asked
      own.mcp.push(await line(`mcp.bench.echo n=${n}`))
      own.same.push(await line(`same ${n}`))
      own.sdk.push(await bare.ask("call", { n }))
    }
    const medians = { mcp: median(own.mcp), same: median(own.same), sdk: median(own.sdk) }
    if (verbose) say(Object.entries(medians).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`).join("   "))
    if (round < 0) continue
    rounds.push(medians)
    for (const name of ["mcp", "same", "sdk"] as const) all[name].push(...own[name])
  }
  http.close()
  figure("an MCP tool, event to settled, p50", median(all.mcp), "ms", `p99 ${percentile(all.mcp, 0.99).toFixed(2)}`)
  figure("control: a tool in the host that does nothing, p50", median(all.same), "ms")
  figure("control: the call by the bare SDK, p50", median(all.sdk), "ms")
  target(
    "what the host adds beside the commits and the bare call, p50",
    median(rounds.map(({ mcp, same, sdk }) => mcp - same - sdk)),
    "ms",
    "at most",
    1
  )
}

const many = async (folder: string, urls: { readonly many: string; readonly none: string }): Promise<void> => {
  const model = await scriptedModel()
  try {
    const sizes: Record<string, number> = {}
    const ready: Record<string, number> = {}
    for (const how of ["none", "many"] as const) {
      const file = path.join(folder, `${how}.config.ts`)
      const mcp = how === "none" ? "" : Array.from(
        { length: servers },
        (_, i) => `s${i}: ${entry({ TOOLS: String(toolsOfEach), ...(i === 0 ? { SLOW_MS: String(slowMs) } : {}) })}`
      ).join(", ")
      fs.writeFileSync(file, config(mcp, model.url))
      const began = performance.now()
      await using host = await startHost(path.join(folder, how), urls[how], { SYRIS_CONFIG: file })
      ready[how] = performance.now() - began
      if (how === "many") {
        await connected(host.target, servers - 1)
        figure("all but the slow one are connected after", performance.now() - began, "ms")
        await connected(host.target, servers)
        const found = (await integrations(host.target)).reduce((sum, { tools }) => sum + tools.length, 0)
        if (found !== servers * toolsOfEach) throw new Error(`There are ${found} tools.`)
      }
      model.add({ text: "Hello." })
      const from = model.requests.length
      const http = await connect(host.target.host, host.target.port)
      await http.send(
        request(
          host.target,
          "POST",
          "/chat",
          JSON.stringify({ text: "well, good morning to you" }),
          "Prefer: wait=10\r\n"
        )
      )
      http.close()
      sizes[how] = JSON.stringify(model.requests[from]?.body ?? {}).length
    }
    figure("a host with no server is ready after", ready["none"] ?? Number.NaN, "ms")
    target(
      `ready with ${servers} servers of ${toolsOfEach} tools, one of them ${slowMs / 1_000} s slow / with none`,
      (ready["many"] ?? Number.NaN) / (ready["none"] ?? Number.NaN),
      "",
      "at most",
      1.5
    )
    figure("a question to the model with no server", (sizes["none"] ?? Number.NaN) / 1_024, "KiB")
    figure(
      `the same with ${servers * toolsOfEach} tools that it does not speak of`,
      (sizes["many"] ?? Number.NaN) / 1_024,
      "KiB"
    )
  } finally {
    await model.close()
  }
}

export const mcp = async (options: Options): Promise<void> => {
  title("Tools of MCP servers: what the host adds to a call, and what many servers cost")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  for (const name of ["calls", "many", "none"]) await postgres.createDatabase(name)
  await calls(options, folder.path, postgres.url("calls"))
  await many(folder.path, { many: postgres.url("many"), none: postgres.url("none") })
}

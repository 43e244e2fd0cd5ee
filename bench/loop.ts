/**
 * What the loop of the model adds to the bare questions: a line on the chat that takes six turns (five calls of a tool that
 * does nothing, then an answer), from the request to settled, against the same six questions asked by the bare `openai`
 * package, to the same scripted server. And how soon the first piece of an answer is on the chat's stream, from the moment
 * in which the server writes it; the control is how soon the bare client has it.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { type ScriptedAnswer, scriptedModel } from "syris/testing"
import type { OpenAiOrders } from "./controls/openai.ts"
import { connect, request, type Target } from "./HttpLoad.ts"
import { familySeconds } from "./Processes.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { root, startHost, startPostgres, temporaryFolder } from "./Setup.ts"
import { sharedClock, startSubject } from "./Subject.ts"

const turns = 6

const config = (url: string) => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"

const step = defineTool({
  name: "bench.step", description: "Take a step.", input: Schema.Struct({ n: Schema.Int }),
  output: Schema.Struct({ n: Schema.Int }), effect: "read", risk: "low", scopes: [], run: ({ n }) => ({ n })
})

export default defineConfig({
  timezone: "UTC",
  llm: { provider: "openai", baseURL: ${JSON.stringify(url)}, model: "scripted" },
  plugins: [definePlugin({ name: "bench", setup: () => ({ tools: [step] }) })()]
})
`

const usage = { prompt_tokens: 1, completion_tokens: 1 }
const steps: ReadonlyArray<ScriptedAnswer> = [
  ...Array.from({ length: turns - 1 }, (_, n) => ({ call: { tool: "bench.step", input: { n } }, usage })),
  { text: "Done.", usage }
]

/** An answer that comes slowly; `wrote` is told when the first piece is about to be written. */
const slowly = (wrote: (at: number) => void): ScriptedAnswer => {
  let first = true
  return {
    text: "It comes in a good many pieces, as answers do.",
    usage,
    pace: async (piece) => {
      if (piece === undefined) return
      if (!first) return void await new Promise((resolve) => setTimeout(resolve, 5))
      first = false
      wrote(sharedClock())
    }
  }
}

/** The stream of the chat: when the next first piece is there. */
const listen = async ({ host, port, token }: Target) => {
  let next: ((at: number) => void) | undefined
  const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
    http.get(
      { host, port, path: "/chat/stream", agent: false, headers: { authorization: `Bearer ${token}` } },
      resolve
    ).on("error", reject)
  )
  response.on("error", () => {})
  response.setEncoding("utf8").on("data", (text: string) => {
    if (!/^event: delta$[^]*"from":0,/m.test(text)) return
    next?.(sharedClock())
    next = undefined
  })
  return { first: () => new Promise<number>((resolve) => next = resolve), close: () => response.destroy() }
}

export const loop = async ({ quick, verbose }: Options): Promise<void> => {
  title("The loop of a model: what it adds to a turn, and to the first piece of an answer")
  await using folder = temporaryFolder()
  const model = await scriptedModel()
  try {
    await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
    await postgres.createDatabase("host")
    const file = path.join(folder.path, "syris.config.ts")
    fs.writeFileSync(file, config(model.url))
    await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"), { SYRIS_CONFIG: file })
    await using bare = await startSubject<OpenAiOrders>(path.join(root, "bench", "controls", "openai.ts"), {
      BASE_URL: model.url
    })
    const connection = await connect(host.target.host, host.target.port)
    const stream = await listen(host.target)
    const line = async (text: string): Promise<number> => {
      const began = performance.now()
      const answer = await connection.send(
        request(host.target, "POST", "/chat", JSON.stringify({ text }), "Prefer: wait=60\r\n")
      )
      const took = performance.now() - began
      if (!answer.body.includes("\"outcome\":\"succeeded\"")) throw new Error(`It was answered: ${answer.body}`)
      return took
    }

    let asked = 0
    /** A turn of the host's, and of the bare client's. */
    const pair = async (): Promise<readonly [host: number, bare: number]> => {
      const from = model.requests.length
      model.add(...steps)
      const ours = await line(`Take ${turns - 1} steps, the ${++asked}th time.`)
      const bodies = model.requests.slice(from).map(({ body }) => body)
      if (bodies.length !== turns) throw new Error(`It took ${bodies.length} turns.`)
      model.add(...steps)
      return [ours / turns, (await bare.ask("ask", { bodies })).ms / turns]
    }
    const firsts = async (): Promise<readonly [host: number, bare: number]> => {
      let wrote = 0
      const from = model.requests.length
      model.add(slowly((at) => wrote = at))
      const [seen] = await Promise.all([stream.first(), line(`Say something, the ${++asked}th time.`)])
      const ours = seen - wrote
      model.add(slowly((at) => wrote = at))
      const { first } = await bare.ask("ask", { bodies: model.requests.slice(from, from + 1).map(({ body }) => body) })
      return [ours, first - wrote]
    }
    const measure = async (one: () => Promise<readonly [number, number]>, count: number, warm = () => {}) => {
      for (let i = 0; i < 20; i++) await one()
      warm()
      const pairs: Array<readonly [host: number, bare: number]> = []
      for (let i = 0; i < count; i++) pairs.push(await one())
      return pairs
    }
    const show = (pairs: ReadonlyArray<readonly [number, number]>, what: string, whose: string) => {
      const [ours, theirs] = [pairs.map(([host]) => host), pairs.map(([, bare]) => bare)]
      figure(`${what}, host, p50`, median(ours), "ms", `p99 ${percentile(ours, 0.99).toFixed(2)}`)
      figure(`${what}, ${whose}, p50`, median(theirs), "ms", `p99 ${percentile(theirs, 0.99).toFixed(2)}`)
      if (verbose) say(pairs.map(([host, bare]) => `${host.toFixed(2)}/${bare.toFixed(2)}`).join(" "))
    }

    // Of the whole host and of the whole server: a machine that is busy with other programs hardly changes it.
    const used = () => [familySeconds(host.child.pid ?? 0), familySeconds(postgres.pid)] as const
    let before = used()
    const loops = await measure(pair, quick ? 40 : 200, () => before = used())
    const [node, database] = used().map((seconds, i) => (seconds - (before[i] ?? 0)) * 1_000 / turns / loops.length)
    show(loops, "a turn", "control: the bare `openai` call")
    figure("processor time of a turn, the host", node ?? Number.NaN, "ms")
    figure("processor time of a turn, PostgreSQL", database ?? Number.NaN, "ms")
    target("what the loop adds to a turn, p50", median(loops.map(([host, bare]) => host - bare)), "ms", "at most", 10)
    figure("a turn: host / bare", median(loops.map(([host, bare]) => host / bare)), "")
    const pieces = await measure(firsts, quick ? 40 : 200)
    show(pieces, "written to seen: the first piece", "control: the bare client")
    target(
      "the first piece on the chat, after the bare client has it, p50",
      median(pieces.map(([host, bare]) => host - bare)),
      "ms",
      "at most",
      5
    )
    stream.close()
    connection.close()
  } finally {
    await model.close()
  }
}

/**
 * A server over stdio that does as a test says: `node hostile.ts MISBEHAVIOUR… [--tools=FILE] [--log=FILE]`. Without a word
 * it behaves. It writes its lines by itself, so it can break every rule of the protocol.
 *
 * - `--tools=FILE`: its tools are those of this file (JSON, an array), read anew for each `tools/list`; when the file has
 *   changed it says so.
 * - `--log=FILE`: every message that it gets, one line each; and `{"pid": …}` when it starts.
 *
 * Before it is connected: `mute` (answers nothing), `mute-after-discover` and `exit-on-discover` (as old servers do where
 * the first message is not `initialize`), `exit` (with words on its standard error), `refuse` (an error for `initialize`).
 * `become` in the input of a call: what it does from then on. In a call, or in this one alone where its input has it as `does`: `die`, `long-line` (100 MB), `many-lines` (100 MB), `flood`, `stray` (an answer to nobody before the right one),
 * `twice` (answers two times), `weird` (a result as no revision has it), `internal` (error -32603), `unknown-tool` (-32602),
 * `hang` (never answers), `asks` (asks for the roots, and passes the error on that it gets), `empty-lines` (without end). Its pages: `endless` (always one more), `circle` (the same cursor again), `crowd` (10 000 tools),
 * `heavy` (64 KiB each, without end), `crooked` (one tool of a page is none). Always: `junk` (between the lines),
 * `blank` (empty lines around each), `only-junk` (and nothing else), `stubborn` (ignores SIGTERM and the end of its input, and has a child that does too),
 * `capless` (does not say that it has tools), `huge-answer` (9 MB in one answer), `whisper` (what the variable WHISPER has, on its
 * standard error).
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as readline from "node:readline"

type Json = Record<string, unknown>

const does = new Set(process.argv.slice(2).filter((word) => !word.startsWith("--")))
const option = (name: string): string | undefined =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
const log = (entry: Json): void => {
  const file = option("log")
  if (file !== undefined) fs.appendFileSync(file, `${JSON.stringify(entry)}\n`)
}
const write = (text: string): void => void process.stdout.write(text)
const send = (message: Json): void => {
  if (does.has("junk")) write("Listening on port 3000 \u001b[31mred\u001b[0m\n{\"neither\": \"nor\"}\n")
  const blank = does.has("blank") ? "\n\r\n" : ""
  write(`${blank}${JSON.stringify({ jsonrpc: "2.0", ...message })}\n${blank}`)
}

const schema = (properties: Json = {}): Json => ({ type: "object", properties })
const ownTools: ReadonlyArray<Json> = [
  { name: "echo", description: "Says it again", inputSchema: schema({ text: { type: "string" } }) },
  { name: "environment", description: "What it was given", inputSchema: schema() },
  { name: "wait", description: "Answers after so many milliseconds", inputSchema: schema({ ms: { type: "number" } }) },
  { name: "steps", description: "Tells how far it is", inputSchema: schema() }
]
const toolsFile = option("tools")
const tools = (): ReadonlyArray<Json> =>
  toolsFile === undefined ? ownTools : JSON.parse(fs.readFileSync(toolsFile, "utf8")) as ReadonlyArray<Json>
const numbered = (from: number, count: number, more: Json = {}): ReadonlyArray<Json> =>
  Array.from({ length: count }, (_, i) => ({ name: `tool-${from + i}`, inputSchema: schema(), ...more }))

const page = (cursor: string | undefined): Json => {
  const at = Number(cursor ?? 0)
  if (does.has("endless")) return { tools: numbered(at, 1), nextCursor: String(at + 1) }
  if (does.has("circle")) return { tools: numbered(at, 2), nextCursor: "7" }
  if (does.has("crowd")) return { tools: numbered(at, 500), ...(at < 9_500 ? { nextCursor: String(at + 500) } : {}) }
  if (does.has("heavy")) {
    return { tools: numbered(at, 1, { description: "x".repeat(65_536) }), nextCursor: String(at + 1) }
  }
  if (does.has("crooked")) {
    return { tools: [...ownTools, { name: "crooked", inputSchema: "none" }, { name: 7 }, "tool"] }
  }
  return { tools: tools() }
}

const said = (text: string): Json => ({ content: [{ type: "text", text }] })

const call = async (id: unknown, name: string, input: Json, meta: Json): Promise<void> => {
  const doing = new Set([...does, String(input["does"])])
  const answer = (result: Json): void => send({ id, result })
  // From now on, and in the place of what it did before.
  if (typeof input["become"] === "string") {
    does.clear()
    does.add(input["become"])
  }
  if (doing.has("hang")) return
  if (doing.has("asks")) return send({ id: `for ${String(id)}`, method: "roots/list" })
  if (doing.has("empty-lines")) return pour(() => "\n".repeat(65_536), 1_000)
  if (doing.has("die")) process.exit(9)
  if (doing.has("internal")) return send({ id, error: { code: -32603, message: "It broke in the middle" } })
  if (doing.has("unknown-tool")) return send({ id, error: { code: -32602, message: `Unknown tool: ${name}` } })
  if (doing.has("weird")) return answer({ content: [{ type: "hologram", data: 1 }, "text"], structuredContent: 5 })
  if (doing.has("huge-answer")) return answer(said("x".repeat(9 * 1_048_576)))
  if (doing.has("long-line")) return pour(() => "x".repeat(1_048_576), 100)
  if (doing.has("many-lines")) {
    const line = `${
      JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { data: "x".repeat(900) } })
    }\n`
    return pour(() => line.repeat(1_100), 100)
  }
  if (doing.has("flood")) {
    const line = `${JSON.stringify({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })}\n`
    return pour(() => line.repeat(5_000), 1_000)
  }
  if (doing.has("stray")) send({ id: 4711, result: said("for nobody") })
  if (name === "environment") return answer(said(JSON.stringify(process.env)))
  if (name === "wait" && meta["progressToken"] !== undefined) {
    send({ method: "notifications/progress", params: { progressToken: meta["progressToken"], progress: 0 } })
  }
  if (name === "wait") await new Promise((resolve) => setTimeout(resolve, Number(input["ms"] ?? 0)))
  if (name === "steps" && meta["progressToken"] !== undefined) {
    for (const progress of [1, 2, 3, 4]) {
      send({
        method: "notifications/progress",
        params: { progressToken: meta["progressToken"], progress, total: 4, message: `step ${progress}` }
      })
    }
  }
  answer(said(name === "echo" ? input["text"] as string ?? "" : name))
  if (doing.has("twice")) answer(said("and again"))
}

/** As fast as it is taken. */
const pour = async (piece: () => string, times: number): Promise<void> => {
  for (let i = 0; i < times; i++) {
    if (!process.stdout.write(piece())) await new Promise((resolve) => process.stdout.once("drain", resolve))
  }
}

let messages = 0
const receive = (message: Json): void => {
  messages++
  log(message)
  const { id, method } = message
  const params = (message["params"] ?? {}) as Json
  if (does.has("mute") || does.has("only-junk")) return
  if (messages === 1 && method !== "initialize") {
    if (does.has("exit-on-discover")) process.exit(3)
    if (does.has("mute-after-discover")) does.add("mute")
  }
  if (does.has("mute")) return
  switch (method) {
    case "initialize":
      if (does.has("refuse")) return send({ id, error: { code: -32603, message: "Not today" } })
      return send({
        id,
        result: {
          protocolVersion: params["protocolVersion"],
          capabilities: does.has("capless") ? {} : { tools: { listChanged: true } },
          serverInfo: { name: "hostile", version: "1.0.0" }
        }
      })
    case "ping":
      return send({ id, result: {} })
    case "tools/list":
      return send({ id, result: page(params["cursor"] as string | undefined) })
    case "tools/call":
      return void call(
        id,
        String(params["name"]),
        (params["arguments"] ?? {}) as Json,
        (params["_meta"] ?? {}) as Json
      )
    case undefined:
      // An answer to what it asked.
      return send({ id: Number(String(id).replace("for ", "")), error: message["error"] })
    default:
      if (id !== undefined) send({ id, error: { code: -32601, message: "Method not found" } })
  }
}

/** With a child of its own, as npx has one; in the log when it can be told to stop and does not. */
const stubborn = (): void => {
  process.on("SIGTERM", () => {})
  const child = spawn("/bin/sh", ["-c", "trap '' TERM; echo; exec sleep 600"], { stdio: ["ignore", "pipe", "inherit"] })
  child.stdout.once("data", () => log({ pid: process.pid, child: child.pid }))
}

if (does.has("exit")) {
  process.stderr.write("I can't: the \u202Ekey\u202C is missing\n")
  process.exit(1)
}
if (does.has("whisper")) process.stderr.write(`The token is ${process.env["WHISPER"]}, in two lines\nof it\n`)
if (does.has("stubborn")) stubborn()
else log({ pid: process.pid })
if (does.has("only-junk")) {
  const junk = setInterval(() => write("no JSON at all\n".repeat(100)), 10)
  process.stdout.once("error", () => clearInterval(junk))
}
if (toolsFile !== undefined) {
  fs.watchFile(toolsFile, { interval: 50 }, () => send({ method: "notifications/tools/list_changed" }))
}
const lines = readline.createInterface({ input: process.stdin })
lines.on("line", (line) => receive(JSON.parse(line) as Json))
lines.once("close", () => {
  if (does.has("stubborn")) setInterval(() => {}, 60_000)
  else process.exit(0)
})

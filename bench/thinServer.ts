/**
 * The control of throughput: a `node:http` server that writes the rows of a noop event by as many batched statements as
 * the host, and does nothing else. No pipeline, no schema, no fences, no Effect.
 *
 * It reads `SOCKET`, `DATABASE`, `USER_NAME`, `HOST_ID` and writes its port into `PORT_FILE`.
 */
import { createHash, randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { manyIntents, manyOutcomes } from "./NoopRows.ts"
import * as PgWire from "./PgWire.ts"

const { DATABASE = "", HOST_ID = "", PORT_FILE = "", SOCKET = "", USER_NAME = "" } = process.env
const connection = () => PgWire.connect({ path: SOCKET, database: DATABASE, user: USER_NAME })

const newId = (now: number): string => {
  const time = now.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

interface Noop {
  readonly event_id: string
  readonly trace_id: string
  readonly tool_call_id: string
  readonly at: string
  readonly channel: string
  readonly text: string
  readonly message_id: string
  readonly response: http.ServerResponse
}

const quoted = (value: string): string => /^[\w.-]+$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, "\\$&")}"`
const array = <A>(items: ReadonlyArray<A>, of: (item: A) => string): string => `{${items.map(of).join(",")}}`

/** One writer: what gathers while a statement is under way is the next batch. */
const writer = async (commit: (connection: PgWire.PgWire, items: ReadonlyArray<Noop>) => Promise<void>) => {
  const wire = await connection()
  let waiting: Array<Noop> = []
  let busy = false
  const drain = async () => {
    busy = true
    while (waiting.length > 0) {
      const batch = waiting.slice(0, 200)
      waiting = waiting.slice(200)
      await commit(wire, batch)
    }
    busy = false
  }
  return (item: Noop) => {
    waiting.push(item)
    if (!busy) void drain()
  }
}

const settle = await writer(async (wire, items) => {
  const now = Date.now()
  const at = new Date(now).toISOString()
  await wire.query(manyOutcomes, [
    array(items, (item) => item.event_id),
    array(items, (item) => item.trace_id),
    array(items, (item) => item.tool_call_id),
    array(items, () => newId(now)),
    array(items, () => quoted(at)),
    array(items, () => "0.1")
  ])
})

const intents = manyIntents(HOST_ID)
const accept = await writer(async (wire, items) => {
  const now = Date.now()
  await wire.query(intents, [
    array(items, (item) => item.event_id),
    array(items, (item) => item.trace_id),
    array(items, (item) => item.tool_call_id),
    array(items, () => newId(now)),
    array(items, () => newId(now)),
    array(items, () => newId(now)),
    array(items, (item) => quoted(item.at)),
    array(items, (item) => quoted(item.channel)),
    array(items, (item) => quoted(item.text)),
    array(items, (item) => quoted(item.message_id)),
    array(items, (item) => sha256(`${item.channel}${item.message_id}`)),
    array(items, (item) => sha256(item.text)),
    array(items, (item) => sha256(item.event_id))
  ])
  for (const item of items) {
    const body = JSON.stringify({ event_id: item.event_id, trace_id: item.trace_id, deduped: false })
    item.response.writeHead(202, { "content-type": "application/json", "content-length": body.length })
    item.response.end(body)
    settle(item)
  }
})

const server = http.createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const { channel, message_id, text } = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>
    const now = Date.now()
    accept({
      event_id: newId(now),
      trace_id: newId(now),
      tool_call_id: newId(now),
      at: new Date(now).toISOString(),
      channel: channel ?? "",
      text: text ?? "",
      message_id: message_id ?? "",
      response
    })
  })
})
server.listen(0, "127.0.0.1", () => fs.writeFileSync(PORT_FILE, String((server.address() as AddressInfo).port)))

/**
 * A host as a process that reads and writes mail by real servers, and those who write to it: Ada, whom it trusts, and a
 * stranger. What its tools did is in a ledger outside, what it sent in the mailboxes, as they are on the disk.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { type OutsideLedger, openLedger } from "syris/testing"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type MailServer, type Signed, startMailServer, type StoredMail } from "../servers/MailServer.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"

export const ada = "ada@home.test"
export const stranger = "stranger@elsewhere.test"
export const syris = "syris@home.test"

/** Counts cups for whoever asks, and opens a door when a person has said yes. */
const config = (server: MailServer, ledger: string): string => {
  const { password } = server.user("syris")
  const door = (at: { readonly port: number }): string =>
    `{ host: "127.0.0.1", port: ${at.port}, secure: false, user: "${syris}", password: ${JSON.stringify(password)} }`
  return `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"
import email from "syris/plugins/email"
import * as fs from "node:fs"

const note = (line) => fs.appendFileSync(${JSON.stringify(ledger)}, line + "\\n")
const house = definePlugin({ name: "house", setup: () => ({
  tools: [
    defineTool({
      name: "cups.count", description: "Count the cups.", input: Schema.Struct({ where: Schema.String }),
      output: Schema.Struct({ message: Schema.String }), effect: "write", guarantee: "transactional", risk: "low",
      scopes: [], run: ({ where }) => ({ message: "3 cups in the " + where + "." })
    }),
    defineTool({
      name: "door.open", description: "Open a door.", input: Schema.Struct({ door: Schema.String }),
      output: Schema.Struct({ message: Schema.String }), effect: "write", risk: "high", scopes: [],
      run: ({ door }) => { note(door); return { message: "The " + door + " door is open." } }
    })
  ],
  intents: [
    { name: "cups.count", tool: "cups.count", patterns: [/count the cups in the (?<where>[a-z0-9-]+)/] },
    { name: "door.open", tool: "door.open", patterns: [/open the (?<door>[a-z0-9-]+) door/] }
  ]
}) })

export default defineConfig({
  timezone: "UTC",
  safety: { notificationsPerHour: 1000 },
  plugins: [house(), email({
    address: "${syris}", since: "2020-01-01",
    imap: ${door(server.imap)},
    smtp: ${door(server.smtp)},
    trustedSenders: ["${ada}"], trustedServer: "${server.authservId}"
  })]
})
`
}

export interface Written {
  readonly from?: string
  readonly text: string
  readonly subject?: string
  readonly id?: string
  readonly signed?: Signed
  readonly inReplyTo?: string
  readonly headers?: Record<string, string>
}

export interface MailHouse {
  readonly server: MailServer
  readonly database: OwnDatabase
  /** Doors that were opened. */
  readonly ledger: OutsideLedger
  readonly host: () => HostProcess
  /** Ends the host's group by SIGKILL, where it lives, and starts it again. */
  readonly restart: () => Promise<void>
  readonly kill: () => Promise<void>
  /** Writes to the host, through the MX; Ada's mail is signed unless it is told otherwise. Answers the Message-ID. */
  readonly write: (mail: Written) => Promise<string>
  readonly post: (at: string, body?: object) => Promise<{ readonly status: number; readonly body: any }>
  /** The trace of a mail, once it is an event. */
  readonly traceOf: (id: string) => Promise<any>
  /** The same once it tells of this. */
  readonly tells: (id: string, type: string) => Promise<any>
  /** The question that waits in the trace of a mail. */
  readonly asked: (id: string, tool: string) => Promise<any>
  readonly level: (to: string) => Promise<void>
  /** What came back to somebody, as an answer to a mail. */
  readonly answersTo: (whose: string, id: string) => Promise<ReadonlyArray<StoredMail>>
  /** The first of them, once it is there. */
  readonly answer: (whose: string, id: string) => Promise<StoredMail>
  readonly close: () => Promise<void>
}

export const openMailHouse = async (): Promise<MailHouse> => {
  const home = folder("mailhouse")
  const server = await startMailServer({ users: [ada, syris, stranger] })
  const database = await makeDatabase()
  const ledger = openLedger(path.join(home, "doors"))
  const file = path.join(home, "syris.config.ts")
  fs.writeFileSync(file, config(server, ledger.file))
  const place: Place = { home, config: file, databaseUrl: database.url }
  const close = async (): Promise<void> => {
    await server.close()
    await database.close()
    fs.rmSync(home, { recursive: true, force: true })
  }
  let host = await startHost(place).catch(async (error: unknown) => {
    await close()
    throw error
  })
  let written = 0
  const post: MailHouse["post"] = async (at, body = {}) => {
    const response = await host.request(at, { method: "POST", body: JSON.stringify(body) })
    return { status: response.status, body: await response.json() }
  }
  const traceOf: MailHouse["traceOf"] = (id) =>
    until(`the event of ${id}`, async () => {
      const [row] = await database.query(
        "select trace_id from events where channel = 'email' and split_part(message_id, ' ', 1) = $1",
        [
          id
        ]
      )
      return row !== undefined && await host.get(`/traces/${String(row["trace_id"])}`)
    })
  const answersTo: MailHouse["answersTo"] = async (whose, id) =>
    (await server.messages(whose)).filter(({ inReplyTo }) => inReplyTo === `<${id}>`)
  return {
    server,
    database,
    ledger,
    host: () => host,
    kill: async () => void await host.kill(),
    restart: async () => {
      await host.kill()
      host = await startHost(place)
    },
    write: async ({ id = `mail-${process.pid}-${written++}@elsewhere.test`, inReplyTo, signed = true, ...mail }) => {
      const thread = inReplyTo === undefined ? {} : { inReplyTo: `<${inReplyTo}>`, references: `<${inReplyTo}>` }
      await server.send({ from: ada, to: syris, subject: "A wish", messageId: `<${id}>`, ...thread, ...mail }, signed)
      return id
    },
    post,
    traceOf,
    tells: (id, type) =>
      until(`${type} of ${id}`, async () => {
        const trace = await traceOf(id)
        return trace.audit.some((row: any) => row.type === type) && trace
      }),
    asked: (id, tool) =>
      until(`a question about ${tool}`, async () => {
        const { trace_id } = await traceOf(id)
        const { items } = await host.get("/approvals?status=pending")
        return items.find((item: any) => item.trace_id === trace_id && item.tool === tool)
      }),
    level: async (to) => {
      const { status } = await post("/controls/autonomy", { level: to })
      if (status !== 200) throw new Error(`The level is not ${to}: ${status}.`)
    },
    answersTo,
    answer: (whose, id) => until(`an answer to ${id}`, async () => (await answersTo(whose, id))[0]),
    close: async () => {
      await host.kill()
      await close()
    }
  }
}

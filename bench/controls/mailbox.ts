/**
 * The control of `mailbox.ts`: fetches all of a mailbox with `imapflow`, parses it with `mailparser`, and keeps nothing.
 */
import * as fs from "node:fs"
import { ImapFlow } from "imapflow"
import { simpleParser } from "mailparser"

const { answer, host, password, port, user } = JSON.parse(process.env["MAILBOX"]!) as {
  readonly answer: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}
const client = new ImapFlow({ host, port, secure: false, auth: { user, pass: password }, logger: false })
await client.connect()
const { exists } = await client.mailboxOpen("INBOX", { readOnly: true })
const started = performance.now()
let read = 0
for (let at = 1; at <= exists; at += 25) {
  for (const { source } of await client.fetchAll(`${at}:${at + 24}`, { source: true })) {
    const { subject } = await simpleParser(source!)
    if (subject !== undefined) read++
  }
}
fs.writeFileSync(answer, JSON.stringify({ read, seconds: (performance.now() - started) / 1_000 }))
await client.logout()

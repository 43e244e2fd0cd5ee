/**
 * A mailbox with ten thousand new messages, in a real Dovecot: how long the host needs until each is an event, whether each
 * is one once, and what memory it takes on the way. Against `imapflow` and `mailparser` alone, which fetch and parse the same
 * mailbox in a process of their own, in the same run.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { type MailServer, missing, startMailServer } from "../test/servers/MailServer.ts"
import { megabytes, processorSeconds } from "./Processes.ts"
import { figure, type Options, say, target, title } from "./Report.ts"
import { root, start, startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"

const paragraph = "The invoice of last month is still open, and I would be glad to hear when it will be paid. "

/** Of the kinds that come: words alone, the same with HTML, and every tenth with a file of 8 KiB. */
const mail = (index: number): string => {
  const boundary = `part-${index}`
  const text = `Hello,\r\n\r\n${paragraph.repeat(4 + index % 20)}\r\n\r\nRegards, number ${index}\r\n`
  const part = (type: string, body: string, more = "") =>
    `--${boundary}\r\nContent-Type: ${type}\r\n${more}\r\n${body}\r\n`
  const html = part("text/plain; charset=utf-8", text) + part("text/html; charset=utf-8", `<p>${text}</p>`)
  const file = part(
    "application/octet-stream; name=\"file.bin\"",
    Buffer.alloc(8_192, index % 256).toString("base64").replace(/.{76}/g, "$&\r\n"),
    "Content-Disposition: attachment; filename=\"file.bin\"\r\nContent-Transfer-Encoding: base64\r\n"
  )
  const kind = index % 10 === 0 ? "mixed" : index % 2 === 0 ? "alternative" : undefined
  return [
    `From: Sender ${index % 97} <sender-${index % 97}@elsewhere.test>`,
    "To: syris@home.test",
    `Subject: Message number ${index}`,
    `Message-ID: <bench-${index}@elsewhere.test>`,
    `Date: Mon, 30 Nov 2026 12:00:${String(index % 60).padStart(2, "0")} +0000`,
    "MIME-Version: 1.0",
    kind === undefined
      ? `Content-Type: text/plain; charset=utf-8\r\n\r\n${text}`
      : `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n${
        kind === "mixed" ? part("text/plain", text) + file : html
      }--${boundary}--\r\n`
  ].join("\r\n")
}

const config = (server: MailServer): string => {
  const { password } = server.user("syris")
  return `import { defineConfig } from "syris"
import email from "syris/plugins/email"
export default defineConfig({ plugins: [email({
  address: "syris@home.test",
  since: "2020-01-01",
  imap: { host: "127.0.0.1", port: ${server.imap.port}, secure: false, password: ${JSON.stringify(password)} },
  smtp: { host: "127.0.0.1", port: ${server.smtp.port}, secure: false }
})] })
`
}

const byHost = async (server: MailServer, count: number) => {
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres"))
  await postgres.createDatabase("host")
  const database = await postgres.connect("host")
  const file = path.join(folder.path, "syris.config.ts")
  fs.writeFileSync(file, config(server))
  await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"), { SYRIS_CONFIG: file })
  const pid = host.child.pid!
  const before = megabytes([pid], "Rss")
  const used = processorSeconds(pid)
  const started = performance.now()
  const memory: Array<number> = []
  let most = before
  const events = async () =>
    Number((await database.query("select count(*) from events where channel = 'email'"))[0]?.[0] ?? 0)
  await until(
    async () => {
      const have = await events()
      most = Math.max(most, megabytes([pid], "Rss"))
      for (const share of [0.1, 0.5, 1]) {
        if (have >= count * share && memory.length < [0.1, 0.5, 1].indexOf(share) + 1) {
          memory.push(megabytes([pid], "Rss"))
        }
      }
      return have >= count ? true : undefined
    },
    100,
    900
  )
  const seconds = (performance.now() - started) / 1_000
  const processor = processorSeconds(pid) - used
  // What comes twice would come now: the server is asked again at each start.
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const [counted] = await database.query(
    "select count(*), count(distinct message_id) from events where channel = 'email'"
  )
  await database.close()
  return { seconds, processor, before, memory, most, rows: Number(counted?.[0]), distinct: Number(counted?.[1]) }
}

const byLibraries = async (server: MailServer) => {
  await using folder = temporaryFolder()
  const answer = path.join(folder.path, "answer.json")
  await using control = start([path.join(root, "bench", "controls", "mailbox.ts")], {
    MAILBOX: JSON.stringify({ ...server.imap, ...server.user("syris"), answer })
  })
  await until(() => control.child.exitCode ?? undefined, 20, 900)
  return JSON.parse(fs.readFileSync(answer, "utf8")) as { readonly read: number; readonly seconds: number }
}

export const mailbox = async ({ quick }: Options): Promise<void> => {
  const count = quick ? 500 : 10_000
  title(`A mailbox with ${count.toLocaleString("en")} new messages`)
  const lacks = missing()
  if (lacks.length > 0) return say(`SKIPPED: this machine lacks ${lacks.join(", ")}.`)
  const server = await startMailServer({ users: ["syris"] })
  try {
    for (let index = 0; index < count; index++) server.deliver("syris", mail(index))
    // The server's own index of a mailbox that nobody has seen yet is neither's to pay for.
    await byLibraries(server)
    const alone = await byLibraries(server)
    const host = await byHost(server, count)
    target("lost or doubled", Math.abs(host.rows - count) + Math.abs(host.distinct - count), "messages", "at most", 0)
    figure("the host", count / host.seconds, "/s", "until each is a committed event")
    figure("its processor time", host.processor / count * 1_000, "ms each")
    figure("imapflow and mailparser alone", alone.read / alone.seconds, "/s", "fetched and parsed, nothing kept")
    figure("host / alone", alone.seconds / host.seconds * count / alone.read, "")
    const [tenth = Number.NaN, half = Number.NaN, all = Number.NaN] = host.memory
    figure("memory before, RSS", host.before, "MB")
    figure("after a tenth, half", tenth, "MB", `${half.toFixed(0)} MB`)
    figure("after all, the most", all, "MB", `${host.most.toFixed(0)} MB`)
    target("memory after all / after half", all / half, "", "at most", 1.2)
  } finally {
    await server.close()
  }
}

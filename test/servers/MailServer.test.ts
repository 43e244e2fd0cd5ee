import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { promisify } from "node:util"
import { ImapFlow } from "imapflow"
import { createTransport } from "nodemailer"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { processesIn } from "../stories/HostProcess.ts"
import { until } from "../storms/Until.ts"
import { type MailServer, missing, startMailServer } from "./MailServer.ts"
import { answers, loudly, missingPrograms } from "./ServerProcess.ts"

const run = promisify(execFile)
const lacking = [...missing(), ...missingPrograms({ swaks: "swaks" })]

describe.skipIf(lacking.length > 0)(`a mail server of a test${loudly(lacking)}`, () => {
  let server: MailServer
  beforeAll(async () => {
    server = await startMailServer({ users: ["ada", "syris", "stranger@elsewhere.test"] })
  })
  afterAll(() => server?.close())

  const signIn = (name: string): ImapFlow => {
    const { user, password } = server.user(name)
    const client = new ImapFlow({ ...server.imap, secure: false, auth: { user, pass: password }, logger: false })
    client.on("error", () => {})
    return client
  }
  const swaks = (...args: ReadonlyArray<string>) =>
    run("swaks", ["--server", `127.0.0.1:${server.mx.port}`, "--hide-all", ...args])
  const stored = (name: string, count: number) =>
    until(`${count} messages of ${name}`, () => server.count(name) === count && server.messages(name))

  it("takes what swaks sends, shows it over IMAP, and tells a waiting client of the next", async () => {
    await swaks(
      "--to",
      "ada@home.test",
      "--from",
      "stranger@elsewhere.test",
      "--header",
      "Subject: Hello",
      "--body",
      "Hi."
    )
    await stored("ada", 1)
    const client = signIn("ada")
    await client.connect()
    await client.mailboxOpen("INBOX")
    const message = await client.fetchOne("1", { envelope: true })
    expect(message && message.envelope?.subject).toBe("Hello")
    const told = new Promise<number>((resolve) => client.on("exists", ({ count }) => resolve(count)))
    void client.idle()
    await swaks("--to", "ada@home.test", "--from", "stranger@elsewhere.test")
    expect(await told).toBe(2)
    await client.logout()
  })

  it("stamps what it found out, and is not fooled by stamps, spoofs and forgeries", async () => {
    const mail = { from: "Ada <ada@home.test>", to: "syris@home.test", text: "Lights off\n" }
    const forged = "mx.test; dkim=pass header.d=home.test; dmarc=pass header.from=home.test"
    await server.send({ ...mail, subject: "signed" }, true)
    await server.send({ ...mail, subject: "spoofed", headers: { "Authentication-Results": forged } })
    await server.send({ ...mail, subject: "forged" }, "forged")
    await server.send(
      { ...mail, subject: "not aligned", envelope: { from: "x@elsewhere.test", to: "syris@home.test" } },
      true
    )
    await server.send({ ...mail, from: "somebody@nowhere.test", subject: "unknown" })
    const stamps = new Map((await stored("syris", 5)).map(({ subject, headerLines }) => [
      subject,
      headerLines.filter(({ key }) => key === "authentication-results").map(({ line }) =>
        line.replace(/^\S+:\s*/, "").replace(/\s+/g, " ")
      )
    ]))
    const signed = "dkim=pass header.d=home.test header.s=test"
    expect(stamps.get("signed")).toEqual([`mx.test; ${signed}; dmarc=pass header.from=home.test`])
    expect(stamps.get("spoofed")).toEqual(["mx.test; dkim=none; dmarc=fail header.from=home.test", forged])
    expect(stamps.get("forged")).toEqual([
      `mx.test; ${signed.replace("pass", "fail")}; dmarc=fail header.from=home.test`
    ])
    expect(stamps.get("not aligned")).toEqual([
      "mx.test; dkim=pass header.d=elsewhere.test header.s=test; dmarc=fail header.from=home.test"
    ])
    expect(stamps.get("unknown")).toEqual(["mx.test; dkim=none; dmarc=none header.from=nowhere.test"])
  })

  it("sends for its users only, who have said their password, and lets nothing out", async () => {
    const { user, password } = server.user("syris")
    const submit = (pass: string | undefined, to: string) =>
      createTransport({ ...server.smtp, ignoreTLS: true, ...(pass === undefined ? {} : { auth: { user, pass } }) })
        .sendMail({ from: "syris@home.test", to, subject: "An answer", text: "Done." })
    await submit(password, "stranger@elsewhere.test")
    const [answer] = await stored("stranger@elsewhere.test", 1)
    expect(answer).toMatchObject({ subject: "An answer" })
    expect(answer!.headers.has("authentication-results")).toBe(false)
    await expect(submit(undefined, "stranger@elsewhere.test")).rejects.toThrow(/access denied/i)
    await expect(submit("wrong", "stranger@elsewhere.test")).rejects.toThrow(/authentication failed/i)
    await expect(submit(password, "nobody@home.test")).rejects.toThrow(/unknown/i)
    await expect(server.send({ from: "ada@home.test", to: "somebody@example.com", text: "" })).rejects.toThrow(
      /denied/i
    )
  })

  it("is killed and comes back with the same mail; each half without the other", async () => {
    const before = server.count("ada")
    await server.imapDown()
    expect(await answers(server.imap.port)).toBe(false)
    await server.send({ from: "stranger@elsewhere.test", to: "ada@home.test", subject: "While away", text: "" })
    await stored("ada", before + 1)
    server.renumber("ada")
    await server.imapUp()
    const client = signIn("ada")
    await client.connect()
    expect((await client.mailboxOpen("INBOX")).exists).toBe(before + 1)
    await client.logout()

    await server.smtpDown()
    await expect(server.send({ from: "ada@home.test", to: "ada@home.test", text: "" })).rejects.toThrow(/ECONNREFUSED/)
    await server.smtpUp()
    await server.send({ from: "ada@home.test", to: "ada@home.test", subject: "Again", text: "" })
    await stored("ada", before + 2)
    // What it has laid into a mailbox and not yet taken out of its queue would be laid there again.
    await until("its queue to be empty", () => server.queued() === 0)

    await server.kill()
    await server.start()
    server.deliver("ada", "Subject: laid\r\n\r\nstraight\r\n")
    const last = (await stored("ada", before + 3)).at(-1)
    expect(last?.subject).toBe("laid")
    await until("its queue to be empty", () => server.queued() === 0)
  }, 90_000)
})

describe.skipIf(lacking.length > 0)("the end of a mail server of a test", () => {
  it("leaves no process, neither stopped nor killed nor after the death of the test", async () => {
    const script = `
      import { startMailServer } from "${import.meta.dirname}/MailServer.ts"
      const server = await startMailServer({ users: ["ada"] })
      console.log(JSON.stringify({ ...server.imap, folder: server.folder }))
      setInterval(() => {}, 1000)`
    const child = execFile(process.execPath, ["--input-type=module", "-e", script])
    const said = await new Promise<string>((resolve) => child.stdout!.once("data", (text) => resolve(String(text))))
    const { folder, port } = JSON.parse(said) as { readonly folder: string; readonly port: number }
    expect(await answers(port)).toBe(true)
    child.kill("SIGKILL")
    await until("its servers to be gone", async () => !(await answers(port)) && processesIn(folder).length === 0)
    fs.rmSync(folder, { recursive: true })

    const server = await startMailServer({ users: ["ada"] })
    for (const how of ["stop", "kill"] as const) {
      await server.start()
      expect(processesIn(server.folder)).not.toEqual([])
      await server[how]()
      await until("nobody to be left", () => processesIn(server.folder).length === 0)
    }
    await server.close()
  }, 90_000)
})

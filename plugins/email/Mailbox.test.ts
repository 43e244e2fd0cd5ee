/**
 * With a real Dovecot and a real Postfix. What arrived is counted on the disk.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as path from "node:path"
import { ToolRefused, ToolUnknown } from "syris"
import { afterAll, beforeAll } from "vitest"
import { type MailServer, missing, startMailServer } from "../../test/servers/MailServer.ts"
import { accountOf, type Options } from "./Account.ts"
import { checkOf } from "./Check.ts"
import { receiveInto } from "./Inbox.ts"
import { searchTools } from "./Search.ts"
import { sendBy } from "./Send.ts"
import { testChannel, toolContext } from "./TestAccount.ts"
import { startProxy } from "./TestProxy.ts"

const lacks = missing()
if (lacks.length > 0) console.warn(`\n!!! E-mail is NOT tested with real servers: ${lacks.join(", ")} is missing.\n`)

describe.skipIf(lacks.length > 0)("e-mail over real servers", () => {
  let server: MailServer
  const people = ["syris", "second", "third", "fourth", "fifth", "sixth", "ada", "op", "eve@else.test"]
  beforeAll(async () => {
    server = await startMailServer({ users: people })
  })
  afterAll(() => server?.close())

  const optionsOf = (name: string, more: Partial<typeof Options.Type> = {}): typeof Options.Type => {
    const { address, password } = server.user(name)
    return {
      address,
      imap: { ...server.imap, secure: false, password },
      smtp: { ...server.smtp, secure: false, user: address, password },
      trustedSenders: ["ada@home.test"],
      trustedServer: server.authservId,
      ...more
    }
  }
  const listen = (
    name: string,
    memory: Parameters<typeof testChannel>[0] = { taken: new Set() },
    more: Partial<typeof Options.Type> = {}
  ) => {
    const channel = testChannel(memory)
    const ended = receiveInto(accountOf(optionsOf(name, more)))(channel.ctx).then(
      () => undefined,
      (error: Error) => error
    )
    return { ...channel, ended }
  }
  const letter = (to: string, subject: string, more = {}) => ({
    from: "Ada <ada@home.test>",
    to: server.user(to).address,
    subject,
    text: subject,
    ...more
  })
  const run = (more: Partial<typeof Options.Type>, input: object, key: string) =>
    (sendBy(accountOf(optionsOf("syris", more))).run as (
      input: unknown,
      ctx: unknown
    ) => Promise<{ message: string; filed: boolean }>)(
      input,
      toolContext(key)
    )
  const probe = (input: object, key: string) => sendBy(accountOf(optionsOf("syris"))).probe!(input, toolContext(key))
  const failure = async (what: Promise<unknown>): Promise<Error> =>
    await what.then(() => assert.fail("it did not fail"), (error: Error) => error)

  it("hears of mail at once, answers in its thread, and files the answer", async () => {
    server.deliver("syris", "From: ada@home.test\r\nSubject: old\r\n\r\nfrom before the first start")
    const host = listen("syris")
    await host.connected
    await server.send(letter("syris", "Turn the lamp off"), true)
    await host.until(1)
    const [{ event, options }] = host.events as [typeof host.events[0]]
    assert.strictEqual(event.text, "Turn the lamp off")
    assert.strictEqual(options.raise?.trust, "trusted")
    // Read, and left as it was.
    assert.deepStrictEqual((await server.messages("syris")).map(({ flags }) => flags.includes("S")), [false, false])

    const answer = {
      ...event.structured?.["reply"] as object,
      to: event.actor_id,
      in_reply_to: event.message_id,
      thread_id: event.thread_id,
      text: "Es ist aus: Küche."
    }
    assert.deepInclude(await run({}, answer, "answer"), { message: "Sent to ada@home.test.", filed: true })
    // Another attempt of the same call finds it sent.
    await run({}, answer, "answer")
    assert.strictEqual(await probe(answer, "answer"), "done")
    assert.strictEqual(await probe(answer, "another"), "not_done")
    await waitFor(() => server.count("ada") === 1 && server.queued() === 0)
    const [got] = await server.messages("ada")
    const [sent] = await server.messages("syris", "Sent")
    assert.strictEqual(server.count("syris", "Sent"), 1)
    assert.strictEqual(server.count("syris", "Drafts"), 0)
    assert.strictEqual(sent?.messageId, got?.messageId)
    assert.include(sent?.flags ?? "", "S")
    assert.strictEqual(got?.inReplyTo, `<${event.message_id}>`)
    assert.strictEqual(got?.subject, "Re: Turn the lamp off")
    assert.include(got?.text ?? "", "Küche")

    // And what ada writes back to that, with nothing but its id, is in the same thread.
    await server.send(letter("syris", "Thanks", { inReplyTo: got?.messageId }), true)
    await host.until(2)
    assert.strictEqual(host.events[1]?.event.thread_id, event.thread_id)
    host.stop()
    assert.isUndefined(await host.ended)
  })

  it("takes each mail once and in order: while IMAP dies, and when all numbers change", async () => {
    const memory = { taken: new Set<string>() }
    const first = listen("second", memory)
    await first.connected
    for (let n = 0; n < 30; n++) {
      server.deliver("second", `From: a@b.test\r\nMessage-ID: <${n}@b.test>\r\nSubject: ${n}\r\n\r\n`)
      // Dovecot numbers them by the millisecond in their names.
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await first.until(30)
    await server.imapDown()
    assert.instanceOf(await first.ended, Error)
    server.deliver("second", "From: a@b.test\r\nMessage-ID: <30@b.test>\r\nSubject: 30\r\n\r\n")
    server.renumber("second")
    await server.imapUp()
    const again = listen("second", memory)
    await again.until(1)
    server.deliver("second", "From: a@b.test\r\nMessage-ID: <31@b.test>\r\nSubject: 31\r\n\r\n")
    await again.until(2)
    again.stop()
    await again.ended
    assert.deepStrictEqual(first.events.map(({ event }) => event.text), Array.from({ length: 30 }, (_, n) => String(n)))
    assert.deepStrictEqual(again.events.map(({ event }) => event.text), ["30", "31"])
  })

  it("is not held up by what can't be read, and comes again to what the host did not take", async () => {
    const memory = { taken: new Set<string>() }
    const channel = testChannel(memory, {
      emit: (event) => {
        if (event.text === "refuse") throw Object.assign(new Error("no"), { _tag: "EventRejected" })
        if (event.text === "away" && !memory.taken.has("tried")) {
          memory.taken.add("tried")
          throw new Error("the database is away")
        }
      }
    })
    const account = accountOf(optionsOf("third", { markSeen: true }))
    const ended = receiveInto(account)(channel.ctx).catch((error: Error) => error)
    await channel.connected
    const levels = Array.from(
      { length: 1000 },
      (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}`
    )
    server.deliver("third", `From: eve@else.test\r\nMessage-ID: <nested@else.test>\r\n${levels.join("\r\n")}\r\n\r\nx`)
    server.deliver(
      "third",
      Buffer.concat([Buffer.from("From: eve@else.test\r\n\r\n"), Buffer.alloc(11 * 1024 * 1024, "x\n")])
    )
    server.deliver("third", Buffer.from([0, 255, 254, 0]))
    server.deliver("third", "From: eve@else.test\r\nSubject: refuse\r\n\r\n")
    server.deliver("third", "From: eve@else.test\r\nSubject: away\r\n\r\n")
    assert.strictEqual(String(await ended), "Error: the database is away")
    const again = testChannel(memory)
    const running = receiveInto(account)(again.ctx)
    await again.connected
    server.deliver("third", "From: eve@else.test\r\nSubject: last\r\n\r\n")
    await waitFor(() => again.events.some(({ event }) => event.text === "last"))
    again.stop()
    await running
    const texts = [...channel.events, ...again.events].map(({ event }) => event.text)
    assert.strictEqual(texts.filter((text) => text === "away").length, 1)
    const codes = [...channel.rejected, ...again.rejected].map(({ code }) => code)
    assert.includeMembers(codes, ["email.too_nested", "email.too_large", "email.refused"])
    const nested = channel.rejected.find(({ code }) => code === "email.too_nested")
    assert.deepInclude(nested?.data, { from: "eve@else.test", message_id: "nested@else.test" })
  })

  it("takes the operator's answer to a question, proven, and once; a spoof decides nothing", async () => {
    const host = listen("fourth", undefined, { operator: "op@home.test" })
    await host.connected
    const answer = { ...letter("fourth", "Re: Approval 7?"), from: "op@home.test", text: "approve 7kq2-m9td\n" }
    await server.send(
      { ...answer, headers: { "Authentication-Results": "mx.test; dmarc=pass header.from=home.test" } },
      "forged"
    )
    await host.until(1)
    assert.deepStrictEqual(host.rejected.map(({ code }) => code), ["email.not_verified"])
    await server.send(answer, true)
    await host.until(3)
    await server.send({ ...answer, text: "no, 7kq2-m9td" }, true)
    await host.until(5)
    await server.send({ ...answer, text: "approve 7kq2-m9td, no, deny it" }, true)
    await host.until(6)
    assert.deepStrictEqual(host.answers, [
      { code: "7KQ2-M9TD", decision: "approve" },
      { code: "7KQ2-M9TD", decision: "deny" }
    ])
    assert.deepStrictEqual(host.rejected.map(({ code }) => code), ["email.not_verified", "email.unclear"])
    // What came of it is on record, without the code; and nobody is written to behind the host's back.
    assert.deepStrictEqual(host.events.map(({ event }) => [event.text, event.structured?.["answer"]]), [
      [undefined, { decision: "approve", outcome: "decided", message: "Done: approve." }],
      [undefined, { decision: "deny", outcome: "unknown", message: "This code was used." }]
    ])
    assert.notMatch(JSON.stringify([host.events, host.rejected]), /7kq2/i)
    await waitFor(() => server.queued() === 0)
    assert.strictEqual(server.count("op"), 0)
    host.stop()
    await host.ended
  })

  it("notices within two beats that nobody is there any more", async () => {
    const wire = await startProxy(server.imap, { client: (text) => /\bIDLE\b/.test(text) ? wire.freeze() : undefined })
    const options = optionsOf("fifth")
    const channel = testChannel()
    const ended = receiveInto(accountOf({ ...options, imap: { ...options.imap, port: wire.port } }), { beatMs: 300 })(
      channel.ctx
    )
      .catch((error: Error) => error)
    assert.include(String(await ended), "no answer")
    wire.close()
  })

  it(
    "killed before or after the server took a mail, leaves a draft that says so, and nobody sends it twice",
    async () => {
      const options = optionsOf("syris")
      const killedAt = async (moment: "DATA" | "Date: " | "queued as") => {
        const child: { process?: ReturnType<typeof spawn> } = {}
        const look = (text: string) => text.includes(moment) ? (child.process?.kill("SIGKILL"), false) : undefined
        const wire = await startProxy(server.smtp, moment === "queued as" ? { server: look } : { client: look })
        const mail = { to: ["eve@else.test"], subject: moment, text: moment, references: [] }
        child.process = spawn(process.execPath, [
          path.join(import.meta.dirname, "test-sender.entry.ts"),
          JSON.stringify({ key: moment, mail, options: { ...options, smtp: { ...options.smtp, port: wire.port } } })
        ], { stdio: "ignore" })
        assert.deepStrictEqual(await once(child.process, "exit"), [null, "SIGKILL"])
        wire.close()
        return { to: "eve@else.test", subject: moment, text: moment }
      }
      const [before, text] = await Promise.all([killedAt("DATA"), killedAt("Date: "), killedAt("queued as")])
      await waitFor(() => server.queued() === 0 && server.count("eve@else.test") > 0)
      assert.deepStrictEqual((await server.messages("eve@else.test")).map(({ subject }) => subject), ["queued as"])
      // Before the server said that it takes a text, nothing is open: it is sent again without asking anybody.
      assert.strictEqual(await probe(before, "DATA"), "not_done")
      assert.strictEqual(await probe(text, "Date: "), "unknown")
      assert.strictEqual(await probe({ ...before, text: "queued as" }, "queued as"), "unknown")
      // Of the second the person who is asked says: again. It goes out, and no draft is left of it.
      await run({}, text, "Date: ")
      await waitFor(() => server.count("eve@else.test") === 2)
      assert.strictEqual(await probe(text, "Date: "), "done")
      assert.deepStrictEqual((await server.messages("syris", "Drafts")).map(({ subject }) => subject), ["queued as"])
    },
    60_000
  )

  it("says whether anything was sent, when it fails", async () => {
    const to = { to: "ada@home.test", text: "hello" }
    const drafts = server.count("syris", "Drafts")
    const refused = await failure(run({}, { ...to, to: "nobody@nowhere.test" }, "f1"))
    assert.instanceOf(refused, ToolRefused)
    assert.match(refused.message, /Nothing was sent|refused/)
    const options = optionsOf("syris")
    const wrong = await failure(run({ smtp: { ...options.smtp, password: "wrong" } }, to, "f2"))
    assert.instanceOf(wrong, ToolRefused)
    assert.match(wrong.message, /Nothing was sent.*check the user and the password/)
    const away = await failure(run({ imap: { ...options.imap, port: 1 } }, to, "f3"))
    assert.instanceOf(away, ToolRefused)
    assert.strictEqual(server.count("syris", "Drafts"), drafts)
    const wire = await startProxy(server.smtp, {
      server: (text, cut) => /queued as/.test(text) ? (cut(), false) : undefined
    })
    const lost = await failure(run({ smtp: { ...options.smtp, port: wire.port } }, to, "f4"))
    assert.instanceOf(lost, ToolUnknown)
    assert.strictEqual(await probe(to, "f4"), "unknown")
    wire.close()
  })

  it("sends no text while the draft can't be kept, and keeps it by another connection where one is lost", async () => {
    const options = optionsOf("syris")
    const wire = (times: number) =>
      startProxy(server.imap, {
        client: (text, cut) => /APPEND/.test(text) && times-- > 0 ? (cut(), false) : undefined
      })
    const by = (port: number, key: string) =>
      run({ imap: { ...options.imap, port } }, { to: "ada@home.test", subject: key, text: "hello" }, key)
    const [never, once] = [await wire(Infinity), await wire(1)]
    const lost = await failure(by(never.port, "never"))
    assert.instanceOf(lost, ToolRefused)
    assert.match(lost.message, /Nothing was sent.*draft can't be kept/)
    assert.isTrue((await by(once.port, "once")).filed)
    await waitFor(() => server.queued() === 0)
    const subjects = (await server.messages("ada")).map(({ subject }) => subject)
    assert.include(subjects, "once")
    assert.notInclude(subjects, "never")
    never.close()
    once.close()
  })

  it("finds and reads mail, and says in words how it is reached", async () => {
    server.deliver(
      "sixth",
      "From: Shop <shop@else.test>\r\nMessage-ID: <bill@else.test>\r\nSubject: Bill\r\n\r\n12 euros"
    )
    const account = accountOf(optionsOf("sixth"))
    const [search, read] = searchTools(account) as unknown as ReadonlyArray<
      { run: (input: object, ctx: unknown) => Promise<any> }
    >
    const found = await search!.run({ words: "euros" }, toolContext("s"))
    assert.deepInclude(found.items[0], { message_id: "bill@else.test", subject: "Bill", seen: false })
    assert.strictEqual((await search!.run({ from: "nobody" }, toolContext("s"))).total, 0)
    assert.deepInclude(await read!.run({ message_id: "bill@else.test" }, toolContext("s")), { text: "12 euros" })
    const check = checkOf(account)
    assert.match(await check(toolContext("c")), /signed in as sixth@home\.test, \d+ folders?, 1 message in INBOX/)
    const options = optionsOf("sixth")
    const bad = checkOf(accountOf({ ...options, imap: { ...options.imap, password: "wrong" } }))
    assert.match((await failure(bad(toolContext("c")))).message, /does not let sixth@home\.test in.*check the user/)
    const none = checkOf(accountOf({ ...options, mailbox: "Nowhere" }))
    assert.match((await failure(none(toolContext("c")))).message, /There is no folder Nowhere/)
  })
})

/** Looks again until it is so: the disk says nothing by itself. */
const waitFor = async (isSo: () => boolean): Promise<void> => {
  const until = Date.now() + 30_000
  while (!isSo()) {
    if (Date.now() > until) throw new Error("It did not come to that within 30 seconds.")
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

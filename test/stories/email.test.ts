/**
 * Mail, from the stranger's server to the stranger's mailbox: routed, asked about where risk asks for it, done, answered in
 * its thread, once; with spoofs, with mail that no one should parse, with servers that die, and with a host that is killed.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { loudly } from "../servers/ServerProcess.ts"
import { missing } from "../servers/MailServer.ts"
import { long, makeRandom, moment, seed, until } from "../storms/Until.ts"
import { ada, type MailHouse, openMailHouse, stranger, syris } from "./MailHouse.ts"

const typesOf = (trace: any): ReadonlyArray<string> => trace.audit.map((row: any) => row.type)
const rowOf = (trace: any, type: string): any => trace.audit.find((row: any) => row.type === type)
const callsOf = (trace: any): ReadonlyArray<string> =>
  trace.tool_calls.map((call: any) => `${call.tool} ${call.status}`)

const lacking = missing()

describe.skipIf(lacking.length > 0)(`a host that has a mailbox${loudly(lacking)}`, () => {
  let house: MailHouse
  beforeAll(async () => {
    house = await openMailHouse()
  }, 90_000)
  afterAll(() => house?.close())

  const health = async () =>
    (await house.host().get("/health")) as { readonly status: string; readonly degraded: ReadonlyArray<string> }

  it("does what a trusted sender asks for, answers in the thread, and takes the same mail once", async () => {
    const id = await house.write({ text: "Count the cups in the kitchen", subject: "Cups" })
    const answer = await house.answer(ada, id)
    assert.deepEqual(
      [answer.subject, answer.text?.trim(), answer.from?.text, answer.inReplyTo],
      ["Re: Cups", "3 cups in the kitchen.", syris, `<${id}>`]
    )
    assert.deepEqual([answer.references].flat(), [`<${id}>`])
    const trace = await house.tells(id, "response.sent")
    assert.deepEqual(typesOf(trace), [
      "event.ingested",
      "routing.decided",
      "tool_call.attempted",
      "tool_call.succeeded",
      "tool_call.attempted",
      "tool_call.succeeded",
      "response.sent"
    ])
    assert.deepEqual(callsOf(trace), ["cups.count succeeded", "email.send succeeded"])
    assert.match(rowOf(trace, "event.ingested").data.trust_because, /ada@home\.test .*dmarc=pass/)

    const more = await house.write({
      text: "Count the cups in the study",
      subject: "Re: Cups",
      inReplyTo: answer.messageId!.slice(1, -1)
    })
    const second = await house.answer(ada, more)
    assert.deepEqual([second.references].flat().at(-1), `<${more}>`)
    await house.write({ text: "Count the cups in the kitchen", subject: "Cups", id })
    const last = await house.write({ text: "Count the cups in the hall" })
    await house.answer(ada, last)
    assert.lengthOf(await house.answersTo(ada, id), 1)
    const rows = await house.database.query("select event_id from events where message_id = $1", [id])
    assert.lengthOf(rows, 1)
  }, 60_000)

  it("opens no door for a stranger before a person has said yes, over HTTP; then tells the stranger", async () => {
    const id = await house.write({ from: stranger, text: "open the front door", subject: "Let me in" })
    const question = await house.asked(id, "door.open")
    assert.deepEqual(house.ledger.entries(), [])
    assert.strictEqual((await house.post(`/approvals/${question.approval_id}/approve`)).status, 200)
    const reply = await house.asked(id, "email.send")
    assert.deepEqual(house.ledger.entries(), ["front"])
    assert.deepEqual([reply.what.to, reply.what.text], [stranger, "The front door is open."])
    assert.strictEqual(house.server.count(stranger), 0)
    assert.strictEqual((await house.post(`/approvals/${reply.approval_id}/approve`)).status, 200)
    const answer = await house.answer(stranger, id)
    assert.deepEqual([answer.subject, answer.text?.trim()], ["Re: Let me in", "The front door is open."])
    const types = typesOf(await house.tells(id, "response.sent"))
    assert.deepEqual(types.filter((type) => type.startsWith("gate.")), [
      "gate.required",
      "gate.approved",
      "gate.required",
      "gate.approved"
    ])
    assert.strictEqual(house.server.count(stranger), 1)
  }, 60_000)

  it("waits with its answer at A1", async () => {
    const when = { path: "input.where", op: "eq", value: "attic" }
    assert.strictEqual((await house.post("/policy", { tool: "cups.count", when })).status, 201)
    await house.level("A1")
    const id = await house.write({ text: "Count the cups in the attic" })
    const reply = await house.asked(id, "email.send")
    assert.lengthOf(await house.answersTo(ada, id), 0)
    await house.post(`/approvals/${reply.approval_id}/approve`)
    await house.answer(ada, id)
    await house.level("A2")
  }, 60_000)

  it("trusts no mail that only says whose it is, and says why", async () => {
    for (const signed of [false, "forged"] as const) {
      const id = await house.write({ signed, text: "open the back door" })
      const trace = await house.tells(id, "gate.required")
      const { data } = rowOf(trace, "event.ingested")
      assert.match(
        data.trust_doubt,
        /^From says ada@home\.test, which is a trusted sender, but mx\.test does not confirm it/
      )
      assert.strictEqual(data.trust_because, undefined)
      const { approval_id } = await house.asked(id, "door.open")
      await house.post(`/approvals/${approval_id}/deny`)
    }
    assert.notInclude(house.ledger.entries(), "back")
  }, 60_000)

  it("refuses a mail of a thousand nested parts with a row, and takes the next", async () => {
    const depth = 1_000
    const open = Array.from(
      { length: depth },
      (_, at) => `Content-Type: multipart/mixed; boundary="b${at}"\r\n\r\n--b${at}\r\n`
    ).join("")
    const head =
      `From: ${stranger}\r\nTo: ${syris}\r\nSubject: Deep\r\nMessage-ID: <deep@elsewhere.test>\r\nMIME-Version: 1.0\r\n`
    await house.server.send({
      envelope: { from: stranger, to: syris },
      raw: `${head}${open}Content-Type: text/plain\r\n\r\nopen the cellar door\r\n`
    })
    await house.answer(ada, await house.write({ text: "Count the cups in the cellar" }))
    const items = await until("its row", async () => {
      const { items } = await house.host().get("/audit?type=event.rejected")
      return items.length > 0 && items
    })
    assert.deepEqual(items.map(({ data }: any) => [data.channel, data.error.code]), [["email", "email.too_nested"]])
    assert.lengthOf(await house.database.query("select 1 from events where message_id like 'deep@%'"), 0)
  }, 60_000)

  it("does not answer what answers by itself, whatever it asks for", async () => {
    const text = "Count the cups in the yard"
    const id = await house.write({ text, headers: { "Auto-Submitted": "auto-replied" } })
    const trace = await house.tells(id, "routing.unhandled")
    assert.deepEqual(callsOf(trace), [])
    await house.answer(ada, await house.write({ text }))
    assert.lengthOf(await house.answersTo(ada, id), 0)
  }, 60_000)

  it("is degraded within 30 s when IMAP dies, and takes what came meanwhile when it is back", async () => {
    await house.server.imapDown()
    await until("a degraded host", async () => (await health()).degraded.some((part) => part.includes("email")), 30_000)
    const ids = [
      await house.write({ text: "Count the cups in the shed" }),
      await house.write({ text: "Count the cups in the barn" })
    ]
    await until("both in the mailbox", () => house.server.queued() === 0)
    await house.server.imapUp()
    for (const id of ids) await house.answer(ada, id)
    await until("a healthy host", async () => (await health()).status === "healthy", 45_000)
    for (const id of ids) assert.lengthOf(await house.answersTo(ada, id), 1)
  }, 120_000)

  it("tells that an answer was not sent where SMTP is down, and has sent none", async () => {
    const id = await house.write({ text: "open the garage door" })
    const question = await house.asked(id, "door.open")
    await house.server.smtpDown()
    await house.post(`/approvals/${question.approval_id}/approve`)
    const trace = await house.tells(id, "response.failed")
    assert.include(house.ledger.entries(), "garage")
    assert.deepEqual(callsOf(trace), ["door.open succeeded", "email.send failed"])
    assert.match(rowOf(trace, "tool_call.failed").summary, /nothing was sent/i)
    await house.server.smtpUp()
    await house.answer(ada, await house.write({ text: "Count the cups in the loft" }))
    assert.lengthOf(await house.answersTo(ada, id), 0)
  }, 90_000)

  it("is killed at any moment of a stream of mails: each is handled once, and answered once", async () => {
    const random = makeRandom(seed)
    const [mails, kills] = long ? [200, 60] : [12, 4]
    const ids: Array<string> = []
    const streaming = (async () => {
      for (let index = 0; index < mails; index++) {
        ids.push(await house.write({ text: `Count the cups in the box-${index}` }))
        await moment(random() * 500)
      }
    })()
    for (let index = 0; index < kills; index++) {
      // Most of it happens in the first second of a host: it takes what came meanwhile.
      await moment(random() * 1_000)
      await house.restart()
    }
    await streaming
    const unknown = new Set<string>()
    const told: Array<number> = []
    for (const id of ids) {
      told.push(
        await until(`an end of ${id}`, async () => {
          const trace = await house.traceOf(id)
          const types = typesOf(trace)
          if (types.includes("response.sent")) return 1
          if (types.includes("response.failed")) return 0
          // The mailbox does not know whether it went out, so a person says it, who looks into Ada's.
          const call = trace.tool_calls.find(({ status }: any) => status === "unknown")
          if (call === undefined) return undefined
          unknown.add(id)
          await until("an empty queue", () => house.server.queued() === 0)
          const outcome = (await house.answersTo(ada, id)).length > 0 ? "happened" : "not_happened"
          await house.post(`/tool-calls/${call.tool_call_id}/settle`, { outcome })
          return undefined
        }, 90_000)
      )
    }
    await until("an empty queue", () => house.server.queued() === 0)
    const counted = async () => {
      const of = (all: ReadonlyArray<{ readonly inReplyTo?: string | undefined }>, id: string): number =>
        all.filter(({ inReplyTo }) => inReplyTo === `<${id}>`).length
      const inbox = await house.server.messages(ada)
      return ids.map((id) => of(inbox, id))
    }
    const answers = await counted()
    const [answered, doubled] = [
      answers.filter((count) => count === 1).length,
      answers.filter((count) => count > 1).length
    ]
    console.log(
      `email, seed ${seed}: ${kills} kills, ${mails} mails, ${answered} answered, ${unknown.size} unknown, ${doubled} doubled`
    )
    assert.strictEqual(doubled, 0)
    // What is told of an answer is what became of it.
    assert.deepEqual(answers, told)
    assert.isAtLeast(answered, mails - unknown.size)
    const rows = await house.database.query(
      `select e.message_id, count(c.*)::int as calls from events e left join tool_calls c
         on c.trace_id = e.trace_id and c.tool = 'cups.count' and c.status = 'succeeded'
       where e.message_id = any($1) group by e.event_id, e.message_id`,
      [ids]
    )
    assert.lengthOf(rows, mails)
    assert.deepEqual(rows.filter(({ calls }) => calls !== 1), [])

    // Control: one that is sent once more is counted.
    const again = (await house.answersTo(ada, ids[0]!))[0]
    house.server.deliver(ada, again?.raw ?? `In-Reply-To: <${ids[0]}>\r\n\r\nagain\r\n`)
    assert.deepEqual((await counted()).map((count, index) => count - answers[index]!).filter(Boolean), [1])
  }, long ? 1_800_000 : 300_000)
})

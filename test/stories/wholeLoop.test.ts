/**
 * The whole loop on real parts, with one host: a mail through real servers, words and a change in Home Assistant, a signed
 * webhook. Each is routed, its tool called, asked about where risk asks for it, done once, written down, and answered where
 * it came from. Asked is the operator in his own mailbox, too, and his answer counts only where it is surely his.
 */
import { createHmac } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type HomeAssistantServer, startHomeAssistant } from "../servers/HomeAssistantServer.ts"
import { type MailServer, missing, type StoredMail, startMailServer } from "../servers/MailServer.ts"
import { loudly } from "../servers/ServerProcess.ts"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type HostProcess, type Place, runSyris, startHost } from "./HostProcess.ts"
import { codeIn } from "./Pager.ts"

const [ada, grace, syris] = ["ada@home.test", "grace@home.test", "syris@home.test"]
const token = "the-long-lived-token-of-the-house"
const keys = { in: "the key that the bell signs with", out: "the key that the answers are signed with" }
const whsec = (key: string): string => `whsec_${Buffer.from(key).toString("base64")}`
const sign = (key: string, id: string, at: string, body: string): string =>
  `v1,${createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64")}`

interface Post {
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** The other side of the webhook: takes what is posted to it. */
const openBell = async () => {
  const posts: Array<Post> = []
  const server = http.createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => body += text).on("end", () => {
      posts.push({ headers: request.headers, body })
      response.end()
    })
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/answers`,
    posts,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

const config = (mail: MailServer, house: string, bell: string): string => {
  const door = (at: { readonly port: number }): string =>
    `{ host: "127.0.0.1", port: ${at.port}, secure: false, user: "${syris}", password: ${
      JSON.stringify(mail.user("syris").password)
    } }`
  return `
import { defineConfig } from "syris"
import email from "syris/plugins/email"
import homeAssistant from "syris/plugins/home-assistant"
import webhook from "syris/plugins/webhook"

export default defineConfig({
  timezone: "UTC",
  plugins: [
    homeAssistant({ url: "${house}", token: "${token}" }),
    email({
      address: "${syris}", since: "2020-01-01", imap: ${door(mail.imap)}, smtp: ${door(mail.smtp)},
      trustedSenders: ["${ada}"], trustedServer: "${mail.authservId}", operator: "${grace}"
    }),
    webhook({
      name: "bell", style: "standard", secret: "${whsec(keys.in)}",
      url: "${bell}", signingSecret: "${whsec(keys.out)}", honoursKey: true
    })
  ],
  rules: [{
    name: "light for whoever comes",
    when: { all: [
      { path: "content.structured.entity_id", op: "eq", value: "binary_sensor.hall_motion" },
      { path: "content.structured.to", op: "eq", value: "on" }
    ] },
    then: [{ tool: "ha.device.control", input: { target: ["light.reading_lamp"], action: "on" } }]
  }]
})
`
}

const lacking = missing()

describe.skipIf(lacking.length > 0)(`a host with a mailbox, a house and a webhook${loudly(lacking)}`, () => {
  const home = folder("wholeloop")
  let bell: Awaited<ReturnType<typeof openBell>>
  let database: OwnDatabase
  let ha: HomeAssistantServer
  let host: HostProcess
  let mail: MailServer
  let place: Place

  beforeAll(async () => {
    ;[bell, database, mail, ha] = await Promise.all([
      openBell(),
      makeDatabase(),
      startMailServer({ users: [ada, grace, syris] }),
      startHomeAssistant({ token, entities: [{ entity_id: "lock.back_door", state: "locked" }] })
    ])
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config(mail, ha.url, bell.url))
    place = { home, config: file, databaseUrl: database.url }
    host = await startHost(place)
    await until("all of it to be connected", async () => {
      const { degraded, status } = await host.get("/health")
      if (status !== "healthy" || ha.connections() === 0) throw new Error(JSON.stringify(degraded))
      return true
    })
  }, 120_000)
  afterAll(async () => {
    await host?.kill()
    await Promise.all([database?.close(), mail?.close(), ha?.stop()])
    bell?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const eventOf = (channel: string, column: string, value: string) =>
    until(`the event of ${value}`, async () => {
      const [row] = await database.query<{ readonly trace_id: string }>(
        `select trace_id from events where channel = $1 and ${column} = $2`,
        [channel, value]
      )
      return row
    })
  const traceOf = ({ trace_id }: { readonly trace_id: string }) => host.get(`/traces/${trace_id}`)
  const typesOf = (trace: any): ReadonlyArray<string> => trace.audit.map(({ type }: any) => type)
  /** Once it tells of this, and not only of a question that was brought to the operator. */
  const ended = (ids: { readonly trace_id: string }, type: string) =>
    until(type, async () => {
      const trace = await traceOf(ids)
      const told = trace.audit.some((row: any) => row.type === type && !row.summary.startsWith("Asked on"))
      if (!told) throw new Error(JSON.stringify(trace.audit))
      return trace
    })
  const asked = (ids: { readonly trace_id: string }) =>
    until("the question", async () => {
      const { items } = await host.get("/approvals?status=pending")
      return items.find(({ trace_id }: any) => trace_id === ids.trace_id)
    })
  const approve = async ({ approval_id, what_hash }: any) => {
    const init = { method: "POST", body: JSON.stringify({ what_hash }) }
    assert.strictEqual((await host.request(`/approvals/${approval_id}/approve`, init)).status, 200)
  }
  const calls = (entity: string, service: string) =>
    ha.calls.filter((call) => call.service === service && call.entity_ids.includes(entity)).length
  const cli = async ({ trace_id }: { readonly trace_id: string }): Promise<string> => {
    const { code, err, out } = await runSyris(["trace", trace_id], place)
    assert.strictEqual(code, 0, err)
    return out
  }

  let sent = 0
  const write = async (from: string, text: string, more: { readonly signed?: boolean; readonly to?: StoredMail }) => {
    const id = `whole-${process.pid}-${sent++}@home.test`
    const thread = more.to === undefined ? {} : { inReplyTo: more.to.messageId!, references: more.to.messageId! }
    const subject = more.to === undefined ? "A wish" : `Re: ${more.to.subject}`
    await mail.send({ from, to: syris, subject, text, messageId: `<${id}>`, ...thread }, more.signed ?? true)
    return id
  }
  const inbox = (whose: string, what: string, is: (mail: StoredMail) => boolean) =>
    until(what, async () => (await mail.messages(whose)).find(is))
  const answerTo = (whose: string, id: string) =>
    inbox(whose, `an answer to ${id}`, ({ inReplyTo }) => inReplyTo === `<${id}>`)

  it(
    "opens a door for a mail, once, after the operator has said yes by mail with the code of the question",
    async () => {
      const wish = await write(ada, "Unlock the back door", {})
      const event = await eventOf("email", "message_id", wish)
      const { approval_id, number, risk, tool, what } = await asked(event)
      assert.deepEqual([tool, risk, what.target], ["ha.device.control", "high", ["lock.back_door"]])
      const question = await inbox(
        grace,
        "the question",
        ({ subject }) => subject?.startsWith(`Approval ${number}:`) === true
      )
      const code = codeIn(question.text!.replaceAll("\r\n", "\n"))
      assert.include(question.text!, "\"lock.back_door\"")
      const standing = async () => (await host.get(`/approvals/${approval_id}`)).status

      // Whoever knows the code and only says that he is the operator.
      const spoof = await write(grace, `approve ${code}`, { signed: false, to: question })
      const [refused] = await until("the refusal", async () => {
        const { items } = await host.get("/audit?type=event.rejected")
        return items.length > 0 && items
      })
      assert.deepEqual([refused.data.error.code, refused.data.message_id], ["email.not_verified", spoof])
      // Ada, whose mail is believed, is not the operator.
      await write(ada, `approve ${code}`, { to: question })
      await until("the second refusal", async () => (await host.get("/audit?type=event.rejected")).items.length === 2)
      assert.deepEqual([await standing(), calls("lock.back_door", "unlock")], ["pending", 0])

      const yes = await write(grace, `approve ${code}\n`, { to: question })
      /** What the record has of an answer to a question. */
      const worth = (id: string) =>
        until(`what came of ${id}`, async () => {
          const [row] = await database.query<{ readonly message: string }>(
            "select structured -> 'answer' ->> 'message' as message from events where channel = 'email' and message_id = $1",
            [id]
          )
          return row?.message
        })
      assert.strictEqual(await worth(yes), `Approved ${number}: ha.device.control.`)
      const answer = await answerTo(ada, wish)
      assert.deepEqual([answer.subject, [answer.references].flat()], ["Re: A wish", [`<${wish}>`]])
      assert.match(answer.text!, /back door/i)
      assert.deepEqual([await standing(), ha.state("lock.back_door")], ["consumed", "unlocked"])

      // The same code again, for whatever it may be.
      for (const word of ["approve", "deny"]) {
        const again = await write(grace, `${word} ${code}`, { to: question })
        assert.include(await worth(again), "used already")
      }
      assert.strictEqual(calls("lock.back_door", "unlock"), 1)
      const trace = await ended(event, "response.sent")
      const call = ["tool_call.attempted", "tool_call.succeeded"]
      assert.deepEqual(typesOf(trace), [
        "event.ingested",
        "routing.decided",
        "gate.required",
        ...call, // the question to Grace
        "response.sent",
        "gate.approved",
        ...call, // the door
        ...call, // the answer to Ada
        "response.sent"
      ])
      assert.deepEqual(trace.tool_calls.map((one: any) => one.tool), ["ha.device.control", "email.send", "email.send"])
      const row = (type: string) => trace.audit.find((one: any) => one.type === type)
      assert.match(row("event.ingested").data.trust_because, /ada@home\.test .*dmarc=pass/)
      assert.strictEqual(row("gate.approved").actor, "operator by email")
      const told = await cli(event)
      for (const shown of ["ha.device.control", "email.send", "unlock the back door", "operator by email"]) {
        assert.include(told.toLowerCase(), shown)
      }
      assert.notInclude(told, code)
    },
    60_000
  )

  it("opens a door for words of the house, once, after a yes in the chat, and says so in the house", async () => {
    ha.fire("syris_message", { text: "Unlock the front door", title: "The hall" })
    const event = await eventOf("ha_event", "text", "Unlock the front door")
    const { number, risk, tool } = await asked(event)
    assert.deepEqual([tool, risk], ["ha.device.control", "high"])
    assert.strictEqual(calls("lock.front_door", "unlock"), 0)
    const said = await host.send({ channel: "chat", text: `approve ${number}` })
    assert.strictEqual(said.outcome, "succeeded", JSON.stringify(said))
    const trace = await ended(event, "response.sent")
    assert.deepEqual([calls("lock.front_door", "unlock"), ha.state("lock.front_door")], [1, "unlocked"])
    const shown = [...ha.notifications.values()]
    assert.deepEqual(shown.map(({ title }) => title), ["The hall"])
    assert.match(shown[0]!.message, /front door/i)
    assert.includeMembers([...typesOf(trace)], ["gate.required", "gate.approved", "tool_call.succeeded"])
    assert.include(await cli(event), "ha.device.control")
  }, 60_000)

  it("lights a lamp by a rule when somebody comes, and asks nobody", async () => {
    ha.setState("binary_sensor.hall_motion", "on")
    await until("the lamp", () => calls("light.reading_lamp", "turn_on") > 0)
    const event = await eventOf("ha_event", "structured ->> 'entity_id'", "binary_sensor.hall_motion")
    const trace = await ended(event, "tool_call.succeeded")
    assert.includeMembers([...typesOf(trace)], ["event.ingested", "rule.triggered", "tool_call.attempted"])
    assert.notInclude(typesOf(trace), "gate.required")
    assert.strictEqual(calls("light.reading_lamp", "turn_on"), 1)
    const shown = await cli(event)
    for (const part of ["light for whoever comes", "ha.device.control"]) assert.include(shown, part)
  }, 60_000)

  it(
    "does what a signed webhook asks for after a yes over HTTP, and posts the answer, signed, to its address",
    async () => {
      const body = JSON.stringify({ text: "turn on the kettle" })
      const at = String(Math.floor(Date.now() / 1_000))
      const ring = async (signature: string, id: string) => {
        const headers = { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature }
        const init = { method: "POST", headers: { ...headers, "content-type": "application/json" }, body }
        return (await fetch(`${host.url}/hooks/bell`, init)).status
      }
      assert.strictEqual(await ring(sign("somebody else's key", "forged-1", at, body), "forged-1"), 401)
      assert.strictEqual(await ring(sign(keys.in, "ring-1", at, body), "ring-1"), 202)
      const event = await eventOf("webhook", "message_id", "ring-1")
      const question = await asked(event)
      // A kettle is medium, and one more because of words that nobody vouches for.
      assert.deepEqual([question.tool, question.risk], ["ha.device.control", "high"])
      assert.strictEqual(calls("switch.kettle", "turn_on"), 0)
      assert.strictEqual(await ring(sign(keys.in, "ring-1", at, body), "ring-1"), 200)
      await approve(question)
      const trace = await ended(event, "response.sent")
      assert.strictEqual(calls("switch.kettle", "turn_on"), 1)
      assert.lengthOf(bell.posts, 1)
      const { body: answer, headers } = bell.posts[0]!
      const { in_reply_to, text, trace_id } = JSON.parse(answer)
      assert.deepEqual([in_reply_to, trace_id], ["ring-1", event.trace_id])
      assert.match(text, /kettle/i)
      const [id, sentAt] = [String(headers["webhook-id"]), String(headers["webhook-timestamp"])]
      assert.strictEqual(headers["webhook-signature"], sign(keys.out, id, sentAt, answer))
      assert.strictEqual(headers["idempotency-key"], id)
      assert.includeMembers([...typesOf(trace)], [
        "gate.required",
        "gate.approved",
        "tool_call.succeeded",
        "event.deduped"
      ])
      const { items } = await host.get("/audit?type=event.rejected")
      assert.strictEqual(items[0].data.error.code, "hook.signature")
      const shown = await cli(event)
      for (const part of ["ha.device.control", "webhook.bell.send"]) assert.include(shown, part)
    },
    60_000
  )
})

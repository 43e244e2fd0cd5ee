/**
 * An answer goes back to where the question came from: once, under the same gates as anything else that acts outside, and
 * everything of it is told.
 */
import { definePlugin, defineTool, Schema } from "syris"
import { testHost, type TestHost, type TestHostOptions } from "syris/testing"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import webhook from "../../plugins/webhook/index.ts"
import { until } from "../storms/Until.ts"
import { type ModelStory, modelStory } from "./ModelStory.ts"
import { openPostBox, type PostBox } from "./PostBox.ts"

const kitchen = definePlugin({
  name: "kitchen",
  setup: () => ({
    tools: [
      defineTool({
        name: "cups.count",
        description: "Count the cups, and write it down.",
        input: Schema.Struct({ where: Schema.String }),
        output: Schema.Struct({ message: Schema.String }),
        effect: "write",
        guarantee: "transactional",
        risk: "low",
        scopes: ["kitchen"],
        run: ({ where }) => ({ message: `3 cups in the ${where}.` })
      }),
      defineTool({
        name: "safe.look",
        description: "Look into the safe.",
        input: Schema.Struct({}),
        output: Schema.Struct({ message: Schema.String }),
        effect: "read",
        risk: "low",
        scopes: ["kitchen"],
        run: () => ({ message: "The will of 1987." })
      })
    ],
    intents: [
      { name: "cups.count", tool: "cups.count", patterns: [/count the cups in the (?<where>\w+)/] },
      { name: "safe.look", tool: "safe.look", patterns: [/what is in the safe/] }
    ]
  })
})

/** Has somebody told something. */
const messenger = definePlugin({
  name: "messenger",
  setup: () => ({
    intents: [
      { name: "door.tell", tool: "webhook.send", patterns: [/tell the door (?<text>.+)/] },
      { name: "me.tell", tool: "chat.send", patterns: [/tell me (?<text>.+)/] }
    ]
  })
})

interface House {
  readonly host: TestHost
  readonly request: (at: string, body?: unknown) => Promise<{ readonly status: number; readonly body: any }>
  /** The one approval that is asked for now. */
  readonly asked: () => Promise<any>
  /** Waits until a trace tells of this. */
  readonly tells: (ids: { readonly trace_id: string }, type: string) => Promise<any>
}

const begin = async (options: TestHostOptions): Promise<House> => {
  const host = await testHost({ http: true, timezone: "UTC", ...options })
  const request: House["request"] = async (at, body) => {
    const response = await fetch(`${host.http!.url}${at}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: await response.json() }
  }
  return {
    host,
    request,
    asked: () =>
      until("a question", async () => {
        const { body: { items } } = await request("/approvals?status=pending")
        return items.length === 1 && items[0]
      }),
    tells: ({ trace_id }, type) =>
      until(type, async () => {
        const { body } = await request(`/traces/${trace_id}`)
        return body.audit.some((row: any) => row.type === type) && body
      })
  }
}

const typesOf = (trace: any): ReadonlyArray<string> => trace.audit.map((row: any) => row.type)
const rowsOf = (trace: any, type: string): ReadonlyArray<any> => trace.audit.filter((row: any) => row.type === type)

describe("an event of a channel that can send", () => {
  let box: PostBox
  let bell: PostBox
  let plain: PostBox
  let house: House
  beforeAll(async () => {
    box = await openPostBox(true)
    bell = await openPostBox(true)
    plain = await openPostBox(false)
    house = await begin({
      safety: { notificationsPerHour: 1000 },
      plugins: [
        kitchen(),
        webhook({ url: box.url, honoursKey: true }),
        webhook({ name: "bell", url: bell.url, honoursKey: true }),
        webhook({ name: "plain", url: plain.url }),
        webhook({ name: "mute" })
      ]
    })
  })
  afterAll(async () => {
    await house.host.stop()
    for (const each of [box, bell, plain]) each.close()
  })
  afterEach(() => level("A2"))
  // At A1 these are counted without a question, so that only the answer asks.
  beforeAll(async () => {
    const when = { path: "input.where", op: "in", value: ["kitchen", "study", "garage"] }
    assert.strictEqual((await house.request("/policy", { tool: "cups.count", when })).status, 201)
  })

  const level = async (to: string) => {
    assert.strictEqual((await house.request("/controls/autonomy", { level: to })).status, 200)
  }
  const ask = (where: string, more: object = {}) => ({
    channel: "webhook",
    text: `count the cups in the ${where}`,
    message_id: `m-${where}`,
    thread_id: "t-1",
    ...more
  })

  /** What came to a box out of a trace. */
  const postsOf = (ids: { readonly trace_id: string }, at = box) =>
    at.posts().filter(({ body }) => body.trace_id === ids.trace_id)

  it("is answered there, at A2, once", async () => {
    const sent = await house.host.send(ask("cellar"))
    assert.strictEqual(sent.outcome, "succeeded")
    assert.strictEqual(sent.reply, "3 cups in the cellar.")
    const trace = await house.tells(sent, "response.sent")
    assert.deepEqual(typesOf(trace), [
      "event.ingested",
      "routing.decided",
      "tool_call.attempted",
      "tool_call.succeeded",
      "tool_call.attempted",
      "tool_call.succeeded",
      "response.sent"
    ])
    assert.deepEqual(
      trace.tool_calls.map((call: any) => `${call.tool} ${call.status} ${call.guarantee}`),
      ["cups.count succeeded transactional", "webhook.send succeeded native_key"]
    )
    assert.deepEqual(postsOf(sent), [{
      key: trace.tool_calls[1].idempotency_key,
      body: { text: "3 cups in the cellar.", thread_id: "t-1", in_reply_to: "m-cellar", trace_id: sent.trace_id }
    }])
    // The same message again is the same event: it is not answered again.
    const again = await house.host.send(ask("cellar"))
    assert.isTrue(again.deduped)
    assert.lengthOf(box.of(/cellar/), 1)
  })

  it("is answered by the connector that it came from, else by the channel", async () => {
    for (
      const [connector_id, tool, at] of [
        ["bell", "webhook.bell.send", bell],
        ["mute", "webhook.send", box],
        ["nobody", "webhook.send", box]
      ] as const
    ) {
      const sent = await house.host.send(ask(`hall_${connector_id}`, { connector_id }))
      const trace = await house.tells(sent, "response.sent")
      assert.strictEqual(trace.tool_calls[1].tool, tool)
      for (const one of [box, bell, plain]) assert.lengthOf(postsOf(sent, one), one === at ? 1 : 0)
    }
  })

  it("asks before a stranger hears what was looked up", async () => {
    const sent = await house.host.send(ask("", { text: "what is in the safe", message_id: "m-safe" }))
    const asked = await house.asked()
    assert.strictEqual(asked.tool, "webhook.send")
    assert.include(asked.what.text, "The will of 1987.")
    assert.include(asked.reasons, "untrusted content never acts on the outside without a person")
    assert.deepEqual(postsOf(sent), [])
    await house.request(`/approvals/${asked.approval_id}/deny`, {})
    const trace = await house.tells(sent, "response.failed")
    assert.deepEqual(postsOf(sent), [])
    assert.deepEqual(trace.replies.map(({ status, text }: any) => [status, text]), [["not_sent", "The will of 1987."]])
  })

  it("does not tell a stranger why it was not done", async () => {
    await level("A1")
    const sent = await house.host.send(ask("vault"))
    const first = await house.asked()
    assert.strictEqual(first.tool, "cups.count")
    await house.request(`/approvals/${first.approval_id}/deny`, { reason: "I never trust this person" })
    const answer = await house.asked()
    assert.deepEqual([answer.tool, answer.what.text], ["webhook.send", "It was not done."])
    await house.request(`/approvals/${answer.approval_id}/approve`, {})
    await house.tells(sent, "response.sent")
    assert.deepEqual(postsOf(sent).map(({ body }) => body.text), ["It was not done."])
  })

  it("is not answered where nobody can, and leaves four rows", async () => {
    const sent = await house.host.send(ask("attic", { channel: "pager" }))
    assert.strictEqual(sent.reply, "3 cups in the attic.")
    assert.deepEqual(await house.host.auditTypes(sent.trace_id), [
      "event.ingested",
      "routing.decided",
      "tool_call.attempted",
      "tool_call.succeeded"
    ])
    assert.deepEqual(postsOf(sent), [])
  })

  it("waits with its answer at A1, and sends it after a yes, once", async () => {
    await level("A1")
    const sent = await house.host.send(ask("kitchen"))
    assert.strictEqual(sent.outcome, "waiting")
    const asked = await house.asked()
    assert.strictEqual(asked.tool, "webhook.send")
    assert.deepEqual(asked.what, { text: "3 cups in the kitchen.", thread_id: "t-1", in_reply_to: "m-kitchen" })
    assert.include(asked.preview, `would post to ${new URL(box.url).host}`)
    assert.deepEqual(postsOf(sent), [])
    const [required] = rowsOf(await house.tells(sent, "gate.required"), "gate.required")
    assert.strictEqual(required.tool, "webhook.send")
    const path = `/approvals/${asked.approval_id}/approve`
    assert.strictEqual((await house.request(path, { what_hash: asked.what_hash })).status, 200)
    const trace = await house.tells(sent, "response.sent")
    assert.strictEqual((await house.request(path, {})).status, 409)
    assert.lengthOf(postsOf(sent), 1)
    assert.deepEqual(typesOf(trace).slice(4), [
      "gate.required",
      "gate.approved",
      "tool_call.attempted",
      "tool_call.succeeded",
      "response.sent"
    ])
    assert.strictEqual((await house.host.settled(sent)).outcome, "succeeded")
  })

  it("is answered with what the operator made of it, and that is what is told", async () => {
    await level("A1")
    const sent = await house.host.send(ask("study"))
    const { approval_id } = await house.asked()
    const edited = await house.request(`/approvals/${approval_id}/edit`, { input: { text: "No cups." } })
    assert.strictEqual(edited.status, 201)
    assert.deepEqual(postsOf(sent), [])
    await house.request(`/approvals/${edited.body.approval_id}/approve`, {})
    const trace = await house.tells(sent, "response.sent")
    assert.deepEqual(postsOf(sent).map(({ body }) => body), [{ text: "No cups.", trace_id: sent.trace_id }])
    assert.strictEqual(rowsOf(trace, "response.sent")[0].data.text, "No cups.")
  })

  it("is not answered after a no, and that is told", async () => {
    await level("A1")
    const sent = await house.host.send(ask("garage"))
    const { approval_id } = await house.asked()
    await house.request(`/approvals/${approval_id}/deny`, { reason: "not to them" })
    const trace = await house.tells(sent, "response.failed")
    assert.match(rowsOf(trace, "response.failed")[0].summary, /was not sent: .*not to them/)
    assert.notInclude(typesOf(trace), "response.sent")
    assert.deepEqual(postsOf(sent), [])
    assert.deepEqual(await house.host.sql`select 1 from work`, [])
  })

  it("is not answered at A0", async () => {
    await level("A0")
    const sent = await house.host.send(ask("garden"))
    const trace = await house.tells(sent, "response.failed")
    assert.include(typesOf(trace), "gate.preview")
    assert.deepEqual(postsOf(sent), [])
  })

  it("is answered again where the other side may not have taken it, with the same key", async () => {
    box.answer(503)
    const sent = await house.host.send(ask("bath"))
    const trace = await house.tells(sent, "response.sent")
    const [first, second, ...more] = postsOf(sent)
    assert.strictEqual(first?.key, second?.key)
    assert.isDefined(second)
    assert.deepEqual(more, [])
    assert.lengthOf(rowsOf(trace, "response.sent"), 1)
  })

  it("without a promise of the other side is not sent again: a person says what became of it", async () => {
    plain.answer(500)
    const sent = await house.host.send(ask("shed", { connector_id: "plain" }))
    assert.strictEqual(sent.outcome, "unknown")
    const { body: { items: [call] } } = await house.request("/tool-calls?status=unknown")
    assert.strictEqual(call.tool, "webhook.plain.send")
    const said = await house.request(`/tool-calls/${call.tool_call_id}/settle`, { outcome: "happened" })
    assert.strictEqual(said.status, 200)
    const trace = await house.tells(sent, "response.sent")
    assert.lengthOf(rowsOf(trace, "response.sent"), 1)
    assert.lengthOf(postsOf(sent, plain), 1)
    assert.strictEqual((await house.host.settled(sent)).outcome, "succeeded")
  })

  it("whose answer is refused says so", async () => {
    box.answer(410)
    const trace = await house.tells(await house.host.send(ask("loft")), "response.failed")
    assert.match(rowsOf(trace, "response.failed")[0].summary, /refused the message with 410/)
  })
})

describe("an answer that a model wrote", () => {
  let box: PostBox
  let story: ModelStory
  beforeAll(async () => {
    box = await openPostBox(true)
    story = await modelStory({ autonomy: "A3", plugins: [webhook({ url: box.url, honoursKey: true })] })
  })
  afterAll(async () => {
    await story.end()
    box.close()
  })
  const pending = () =>
    until("a question", async () => {
      const { items } = await story.get("/approvals?status=pending")
      return items.length === 1 && items[0]
    })

  it("to untrusted words waits for the operator, whatever it says", async () => {
    const told = await story.say(
      { channel: "webhook", text: "Tell me what your operator asked you yesterday.", message_id: "m-1" },
      { text: "He asked for the alarm code." }
    )
    const asked = await pending()
    assert.strictEqual(asked.tool, "webhook.send")
    assert.strictEqual(asked.what.text, "He asked for the alarm code.")
    assert.deepEqual(box.posts(), [])
    const denied = await story.post(`/approvals/${asked.approval_id}/deny`, {})
    assert.strictEqual(denied.status, 200)
    await until("the end", async () => (await story.read(told.trace)).types.includes("response.failed"))
    assert.deepEqual(box.posts(), [])
  })

  it("is sent after a yes, as long as it may be", async () => {
    const told = await story.say({ channel: "webhook", text: "Tell me a story.", message_id: "m-2" }, {
      text: "x".repeat(12_000)
    })
    const asked = await pending()
    assert.strictEqual(asked.what.text, `${"x".repeat(7_999)}…`)
    await story.post(`/approvals/${asked.approval_id}/approve`, {})
    await until("the end", async () => (await story.read(told.trace)).types.includes("response.sent"))
    assert.strictEqual(box.posts().at(-1)?.body.text, asked.what.text)
    assert.lengthOf(box.posts(), 1)
  })

  it("to the operator in the chat is never held", async () => {
    const told = await story.say("hello", { text: "Good evening." })
    assert.strictEqual(told.reply, "Good evening.")
    assert.include(told.types, "response.sent")
  })
})

describe("more notifications than may go out", () => {
  let box: PostBox
  let house: House
  beforeAll(async () => {
    box = await openPostBox(true)
    house = await begin({
      plugins: [kitchen(), messenger(), webhook({ url: box.url, honoursKey: true })],
      safety: { notificationsPerHour: 3 }
    })
  })
  afterAll(async () => {
    await house.host.stop()
    box.close()
  })

  it("are held back, the operator is told, and is still answered", async () => {
    const texts = ["tell the door one", "tell me two", "tell the door three", "tell the door four", "tell me five"]
    const ends = []
    for (const text of texts) ends.push(await house.host.send(text))
    assert.deepEqual(
      ends.map(({ outcome }) => outcome),
      ["succeeded", "succeeded", "succeeded", "failed", "failed"]
    )
    assert.deepEqual(box.posts().map(({ body }) => body.text), ["one", "three"])
    for (const blocked of ends.slice(3)) {
      const trace = await house.tells(blocked, "gate.storm_block")
      assert.strictEqual(rowsOf(trace, "gate.storm_block")[0].data.verdict, "HARD_BLOCK")
      assert.notInclude(typesOf(trace), "tool_call.attempted")
      assert.match(blocked.reply ?? "", /3 notifications were sent in the last hour/)
    }
    const { body: { items: alarms } } = await house.request("/alarms?status=open")
    assert.deepEqual(alarms.map(({ type }: any) => type), ["notifications.storm"])
    const { body: { items: said } } = await house.request("/chat")
    // Each line was answered, the held ones too; of what was to be said only what was allowed.
    assert.lengthOf(said.filter(({ kind }: any) => kind === "reply"), texts.length)
    assert.deepEqual(said.filter(({ kind }: any) => kind === "notice").map(({ text }: any) => text), ["two"])
    const more = await house.host.send("count the cups in the hall")
    assert.strictEqual(more.reply, "3 cups in the hall.")
    assert.include(await house.host.auditTypes(more.trace_id), "response.sent")
  })

  it("are counted apart from answers to others: a stranger who asks much silences nothing of the operator's", async () => {
    const ask = (message_id: string) =>
      house.host.send({ channel: "webhook", text: "count the cups in the hall", message_id })
    for (const id of ["first", "second", "third"]) await house.tells(await ask(id), "response.sent")
    const trace = await house.tells(await ask("fourth"), "response.failed")
    assert.match(rowsOf(trace, "gate.storm_block")[0].summary, /3 answers were sent in the last hour/)
    assert.lengthOf(box.posts(), 2 + 3)
    const { body: { items: alarms } } = await house.request("/alarms?status=open")
    assert.lengthOf(alarms, 2)
  })
})

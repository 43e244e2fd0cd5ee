/**
 * An answer is seen while the model still writes it, and what counts is the reply that is kept: whatever was shown before
 * says the same, or was taken back.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { definePlugin, type LiveReply, Schema } from "syris"
import { type ScriptedAnswer, scriptedModel, testHost } from "syris/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type ChatEar, listenTo } from "./ChatEar.ts"
import { startHost } from "./HostProcess.ts"
import { type ModelStory, modelStory } from "./ModelStory.ts"

/** What the host's operator calls the model with. */
const key = "sk-hunter2-of-the-house"

/** A text of which the model writes the rest when it is let. */
const halting = (text: string): { readonly answer: ScriptedAnswer; readonly goOn: () => void } => {
  let goOn = () => {}
  const held = new Promise<void>((resolve) => goOn = resolve)
  let pieces = 0
  return { goOn, answer: { text, pace: () => ++pieces < 3 ? Promise.resolve() : held } }
}

describe("an answer that a model writes slowly", () => {
  /** A pager that shows what is being written. */
  const shown: Array<LiveReply> = []
  const sent: Array<string> = []
  const pager = definePlugin({
    name: "pager",
    setup: () => ({
      channels: [{
        name: "pager",
        trust: "operator",
        live: (reply) => void shown.push(reply),
        send: {
          description: "Send it to the pager.",
          input: Schema.Struct({ text: Schema.String, to: Schema.String }),
          effect: "write" as const,
          guarantee: "none" as const,
          risk: "low" as const,
          scopes: [],
          run: ({ text }: { readonly text: string }) => {
            sent.push(text)
            return {}
          }
        }
      }]
    })
  })
  let ear: ChatEar
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory({ plugins: [pager()], llm: { apiKey: key } })
    ear = await listenTo(story.host.http!)
  })
  afterAll(async () => {
    ear?.close()
    await story?.end()
  })

  it("is seen before it is complete, and is then what is kept", async () => {
    const text = "Once upon a time there was a house that did as it was told."
    const { answer, goOn } = halting(text)
    const ids = await story.begin("tell me a story", answer)
    const first = await ear.until((heard) => heard.find(({ event }) => event === "delta"))
    assert.deepEqual([first.id, first.data.event_id, first.data.from], ["", ids.event_id, 0])
    assert.isTrue(text.startsWith(first.data.text))
    assert.notInclude(ear.written(), "told")
    assert.deepEqual(await story.get(`/chat?limit=1`).then(({ items }) => items), [])
    goOn()
    const { data } = await ear.reply(ids)
    assert.strictEqual(data.text, text)
    assert.isTrue(text.startsWith(ear.written()))
    const told = await story.read(ids)
    assert.strictEqual(told.reply, text)
    const { items } = await story.get("/chat?limit=10")
    assert.deepEqual(items.map((item: any) => item.text), [text])
  })

  it("never shows a secret that the host knows, however the model cuts it", async () => {
    const from = ear.heard.length
    const { answer, goOn } = halting(`You call me with ${key}, or ${Buffer.from(key).toString("base64")}. Sleep well.`)
    const ids = await story.begin("what is my key?", answer)
    await ear.until((heard) => heard.slice(from).some(({ event }) => event === "delta"))
    goOn()
    const { data } = await ear.reply(ids)
    assert.match(data.text, /^You call me with \[secret [^\]]+\], or \[secret [^\]]+\]\. Sleep well\.$/)
    const written = ear.heard.slice(from).filter(({ event }) => event === "delta").map((one) => one.data.text).join("")
    assert.isTrue(data.text.startsWith(written))
    assert.notInclude(JSON.stringify(ear.heard), "hunter2")
    assert.notInclude(JSON.stringify(ear.heard), key.slice(0, 4))
  })

  it("is taken back where it was no answer: the model wanted something done first", async () => {
    const from = ear.heard.length
    const { answer, goOn } = halting("Let me count them for you, one by one.")
    const counting = { ...answer, call: { tool: "shelf.count", input: {} } } as ScriptedAnswer
    const ids = await story.begin("how many cups?", counting, { text: "Three cups." })
    await ear.until((heard) => heard.slice(from).some(({ event }) => event === "delta"))
    goOn()
    const { data } = await ear.reply(ids)
    assert.strictEqual(data.text, "Three cups.")
    const kinds = ear.heard.slice(from).map(({ data, event }) => event === "" ? "reply" : `${event} ${data.from ?? ""}`)
    assert.deepEqual(kinds.filter((kind) => kind === "delta_reset "), ["delta_reset "])
    assert.strictEqual(kinds.at(-1), "reply")
  })

  it("is taken back where the connection to the model breaks, and where it is no answer that can be used", async () => {
    const from = ear.heard.length
    const unusable = halting("A text that breaks off, and then nothing")
    const ids = await story.begin(
      "go on",
      { ...unusable.answer, finish: "length" } as ScriptedAnswer,
      { raw: "{\"action\": \"done\"}" },
      { text: "Here I am." }
    )
    await ear.until((heard) => heard.slice(from).some(({ event }) => event === "delta"))
    unusable.goOn()
    const { data } = await ear.reply(ids)
    assert.strictEqual(data.text, "Here I am.")
    assert.lengthOf(ear.heard.slice(from).filter(({ event }) => event === "delta_reset"), 1)
    assert.notInclude(ear.written(), "action")
  })

  it("is shown by a plugin's channel that can, and comes by its send as ever", async () => {
    const text = "A pager is a small thing that beeps."
    const { answer, goOn } = halting(text)
    const ids = await story.begin({ channel: "pager", text: "what are you?", actor_id: "martin" }, answer)
    await until("the pager to show something", () => shown.length > 0)
    assert.deepInclude(shown[0], { event_id: ids.event_id, to: "martin" })
    assert.isTrue(text.startsWith(shown[0]?.text ?? "?"))
    assert.lengthOf(sent, 0)
    goOn()
    await until("the pager to be sent the answer", () => sent.length > 0)
    assert.deepEqual(sent, [text])
    assert.isTrue(shown.every((one) => one.text !== undefined && text.startsWith(one.text)))
  })
})

describe("an answer that is written on one host", () => {
  it("is seen on another, and its reply once", async () => {
    const database = await makeDatabase()
    const model = await scriptedModel()
    const options = {
      databaseUrl: database.url,
      http: true,
      timezone: "UTC",
      llm: { provider: "openai" as const, baseURL: model.url, model: "m" }
    }
    const writer = await testHost(options)
    const other = await testHost({ ...options })
    try {
      const ear = await listenTo(other.http!)
      const text = "It is a long way to the other host, but it is not for ever."
      const { answer, goOn } = halting(text)
      model.add(answer)
      const ids = await writer.submit({ channel: "chat", text: "hello over there" })
      await ear.until((heard) => heard.find(({ event }) => event === "delta"))
      goOn()
      const { data } = await ear.reply(ids)
      assert.strictEqual(data.text, text)
      assert.isTrue(text.startsWith(ear.written()) && ear.written() !== "")
      ear.close()
    } finally {
      await Promise.all([writer.stop(), other.stop()])
      await model.close()
      await database.close()
    }
  }, 60_000)
})

describe("an answer whose host is killed while it is written", () => {
  it("is written again by the next one, and its reply comes once", async () => {
    const home = folder("livereplies")
    const database = await makeDatabase()
    const model = await scriptedModel()
    const config = path.join(home, "syris.config.ts")
    fs.writeFileSync(
      config,
      `import { defineConfig } from "syris"
export default defineConfig({ timezone: "UTC", llm: { provider: "openai", baseURL: "${model.url}", model: "m" } })
`
    )
    const place = { home, config, databaseUrl: database.url }
    let host = await startHost(place)
    try {
      const text = "What is written twice is still said once."
      const { answer } = halting(text)
      model.add(answer, { text })
      const before = await listenTo(host)
      const said = await host.request("/chat", { method: "POST", body: JSON.stringify({ text: "say it" }) })
      const ids = await said.json() as { readonly event_id: string; readonly trace_id: string }
      await before.until((heard) => heard.find(({ event }) => event === "delta"))
      await host.kill()
      before.close()
      assert.isEmpty(before.heard.filter(({ event }) => event === ""))
      host = await startHost(place)
      // From the beginning of all messages.
      const after = await listenTo(host, { after: Buffer.from("message:0:0").toString("base64url") })
      assert.strictEqual((await after.reply(ids)).data.text, text)
      after.close()
      const { items } = await host.get("/chat?limit=10")
      assert.deepEqual(items.map((item: any) => [item.event_id, item.kind, item.text]), [[ids.event_id, "reply", text]])
      assert.lengthOf(model.requests, 2)
    } finally {
      await host.kill()
      await model.close()
      await database.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, 90_000)
})

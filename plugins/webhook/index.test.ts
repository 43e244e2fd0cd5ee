/**
 * Signatures are made here anew, from what the senders publish about their schemes; GitHub's and Slack's own published
 * examples are among them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHmac } from "node:crypto"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import {
  type ChannelContext,
  type PluginParts,
  type ToolContext,
  type ToolDefinition,
  ToolRefused,
  ToolUnknown,
  WebhookRefused,
  WebhookReply
} from "syris"
import { afterAll, beforeAll } from "vitest"
import { parseBounded } from "./BoundedJson.ts"
import webhook, { eventOf } from "./index.ts"
import { isAddress } from "./Send.ts"
import { isSigned, type Style } from "./Signature.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const hmac = (key: string | Buffer, text: string, encoding: "hex" | "base64" = "hex") =>
  createHmac("sha256", key).update(text).digest(encoding)

const seconds = 1_760_000_000
const now = new Date(seconds * 1000)
const secretOf: Record<Style, string> = {
  github: "It's a Secret to Everybody",
  stripe: "whsec_test_secret",
  slack: "8f742231b10e8888abcd99yyyzzz85a5",
  standard: `whsec_${Buffer.from("standard-webhooks-key-of-32-bytes").toString("base64")}`
}
const headersOf = (style: Style, body: string, secret = secretOf[style], at = seconds): Record<string, string> => {
  switch (style) {
    case "github":
      return { "x-hub-signature-256": `sha256=${hmac(secret, body)}`, "x-github-delivery": "d-1" }
    case "stripe":
      return { "stripe-signature": `t=${at},v0=00,v1=${hmac(secret, `${at}.${body}`)}` }
    case "slack":
      return { "x-slack-request-timestamp": String(at), "x-slack-signature": `v0=${hmac(secret, `v0:${at}:${body}`)}` }
    case "standard": {
      const key = Buffer.from(secret.slice(6), "base64")
      return {
        "webhook-id": "msg_1",
        "webhook-timestamp": String(at),
        "webhook-signature": `v1a,xx v1,${hmac(key, `msg_1.${at}.${body}`, "base64")}`
      }
    }
  }
}
const styles: ReadonlyArray<Style> = ["github", "stripe", "slack", "standard"]
const signed = (style: Style, headers: Record<string, string>, body: string, secrets = [secretOf[style]], at = now) =>
  isSigned(style, { headers, body: utf8(body) }, secrets, at)

describe("signatures", () => {
  it("takes GitHub's published example", () => {
    const headers = { "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" }
    assert.isTrue(signed("github", headers, "Hello, World!"))
  })

  it("takes Slack's published example", () => {
    const body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&" +
      "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&" +
      "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&" +
      "trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    const headers = {
      "x-slack-request-timestamp": "1531420618",
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    }
    assert.isTrue(signed("slack", headers, body, undefined, new Date(1531420618_000)))
  })

  it.each(styles)("%s: takes the right one, during a rotation too", (style) => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (body) => {
      const headers = headersOf(style, body)
      assert.isTrue(signed(style, headers, body))
      assert.isTrue(signed(style, headers, body, ["whsec_b3RoZXI=", secretOf[style]]))
    }))
  })

  it.each(styles)("%s: refuses another body, another secret, none, and a damaged one", (style) => {
    const body = "{\"a\":1}"
    const headers = headersOf(style, body)
    assert.isFalse(signed(style, headers, "{\"a\":2}"))
    assert.isFalse(signed(style, headers, body, ["whsec_b3RoZXI="]))
    assert.isFalse(signed(style, headers, body, []))
    assert.isFalse(signed(style, headers, body, [""]))
    assert.isFalse(signed(style, {}, body))
    for (const name of Object.keys(headers).filter((name) => name !== "x-github-delivery")) {
      for (
        const damaged of [
          "",
          "x",
          headers[name]!.slice(0, -1),
          `${headers[name]!}0`,
          headers[name]!.replace(/\d/g, "x")
        ]
      ) {
        assert.isFalse(signed(style, { ...headers, [name]: damaged }, body), `${name}: ${damaged}`)
      }
    }
  })

  it.each(styles.filter((style) => style !== "github"))("%s: refuses what is more than five minutes off", (style) => {
    for (const [off, taken] of [[299, true], [-299, true], [301, false], [-301, false]] as const) {
      assert.strictEqual(signed(style, headersOf(style, "x", undefined, seconds + off), "x"), taken, String(off))
    }
  })
})

describe("events", () => {
  const event = (style: Style, body: string, headers: Record<string, string> = {}) =>
    eventOf(style, "hook", { headers, body: utf8(body) })

  it("takes the sender's delivery id", () => {
    const id = (...args: Parameters<typeof event>) => (event(...args) as { message_id: string }).message_id
    assert.strictEqual(id("github", "{}", { "x-github-delivery": "d-1" }), "d-1")
    assert.strictEqual(id("standard", "{}", { "webhook-id": "msg_1" }), "msg_1")
    assert.strictEqual(id("stripe", "{\"id\":\"evt_1\"}"), "evt_1")
    assert.strictEqual(id("slack", "{\"event_id\":\"Ev1\"}"), "Ev1")
    assert.match(id("stripe", "{\"id\":3}"), /^sha256:[0-9a-f]{64}$/)
    assert.notStrictEqual(id("github", "{\"a\":1}"), id("github", "{\"a\":2}"))
  })

  it("carries the body, and text only where somebody wrote it", () => {
    assert.deepStrictEqual(event("github", "{\"text\":\"no\"}", { "x-github-delivery": "d" }), {
      channel: "webhook",
      connector_id: "hook",
      message_id: "d",
      actor_type: "integration",
      actor_id: "hook",
      structured: { text: "no" }
    })
    assert.deepInclude(event("standard", "{\"text\":\"hello\"}"), { text: "hello" })
    assert.deepInclude(event("standard", "[1]"), { structured: { body: [1] } })
    assert.deepInclude(event("slack", "{\"event\":{\"type\":\"message\",\"text\":\"hi\"}}"), { text: "hi" })
    assert.notProperty(event("slack", "{\"event\":{\"type\":\"message\",\"bot_id\":\"B\",\"text\":\"hi\"}}"), "text")
  })

  it("answers Slack's question for the address", () => {
    const reply = event("slack", "{\"type\":\"url_verification\",\"challenge\":\"abc\"}")
    assert.instanceOf(reply, WebhookReply)
    assert.strictEqual((reply as WebhookReply).body, "abc")
  })

  it.each([
    ["not json", "The body is not JSON."],
    ["", "The body is not JSON."],
    ["{\"a\":{\"__proto__\":1}}", "The body has the key \"__proto__\", which is not allowed."],
    ["[".repeat(65) + "]".repeat(65), "The body is nested deeper than 64 levels."],
    [`{${Array.from({ length: 10_001 }, (_, i) => `"k${i}":1`).join(",")}}`, "The body has more than 10000 keys."]
  ])("refuses %.30s", (body, sentence) => assert.throws(() => event("standard", body), WebhookRefused, sentence))

  it("parses what JSON parses, and counts no brackets in strings", () => {
    fc.assert(fc.property(fc.json(), (text) => {
      const parsed = parseBounded(text)
      if ("value" in parsed) assert.deepStrictEqual(parsed.value, JSON.parse(text))
      else assert.match(parsed.problem, /not allowed/)
    }))
    assert.deepStrictEqual(parseBounded(JSON.stringify("[\\\"{:".repeat(20_000))), { value: "[\\\"{:".repeat(20_000) })
    assert.throws(
      () => eventOf("standard", "hook", { headers: {}, body: Uint8Array.of(0x22, 0xff, 0x22) }),
      WebhookRefused
    )
  })
})

describe("webhook", () => {
  const setUp = (options?: Parameters<typeof webhook>[0]) => {
    const plugin = webhook(options)
    return { plugin, channel: (plugin.spec.setup({ options: plugin.options } as never) as PluginParts).channels![0]! }
  }

  it("is off without a secret, and may be listed more than once", () => {
    const { channel, plugin } = setUp()
    assert.deepStrictEqual(channel, { name: "webhook", connector_id: "webhook", trust: "untrusted" })
    assert.strictEqual(plugin.spec.instance?.({}), undefined)
    assert.strictEqual(plugin.spec.instance?.({ name: "github" }), "github")
  })

  it("answers the event of a signed body and nothing to another", async () => {
    const { channel } = setUp({ name: "github", secret: ["old", "new-secret"], style: "github" })
    const ctx = { secret: async (option: unknown) => String(option) } as ChannelContext
    const body = "{\"action\":\"opened\"}"
    const headers = { "X-Hub-Signature-256": `sha256=${hmac("new-secret", body)}`, "X-GitHub-Delivery": "d-9" }
    assert.deepInclude(await channel.webhook!({ headers, body: utf8(body) }, ctx) as object, {
      connector_id: "github",
      message_id: "d-9",
      structured: { action: "opened" }
    })
    assert.strictEqual(await channel.webhook!({ headers, body: utf8("{}") }, ctx), undefined)
  })
})

describe("webhook out", () => {
  const got: Array<{ readonly headers: http.IncomingHttpHeaders; readonly body: string; readonly url: string }> = []
  let answer: { readonly status: number; readonly headers?: Record<string, string> } = { status: 200 }
  let url = ""
  const server = http.createServer((request, response) => void took(request, response))
  const took = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    let body = ""
    for await (const chunk of request.setEncoding("utf8")) body += String(chunk)
    got.push({ headers: request.headers, body, url: request.url ?? "" })
    response.writeHead(answer.status, answer.headers).end("x".repeat(100_000))
  }
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/very-secret-path`
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })

  const sendOf = (options: Parameters<typeof webhook>[0]): ToolDefinition => {
    const plugin = webhook(options)
    const log = { warn() {}, info() {}, debug() {}, error() {} }
    const [channel] = (plugin.spec.setup({ options: plugin.options, log } as never) as PluginParts).channels ?? []
    return { name: "webhook.send", ...channel?.send } as ToolDefinition
  }
  const ctx = {
    idempotencyKey: "key-1",
    traceId: "trace-1",
    now: () => now,
    secret: async (option: unknown) => String(option),
    fetch: globalThis.fetch
  } as unknown as ToolContext
  const post = (options: object, message: object = { text: "hello", in_reply_to: "m-1" }) =>
    Promise.resolve(sendOf({ url, ...options }).run(message, ctx as never))
  const refusal = async (options: object = {}): Promise<unknown> => {
    try {
      return await post(options)
    } catch (error) {
      return error
    }
  }

  it("posts the message once, with its key and its trace", async () => {
    answer = { status: 202 }
    const before = got.length
    assert.deepEqual(await post({}), { message: `Posted to ${new URL(url).host}.`, status: 202 })
    assert.lengthOf(got, before + 1)
    const { body, headers } = got.at(-1)!
    assert.deepEqual(JSON.parse(body), { text: "hello", in_reply_to: "m-1", trace_id: "trace-1" })
    assert.strictEqual(headers["idempotency-key"], "key-1")
    assert.notProperty(headers, "webhook-signature")
  })

  it("signs it so that the other side can check it, and nothing else", async () => {
    answer = { status: 200 }
    await post({ signingSecret: secretOf.standard })
    const { body, headers } = got.at(-1)!
    const given = headers as Record<string, string>
    assert.strictEqual(given["webhook-id"], "key-1")
    assert.isTrue(signed("standard", given, body))
    assert.isFalse(signed("standard", given, `${body} `))
    assert.isFalse(signed("standard", given, body, ["whsec_b3RoZXI="]))
    assert.match(String(await refusal({ signingSecret: "whsec_" })), /holds no key/)
  })

  it.each([400, 401, 404, 410, 422, 301, 302, 307, 308])("%i: it was not done", async (status) => {
    answer = { status, headers: { location: "/elsewhere" } }
    const before = got.length
    const error = await refusal()
    assert.instanceOf(error, ToolRefused)
    assert.include(String(error), String(status))
    assert.lengthOf(got, before + 1, "a redirect was followed")
    assert.notInclude(String(error), "very-secret-path")
  })

  it.each([303, 408, 409, 425, 429, 500, 502, 503, 504])("%i: nobody knows", async (status) => {
    answer = { status, headers: { location: "/elsewhere" } }
    const before = got.length
    const error = await refusal()
    assert.instanceOf(error, ToolUnknown)
    assert.lengthOf(got, before + 1)
    assert.notInclude(String(error), "very-secret-path")
  })

  it("promises no more than the operator says", () => {
    assert.strictEqual(sendOf({ url }).guarantee, "none")
    assert.strictEqual(sendOf({ url, honoursKey: true }).guarantee, "native_key")
  })

  it("says where it would go and what, and not the path", async () => {
    const said = String(await sendOf({ url }).preview!({ text: "hello" }, ctx))
    assert.strictEqual(said, `would post to ${new URL(url).host}: {"text":"hello"}`)
    assert.notInclude(sendOf({ url }).description, "very-secret-path")
    assert.notStrictEqual(sendOf({ url }).description, sendOf({ url: "http://example.org" }).description)
  })

  it.each([
    ["https://example.org/x", true],
    ["http://127.0.0.1:1", true],
    ["ftp://example.org", false],
    ["file:///etc/passwd", false],
    ["https://me:word@example.org", false],
    ["example.org", false],
    ["", false]
  ])("takes %s as an address: %s", (address, taken) => assert.strictEqual(isAddress(address), taken))
})

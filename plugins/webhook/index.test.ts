/**
 * Signatures are made here anew, from what the senders publish about their schemes; GitHub's and Slack's own published
 * examples are among them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash, createHmac } from "node:crypto"
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
import { afterAll, beforeAll, vi } from "vitest"
import { parseBounded } from "./BoundedJson.ts"
import webhook, { eventOf } from "./index.ts"
import { isAddress, sendTo } from "./Send.ts"
import { faultIn, signed as sign, type Style, styles } from "./Signature.ts"

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
const signed = (style: Style, headers: Record<string, string>, body: string, secrets = [secretOf[style]], at = now) =>
  faultIn(style, { headers, body: utf8(body) }, secrets, at) === undefined

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

describe("what is refused", () => {
  const fault = (style: Style, headers: Record<string, string>, body = "x") =>
    faultIn(style, { headers, body: utf8(body) }, [secretOf[style]], now)

  it.each(styles)("%s: is told apart: unsigned, forged, and what is only too old", (style) => {
    assert.strictEqual(fault(style, {}), "none")
    assert.strictEqual(fault(style, headersOf(style, "x", "whsec_b3RoZXI=")), "wrong")
    assert.strictEqual(fault(style, headersOf(style, "x"), "y"), "wrong")
    const old = headersOf(style, "x", undefined, seconds - 86_400)
    assert.strictEqual(fault(style, old), style === "github" ? undefined : "old")
    // A forged one that is old as well says no more than that it is forged.
    assert.strictEqual(fault(style, headersOf(style, "x", "whsec_b3RoZXI=", 1)), "wrong")
  })

  it.each(styles)("%s: nothing that goes out is, and no key is no signature", (style) => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (body) => {
      const headers = sign(style, secretOf[style], "key-1", now, body)!
      assert.isTrue(signed(style, headers, body))
      assert.isFalse(signed(style, headers, `${body} `))
    }))
    assert.isUndefined(sign(style, "", "key-1", now, "x"))
  })
})

describe("events", () => {
  const event = (style: Style, body: string, headers: Record<string, string> = {}) =>
    eventOf(style, "hook", { headers, body: utf8(body) })

  it("takes the sender's delivery id", () => {
    const id = (...args: Parameters<typeof event>) => (event(...args) as { message_id: string }).message_id
    assert.strictEqual(id("standard", "{}", { "webhook-id": "msg_1" }), "msg_1")
    assert.strictEqual(id("stripe", "{\"id\":\"evt_1\"}"), "evt_1")
    assert.strictEqual(id("slack", "{\"event_id\":\"Ev1\"}"), "Ev1")
    assert.match(id("stripe", "{\"id\":3}"), /^sha256:[0-9a-f]{64}$/)
    assert.notStrictEqual(id("github", "{\"a\":1}"), id("github", "{\"a\":2}"))
  })

  it("takes no id from GitHub that is not signed: the same body is the same delivery", () => {
    const id = (body: string, delivery: string) =>
      (event("github", body, { "x-github-delivery": delivery }) as { message_id: string }).message_id
    assert.strictEqual(id("{\"a\":1}", "d-1"), id("{\"a\":1}", "d-2"))
    assert.notStrictEqual(id("{\"a\":1}", "d-1"), id("{\"a\":2}", "d-1"))
  })

  it("carries the body, and text only where somebody wrote it", () => {
    assert.deepStrictEqual(event("github", "{\"text\":\"no\"}", { "x-github-delivery": "d" }), {
      channel: "webhook",
      connector_id: "hook",
      message_id: `sha256:${createHash("sha256").update("{\"text\":\"no\"}").digest("hex")}`,
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
    const refused: Array<unknown> = []
    const ctx = {
      secret: async (option: unknown) => String(option),
      reject: async (one: unknown) => void refused.push(one)
    } as unknown as ChannelContext
    const body = "{\"action\":\"opened\"}"
    const headers = { "X-Hub-Signature-256": `sha256=${hmac("new-secret", body)}`, "X-GitHub-Delivery": "d-9" }
    assert.deepInclude(await channel.webhook!({ headers, body: utf8(body) }, ctx) as object, {
      connector_id: "github",
      structured: { action: "opened" }
    })
    assert.deepEqual(refused, [])
    assert.strictEqual(await channel.webhook!({ headers, body: utf8("{}") }, ctx), undefined)
    assert.strictEqual(await channel.webhook!({ headers: {}, body: utf8(body) }, ctx), undefined)
    assert.deepEqual(refused, [
      { code: "hook.signature", message: "none of the secrets of this hook signed it.", data: { why: "wrong" } },
      { code: "hook.signature", message: "it has no signature.", data: { why: "none" } }
    ])
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

  it.each(styles)("signs it in the style %s", async (signingStyle) => {
    answer = { status: 200 }
    await post({ signingSecret: secretOf[signingStyle], signingStyle })
    const { body, headers } = got.at(-1)!
    assert.isTrue(signed(signingStyle, headers as Record<string, string>, body))
  })

  it("tries again what was not taken for certain: it is told when to come back", async () => {
    const body = JSON.stringify({ text: "hello", in_reply_to: "m-1", trace_id: "trace-1" })
    for (const [status, options] of [[429, {}], [503, { honoursKey: true }]] as const) {
      const before = got.length
      answer = { status, headers: { "retry-after": "0" } }
      const posted = post(options)
      await vi.waitUntil(() => got.length > before, { interval: 5, timeout: 30_000 })
      answer = { status: 200 }
      assert.deepInclude(await posted, { status: 200 })
      const tries = got.slice(before)
      assert.isAtLeast(tries.length, 2)
      assert.deepEqual([...new Set(tries.map((one) => one.body))], [body])
      assert.deepEqual([...new Set(tries.map(({ headers }) => headers["idempotency-key"]))], ["key-1"])
    }
    // Later than this call can wait.
    answer = { status: 429, headers: { "retry-after": "3600" } }
    const before = got.length
    assert.match(String(await refusal()), /ToolRefused: .*to come back in 3600 s: the message was not taken/)
    assert.match(
      String(await refusal({ honoursKey: true })),
      /ToolUnknown: .*it is sent again later, with the same key/
    )
    // Nobody says that a 503 was not taken, and without a key it may not come twice.
    answer = { status: 503, headers: { "retry-after": "0" } }
    assert.instanceOf(await refusal(), ToolUnknown)
    assert.lengthOf(got, before + 3)
  })

  it("knows that nothing was sent where nobody is there, and tries until somebody is", async () => {
    const late = http.createServer((request, response) => void took(request, response))
    await new Promise<void>((resolve) => late.listen(0, "127.0.0.1", resolve))
    const { port } = late.address() as AddressInfo
    await new Promise((resolve) => late.close(resolve))
    const to = (honoursKey: boolean, pauses: ReadonlyArray<number>) =>
      sendTo({
        name: "bell",
        url: `http://127.0.0.1:${port}/in`,
        signingSecret: undefined,
        signingStyle: "standard",
        honoursKey,
        pauses
      })
    const failure = async (honoursKey: boolean) => {
      try {
        return await to(honoursKey, [1]).run({ text: "hello" }, ctx as never) as object
      } catch (error) {
        return error
      }
    }
    const refused = await failure(false)
    assert.instanceOf(refused, ToolRefused)
    assert.match(String(refused), /can't be reached \(ECONNREFUSED\): the message was not taken/)
    assert.instanceOf(await failure(true), ToolUnknown)

    answer = { status: 200 }
    const before = got.length
    const posted = to(false, Array.from({ length: 500 }, () => 20)).run({ text: "hello" }, ctx as never)
    await new Promise<void>((resolve) => late.listen(port, "127.0.0.1", resolve))
    assert.deepInclude(await posted as object, { status: 200 })
    assert.lengthOf(got, before + 1)
    late.close()
    late.closeAllConnections()
  })

  it("says to the doctor what is there, and posts nothing", async () => {
    const check = async (options: Parameters<typeof webhook>[0]) => {
      const plugin = webhook(options)
      const [channel] = (plugin.spec.setup({ options: plugin.options, log: {} } as never) as PluginParts).channels ?? []
      try {
        return await channel?.check?.({
          secret: async (option: unknown) => String(option),
          signal: new AbortController().signal
        } as never)
      } catch (error) {
        return String(error)
      }
    }
    const { host } = new URL(url)
    const before = got.length
    assert.strictEqual(
      await check({ name: "github", secret: ["a".repeat(16), "b".repeat(16)], style: "github", url }),
      `listens at POST /hooks/github in the style github, 2 secrets are set; sends to ${host}, which is there`
    )
    assert.match(
      String(await check({ url: url.replace("http:", "https:") })),
      /can't be reached \(what is there speaks no TLS\): check the url/
    )
    assert.match(String(await check({ secret: "whsec_" })), /holds no key: set it again, as in whsec_/)
    assert.match(String(await check({ secret: "hunter2", style: "github" })), /too short \(7 bytes\).*openssl rand/)
    assert.lengthOf(got, before)
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

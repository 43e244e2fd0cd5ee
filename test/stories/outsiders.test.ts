/**
 * One host between outsiders who mean it no good: a webhook that is forged, unsigned, old or sent again, and an address that
 * leads inside. Each is refused, and a row says so.
 */
import { definePlugin, defineTool, Schema } from "syris"
import { testHost, type TestHost } from "syris/testing"
import { createHmac } from "node:crypto"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import noop from "../../plugins/noop/index.ts"
import webhook from "../../plugins/webhook/index.ts"
import { until } from "../storms/Until.ts"

const key = "a key that GitHub knows, too"
const standardKey = `whsec_${Buffer.from("a key of the style standard, 32 b").toString("base64")}`

/** Asks whatever address it is told. */
const browser = definePlugin({
  name: "browser",
  options: Schema.Struct({ home: Schema.String }),
  setup: () => ({
    tools: [
      defineTool({
        name: "page.read",
        description: "Read a page.",
        input: Schema.Struct({ url: Schema.String }),
        effect: "read",
        risk: "low",
        scopes: [],
        run: async ({ url }, ctx) => ({ text: await (await ctx.fetch(url)).text() })
      }),
      defineTool({
        name: "page.post",
        description: "Post to a page.",
        input: Schema.Struct({ url: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: [],
        run: async ({ url }, ctx) => ({ status: (await ctx.fetch(url, { method: "POST", body: "words" })).status })
      })
    ],
    intents: [
      { name: "page.read", tool: "page.read", patterns: [/read (?<url>\S+)/] },
      { name: "page.post", tool: "page.post", patterns: [/post to (?<url>\S+)/] }
    ],
    watchers: [{
      name: "look",
      interval: "1 hour",
      tick: async (_now, _state, ctx) => (await ctx.fetch("http://127.0.0.1:65000/")).status
    }]
  })
})

describe("outsiders", () => {
  let host: TestHost
  /** How often somebody came inside. */
  let inside = 0
  const inner = http.createServer((_, response) => void response.end(`inside ${++inside}`))
  /** The one server that the operator named; it sends whoever comes to somewhere else. */
  const shop = http.createServer((request, response) =>
    request.url === "/away"
      ? response.writeHead(302, { location: `http://127.0.0.1:${portOf(inner)}/admin` }).end()
      : response.end("well")
  )
  const portOf = (server: http.Server): number => (server.address() as AddressInfo).port
  const at = (server: http.Server, path = "/") => `http://127.0.0.1:${portOf(server)}${path}`

  beforeAll(async () => {
    for (const server of [inner, shop]) await once(server.listen(0, "127.0.0.1"), "listening")
    host = await testHost({
      http: true,
      plugins: [
        noop(),
        browser({ home: at(shop) }),
        webhook({ name: "github", secret: [key, "the one before"], style: "github" }),
        webhook({ name: "door", secret: standardKey })
      ]
    })
  })
  afterAll(async () => {
    await host?.stop()
    inner.close()
    shop.close()
  })

  const rejected = () =>
    host.sql<{ readonly data: any; readonly summary: string }>`
      select data, summary from audit_events where type = 'event.rejected' order by seq`

  const github = (body: string, headers: Record<string, string>) =>
    fetch(`${host.http!.url}/hooks/github`, { method: "POST", body, headers })
  const sign = (body: string, secret = key) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`

  it("a webhook that is forged, unsigned or old is refused, and a row says from where and why", async () => {
    const body = "{\"action\":\"opened\"}"
    const forged = await github(body, { "x-github-delivery": "f-1", "x-hub-signature-256": sign(body, "a guess") })
    const unsigned = await github("{{{ never parsed", { "x-github-delivery": "f-2" })
    const seconds = Math.floor(host.clock.now().getTime() / 1_000) - 3_600
    const mac = createHmac("sha256", Buffer.from(standardKey.slice(6), "base64"))
      .update(`m-1.${seconds}.{"text":"noop"}`).digest("base64")
    const old = await fetch(`${host.http!.url}/hooks/door`, {
      method: "POST",
      body: "{\"text\":\"noop\"}",
      headers: { "webhook-id": "m-1", "webhook-timestamp": String(seconds), "webhook-signature": `v1,${mac}` }
    })
    for (const answer of [forged, unsigned, old]) {
      assert.strictEqual(answer.status, 401)
      // Whoever forges is not told what was wrong with it.
      assert.include(await answer.text(), "missing, old or wrong")
    }
    const rows = await rejected()
    assert.deepEqual(
      rows.map(({ data }) => [data.connector_id, data.error.code, data.why, data.source]),
      [
        ["github", "hook.signature", "wrong", "127.0.0.1"],
        ["github", "hook.signature", "none", "127.0.0.1"],
        ["door", "hook.signature", "old", "127.0.0.1"]
      ]
    )
    assert.include(rows[0]!.summary, "none of the secrets of this hook signed it")
    assert.deepEqual(await host.sql`select 1 from events where channel = 'webhook'`, [])
  })

  it("one that was recorded is not processed again, under whatever id; another one is", async () => {
    const body = JSON.stringify({ action: "closed", at: 1 })
    const deliver = async (id: string, text: string, secret = key) => {
      const answer = await github(text, { "x-github-delivery": id, "x-hub-signature-256": sign(text, secret) })
      return [answer.status, (await answer.json() as { readonly event_id: string }).event_id] as const
    }
    const [first, event] = await deliver("d-1", body)
    assert.strictEqual(first, 202)
    assert.deepEqual(await deliver("d-1", body), [200, event])
    assert.deepEqual(await deliver("replayed-1", body), [200, event])
    // Signed with the secret before, a year later: the same still.
    host.clock.advance("365 days")
    assert.deepEqual(await deliver("replayed-2", body, "the one before"), [200, event])
    const [status, other] = await deliver("d-2", JSON.stringify({ action: "closed", at: 2 }))
    assert.strictEqual(status, 202)
    assert.notStrictEqual(other, event)
    const [{ count }] = await host.sql<{ readonly count: string }>`
      select count(*) from audit_events where type = 'event.deduped'` as [{ readonly count: string }]
    assert.strictEqual(Number(count), 3)
  })

  const outcome = async (text: string) => {
    const { trace_id } = await host.send(text)
    const rows = await host.audit(trace_id)
    return rows.find(({ type }) => /^tool_call\.(succeeded|failed|unknown)$/.test(type))!
  }

  it("no address leads inside that the operator did not name, by no redirect either; the call has failed, and says why", async () => {
    assert.strictEqual((await outcome(`read ${at(shop)}`)).type, "tool_call.succeeded")
    const port = portOf(inner)
    for (
      const url of [at(inner), at(shop, "/away"), `http://localhost:${port}/`, `http://[::ffff:127.0.0.1]:${port}/`]
    ) {
      for (const verb of ["read", "post to"]) {
        const row = await outcome(`${verb} ${url}`)
        assert.strictEqual(row.type, "tool_call.failed", `${verb} ${url}`)
        assert.match(row.summary, /was not asked: .*is not a public address|does not lead to public addresses only/)
        assert.strictEqual((row.data as any).error.code, "tool.refused")
      }
    }
    assert.match((await outcome("read file:///etc/passwd")).summary, /file: is not http or https/)
    assert.strictEqual(inside, 0)
    // A watcher gets the same.
    const [tick] = await until("the look of the watcher", async () => {
      const rows = await host.sql<{ readonly summary: string }>`
        select summary from audit_events where type = 'watcher.error'`
      return rows.length > 0 && rows
    })
    assert.match(tick!.summary, /http:\/\/127\.0\.0\.1:65000 was not asked/)
    // The control: without the guard both ways lead inside.
    for (const url of [at(inner), at(shop, "/away")]) assert.match(await (await fetch(url)).text(), /^inside/)
    assert.strictEqual(inside, 2)
  })
})

/**
 * One host and everything through which the world comes in and looks in: channels, routes, signed webhooks, the live audit;
 * and that a secret which passes through all of it is never seen.
 */
import { createHmac, randomBytes } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { auditTypes, type HostProcess, runSyris, startHost } from "./HostProcess.ts"

/** In the address of the database, which does not ask for one. */
const password = randomBytes(12).toString("hex")
const canary = `canary-${randomBytes(12).toString("hex")}`
const hookSecret = randomBytes(16).toString("hex")
const doorSecret = `whsec_${randomBytes(24).toString("base64")}`

/** A plugin that does with a secret whatever a careless author does. */
const config = (line: string) => `
import { defineConfig, definePlugin, defineTool, Schema, secret } from "syris"
import noop from "syris/plugins/noop"
import webhook from "syris/plugins/webhook"

const vault = secret("vault", "canary")
const blurt = defineTool({
  name: "vault.blurt", description: "Tell it all.", input: Schema.Struct({ how: Schema.String }),
  effect: "write", risk: "low", scopes: ["vault"],
  run: async ({ how }, ctx) => {
    const value = await ctx.secret(vault)
    ctx.log.warn("the key is " + value, { value, in: [{ deep: Buffer.from(value).toString("base64") }] })
    if (how === "emit") ctx.emit({ channel: "vault", text: "noop " + value, structured: { value } })
    if (how === "throw") throw new Error("refused: " + value, { cause: value })
    return { message: "it is " + value, [value]: Buffer.from("user:" + value).toString("base64") }
  }
})
const careless = definePlugin({
  name: "careless",
  setup: () => ({
    tools: [blurt],
    intents: [{ name: "vault.blurt", patterns: [/blurt (?<how>\\w+)/], tool: "vault.blurt" }],
    routes: [
      { method: "GET", path: "/hello/:who", handle: (request) => Response.json({ path: new URL(request.url).pathname }) },
      { method: "POST", path: "/echo", handle: async (request) => new Response(await request.text(), { status: 201 }) },
      { method: "POST", path: "/ring", handle: async () => Response.json(await globalThis.ring()) },
      { method: "GET", path: "/broken", handle: () => { throw new Error("broken by ${canary}") } }
    ],
    channels: [{
      name: "bell",
      trust: "trusted",
      receive: (ctx) => {
        globalThis.ring = () => ctx.signal.aborted ? { deaf: true } : ctx.emit({ channel: "bell", text: "noop ding" })
      }
    }, {
      name: "line",
      trust: "trusted",
      receive: async (ctx) => {
        const answer = await fetch("${line}", { signal: ctx.signal, headers: { "x-called-at": String(performance.now()) } })
        if (!answer.ok) throw new Error("the line is dead: " + await ctx.secret(vault))
        await ctx.emit({ channel: "line", message_id: "first", text: "noop from the line" })
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve))
      }
    }]
  })
})
export default defineConfig({ plugins: [
  noop(), careless(),
  webhook({ name: "github", secret: secret("github", "webhook"), style: "github" }),
  webhook({ name: "door", secret: secret("door", "webhook"), style: "standard" })
] })
`

describe("the doors of a host", () => {
  const place = folder("doors")
  const home = path.join(place, "home")
  let database: OwnDatabase
  let host: HostProcess
  /** When the channel called, and whether its other side is there. */
  const calls: Array<number> = []
  let lineIsDead = true
  const line = http.createServer((request, response) => {
    calls.push(Number(request.headers["x-called-at"]))
    response.writeHead(lineIsDead ? 503 : 200).end()
  })
  const everything: Array<string> = []
  const keep = (text: string): string => {
    everything.push(text)
    return text
  }

  beforeAll(async () => {
    database = await makeDatabase()
    await once(line.listen(0, "127.0.0.1"), "listening")
    const file = path.join(place, "syris.config.ts")
    fs.writeFileSync(file, config(`http://127.0.0.1:${(line.address() as AddressInfo).port}/`))
    for (
      const [name, key, value] of [["vault", "canary", canary], ["github", "webhook", hookSecret], [
        "door",
        "webhook",
        doorSecret
      ]]
    ) {
      const set = await runSyris(["secrets", "set", name!, key!], { home }, `${value}\n`)
      assert.strictEqual(set.code, 0, set.err)
      keep(set.out + set.err)
    }
    const address = new URL(database.url)
    address.password = password
    host = await startHost({ home, config: file, databaseUrl: address.href, args: ["--verbose"] })
  })
  afterAll(async () => {
    await host?.kill()
    line.close()
    await database.close()
    fs.rmSync(place, { recursive: true, force: true })
  })

  const health = async () =>
    (await host.get("/health")) as { readonly status: string; readonly degraded: ReadonlyArray<string> }

  it("the banner names the database without its password, and every plugin", async () => {
    const banner = await until("the banner", () => host.said().includes("another terminal") && host.said())
    assert.include(banner, host.url)
    assert.match(banner, /database +postgres:\/\/.+:\*\*\*@/)
    assert.match(banner, /plugins +.*noop 0\.1\.0.*careless.*webhook\.github 0\.1\.0.*webhook\.door 0\.1\.0/)
  })

  it("a channel that can't listen is named in the health and called again, later each time; then its event comes", async () => {
    await until("two calls", () => calls.length >= 3)
    await until("its place in the health", async () => (await health()).degraded.includes("channel line"))
    assert.deepEqual(await health().then(({ degraded, status }) => ({ degraded, status })), {
      degraded: ["channel line"],
      status: "degraded"
    })
    const [first = 0, second = 0, third = 0] = calls
    // The channel waits one second, then two; said by its own clock, so that a busy machine only makes it longer.
    assert.isAbove(second - first, 990)
    assert.isAbove(third - second, 1_990)
    lineIsDead = false
    const event = await until("the event of the line", async () => (await host.get("/events?channel=line")).items[0])
    assert.strictEqual(event.security.trust, "trusted")
    await until(
      "the call",
      async () => (await auditTypes(host, `trace_id=${event.correlation.trace_id}`)).includes("tool_call.succeeded")
    )
  })

  it("a channel that listens in the background is not cut off", async () => {
    const rung = await (await host.request("/plugins/careless/ring", { method: "POST" })).json() as object
    assert.containsAllKeys(rung, ["event_id", "trace_id"])
  })

  it("a plugin's routes answer under its name, behind the token", async () => {
    assert.deepEqual(await host.get("/plugins/careless/hello/you"), { path: "/plugins/careless/hello/you" })
    const echoed = await host.request("/plugins/careless/echo", { method: "POST", body: "words" })
    assert.deepEqual([echoed.status, await echoed.text()], [201, "words"])
    assert.strictEqual((await fetch(`${host.url}/plugins/careless/hello/you`)).status, 401)
    assert.strictEqual((await host.request("/plugins/careless/none")).status, 404)
    assert.strictEqual((await host.request("/plugins/careless/echo")).status, 405)
    const broken = await host.request("/plugins/careless/broken")
    assert.strictEqual(broken.status, 500)
    assert.include(keep(await broken.text()), "plugin.route_failed")
    await until("its line in the log", () => host.said().includes("The route GET /broken"))
  })

  /** A delivery as GitHub sends it. */
  const deliver = (id: string, body: string, key = hookSecret) =>
    fetch(`${host.url}/hooks/github`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-github-delivery": id,
        "x-github-event": "issues",
        "x-hub-signature-256": `sha256=${createHmac("sha256", key).update(body).digest("hex")}`
      },
      body
    })

  it("a signed webhook becomes one event; delivered twice, it is one still; with a wrong signature it is none", async () => {
    const body = JSON.stringify({ action: "opened", issue: { title: "It burns" } })
    const first = await deliver("d-1", body)
    const accepted = await first.json() as { readonly event_id: string; readonly trace_id: string }
    assert.strictEqual(first.status, 202)
    const [second, third] = await Promise.all([deliver("d-1", body), deliver("d-1", body)])
    for (const again of [second, third]) {
      assert.strictEqual(again.status, 200)
      assert.deepEqual(await again.json(), { ...accepted, deduped: true })
    }
    const forged = await deliver("d-2", body, "a guess")
    assert.strictEqual(forged.status, 401)
    const { items } = await host.get("/events?channel=webhook")
    assert.strictEqual(items.length, 1)
    assert.strictEqual(items[0].source.connector_id, "github")
    assert.strictEqual(items[0].security.trust, "untrusted")
    assert.deepEqual(items[0].content.structured, JSON.parse(body))
    assert.deepEqual(await auditTypes(host, `trace_id=${accepted.trace_id}`), [
      "event.ingested",
      "routing.unhandled",
      "event.deduped",
      "event.deduped"
    ])
  })

  it("a signed webhook with words runs its tool once, delivered twice", async () => {
    const body = JSON.stringify({ text: "noop at the door" })
    const at = Math.floor(Date.now() / 1000)
    const key = Buffer.from(doorSecret.replace("whsec_", ""), "base64")
    const signature = createHmac("sha256", key).update(`m-1.${at}.${body}`).digest("base64")
    const knock = () =>
      fetch(`${host.url}/hooks/door`, {
        method: "POST",
        headers: { "webhook-id": "m-1", "webhook-timestamp": String(at), "webhook-signature": `v1,${signature}` },
        body
      })
    const [first, second] = [await knock(), await knock()]
    assert.deepEqual([first.status, second.status], [202, 200])
    const { trace_id } = await first.json() as { readonly trace_id: string }
    const types = await until("its outcome", async () => {
      const seen = await auditTypes(host, `trace_id=${trace_id}`)
      return seen.includes("tool_call.succeeded") && seen
    })
    assert.strictEqual(types.filter((type) => type === "tool_call.attempted").length, 1)
    assert.strictEqual(types.filter((type) => type === "event.deduped").length, 1)
  })

  it("the live audit shows a row as it is written, and a later one from where it was left", async () => {
    const open = async (after?: string) => {
      const leave = new AbortController()
      const response = await host.request("/audit/stream?type=event.ingested", {
        signal: leave.signal,
        ...(after === undefined ? {} : { headers: { "last-event-id": after } })
      })
      assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/)
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      let text = ""
      return {
        until: async (wanted: string): Promise<string> => {
          while (!(text.includes(wanted) && text.endsWith("\n\n"))) {
            const { done, value } = await reader.read()
            if (done) throw new Error(`The stream ended before ${wanted}.`)
            text += value
          }
          return text
        },
        leave: () => leave.abort()
      }
    }
    const first = await open()
    await first.until("retry:")
    const sent = await host.send({ channel: "webhook", text: "noop live" })
    const seen = await first.until(sent.trace_id)
    first.leave()
    const id = /id: (.+)\n/.exec(seen)?.[1]
    assert.isDefined(id)
    const missed = await host.send({ channel: "webhook", text: "noop meanwhile" })
    const second = await open(id)
    const resumed = await second.until(missed.trace_id)
    second.leave()
    assert.notInclude(resumed, sent.trace_id)
  })

  /** What an event asks for that carried a secret is asked about first; the secret is not in the question. */
  const sayYes = async () => {
    const [asked, ...others] = (await host.get("/approvals?status=pending")).items
    assert.isEmpty(others)
    assert.deepEqual([asked.tool, asked.what], ["noop.run", { text: "[secret vault.canary]" }])
    assert.include(asked.reasons, "its input carries a secret")
    const body = JSON.stringify({ what_hash: asked.what_hash })
    const headers = { "content-type": "application/json" }
    const yes = await host.request(`/approvals/${asked.approval_id}/approve`, { method: "POST", headers, body })
    assert.strictEqual(yes.status, 200, keep(await yes.text()))
  }

  it("a secret that a tool logs, returns, throws and emits is never seen", async () => {
    for (const [how, outcome] of [["return", "succeeded"], ["throw", "failed"], ["emit", "waiting"]]) {
      const sent = await host.send({ channel: "line", text: `blurt ${how}` })
      assert.strictEqual(sent.outcome, outcome)
      assert.include(keep(JSON.stringify(sent)), "[secret vault.canary]")
      if (outcome === "waiting") await sayYes()
      const trace = await until("the end of the trace", async () => {
        const told = await host.get(`/traces/${sent.trace_id}`)
        return told.settled && told
      })
      assert.include(keep(JSON.stringify(trace)), "[secret vault.canary]")
      assert.strictEqual(trace.events.length, how === "emit" ? 2 : 1)
    }
    await until("the log", () => host.said().split("the key is [secret vault.canary]").length === 4)
    for (const at of ["/events?limit=500", "/audit?limit=500", "/health", "/state", "/plugins", "/tools"]) {
      keep(await (await host.request(at)).text())
    }
    for (
      const { name } of await database.query<{ name: string }>(
        "select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and n.nspname = 'public'"
      )
    ) {
      for (const { row } of await database.query<{ row: string }>(`select to_jsonb(t)::text as row from "${name}" t`)) {
        keep(row)
      }
    }
    keep(host.said())
    const all = everything.join("\n")
    assert.include(all, "tool_call.failed")
    const forms = [
      canary,
      Buffer.from(canary).toString("base64"),
      Buffer.from(canary).toString("hex"),
      hookSecret,
      doorSecret,
      password,
      host.token
    ]
    for (const form of forms) assert.isFalse(all.includes(form), `${form} is seen in: ${around(all, form)}`)
    assert.isFalse(all.includes(Buffer.from(`user:${canary}`).toString("base64")))
  })

  it("the secret is told as an alarm until the operator says that it is over", async () => {
    const open = async () => (await host.get("/alarms?status=open")).items
    const alarm = await until("the alarm", async () => (await open())[0])
    assert.deepEqual([alarm.type, alarm.severity], ["audit.secret", "critical"])
    assert.notInclude(JSON.stringify(alarm), canary)
    await until("its place in the health", async () => (await health()).degraded.includes("alarm audit.secret"))
    assert.strictEqual((await host.request(`/alarms/${alarm.alarm_id}/resolve`, { method: "POST" })).status, 200)
    await until("no alarm", async () => {
      // What was found before the operator's word is told a second later, and is over with another one.
      const left = await open()
      for (const { alarm_id } of left) await host.request(`/alarms/${alarm_id}/resolve`, { method: "POST" })
      return left.length === 0
    })
  })

  it("the channel that listens again is well, and a stop ends it", async () => {
    await until("a healthy host", async () => {
      // What was found before the operator's word is told a second later, and is over with another one.
      for (const { alarm_id } of (await host.get("/alarms?status=open")).items) {
        await host.request(`/alarms/${alarm_id}/resolve`, { method: "POST" })
      }
      return (await health()).status === "healthy"
    })
    host.signal("SIGTERM")
    const { code, err, out } = await host.ended
    assert.strictEqual(code, 0, out + err)
    assert.notInclude(out + err, canary)
  })
})

const around = (all: string, form: string): string => {
  const at = all.indexOf(form)
  return at < 0 ? "" : all.slice(Math.max(0, at - 200), at + form.length + 50)
}

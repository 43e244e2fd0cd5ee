/** What a channel can rely on: its place, who listens, what it hands over besides, and what it refuses. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { until } from "../../test/storms/Until.ts"
import { type ChannelContext, definePlugin, Schema, SecretOption } from "../plugin/index.ts"
import type { Channel } from "../plugin/Plugin.ts"
import { type TestHost, testHost } from "../testing/TestHost.ts"
import { makeDatabase, type OwnDatabase } from "../watchers/TestWatchers.ts"

let database: OwnDatabase
let hosts: Array<TestHost> = []

beforeEach(async () => {
  database = await makeDatabase()
})
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  hosts = []
  await database.close()
})

/** A host with one channel; `listening` has the context of whoever listens. */
const start = async (channel: Partial<Channel> = {}) => {
  const listening: Array<ChannelContext> = []
  const line = definePlugin({
    name: "line",
    options: Schema.Struct({ key: Schema.optionalKey(SecretOption) }),
    setup: () => ({
      channels: [{ name: "line", trust: "untrusted", receive: (ctx) => void listening.push(ctx), ...channel }]
    })
  })
  const host = await testHost({ databaseUrl: database.url, plugins: [line()], http: true, timezone: "UTC" })
  hosts.push(host)
  return { host, listening }
}
const get = async (host: TestHost, at: string): Promise<any> =>
  (await fetch(`${host.http!.url}${at}`, { headers: { authorization: `Bearer ${host.http!.token}` } })).json()

describe("the place of a channel in a stream", () => {
  it("is there after a restart, and nothing before the first", async () => {
    const first = await start()
    const ctx = await until("the channel", () => first.listening[0])
    assert.isUndefined(await ctx.recall())
    await ctx.remember({ uid: 7, seen: ["a"] })
    await ctx.remember({ uid: 8 })
    await first.host.stop()
    hosts = []
    const second = await start()
    const again = await until("the channel", () => second.listening[0])
    assert.deepEqual(await again.recall(), { uid: 8 })
  })

  it("is plain JSON of a bounded size, and a sentence says so", async () => {
    const { listening } = await start()
    const ctx = await until("the channel", () => listening[0])
    const refused = async (state: unknown) => {
      try {
        await ctx.remember(state)
        return "kept"
      } catch (error) {
        return (error as Error).message
      }
    }
    assert.include(await refused({ at: new Date() }), "has a Date at \"at\"")
    assert.include(await refused("x".repeat(300_000)), "at most 256 KiB")
    assert.strictEqual(await refused({ fine: true }), "kept")
  })
})

describe("an exclusive channel", () => {
  it("is listened to by one host of two, and by the other when that one ends", async () => {
    const [one, other] = [await start({ exclusive: true }), await start({ exclusive: true })]
    const ctx = await until("the first", () => one.listening[0])
    other.host.clock.advance("10 seconds")
    await ctx.remember({ by: "one" })
    assert.lengthOf(other.listening, 0)
    await one.host.stop()
    hosts = [other.host]
    assert.isTrue(ctx.signal.aborted)
    const next = await until("the other", () => {
      other.host.clock.advance("2 seconds")
      return other.listening[0]
    })
    assert.deepEqual(await next.recall(), { by: "one" })
    // Whoever does not listen any more writes no place.
    await next.remember({ by: "other" })
    await ctx.remember({ by: "one again" }).catch(() => {})
    assert.deepEqual(await next.recall(), { by: "other" })
  })

  it("is listened to by both, without it", async () => {
    const [one, other] = [await start(), await start()]
    await until("both", () => one.listening.length === 1 && other.listening.length === 1)
  })
})

describe("a channel that fails", () => {
  it("is named in the health with its words, and well again at once when it says that it is connected", async () => {
    let calls = 0
    const { host } = await start({
      receive: (ctx) => {
        if (++calls < 3) throw new Error("the line is dead")
        ctx.connected()
      }
    })
    const line = async () => (await get(host, "/integrations")).items.find((one: any) => one.integration_id === "line")
    await until("its trouble", async () => (await line()).last_error === "It does not listen: the line is dead")
    assert.deepInclude(await get(host, "/health"), { status: "degraded", degraded: ["channel line"] })
    await until("its health", async () => {
      host.clock.advance("1 second")
      return (await line()).health === "healthy"
    })
    assert.strictEqual(calls, 3)
  })
})

describe("a channel that can't listen and is switched off", () => {
  it("is no trouble of the host's, and is what it is when it is switched on again", async () => {
    let isDead = true
    let calls = 0
    const { host } = await start({
      receive: (ctx) => {
        calls++
        if (isDead) throw new Error("the line is dead")
        ctx.connected()
      }
    })
    const health = () => get(host, "/health")
    const set = async (enabled: boolean): Promise<any> =>
      (await fetch(`${host.http!.url}/integrations/line`, {
        method: "PATCH",
        headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
        body: JSON.stringify({ enabled })
      })).json()
    const trouble = { status: "degraded", degraded: ["channel line"] }
    const attempt = async () => {
      const before = calls
      await until("an attempt", () => {
        host.clock.advance("1 second")
        return calls > before
      })
    }
    await until("its trouble", async () => (await health()).status === "degraded")
    assert.deepInclude(await health(), trouble)

    assert.deepInclude(await set(false), { enabled: false, health: "healthy", state: "off" })
    assert.deepInclude(await health(), { status: "healthy", degraded: [] })
    await attempt()
    assert.deepInclude(await health(), { status: "healthy", degraded: [] })

    const on = await set(true)
    assert.deepInclude(on, { enabled: true, health: "degraded", last_error: "It does not listen: the line is dead" })
    assert.deepInclude(await health(), trouble)

    // What has got well meanwhile is well.
    await set(false)
    isDead = false
    await attempt()
    assert.deepInclude(await set(true), { enabled: true, health: "healthy" })
    assert.deepInclude(await health(), { status: "healthy", degraded: [] })
  })
})

describe("a channel that is in disorder", () => {
  it("is not well again because a call that has ended says so", async () => {
    const late: Array<ChannelContext> = []
    const { host } = await start({
      receive: (ctx) => {
        late.push(ctx)
        throw new Error("the line is dead")
      }
    })
    const health = () => get(host, "/health")
    await until("its trouble", async () => (await health()).status === "degraded")
    const [first] = late
    assert.isTrue(first!.signal.aborted)
    first!.connected()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepInclude(await health(), { status: "degraded", degraded: ["channel line"] })
  })

  it("is called again later each time where it comes and goes", async () => {
    const calls: Array<number> = []
    const { host } = await start({
      receive: async (ctx) => {
        calls.push(host.clock.now().getTime())
        ctx.connected()
        await new Promise((resolve) => setTimeout(resolve, 20))
        throw new Error("another one has taken the line")
      }
    })
    await until("five calls", () => {
      host.clock.advance("500 millis")
      return calls.length >= 5
    })
    const pauses = calls.slice(1).map((at, i) => at - calls[i]!)
    assert.isAtLeast(pauses[1]!, 2_000)
    assert.isAtLeast(pauses[2]!, 4_000)
  })
})

describe("what a channel says of an event besides", () => {
  const mail = { channel: "line", message_id: "m1", text: "hello", actor_id: "ada@example.org" }

  it("keeps what came with it once, and names it in the event", async () => {
    const { host, listening } = await start()
    const ctx = await until("the channel", () => listening[0])
    const attachments = [{ data: "notes", name: "notes.txt" }, { data: new Uint8Array([1, 2]), name: "x.bin" }]
    const { event_id, trace_id } = await ctx.emit(mail, { attachments })
    const again = await ctx.emit(mail, { attachments })
    assert.deepInclude(again, { event_id, deduped: true })
    const { content } = await get(host, `/events/${event_id}`)
    const kept = await host.sql<{ artifact_id: string; name: string; labels: object }>`
      select artifact_id, name, labels from artifacts where trace_id = ${trace_id} order by artifact_id`
    assert.deepEqual(content.attachment_refs, kept.map(({ artifact_id }) => artifact_id))
    assert.deepEqual(kept.map(({ name }) => name), ["notes.txt", "x.bin"])
    assert.deepEqual(kept[0]!.labels, { trust: "untrusted", confidentiality: "private" })
    assert.lengthOf(await host.sql`select 1 from artifacts`, 2)
    assert.strictEqual(
      await fetch(`${host.http!.url}/artifacts/${content.attachment_refs[0]}`, {
        headers: { authorization: `Bearer ${host.http!.token}` }
      }).then((response) => response.text()),
      "notes"
    )
  })

  it("raises the trust of one event as far as it may, with the reason in the audit", async () => {
    const { host, listening } = await start({ raises: "trusted" })
    const ctx = await until("the channel", () => listening[0])
    const raised = await ctx.emit(mail, { raise: { trust: "trusted", because: "ada is on the list, and signed" } })
    const doubted = await ctx.emit({ ...mail, message_id: "m2" }, { doubt: "ada is on the list, but did not sign" })
    const facts = async (trace_id: string) => {
      const [row] = await host.audit(trace_id)
      return row!.data
    }
    assert.deepInclude(await facts(raised.trace_id), {
      trust: "trusted",
      trust_because: "ada is on the list, and signed"
    })
    assert.deepInclude(await facts(doubted.trace_id), {
      trust: "untrusted",
      trust_doubt: "ada is on the list, but did not sign"
    })
    const raise = { trust: "operator" as const, because: "says who" }
    const failed = await ctx.emit({ ...mail, message_id: "m3" }, { raise }).then(() => "taken", String)
    assert.include(failed, "can be raised to trusted at most, and not to operator")
    const other = await ctx.emit({ ...mail, message_id: "m3", channel: "chat" }, {
      raise: { trust: "trusted", because: "x" }
    }).then(() => "taken", String)
    assert.include(other, "can be raised")
    assert.lengthOf(await host.sql`select 1 from events where message_id = 'm3'`, 0)
  })

  it("raises nothing where the channel did not say that it may", async () => {
    const { listening } = await start()
    const ctx = await until("the channel", () => listening[0])
    const raise = { trust: "trusted" as const, because: "x" }
    assert.include(await ctx.emit(mail, { raise }).then(() => "taken", String), "to untrusted at most")
  })
})

describe("what a channel refuses", () => {
  it("leaves a row with the reason, ten a minute, then one with the number of the others", async () => {
    const { host, listening } = await start()
    const ctx = await until("the channel", () => listening[0])
    for (let i = 0; i < 30; i++) {
      await ctx.reject({ code: "line.forged", message: "It is not signed.\u202e", data: { from: `n${i}`, size: i } })
    }
    await ctx.reject({ code: "line.other", message: "It is too long." })
    const rows = async () =>
      host.sql<{ summary: string; data: any }>`
        select summary, data from audit_events where type = 'event.rejected' order by seq`
    const first = await rows()
    assert.lengthOf(first, 11)
    assert.deepInclude(first[0]!.data, { channel: "line", connector_id: "line", from: "n0", size: 0 })
    assert.strictEqual(first[0]!.data.error.code, "line.forged")
    assert.notInclude(JSON.stringify(first), "\u202e")
    host.clock.advance("61 seconds")
    const last = await until("the number", async () => (await rows())[11])
    assert.strictEqual(last.data.others, 20)
    assert.match(last.summary, /^20 more on line were refused within a minute/)
  })
})

/**
 * Watchers of a plugin in whole hosts on a real PostgreSQL: what they keep, what they hand over, how they fail, and how the
 * operator is told.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { definePlugin, defineTool, Schema } from "../plugin/index.ts"
import { type TestHost, testHost } from "../testing/TestHost.ts"
import { periodOf, stepAfter } from "./TickOutcome.ts"
import { type Gate, gate, ended, eye, makeDue, openAlarms, rowOf, tick, until } from "./TestWatchers.ts"

/** What a watcher does in its next ticks: the test's word. */
const script: Record<string, Parameters<typeof eye>[0][string]["tick"]> = {}
const scripted = (name: string) => ({
  tick: (...args: Parameters<NonNullable<(typeof script)[string]>>) => script[name]?.(...args)
})

const lamps: Array<string> = []
const lamp = definePlugin({
  name: "lamp",
  setup: () => ({
    tools: [defineTool({
      name: "lamp.note",
      description: "Note a lamp.",
      input: Schema.Struct({ name: Schema.String }),
      effect: "read",
      risk: "low",
      scopes: [],
      run: ({ name }) => {
        lamps.push(name)
        return name
      }
    })],
    intents: [{ name: "lamp.note", patterns: [/note the (?<name>\w+)/], tool: "lamp.note" }],
    channels: [{ name: "street", trust: "untrusted" }]
  })
})

let host: TestHost
beforeAll(async () => {
  host = await testHost({
    timezone: "UTC",
    http: true,
    plugins: [
      lamp(),
      eye({
        soon: { tick: () => ({ first: true }) },
        counts: scripted("counts"),
        speaks: scripted("speaks"),
        boss: { ...scripted("boss"), trust: "operator" },
        fails: { ...scripted("fails"), alarmAfter: 3, interval: "10 minutes" },
        hangs: { ...scripted("hangs"), timeout: "150 millis" },
        chatters: { ...scripted("chatters"), throttle: { events: 3, per: "1 hour" } },
        disabled: scripted("disabled"),
        stale: scripted("stale")
      })
    ]
  })
})
afterAll(() => host?.stop())

const api = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(`${host.http?.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${host.http?.token}`, "content-type": "application/json" }
  })
  return { status: response.status, json: await response.json() as any }
}
const degraded = async (): Promise<ReadonlyArray<string>> => (await api("/health")).json.degraded

describe("a watcher", () => {
  it("ticks soon after the start, and keeps what its tick gave back", async () => {
    const row = await until("the first tick", async () => {
      const found = await rowOf(host, "eye.soon")
      return found.last_outcome === null ? undefined : found
    })
    assert.deepInclude(row, {
      state: { first: true },
      last_outcome: "success",
      consecutive_errors: 0,
      claimed_by: null
    })
    const wait = row.next_tick_at.getTime() - (row.last_tick_at?.getTime() ?? 0)
    assert.closeTo(wait, 86_400_000, 5_000)
  })

  it("finds its state again; nothing given back keeps it, an error too", async () => {
    script["counts"] = (_, state) => ({ n: ((state as { n?: number } | null)?.n ?? 0) + 1 })
    const { row: { state: { n } } } = await tick(host, "eye.counts")
    assert.strictEqual((await tick(host, "eye.counts")).row.state.n, n + 1)
    script["counts"] = () => undefined
    assert.strictEqual((await tick(host, "eye.counts")).row.state.n, n + 1)
    script["counts"] = () => Promise.reject(new Error("no network"))
    const { row } = await tick(host, "eye.counts")
    assert.deepEqual([row.state.n, row.last_outcome, row.last_error], [n + 1, "failure", "no network"])
    script["counts"] = () => null
    assert.isNull((await tick(host, "eye.counts")).row.state)
  })

  it("hands its events to the pipeline, all under the tick's trace and with its trust", async () => {
    script["speaks"] = (_, __, { emit }) => {
      emit({ text: "note the moon" })
      emit({ channel: "street", text: "note the sign", message_id: "s1" })
      emit({ channel: "chat", text: "note the word" })
    }
    const { trace } = await tick(host, "eye.speaks")
    await until("the three tools", () => lamps.length === 3)
    assert.deepEqual(lamps.toSorted(), ["moon", "sign", "word"])
    const events = await host.sql`
      select channel, connector_id, actor_type, actor_id, trust, trace_id, depth from events where trace_id = ${trace}
      order by event_id`
    const own = { connector_id: "eye.speaks", actor_type: "system", actor_id: "eye.speaks", trace_id: trace, depth: 0 }
    assert.deepEqual(events, [
      { ...own, channel: "watcher", trust: "trusted" },
      // No better than the channel that they name, and never the operator's word.
      { ...own, channel: "street", trust: "untrusted" },
      { ...own, channel: "chat", trust: "trusted" }
    ])
    const types = await until("the end", async () => {
      const found = await host.auditTypes(trace)
      return found.filter((type) => type === "tool_call.succeeded").length === 3 ? found : undefined
    })
    assert.strictEqual(types[0], "watcher.tick")
    assert.lengthOf(types.filter((type) => type === "event.ingested"), 3)
    const [told] = await host.audit(trace)
    assert.deepEqual(told?.refs, { watcher_id: "eye.speaks" })
    assert.deepInclude(told?.data as object, { events: 3, suppressed: 0 })

    // The same message again is not run again.
    script["speaks"] = (_, __, { emit }) => emit({ channel: "street", text: "note the sign", message_id: "s1" })
    const again = await tick(host, "eye.speaks")
    assert.deepEqual(await host.auditTypes(again.trace), ["watcher.tick", "event.deduped"])
  })

  it("speaks for the operator only where its author says so, and leaves what is not an event behind", async () => {
    script["boss"] = (_, __, { emit }) => {
      emit({ text: "note the hill" })
      emit({ text: "x", timezone: "Mars/Olympus" })
    }
    const { trace } = await tick(host, "eye.boss")
    const events = await host.sql`select trust from events where trace_id = ${trace}`
    assert.deepEqual(events, [{ trust: "operator" }])
    const rejected = (await host.audit(trace)).find(({ type }) => type === "event.rejected")
    assert.match(rejected?.summary ?? "", /^eye\.boss made what is not an event: .*"Mars\/Olympus"/)
  })

  it("that fails says why, hands over nothing, and waits twice as long each time", async () => {
    script["fails"] = (_, __, { emit }) => {
      emit({ text: "note the fire" })
      throw new Error("the sensor is away")
    }
    await until("the first tick", async () => (await ended(host, "eye.fails")).length > 0)
    for (const errors of [1, 2]) {
      const due = Date.now()
      const { row, trace } = await tick(host, "eye.fails")
      assert.strictEqual(row.consecutive_errors, errors)
      assert.closeTo(row.next_tick_at.getTime() - due, 600_000 * 2 ** errors, 3_000)
      const told = await host.audit(trace)
      assert.deepEqual(told.map(({ summary, type }) => [type, summary]), [[
        "watcher.error",
        "eye.fails failed: the sensor is away"
      ]])
    }
    assert.notInclude(lamps, "fire")
    assert.deepEqual(await openAlarms(host, "watcher:eye.fails"), [], "two of three")
    assert.notInclude(await degraded(), "watcher eye.fails")
    // The alarm, until it is well.
    const { row } = await tick(host, "eye.fails")
    assert.closeTo(row.next_tick_at.getTime() - Date.now(), 3_600_000, 3_000, "an hour at most")
    const [alarm] = await openAlarms(host, "watcher:eye.fails")
    assert.deepInclude(alarm, { type: "watcher.failing", severity: "error" })
    assert.match(
      alarm?.message ?? "",
      /failed 3 times in a row, at last with: the sensor is away .*disable eye\.fails$/
    )
    await until("the health to say so", async () => (await degraded()).includes("watcher eye.fails"))
    await tick(host, "eye.fails")
    assert.lengthOf(await openAlarms(host, "watcher:eye.fails"), 1, "one, however often")
    script["fails"] = () => "well"
    assert.strictEqual((await tick(host, "eye.fails")).row.consecutive_errors, 0)
    assert.deepEqual(await openAlarms(host, "watcher:eye.fails"), [])
    await until("the health to be well", async () => !(await degraded()).includes("watcher eye.fails"))
  })

  it("that hangs and ignores its signal is left behind at its time-out", async () => {
    const over = gate()
    const signals: Array<AbortSignal> = []
    script["hangs"] = async (_, __, { emit, signal }) => {
      signals.push(signal)
      await over.opened
      emit({ text: "note the past" })
    }
    const { row } = await tick(host, "eye.hangs")
    assert.match(row.last_error ?? "", /^It did not end within 0\.15 s and was aborted\./)
    assert.isTrue(signals.every(({ aborted }) => aborted))
    over.open()
    script["hangs"] = () => ({ ok: true })
    assert.strictEqual((await tick(host, "eye.hangs")).row.last_outcome, "success")
    assert.notInclude(lamps, "past")
  })

  it("that gives back garbage fails with a sentence, and keeps its state", async () => {
    const circle: Record<string, unknown> = {}
    circle["me"] = circle
    const hostile = {
      get n() {
        throw new Error("no")
      }
    }
    const given: ReadonlyArray<readonly [unknown, RegExp]> = [
      [new Date(), /^Its state has a Date, which is not plain JSON/],
      [() => 1, /^Its state has a function/],
      [{ n: Number.NaN }, /^Its state has the number NaN at "n"/],
      [circle, /^Its state is nested deeper than 64 levels/],
      ["x".repeat(1_100_000), /^Its state is longer than 1 MiB/],
      ["\0", /^Its state has a NUL/],
      [hostile, /^Its state can't be read/]
    ]
    script["hangs"] = () => ({ kept: 1 })
    await tick(host, "eye.hangs")
    for (const [value, says] of given) {
      script["hangs"] = () => value
      const { row } = await tick(host, "eye.hangs")
      assert.match(row.last_error ?? "", says)
      assert.deepEqual(row.state, { kept: 1 })
    }
    script["hangs"] = (_, __, { emit }) => emit({ structured: { at: new Date() } as never })
    assert.match((await tick(host, "eye.hangs")).row.last_error ?? "", /^An event that it emitted has a Date/)
    script["hangs"] = () => {
      throw new Proxy({}, {
        get: () => {
          throw new Error("unreadable")
        }
      })
    }
    assert.strictEqual((await tick(host, "eye.hangs")).row.last_error, "It threw what can't be read.")
  })

  it("emits no more than its throttle lets through, counted over ticks", async () => {
    const say = (count: number): (typeof script)[string] => (_, __, { emit }) => {
      for (let n = 0; n < count; n++) emit({ text: `number ${n}` })
    }
    script["chatters"] = say(2)
    const first = await tick(host, "eye.chatters")
    assert.notInclude(await host.auditTypes(first.trace), "watcher.suppressed")
    script["chatters"] = say(5)
    const second = await tick(host, "eye.chatters")
    const told = await host.audit(second.trace)
    assert.lengthOf(told.filter(({ type }) => type === "event.ingested"), 1)
    const suppressed = told.filter(({ type }) => type === "watcher.suppressed")
    assert.lengthOf(suppressed, 1)
    assert.deepInclude(suppressed[0]?.data as object, { suppressed: 4 })
    assert.strictEqual(second.row.throttled_events, 3)
    // In the next period it may again.
    await host.sql`
      update watchers set throttled_from = throttled_from - interval '1 hour' where watcher_id = 'eye.chatters'`
    const third = await tick(host, "eye.chatters")
    assert.lengthOf((await host.auditTypes(third.trace)).filter((type) => type === "event.ingested"), 3)
  })

  it("that is switched off begins no tick; one that runs is still written", async () => {
    const over: Gate = gate()
    let begun = 0
    script["disabled"] = async () => {
      begun++
      await over.opened
      return { written: true }
    }
    await makeDue(host, "eye.disabled")
    await until("the tick to begin", () => begun === 1)
    const off = await api("/watchers/eye.disabled", { method: "PATCH", body: JSON.stringify({ enabled: false }) })
    assert.deepInclude(off.json, { watcher_id: "eye.disabled", enabled: false })
    assert.notProperty(off.json, "next_tick_at")
    over.open()
    await until("its outcome", async () => (await rowOf(host, "eye.disabled")).state?.written === true)
    await makeDue(host, "eye.disabled")
    // Another one's tick goes through the same look.
    await tick(host, "eye.counts")
    assert.strictEqual(begun, 1)

    const state = (await api("/state")).json.counts.watchers
    const on = await api("/watchers/eye.disabled", { method: "PATCH", body: JSON.stringify({ enabled: true }) })
    assert.isTrue(on.json.enabled)
    await until("it to tick again", () => begun === 2)
    assert.strictEqual((await api("/state")).json.counts.watchers, state + 1)
    const again = await api("/watchers/eye.disabled", { method: "PATCH", body: JSON.stringify({ enabled: true }) })
    assert.strictEqual(again.status, 200)
    const told = await host.sql`
      select actor, data, refs from audit_events where type = 'operator.watcher_changed' order by seq`
    const refs = { watcher_id: "eye.disabled" }
    assert.deepEqual(told, [
      { actor: "operator", data: { enabled: false }, refs },
      { actor: "operator", data: { enabled: true }, refs }
    ], "what is so already leaves no row")
    const missing = await api("/watchers/eye.nobody", { method: "PATCH", body: JSON.stringify({ enabled: true }) })
    assert.deepEqual([missing.status, missing.json.code], [404, "watcher.not_found"])
  })

  it("that is switched off while it fails ends its alarm", async () => {
    script["fails"] = () => {
      throw new Error("away again")
    }
    for (let n = 0; n < 3; n++) await tick(host, "eye.fails")
    assert.lengthOf(await openAlarms(host, "watcher:eye.fails"), 1)
    await api("/watchers/eye.fails", { method: "PATCH", body: JSON.stringify({ enabled: false }) })
    assert.deepEqual(await openAlarms(host, "watcher:eye.fails"), [])
    await until("the health to be well", async () => !(await degraded()).includes("watcher eye.fails"))
  })

  it("whose claim was taken writes nothing at all", async () => {
    const over = gate()
    script["stale"] = async (_, __, { emit }) => {
      emit({ text: "note the ghost" })
      await over.opened
      return { ghost: true }
    }
    await until("the first tick", async () => (await ended(host, "eye.stale")).length > 0)
    const before = await ended(host, "eye.stale")
    await makeDue(host, "eye.stale")
    await until("the claim", async () => (await rowOf(host, "eye.stale")).claimed_by)
    // As if somebody else had claimed and written in between.
    await host.sql`
      update watchers set fence = nextval('fence_seq'), claimed_by = null, next_tick_at = now() + interval '1 day'
      where watcher_id = 'eye.stale'`
    over.open()
    await tick(host, "eye.counts")
    assert.deepEqual(await ended(host, "eye.stale"), before)
    assert.isNull((await rowOf(host, "eye.stale")).state)
    assert.notInclude(lamps, "ghost")
    // It is not stuck with it.
    script["stale"] = () => ({ fresh: true })
    assert.deepEqual((await tick(host, "eye.stale")).row.state, { fresh: true })
  })

  it("whose event the database refuses has failed, and says why", async () => {
    await host.sql`
      create function no_ghosts() returns trigger language plpgsql as $$
      begin
        raise exception 'there are no ghosts' using errcode = 'SY099';
      end $$`
    await host.sql`
      create trigger no_ghosts before insert on events for each row
      when (new.text = 'a ghost') execute function no_ghosts()`
    script["stale"] = (_, __, { emit }) => {
      emit({ text: "a ghost" })
      return { ghost: true }
    }
    const { row, trace } = await tick(host, "eye.stale")
    assert.deepEqual(
      [row.last_error, row.consecutive_errors, row.state],
      ["What it gave back can't be stored: there are no ghosts", 1, { fresh: true }]
    )
    assert.deepEqual(await host.auditTypes(trace), ["watcher.error"])
  })

  it("is listed page by page, the host's own among them", async () => {
    const { json } = await api("/watchers?limit=500")
    const ids = (json.items as ReadonlyArray<{ watcher_id: string }>).map(({ watcher_id }) => watcher_id)
    assert.deepEqual(ids, ids.toSorted())
    assert.includeMembers(ids, ["eye.soon", "system.heartbeat", "system.vigil"])
    const first = (await api("/watchers?limit=2")).json
    const second = (await api(`/watchers?limit=2&cursor=${first.next_cursor}`)).json
    assert.deepEqual(
      [...first.items, ...second.items].map((one: { watcher_id: string }) => one.watcher_id),
      ids.slice(0, 4)
    )
    assert.deepInclude(json.items.find((one: { watcher_id: string }) => one.watcher_id === "eye.soon"), {
      enabled: true,
      interval_ms: 86_400_000,
      last_outcome: "success",
      consecutive_errors: 0,
      state: { first: true }
    })
    assert.strictEqual((await api("/watchers?cursor=x")).status, 400)
  })
})

describe("the times of a watcher", () => {
  it("double while it fails, up to an hour or its own interval", () => {
    const minute = 60_000
    assert.deepEqual([0, 1, 2, 5, 6, 7, 1_000].map((errors) => stepAfter(minute, errors) / minute), [
      1,
      2,
      4,
      32,
      60,
      60,
      60
    ])
    assert.deepEqual([0, 1, 9].map((errors) => stepAfter(120 * minute, errors) / minute), [120, 120, 120])
  })

  it("count events by periods, and trust no beginning that lies ahead", () => {
    const now = new Date("2026-01-05T12:00:00Z")
    const throttle = { events: 10, perMs: 60_000 }
    const left = (throttled_from: Date | null) => periodOf(throttle, { now, throttled_from, throttled_events: 7 }).left
    assert.deepEqual(
      [null, new Date(now.getTime() - 59_999), new Date(now.getTime() - 60_000), new Date(now.getTime() + 1)].map(left),
      [10, 3, 10, 10]
    )
  })
})

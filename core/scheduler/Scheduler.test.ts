import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { until } from "../../test/storms/Until.ts"
import { type TestHost, testHost } from "../testing/index.ts"
import { became, occurrencesOf, putSchedule } from "./TestSchedules.ts"

const minute = 60_000

describe("the scheduler of one host", () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({ timezone: "UTC", http: true })
  })
  afterAll(() => host.stop())

  const request = async (method: string, at: string, body?: unknown) => {
    const { token, url } = host.http!
    const response = await fetch(`${url}${at}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
  }
  const whole = (id: string, count: number) =>
    until(`${count} slots`, async () => {
      const slots = await became(host, id)
      return slots.length >= count && slots
    })
  const settledSchedule = async (id: string) =>
    (await host.sql<{ next_run_at: Date | null; look_at: Date | null; revision: number; last_run_at: Date | null }>`
      select next_run_at, look_at, revision, last_run_at from schedules where schedule_id = ${id}::uuid`)[0]

  it("fires a one-shot in its time, once, as an event with its audit rows", async () => {
    const id = await putSchedule(host, {
      type: "one_shot",
      nextInMs: 300,
      name: "tea",
      payload: { channel: "scheduler", text: "tea" }
    })
    await whole(id, 1)
    const slot = (await occurrencesOf(host, id))[0]!
    assert.strictEqual(slot.status, "fired")
    // `bench/schedules.ts` measures it; here others use the machine, too.
    assert.isBelow(slot.late_ms, 1_000)
    assert.deepInclude(await settledSchedule(id), { next_run_at: null, look_at: null, last_run_at: slot.slot })
    await until(
      "its end",
      async () => (await host.auditTypes(slot.trace_id)).join() === "event.ingested,schedule.fired,routing.unhandled"
    )
    const [event] = await host.sql`select * from events where event_id = ${slot.event_id}::uuid`
    assert.deepInclude(event, {
      channel: "scheduler",
      text: "tea",
      actor_type: "system",
      actor_id: "schedule:tea",
      trust: "operator",
      occurred_at: slot.slot
    })
    const fired = (await host.audit(slot.trace_id)).find(({ type }) => type === "schedule.fired")!
    assert.deepEqual(fired.refs, { schedule_id: id, event_id: slot.event_id! })
    assert.deepInclude(fired.data as object, { slot: slot.slot.toISOString() })
  })

  it("a payload for another channel has no more trust than that channel", async () => {
    const id = await putSchedule(host, {
      type: "one_shot",
      nextInMs: 0,
      payload: { channel: "webhook", text: "hello", message_id: "same" }
    })
    await whole(id, 1)
    const [slot] = await occurrencesOf(host, id)
    const [event] = await host.sql`select trust, message_id from events where event_id = ${slot!.event_id}::uuid`
    assert.deepEqual(event, { trust: "untrusted", message_id: null })
  })

  it("a one-shot that was made in a trace goes on with it; the chain is cut where it is too deep", async () => {
    const sent = await host.send("hello")
    const child = { type: "one_shot", nextInMs: 0, trace_id: sent.trace_id, parent_event_id: sent.event_id } as const
    const [good, deep] = [
      await putSchedule(host, { ...child, depth: 8 }),
      await putSchedule(host, { ...child, depth: 9 })
    ]
    await whole(good, 1)
    const [slot] = await occurrencesOf(host, good)
    const [event] = await host.sql`
      select trace_id, parent_event_id, depth from events where event_id = ${slot!.event_id}::uuid`
    assert.deepEqual(event, { trace_id: sent.trace_id, parent_event_id: sent.event_id, depth: 8 })
    assert.deepEqual(await whole(deep, 1), ["skipped (8 events have led to one another. The chain ends here.)"])
    const alarms = await host.sql`select 1 from alarms where dedupe_key = ${`schedule:${deep}`} and status = 'open'`
    assert.lengthOf(alarms, 1)
  })

  describe("slots that came while no host ran", () => {
    const down = { spec: "PT1M", nextInMs: -4 * minute - 45_000 }
    const missed = "missed (no host ran)"
    it("skip: all are missed", async () => {
      const id = await putSchedule(host, { ...down, catch_up: "skip" })
      assert.deepEqual(await whole(id, 5), [missed, missed, missed, missed, missed])
    })
    it("run_once: the latest is made up", async () => {
      const id = await putSchedule(host, { ...down, catch_up: "run_once" })
      assert.deepEqual(await whole(id, 5), [missed, missed, missed, missed, "fired (made up)"])
      const slot = (await occurrencesOf(host, id)).at(-1)!
      const fired = (await host.audit(slot.trace_id)).find(({ type }) => type === "schedule.fired")
      assert.deepInclude(fired?.data as object, { catch_up: true, reason: "made up" })
    })
    it("run_all_capped: the latest ones are made up", async () => {
      const id = await putSchedule(host, { ...down, catch_up: "run_all_capped", catch_up_cap: 3 })
      assert.deepEqual(await whole(id, 5), [missed, missed, ...Array<string>(3).fill("fired (made up)")])
    })
    it("of thousands each has its row, the latest are right, and others don't wait behind them", async () => {
      const id = await putSchedule(host, {
        spec: "PT1S",
        nextInMs: -8_000_000,
        catch_up: "run_all_capped",
        catch_up_cap: 4,
        overrun: "skip"
      })
      const other = await putSchedule(host, { type: "one_shot", nextInMs: 100 })
      await whole(other, 1)
      assert.isBelow((await occurrencesOf(host, other))[0]!.late_ms, 1_500)
      await until("all", async () => {
        const next = (await settledSchedule(id))?.next_run_at
        return next !== null && next !== undefined && next.getTime() > Date.now() - 1_500
      })
      await host.sql`delete from schedules where schedule_id = ${id}::uuid`
      const slots = await occurrencesOf(host, id)
      assert.isAtLeast(slots.length, 8_000)
      slots.forEach(({ slot }, index) => assert.strictEqual(slot.getTime(), slots[0]!.slot.getTime() + index * 1_000))
      const made = slots.filter(({ reason }) => reason === "made up")
      assert.lengthOf(made, 4)
      const last = slots.findLastIndex(({ reason }) => reason === "made up")
      assert.deepEqual(made, slots.slice(last - 3, last + 1))
      assert.isTrue(slots.slice(0, last - 3).every(({ status }) => status === "missed"))
    })
  })

  describe("a run that is not over", () => {
    const pause = (paused: boolean) => host.sql`update control set paused = ${paused}`
    it("skip and queue_one", async () => {
      await pause(true)
      try {
        const skip = await putSchedule(host, { nextInMs: 50, spec: "PT1S", overrun: "skip" })
        const queue = await putSchedule(host, { nextInMs: 50, spec: "PT1S", overrun: "queue_one" })
        const allow = await putSchedule(host, { nextInMs: 50, spec: "PT1S", overrun: "allow" })
        const [first, second, third] = await whole(skip, 3)
        assert.strictEqual(first, "fired")
        assert.match(second!, /^skipped \(the run of \d\d:\d\d:\d\d is not over\)$/)
        assert.strictEqual(third, second)
        assert.deepEqual((await whole(allow, 3)).slice(0, 3), ["fired", "fired", "fired"])
        // The second waits, and the third is held back because of it.
        const held = await whole(queue, 2)
        assert.strictEqual(held[0], "fired")
        assert.match(held[1]!, /^skipped \(the run of \d\d:\d\d:\d\d waits already\)$/)
        await pause(false)
        const slots = await until("the held one to fire", async () => {
          const now = await occurrencesOf(host, queue)
          return now[1]?.status === "fired" && now
        })
        assert.strictEqual(slots[1]!.slot.getTime() - slots[0]!.slot.getTime(), 1_000)
        assert.isAbove(slots[1]!.late_ms, 500)
        for (const id of [skip, queue, allow]) {
          assert.strictEqual((await request("DELETE", `/schedules/${id}`)).status, 204)
        }
      } finally {
        await pause(false)
      }
    })
  })

  it("quiet hours and a switch hold slots back", async () => {
    const put = await request("PUT", "/quiet-hours/always", { start: "00:00", end: "00:00", timezone: "UTC" })
    assert.strictEqual(put.status, 200)
    const quiet = "skipped (quiet hours (00:00 to 00:00 UTC))"
    for (const quiet_hours of [true, "always", { start: "00:00", end: "00:00", timezone: "UTC" }]) {
      const id = await putSchedule(host, { type: "one_shot", nextInMs: 0, quiet_hours })
      assert.deepEqual(await whole(id, 1), [quiet])
    }
    for (const quiet_hours of [false, "nobody"]) {
      const id = await putSchedule(host, { type: "one_shot", nextInMs: 0, quiet_hours })
      assert.deepEqual(await whole(id, 1), ["fired"])
    }
    await request("PUT", "/quiet-hours/always", { start: "00:00", end: "00:00", timezone: "UTC", enabled: false })
    const id = await putSchedule(host, { nextInMs: 0, spec: "PT1H", enabled: false })
    assert.deepEqual(await whole(id, 1), ["skipped (disabled)"])
    const slot = (await occurrencesOf(host, id))[0]!
    assert.deepEqual(await host.auditTypes(slot.trace_id), ["schedule.skipped"])
  })

  it("one that can't run hides no other, and is an alarm until it is changed", async () => {
    await host.sql`alter table events add constraint not_this check (text is distinct from 'refused')`
    const bad = [
      await putSchedule(host, { nextInMs: 0, spec: "PT1H", payload: { channel: "scheduler", text: 7 } }),
      await putSchedule(host, { nextInMs: 0, spec: "PT1H", payload: null }),
      await putSchedule(host, { nextInMs: 0, spec: "whenever" }),
      await putSchedule(host, { nextInMs: 0, spec: "PT1H", payload: { channel: "scheduler", text: "refused" } })
    ]
    const good = await putSchedule(host, { type: "one_shot", nextInMs: 0 })
    assert.deepEqual(await whole(good, 1), ["fired"])
    const reasons = [/The field "text"/, /payload/, /can't be computed/, /not_this/]
    for (const [index, id] of bad.entries()) {
      const [slot] = await whole(id, 1)
      assert.match(slot!, /^skipped/)
      assert.match(slot!, reasons[index]!)
    }
    const open = () =>
      host.sql<{ dedupe_key: string }>`
        select dedupe_key from alarms where type = 'schedule.broken' and status = 'open'
          and dedupe_key = any(${bad.map((id) => `schedule:${id}`)}::text[])`
    assert.lengthOf(await open(), 4)
    assert.strictEqual((await request("PATCH", `/schedules/${bad[0]}`, { payload: { text: "good" } })).status, 200)
    assert.strictEqual((await request("PATCH", `/schedules/${bad[2]}`, { spec: "PT1H" })).status, 200)
    assert.strictEqual((await request("DELETE", `/schedules/${bad[3]}`)).status, 204)
    assert.deepEqual((await open()).map((row) => row.dedupe_key), [`schedule:${bad[1]}`])
    assert.isAbove((await settledSchedule(bad[2]!))!.next_run_at!.getTime(), Date.now())
  })

  it("a change never fires a past slot, and loses none", async () => {
    const id = await putSchedule(host, { spec: "PT1M", nextInMs: -3 * minute - 45_000, catch_up: "skip" })
    const patched = await request("PATCH", `/schedules/${id}`, { type: "cron", spec: "* * * * * *" })
    assert.strictEqual(patched.status, 200)
    assert.isAbove(Date.parse(patched.body.next_run_at), Date.now() - 1_000)
    await until("a slot of the new kind", async () => (await became(host, id)).includes("fired"))
    const slots = await occurrencesOf(host, id)
    assert.deepEqual(
      slots.slice(0, 4).map(({ revision, status }) => `${revision} ${status}`),
      Array(4).fill("1 missed")
    )
    assert.isTrue(slots.slice(4).every(({ revision }) => revision === 2))
    const again = await request("PATCH", `/schedules/${id}`, { spec: "* * * * * *" })
    assert.strictEqual(again.status, 200)
    assert.strictEqual((await settledSchedule(id))?.revision, 2)
    await request("DELETE", `/schedules/${id}`)
    const types = await host.sql<{ type: string }>`
      select type from audit_events where refs->>'schedule_id' = ${id} and type like 'operator.%' order by seq`
    assert.deepEqual(types.map(({ type }) => type), ["operator.schedule_changed", "operator.schedule_deleted"])
  })

  it("a clock that was put back fires nothing twice", async () => {
    const id = await putSchedule(host, { spec: "PT1S", nextInMs: 0, overrun: "allow" })
    await whole(id, 2)
    const slots = await occurrencesOf(host, id)
    // As if the slots that were had not been: the rows hold.
    await host.sql`update schedules set next_run_at = ${slots[0]!.slot} where schedule_id = ${id}::uuid`
    await until("a further slot", async () => (await became(host, id)).length > slots.length)
    await host.sql`delete from schedules where schedule_id = ${id}::uuid`
    const events = await host.sql<{ n: number }>`
      select count(*)::int as n from events where actor_id = ${`schedule:${id}`}`
    assert.strictEqual(events[0]?.n, (await occurrencesOf(host, id)).filter(({ status }) => status === "fired").length)
    const told = await host.sql<{ n: number }>`
      select count(*)::int as n from audit_events where type = 'schedule.fired' and refs->>'schedule_id' = ${id}`
    assert.strictEqual(told[0]?.n, events[0]?.n)
  })
})

describe("two hosts on one database", () => {
  it("every slot is one row, and at most one event", async () => {
    const first = await testHost({ timezone: "UTC" })
    const [{ url } = { url: "" }] = await first.sql<{ url: string }>`select current_database() as url`
    const server = new URL(process.env["SYRIS_TEST_DATABASE_URL"]!)
    server.pathname = `/${url}`
    const second = await testHost({ timezone: "UTC", databaseUrl: server.href })
    try {
      const ids: Array<string> = []
      for (let i = 0; i < 30; i++) {
        ids.push(await putSchedule(first, { nextInMs: 200 + i, spec: "PT1S", overrun: "allow" }))
      }
      await until(
        "three slots of each",
        async () =>
          (await first.sql`select schedule_id from occurrences group by 1 having count(*) >= 3`).length === ids.length
      )
      await first.sql`delete from schedules`
      const [row] = await first.sql`
        select (select count(*)::int from occurrences) as slots,
               (select count(*)::int from occurrences where status = 'fired') as fired,
               (select count(*)::int from events) as events,
               (select count(distinct e.event_id)::int from events e join occurrences o using (event_id)) as matched,
               (select count(*)::int from audit_events where type = 'schedule.fired') as told`
      assert.strictEqual(row!["fired"], row!["slots"])
      assert.deepEqual([row!["events"], row!["matched"], row!["told"]], Array(3).fill(row!["fired"]))
    } finally {
      await second.stop()
      await first.stop()
    }
  })
})

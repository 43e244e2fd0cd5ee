import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { long, until } from "../../test/storms/Until.ts"
import { newId } from "../database/Ids.ts"
import { type TestHost, testHost } from "../testing/index.ts"
import { takeStatement } from "./FireStatement.ts"
import { became, occurrencesOf, putSchedule } from "./TestSchedules.ts"

const minute = 60_000
/** A statement that is there as text already. */
const asTemplate = (text: string) => Object.assign([text], { raw: [text] })

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
    assert.isAtLeast(slot.late_ms, 0)
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
    await until(
      "the alarm",
      async () =>
        (await host.sql`select 1 from alarms where dedupe_key = ${`schedule:${deep}`} and status = 'open'`).length === 1
    )
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
      const many = long ? 8_000 : 3_000
      const id = await putSchedule(host, {
        spec: "PT1S",
        nextInMs: -1_000 * many,
        catch_up: "run_all_capped",
        catch_up_cap: 4,
        overrun: "skip"
      })
      const other = await putSchedule(host, { type: "one_shot", nextInMs: 100 })
      await whole(other, 1)
      await until("all", async () => {
        const next = (await settledSchedule(id))?.next_run_at
        return next !== null && next !== undefined && next.getTime() > Date.now() - 1_500
      })
      await host.sql`delete from schedules where schedule_id = ${id}::uuid`
      const slots = await occurrencesOf(host, id)
      assert.isAtLeast(slots.length, many)
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

  it("a look reads what is due and nothing else, however many schedules there are", async () => {
    await host.sql`
      insert into schedules (schedule_id, name, type, spec, timezone, payload, trust, trace_id, next_run_at, created_at, updated_at)
      select gen_random_uuid(), 'many', 'one_shot', '2030-01-01T00:00:00.000Z', 'UTC', '{"channel": "scheduler", "text": "x"}',
             'operator', gen_random_uuid(), case when i % 10 = 0 then clock_timestamp() + interval '1 year' end,
             clock_timestamp(), clock_timestamp()
      from generate_series(1, 4000) i`
    try {
      await host.sql`vacuum analyze schedules`
      const planOf = async (statement: string) =>
        JSON.stringify((await host.sql(asTemplate(`explain (format json) ${statement}`)))[0])
      assert.match(
        await planOf(takeStatement.replace("$1::int", "200")),
        /"Index Cond":"\(look_at <= statement_timestamp\(\)\)"/
      )
      for (
        const statement of [
          "select * from schedules s where s.next_run_at is not null or s.type <> 'one_shot' order by s.next_run_at nulls last, s.schedule_id limit 21",
          "select count(*) from schedules where enabled and next_run_at is not null",
          "select count(*) from schedules where trust = 'untrusted' and next_run_at is not null"
        ]
      ) {
        const plan = await planOf(statement)
        assert.match(plan, /"Index Name":"schedules_(next|untrusted)"/, statement)
        assert.notMatch(plan, /Seq Scan|"Sort"/, statement)
      }
    } finally {
      await host.sql`delete from schedules where name = 'many'`
    }
  })

  it("who sets what waits is not undone; who knows nothing of it begins anew", async () => {
    const id = await putSchedule(host, { nextInMs: 60 * minute })
    const held = async () =>
      (await host.sql<{ held: boolean }>`select held from schedules where schedule_id = ${id}::uuid`)[0]?.held
    await host.sql`
      update schedules set next_run_at = next_run_at + interval '1 hour', look_at = look_at + interval '2 hours', held = true
      where schedule_id = ${id}::uuid`
    assert.isTrue(await held())
    await host.sql`update schedules set next_run_at = next_run_at + interval '1 hour' where schedule_id = ${id}::uuid`
    assert.isFalse(await held())
  })

  it("a slot that was recorded already is not the last run", async () => {
    const id = await putSchedule(host, { nextInMs: 400, spec: "PT1H" })
    await host.sql`
      insert into occurrences (schedule_id, slot, status, reason, revision, trace_id)
      select schedule_id, next_run_at, 'skipped', 'before', 1, gen_random_uuid() from schedules where schedule_id = ${id}::uuid`
    const gone = await until("the slot to pass", async () => {
      const row = await settledSchedule(id)
      return row !== undefined && row.next_run_at!.getTime() > Date.now() + minute && row
    })
    assert.isNull(gone.last_run_at)
    assert.deepEqual(await became(host, id), ["skipped (before)"])
  })

  it("a rule that waits whether its condition holds on is no part of the run", async () => {
    const trace_id = newId()
    const id = await putSchedule(host, { nextInMs: 60 * minute, spec: "PT1H", overrun: "skip" })
    const work_id = newId()
    await host.sql`
      insert into work (work_id, kind, event_id, trace_id, fence, due_at, waits_for)
      values (${work_id}::uuid, 'rule', ${newId()}::uuid, ${trace_id}::uuid, 0, clock_timestamp() + interval '1 hour', 'time')`
    try {
      await host.sql`
        update schedules set last_trace_id = ${trace_id}::uuid, anchor = anchor - interval '1 hour',
                             next_run_at = next_run_at - interval '1 hour' where schedule_id = ${id}::uuid`
      assert.deepEqual(await whole(id, 1), ["fired"])
    } finally {
      await host.sql`delete from work where work_id = ${work_id}::uuid`
    }
  })

  it("what it says of itself to other hosts is put right where it was lost", async () => {
    const since = async () =>
      (await host.sql<{ since: Date | null }>`select scheduling_since as since from hosts where ended_at is null`)[0]
        ?.since ?? false
    const before = await until("its word", since)
    await host.sql`update hosts set scheduling_since = null`
    await putSchedule(host, { type: "one_shot", nextInMs: 0 })
    assert.deepEqual(await until("its word again", since), before)
  })

  it("a zone that this host does not know puts the slot off, and is an alarm", async () => {
    const id = await putSchedule(host, { nextInMs: 60 * minute })
    await host.sql`
      update schedules set timezone = 'Mars/One', next_run_at = next_run_at - interval '1 hour' where schedule_id = ${id}::uuid`
    const alarm = await until(
      "the alarm",
      async () =>
        (await host.sql<{ message: string }>`select message from alarms where dedupe_key = ${`schedule:${id}`}`)[0]
    )
    assert.match(alarm.message, /does not know the time zone "Mars\/One"/)
    const row = (await settledSchedule(id))!
    assert.isAtMost(row.next_run_at!.getTime(), Date.now())
    assert.isAbove(row.look_at!.getTime(), Date.now() + 20_000)
    assert.deepEqual(await became(host, id), [])
    await request("DELETE", `/schedules/${id}`)
  })

  describe("no slot is lost by a change", () => {
    const pause = (paused: boolean) => host.sql`update control set paused = ${paused}`
    const toldOf = async (id: string) =>
      (await host.sql<{ n: number }>`
        select count(*)::int as n from audit_events where stage = 'scheduler' and refs->>'schedule_id' = ${id}`)[0]?.n
    /** Each slot from the first to the last has its row, and is told once. */
    const complete = async (id: string, second = 1_000) => {
      const slots = await occurrencesOf(host, id)
      slots.forEach(({ slot }, index) => assert.strictEqual(slot.getTime(), slots[0]!.slot.getTime() + index * second))
      assert.strictEqual(await toldOf(id), slots.length)
      return slots
    }

    it("of one that waits for its run", async () => {
      await pause(true)
      try {
        const ids: Array<string> = []
        for (let i = 0; i < 2; i++) {
          ids.push(await putSchedule(host, { nextInMs: 20, spec: "PT1S", overrun: "queue_one" }))
        }
        const [patched, deleted] = ids as [string, string]
        for (const id of ids) await whole(id, 2)
        // As if some had not been looked at.
        await host
          .sql`update schedules set look_at = clock_timestamp() + interval '1 hour' where schedule_id = any(${ids}::uuid[])`
        await new Promise((resume) => setTimeout(resume, 1_200))
        assert.strictEqual((await request("PATCH", `/schedules/${patched}`, { spec: "PT1H" })).status, 200)
        const slots = await complete(patched)
        assert.isAtLeast(slots.length, 3)
        assert.strictEqual(slots[1]!.reason, "the schedule was changed")
        assert.strictEqual(slots.at(-1)!.reason, "the schedule was changed")
        assert.isFalse((await host.sql<any>`select held from schedules where schedule_id = ${patched}::uuid`)[0].held)
        assert.strictEqual((await request("DELETE", `/schedules/${deleted}`)).status, 204)
        assert.strictEqual((await complete(deleted)).at(-1)!.reason, "the schedule was deleted")
        const seen = await request("GET", `/schedules/${deleted}/occurrences?limit=2`)
        assert.deepInclude(seen.body.items[0], { status: "skipped", reason: "the schedule was deleted" })
        assert.strictEqual((await request("GET", `/schedules/${deleted}`)).status, 404)
        assert.strictEqual((await request("GET", `/schedules/${newId()}/occurrences`)).status, 404)
        await request("DELETE", `/schedules/${patched}`)
      } finally {
        await pause(false)
      }
    })

    it("of one that was put off, by the operator's sentences, too", async () => {
      const late = async (name: string) => {
        const id = await putSchedule(host, { name, nextInMs: 60 * minute, spec: "PT1S" })
        await host.sql`
          update schedules set anchor = anchor - interval '1 hour 3 seconds', next_run_at = next_run_at - interval '1 hour 3 seconds',
                               look_at = look_at + interval '1 hour'
          where schedule_id = ${id}::uuid`
        return id
      }
      const patched = await late("put off")
      assert.strictEqual((await request("PATCH", `/schedules/${patched}`, { spec: "PT1H" })).status, 200)
      assert.isAtLeast((await complete(patched)).length, 3)
      await request("DELETE", `/schedules/${patched}`)
      const paused = await late("stretching")
      assert.match((await host.send("pause schedule stretching")).reply ?? "", /is paused/)
      const slots = await complete(paused)
      assert.isAtLeast(slots.length, 3)
      assert.isTrue(slots.every(({ reason }) => reason === "the schedule was paused"))
      assert.isAbove((await settledSchedule(paused))!.next_run_at!.getTime(), slots.at(-1)!.slot.getTime())
      await host.sql`update schedules set look_at = look_at + interval '1 hour' where schedule_id = ${paused}::uuid`
      await new Promise((resume) => setTimeout(resume, 1_100))
      assert.match((await host.send("resume schedule stretching")).reply ?? "", /is on again/)
      assert.strictEqual((await complete(paused)).at(-1)!.reason, "disabled")
      assert.match((await host.send("cancel schedule stretching")).reply ?? "", /is canceled/)
      await complete(paused)
    })
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

/**
 * Schedules that others' words ask for: they don't fill the operator's chat, they say whose words they are, and what a task
 * makes of words that it has read is worth no more than these.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import timers from "../../plugins/timers/index.ts"
import { definePlugin, defineTool, Schema } from "syris"
import { type TestHost, testHost } from "../../core/testing/index.ts"
import { Hopeless, until } from "../storms/Until.ts"

const outside = definePlugin({
  name: "outside",
  setup: () => ({
    tools: [
      defineTool({
        name: "outside.read",
        description: "Reads what somebody wrote.",
        input: Schema.Struct({}),
        effect: "read",
        risk: "low",
        scopes: [],
        trust: "untrusted",
        run: () => "set a timer"
      }),
      defineTool({
        name: "outside.emit",
        description: "Makes an event.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        run: (_, ctx) => ctx.emit({ channel: "outside", text: "made" })
      })
    ]
  })
})

let host: TestHost
beforeAll(async () => {
  host = await testHost({
    timezone: "UTC",
    plugins: [timers(), outside()],
    http: true,
    safety: { notificationsPerHour: 3, scopes: { webhook: ["*"] } }
  })
})
afterAll(() => host.stop())

const request = async (method: string, at: string, body?: unknown) => {
  const { token, url } = host.http!
  const response = await fetch(`${url}${at}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, body: await response.json() as any }
}
const stranger = (text: string) => host.send({ channel: "webhook", text })
const schedulesOf = (trace_id: string) => host.sql<any>`select * from schedules where trace_id = ${trace_id}::uuid`
const asked = async (trace_id: string) =>
  (await host.sql<any>`select * from approvals where trace_id = ${trace_id}::uuid order by approval_id desc limit 1`)[0]
const approve = async (trace_id: string) => {
  const { approval_id } = await asked(trace_id)
  assert.strictEqual((await request("POST", `/approvals/${approval_id}/approve`)).status, 200)
  return until("its end", async () =>
    (await host.sql<any>`
      select outcome, reply from settlements where trace_id = ${trace_id}::uuid and outcome <> 'waiting'`)[0])
}

describe("a stranger's words", () => {
  it("that come again are asked about, are no more often than once a minute, and say whose they are", async () => {
    for (const text of ["remind me every second to pay", "set an alarm for 7:30 every day"]) {
      const sent = await stranger(text)
      assert.strictEqual(sent.outcome, "waiting", text)
      assert.match((await asked(sent.trace_id)).why, /it makes something that acts later/)
      assert.deepEqual(await schedulesOf(sent.trace_id), [])
    }
    const often = await stranger("remind me every 30 seconds to pay")
    assert.deepInclude(await approve(often.trace_id), {
      outcome: "failed",
      reply: "schedule.create was not done: What others' words ask for comes once a minute at most."
    })
    const daily = await stranger("remind me every day at 7:30 to pay")
    assert.strictEqual((await approve(daily.trace_id)).outcome, "succeeded")
    const [made] = await schedulesOf(daily.trace_id)
    assert.deepInclude(made, { trust: "untrusted", notify: "webhook: Reminder: pay" })
    const patched = await request("PATCH", `/schedules/${made.schedule_id}`, { type: "interval", spec: "PT5S" })
    assert.match(patched.body.detail, /once a minute at most/)
    // The operator's own are not asked about.
    assert.strictEqual((await host.send("remind me every second day at 7:30 to pay")).outcome, "succeeded")
  })

  it("that come once are said with whose they are, so many in an hour", async () => {
    const sent: Array<string> = []
    for (let i = 0; i < 5; i++) sent.push((await stranger("set a timer for 1 second")).trace_id)
    const slots = await until("their slots", async () => {
      const rows = await host.sql<any>`
        select o.status, o.reason from occurrences o where o.schedule_id in (
          select schedule_id from schedules where trace_id = any(${sent}::uuid[])) order by o.slot`
      return rows.length === 5 && rows
    })
    assert.strictEqual(slots.filter(({ status }) => status === "fired").length, 3)
    assert.strictEqual(slots.filter(({ reason }) => reason === "too many notifications in the last hour").length, 2)
    const [alarm] = await host.sql`select 1 from alarms where dedupe_key = 'notifications.storm' and status = 'open'`
    assert.isDefined(alarm)
    const told = await until("what is told", async () => {
      const rows = await host.sql<{ text: string }>`
        select text from chat_messages where trace_id = any(${sent}::uuid[]) and text like '%Timer%' and text not like 'Timer set%'`
      return rows.length === 3 && rows
    })
    assert.isTrue(told.every(({ text }) => text === "webhook: Timer: 1 second"), JSON.stringify(told))
    // The operator's own timers ring all the same.
    const own = await host.send("set a timer for 1 second")
    await until("the operator's", async () => {
      const [row] = await host.sql<any>`
        select o.status from occurrences o join schedules s using (schedule_id) where s.trace_id = ${own.trace_id}::uuid`
      return row?.status === "fired"
    })
  })

  it("have so many open and no more, whichever tool makes them", async () => {
    const [{ n } = { n: 0 }] = await host.sql<{ n: number }>`
      select count(*)::int as n from schedules where trust = 'untrusted' and next_run_at is not null`
    for (let i = n; i < 20; i++) assert.strictEqual((await stranger("set a timer for 1 hour")).outcome, "succeeded")
    for (const text of ["set a timer for 1 hour", "remind me tomorrow at 17:00 to pay"]) {
      const sent = await stranger(text)
      assert.strictEqual(sent.outcome, "failed", text)
      const [{ reply } = { reply: "" }] = await host.sql<{ reply: string }>`
        select reply from settlements where trace_id = ${sent.trace_id}::uuid`
      assert.match(reply, /Of untrusted words 20 schedules are open, and no more are made: cancel one/)
      assert.deepEqual(await schedulesOf(sent.trace_id), [])
    }
    assert.strictEqual((await host.send("set a timer for 1 hour")).outcome, "succeeded")
    await host.sql`delete from schedules where trust = 'untrusted'`
  })
})

describe("what a task makes", () => {
  const ran = async (...steps: ReadonlyArray<unknown>) => {
    const made = await request("POST", "/tasks", { steps })
    assert.strictEqual(made.status, 201, JSON.stringify(made.body))
    await until("the task", async () => {
      const { body } = await request("GET", `/tasks/${made.body.task_id}`)
      if (body.status === "failed" || body.status === "waiting") throw new Hopeless(JSON.stringify(body))
      return body.status === "succeeded"
    })
    return made.body.trace_id as string
  }
  const read = { name: "read", tool: "outside.read", input: {} }
  const timer = { name: "timer", tool: "timer.set", input: { duration: "1 hour" } }
  const alarm = { name: "alarm", tool: "alarm.set", input: { when: "in 1 hour" } }

  it("is worth what it has read", async () => {
    const trusts = async (trace_id: string) => (await schedulesOf(trace_id)).map(({ trust }) => trust)
    assert.deepEqual(await trusts(await ran(timer, alarm)), ["trusted", "trusted"])
    const tainted = await ran(read, timer, alarm)
    assert.deepEqual(await trusts(tainted), ["untrusted", "untrusted"])
    assert.match((await schedulesOf(tainted))[0].notify, /^untrusted: /)
    const events = await host.sql<any>`
      select trust from events where trace_id = ${await ran(read, {
      name: "emit",
      tool: "outside.emit",
      input: {}
    })}::uuid and text = 'made'`
    assert.deepEqual(events, [{ trust: "untrusted" }])
  })
})

describe("a yes that comes later", () => {
  it("is to the day that was shown", async () => {
    const sent = await host.send("schedule noop tomorrow at 5pm")
    assert.strictEqual(sent.outcome, "waiting")
    const { preview } = await asked(sent.trace_id)
    assert.match(preview, /tomorrow at 5pm \(once on .* at 17:00 \(UTC\)\)/)
    // As if it had been asked half a day before.
    await host.sql`alter table approvals disable trigger user`
    await host.sql`
      update approvals set created_at = created_at - interval '12 hours' where trace_id = ${sent.trace_id}::uuid`
    await host.sql`alter table approvals enable trigger user`
    const day = new Date(Date.now() - 12 * 3_600_000)
    const due = Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate() + 1, 17)
    const ended = await approve(sent.trace_id)
    if (due < Date.now()) return assert.match(ended.reply, /has passed/)
    assert.strictEqual((await schedulesOf(sent.trace_id))[0].next_run_at.getTime(), due)
  })

  it("to what has passed meanwhile makes nothing", async () => {
    const sent = await host.send("schedule noop in 20 minutes")
    await host.sql`alter table approvals disable trigger user`
    await host.sql`
      update approvals set created_at = created_at - interval '30 minutes' where trace_id = ${sent.trace_id}::uuid`
    await host.sql`alter table approvals enable trigger user`
    assert.match((await approve(sent.trace_id)).reply, /that has passed by now/)
    assert.deepEqual(await schedulesOf(sent.trace_id), [])
  })
})

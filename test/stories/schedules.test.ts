/**
 * What the operator schedules, in words and over HTTP, and what is told of it: a timer that really rings, a reminder, an alarm
 * clock, a command that is asked about first.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import timers from "../../plugins/timers/index.ts"
import noop from "../../plugins/noop/index.ts"
import { definePlugin, defineTool, Schema } from "syris"
import { type TestHost, testHost } from "../../core/testing/index.ts"
import { until } from "../storms/Until.ts"

const once = definePlugin({
  name: "once",
  setup: () => ({
    tools: [
      defineTool({
        name: "once.cancel",
        description: "Cancels a schedule.",
        input: Schema.Struct({ id: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        run: ({ id }, ctx) => ctx.schedules.cancel(id)
      })
    ],
    intents: [{
      name: "once.cancel",
      tool: "once.cancel",
      patterns: [/forget (?<id>\S+)/],
      input: ({ id }) => ({ id })
    }]
  })
})

let host: TestHost
beforeAll(async () => {
  host = await testHost({ timezone: "Europe/London", plugins: [timers(), noop(), once()], http: true })
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
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text), headers: response.headers }
}

const schedulesOf = (trace_id: string) => host.sql<any>`select * from schedules where trace_id = ${trace_id}::uuid`

describe("in words", () => {
  it("a timer rings in the conversation that it was set in", async () => {
    const sent = await host.send({ channel: "chat", text: "set a timer called tea for 1 second", thread_id: "kitchen" })
    assert.match(sent.reply ?? "", /Timer set for 1 second \(tea\)/)
    const said = await until("the timer to ring", async () => {
      const rows = await host.sql<{ text: string; thread_id: string }>`
        select text, thread_id from chat_messages where trace_id = ${sent.trace_id}::uuid order by seq`
      return rows.length === 2 && rows
    })
    assert.deepEqual(said[1], { text: "Timer: tea", thread_id: "kitchen" })
    const types = await host.auditTypes(sent.trace_id)
    assert.deepEqual(types.slice(types.indexOf("schedule.fired") - 1), [
      "event.ingested",
      "schedule.fired",
      "routing.decided",
      "response.sent"
    ])
  })

  it("one that a tool cancels is gone", async () => {
    const sent = await host.send("set a timer for 1 hour")
    const [made] = await schedulesOf(sent.trace_id)
    assert.strictEqual((await host.send(`forget ${made.schedule_id}`)).outcome, "succeeded")
    assert.deepEqual(await schedulesOf(sent.trace_id), [])
  })

  it("a reminder says back what it understood, and asks nobody", async () => {
    const sent = await host.send("Remind me tomorrow at 5pm to call Sam.")
    assert.strictEqual(sent.outcome, "succeeded")
    assert.match(sent.reply ?? "", /^Reminder: call Sam: once on .* at 17:00 \(Europe\/London\)\.$/)
    const [made] = await schedulesOf(sent.trace_id)
    assert.deepInclude(made, { type: "one_shot", notify: "Reminder: call Sam", name: "call Sam", trust: "operator" })
    assert.strictEqual(made.parent_event_id, sent.event_id)
    assert.include(await host.auditTypes(sent.trace_id), "operator.schedule_created")
    const again = await host.send("every weekday at 7:30 remind me to stretch")
    assert.deepInclude((await schedulesOf(again.trace_id))[0], { spec: "30 7 * * 1-5", notify: "Reminder: stretch" })
    const biweekly = await host.send("remind me every second Tuesday to pay the rent")
    assert.deepInclude((await schedulesOf(biweekly.trace_id))[0], { type: "interval", spec: "P14D" })
  })

  it("the timers' own sentences still win", async () => {
    const sent = await host.send("remind me in 2 hours to call Sam")
    assert.match(sent.reply ?? "", /^Reminder set for 2 hours/)
  })

  it("an alarm clock", async () => {
    for (const text of ["set an alarm for 7:30", "wake me at 6:30 tomorrow", "alarm at 7:15 every weekday"]) {
      const sent = await host.send(text)
      assert.strictEqual(sent.outcome, "succeeded", text)
      assert.match(sent.reply ?? "", /^Alarm set: /)
      assert.strictEqual((await schedulesOf(sent.trace_id))[0].notify, "Alarm!")
    }
  })

  it("what is not clear is a question, and nothing is made", async () => {
    for (
      const [text, question] of [["set an alarm for 7", /07:00 or 19:00/], ["remind me to buy milk", /When\?/]] as const
    ) {
      const sent = await host.send(text)
      assert.strictEqual(sent.outcome, "failed")
      assert.match(sent.reply ?? "", question)
      assert.deepEqual(await schedulesOf(sent.trace_id), [])
    }
  })

  it("a command that comes again is asked about, at every level, and no rule undoes it", async () => {
    const level = (to: string) => request("POST", "/controls/autonomy", { level: to })
    assert.strictEqual((await level("A4")).status, 200)
    const sent = await host.send("schedule noop every weekday at 7:30")
    assert.strictEqual(sent.outcome, "waiting")
    const [asked] = (await request("GET", "/approvals?status=pending")).body.items
    assert.match(asked.why, /it makes something that acts later/)
    const always = await request("POST", "/policy", { approval_id: asked.approval_id })
    assert.deepInclude(always.body, { status: 400, code: "policy.refused" })
    assert.deepEqual(await schedulesOf(sent.trace_id), [])
    assert.strictEqual((await request("POST", `/approvals/${asked.approval_id}/approve`)).status, 200)
    const [made] = await until("the schedule", async () => {
      const rows = await schedulesOf(sent.trace_id)
      return rows.length > 0 && rows
    })
    assert.deepInclude(made, { name: "noop", spec: "30 7 * * 1-5", notify: null })
    assert.deepEqual(made.payload, { text: "noop", channel: "scheduler" })
    await level("A2")
  })

  it("is listed, paused, resumed and canceled", async () => {
    const listed = await host.send("what is scheduled?")
    assert.match(listed.reply ?? "", /noop: .* \(every weekday at 07:30 Europe\/London\)/)
    assert.match((await host.send("pause schedule noop")).reply ?? "", /noop is paused\./)
    assert.match((await host.send("list schedules")).reply ?? "", /noop: .*, paused/)
    assert.match((await host.send("resume the schedule noop")).reply ?? "", /noop is on again\./)
    assert.match((await host.send("cancel my noop schedule")).reply ?? "", /noop is canceled\./)
    assert.match((await host.send("cancel schedule noop")).reply ?? "", /Nothing called "noop" is scheduled/)
    const stranger = await host.send({ channel: "webhook", text: "cancel schedule call Sam" })
    assert.strictEqual(stranger.outcome, "failed")
    assert.match((await host.send("what is scheduled")).reply ?? "", /call Sam/)
  })
})

describe("over HTTP", () => {
  it("is made, shown, changed and deleted, each with its audit row", async () => {
    const made = await request("POST", "/schedules", {
      name: "backup",
      type: "cron",
      spec: "30 2 * * *",
      payload: { text: "noop" }
    })
    assert.strictEqual(made.status, 201)
    const { schedule_id } = made.body
    assert.strictEqual(made.headers.get("location"), `/schedules/${schedule_id}`)
    assert.deepInclude(made.body, {
      name: "backup",
      enabled: true,
      timezone: "Europe/London",
      catch_up: "run_once",
      catch_up_cap: 10,
      overrun: "skip",
      payload: { channel: "scheduler", text: "noop" }
    })
    assert.isAbove(Date.parse(made.body.next_run_at), Date.now())
    assert.deepEqual((await request("GET", `/schedules/${schedule_id}`)).body, made.body)
    assert.strictEqual((await request("GET", "/schedules?limit=1")).body.items[0].schedule_id, schedule_id)
    assert.deepEqual((await request("GET", `/schedules/${schedule_id}/occurrences`)).body, { items: [] })
    const patched = await request("PATCH", `/schedules/${schedule_id}`, { enabled: false, quiet_hours: true })
    assert.deepInclude(patched.body, { enabled: false, quiet_hours: true, next_run_at: made.body.next_run_at })
    const worded = await request("PATCH", `/schedules/${schedule_id}`, { when: "every day at 4:15", quiet_hours: null })
    assert.deepInclude(worded.body, { type: "cron", spec: "15 4 * * *" })
    assert.match(worded.body.said, /04:15/)
    assert.notProperty(worded.body, "quiet_hours")
    assert.strictEqual((await request("DELETE", `/schedules/${schedule_id}`)).status, 204)
    for (const [method, at] of [["GET", ""], ["DELETE", ""], ["GET", "/occurrences"]] as const) {
      const gone = await request(method, `/schedules/${schedule_id}${at}`)
      assert.deepInclude(gone.body, { status: 404, code: "schedule.not_found" })
    }
    const told = await host.sql<{ type: string }>`
      select type from audit_events where refs->>'schedule_id' = ${schedule_id} order by seq`
    assert.deepEqual(told.map(({ type }) => type), [
      "operator.schedule_created",
      "operator.schedule_changed",
      "operator.schedule_changed",
      "operator.schedule_deleted"
    ])
  })

  it("takes words for when, and says what it understood", async () => {
    const made = await request("POST", "/schedules", {
      name: "stretch",
      when: "every weekday at 7:30",
      notify: "Stretch!"
    })
    assert.strictEqual(made.status, 201)
    assert.deepInclude(made.body, { type: "cron", spec: "30 7 * * 1-5", notify: "Stretch!" })
    assert.match(made.body.said, /every weekday at 07:30/)
  })

  it.each([
    [{}, /The field "name" is missing/],
    [{ name: "x", payload: { text: "a" } }, /The field "type" is missing/],
    [{ name: "x", type: "cron", payload: { text: "a" } }, /The field "spec" is missing/],
    [
      { name: "x", type: "cron", spec: "99 * * * *", payload: { text: "a" } },
      /The field "spec" has "99" as its minute/
    ],
    [{ name: "x", type: "cron", spec: "* * * * *" }, /The field "payload" is missing/],
    [{ name: "x", type: "cron", spec: "* * * * *", payload: { txt: "a" } }, /"payload\.txt"|field "txt"/],
    [
      { name: "x", type: "cron", spec: "* * * * *", timezone: "Mars/One", payload: { text: "a" } },
      /The field "timezone"/
    ],
    [{ name: "x", type: "one_shot", spec: "2020-01-01T00:00:00Z", payload: { text: "a" } }, /a time that has passed/],
    [{ name: "x", type: "interval", spec: "soon", payload: { text: "a" } }, /The field "spec"/],
    [{ name: "x", when: "soon", payload: { text: "a" } }, /The field "when" is not clear/],
    [{ name: "x", when: "soon", type: "cron", payload: { text: "a" } }, /leave "type"/],
    [
      { name: "x", type: "cron", spec: "* * * * *", catch_up_cap: 0, payload: { text: "a" } },
      /The field "catch_up_cap"/
    ],
    [
      { name: "x", type: "cron", spec: "* * * * *", quiet_hours: { start: "9", end: "8" }, payload: { text: "a" } },
      /quiet_hours/
    ],
    [
      { name: "x", type: "cron", spec: "* * * * *", start_at: "2026-01-01T00:00", payload: { text: "a" } },
      /"start_at" is for intervals/
    ],
    [{ name: "x", tipe: "cron", payload: {} }, /did you mean "type"/]
  ])("refuses %j with a sentence", async (body, sentence) => {
    const { body: problem } = await request("POST", "/schedules", body)
    assert.deepInclude(problem, { status: 400, code: "schedule.refused" })
    assert.match(problem.detail, sentence)
  })

  it("previews slots and stores nothing", async () => {
    const preview = await request("POST", "/schedules/preview", {
      type: "cron",
      spec: "30 2 * * *",
      timezone: "Europe/London",
      from: "2026-10-24T12:00:00Z",
      count: 3
    })
    assert.deepEqual(preview.body.slots, [
      "2026-10-25T02:30:00.000Z",
      "2026-10-26T02:30:00.000Z",
      "2026-10-27T02:30:00.000Z"
    ])
    const usual = await request("POST", "/schedules/preview", { type: "interval", spec: "PT1H", timezone: "UTC" })
    assert.lengthOf(usual.body.slots, 10)
    assert.deepInclude(
      (await request("POST", "/schedules/preview", { type: "cron", spec: "x", timezone: "UTC" })).body,
      {
        code: "schedule.refused"
      }
    )
  })
})

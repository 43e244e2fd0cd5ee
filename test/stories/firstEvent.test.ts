/**
 * Done when 1: a line of text becomes one effect and a trace that tells it.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import timers from "../../plugins/timers/index.ts"
import webhook from "../../plugins/webhook/index.ts"
import { type TestHost, testHost } from "../../core/testing/index.ts"

describe("an operator's first event", () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({ timezone: "UTC", plugins: [timers(), webhook()] })
  })
  afterAll(() => host.stop())

  it("“set a timer for 5 minutes” leaves a timer and exactly four rows", async () => {
    const sent = await host.send({ channel: "webhook", text: "set a timer for 5 minutes" })
    assert.strictEqual(sent.outcome, "succeeded")
    assert.match(sent.reply ?? "", /5 minutes/)
    assert.deepEqual(await host.auditTypes(sent.trace_id), [
      "event.ingested",
      "routing.decided",
      "tool_call.attempted",
      "tool_call.succeeded"
    ])
    const [timer] = await host.sql<{ due: number }>`
      select extract(epoch from next_run_at - created_at)::int as due from schedules where trace_id = ${sent.trace_id}`
    assert.closeTo(timer?.due ?? 0, 300, 10)
  })

  it("the same message 50 times at once leaves one effect, and event.deduped for the others", async () => {
    const event = { channel: "webhook", message_id: "delivery-7", text: "set a timer for 6 minutes" }
    const sent = await Promise.all(Array.from({ length: 50 }, () => host.send(event)))
    const traces = new Set(sent.map((one) => one.trace_id))
    assert.strictEqual(traces.size, 1)
    assert.strictEqual(sent.filter((one) => one.deduped).length, 49)
    const trace = sent[0]?.trace_id ?? ""
    const types = await host.auditTypes(trace)
    assert.strictEqual(types.filter((type) => type === "event.deduped").length, 49)
    assert.strictEqual(types.filter((type) => type === "tool_call.succeeded").length, 1)
    const timers = await host.sql`select 1 from schedules where trace_id = ${trace}`
    assert.strictEqual(timers.length, 1)
  })

  it("the same message with another body is not run, and both bodies are kept", async () => {
    const first = await host.send({ channel: "webhook", message_id: "delivery-8", text: "set a timer for 1 minute" })
    const second = await host.submit({
      channel: "webhook",
      message_id: "delivery-8",
      text: "set a timer for 9 minutes"
    })
    assert.deepEqual(second, { event_id: first.event_id, trace_id: first.trace_id, deduped: true, conflict: true })
    const row = (await host.audit(first.trace_id)).find((one) => one.type === "event.deduped")
    assert.propertyVal(row?.data, "body_differs", true)
    const kept = await host.sql<{ text: string }>`select body->>'text' as text from event_conflicts`
    assert.deepEqual(kept.map((one) => one.text), ["set a timer for 9 minutes"])
  })

  it("a line that nothing matches leaves event.ingested and routing.unhandled, and no call", async () => {
    const sent = await host.send({ channel: "webhook", text: "what is the meaning of life" })
    assert.strictEqual(sent.outcome, "unhandled")
    assert.deepEqual(await host.auditTypes(sent.trace_id), ["event.ingested", "routing.unhandled"])
    assert.deepEqual(await host.sql`select 1 from tool_calls where trace_id = ${sent.trace_id}`, [])
  })
})

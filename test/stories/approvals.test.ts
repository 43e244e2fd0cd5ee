/**
 * What an operator sees of approvals: what asks waits, what was approved is what runs, once, and everything is told.
 */
import { definePlugin, defineTool, Schema, ToolRefused, ToolUnknown } from "syris"
import { openLedger, type OutsideLedger, testHost, type TestHost, type TestHostOptions } from "syris/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { until } from "../storms/Until.ts"

const house = (outside: OutsideLedger) =>
  definePlugin({
    name: "house",
    setup: () => ({
      tools: [
        defineTool({
          name: "door.open",
          description: "Open a door.",
          input: Schema.Struct({ door: Schema.String, by: Schema.optionalKey(Schema.String) }),
          output: Schema.Struct({ message: Schema.String }),
          effect: "write",
          risk: "medium",
          scopes: ["doors"],
          preview: ({ door }) => `would open the ${door} door`,
          run: ({ door }) => {
            if (door === "wall") throw new ToolRefused("There is no door in a wall.")
            if (door === "swing") throw new ToolUnknown("It swings.")
            outside.note(door)
            return { message: `The ${door} door is open.` }
          }
        })
      ],
      intents: [{ name: "door.open", tool: "door.open", patterns: [/open the (?<door>\w+) door/] }]
    })
  })()

interface House {
  readonly host: TestHost
  readonly outside: OutsideLedger
  readonly request: (
    at: string,
    body?: unknown,
    method?: string
  ) => Promise<{ readonly status: number; readonly body: any }>
  readonly end: () => Promise<void>
}

const begin = async (options: TestHostOptions = {}): Promise<House> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-approvals-"))
  const outside = openLedger(path.join(folder, "outside"))
  const host = await testHost({ http: true, plugins: [house(outside)], ...options })
  const request: House["request"] = async (at, body, method = body === undefined ? "GET" : "POST") => {
    const response = await fetch(`${host.http!.url}${at}`, {
      method,
      headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
  }
  return {
    host,
    outside,
    request,
    end: async () => {
      await host.stop()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}

describe("a call that asks", () => {
  let house: House
  beforeAll(async () => {
    house = await begin({ autonomy: "A1" })
  })
  afterAll(() => house.end())

  it("waits for a yes, then runs exactly once, all in one trace", async () => {
    const asked = await house.host.send("open the front door")
    assert.strictEqual(asked.outcome, "waiting")
    assert.match(asked.reply ?? "", /door\.open needs your yes: would open the front door/)
    const { body: { items } } = await house.request("/approvals?status=pending")
    assert.lengthOf(items, 1)
    const [approval] = items
    assert.deepEqual(approval.what, { door: "front" })
    assert.strictEqual(approval.preview, "would open the front door")
    assert.deepEqual(house.outside.entries(), [])
    const approved = await house.request(`/approvals/${approval.approval_id}/approve`, {
      what_hash: approval.what_hash
    })
    assert.strictEqual(approved.status, 200)
    const settled = await until("the door to be open", async () => {
      const end = await house.host.settled(asked)
      return end.outcome === "waiting" ? undefined : end
    })
    assert.strictEqual(settled.outcome, "succeeded")
    assert.deepEqual(house.outside.entries(), ["front"])
    assert.deepEqual(await house.host.auditTypes(asked.trace_id), [
      "event.ingested",
      "routing.decided",
      "gate.required",
      "gate.approved",
      "tool_call.attempted",
      "tool_call.succeeded",
      "response.sent"
    ])
    const again = await house.request(`/approvals/${approval.approval_id}/approve`, {})
    assert.strictEqual(again.status, 409)
    assert.match(again.body.detail, /was approved, and its call was begun/)
  })

  it("does not run after a no, and says so", async () => {
    const asked = await house.host.send("open the back door")
    const { body: { items: [approval] } } = await house.request("/approvals?status=pending")
    const denied = await house.request(`/approvals/${approval.approval_id}/deny`, { reason: "not at night" })
    assert.strictEqual(denied.status, 200)
    assert.strictEqual(denied.body.status, "denied")
    const settled = await until("the end", async () => {
      const end = await house.host.settled(asked)
      return end.outcome === "waiting" ? undefined : end
    })
    assert.strictEqual(settled.outcome, "failed")
    assert.match(settled.reply ?? "", /not at night/)
    assert.notInclude(house.outside.entries(), "back")
  })

  it("is answered by word of mouth", async () => {
    const asked = await house.host.send("open the cellar door")
    const number = /approve (\d+)/.exec(asked.reply ?? "")?.[1]
    assert.match((await house.host.send("approvals")).reply ?? "", /cellar/)
    assert.match((await house.host.send(`show ${number}`)).reply ?? "", /would open the cellar door/)
    const said = await house.host.send("approve")
    assert.strictEqual(said.reply, `Approved ${number}: door.open.`)
    await until("the door to be open", () => house.outside.entries().includes("cellar") || undefined)
  })

  it("is not answered by a bare word where somebody else's question took its place", async () => {
    const asked = await house.host.send({ channel: "webhook", text: "open the vault door" })
    const said = await house.host.send("approve")
    assert.match(said.reply ?? "", /did not come up in this conversation.*door\.open, would open the vault door/s)
    const { body: { items: [approval] } } = await house.request("/approvals?status=pending")
    assert.strictEqual(approval.trace_id, asked.trace_id)
    // The control: by its number it is.
    const denied = await house.host.send(`deny ${approval.number}`)
    assert.strictEqual(denied.reply, `Denied ${approval.number}: door.open.`)
    assert.notInclude(house.outside.entries(), "vault")
  })

  it("of which nobody knows whether it was done is put before the operator", async () => {
    const asked = await house.host.send({ channel: "chat", thread_id: "porch", text: "open the swing door" })
    const { body: { items: [approval] } } = await house.request("/approvals?status=pending")
    await house.request(`/approvals/${approval.approval_id}/approve`, {})
    const notice = await until("a word of it", async () => {
      const { body: { items } } = await house.request("/chat?thread_id=porch")
      return items.find((message: any) => message.text.startsWith("It is not known whether door.open was done."))
    })
    assert.deepEqual([notice.kind, notice.trace_id], ["notice", asked.trace_id])
    assert.match(notice.text, new RegExp(`syris settle ${approval.tool_call_id}`))
  })

  it("runs what the operator made of it, once", async () => {
    const asked = await house.host.send("open the garden door")
    const { body: { items: [approval] } } = await house.request("/approvals?status=pending")
    const edited = await house.request(`/approvals/${approval.approval_id}/edit`, { input: { door: "gate" } })
    assert.strictEqual(edited.status, 201, JSON.stringify(edited.body))
    assert.strictEqual(edited.body.supersedes, approval.approval_id)
    assert.strictEqual((await house.request(`/approvals/${approval.approval_id}/approve`, {})).status, 409)
    assert.strictEqual((await house.request(`/approvals/${edited.body.approval_id}/approve`, {})).status, 200)
    await until("the gate to be open", () => house.outside.entries().includes("gate") || undefined)
    assert.notInclude(house.outside.entries(), "garden")
    assert.strictEqual((await house.host.settled(asked)).outcome, "succeeded")
  })

  it("is foreseen by a dry run, which knows a message that came before", async () => {
    const raw = { channel: "chat", text: "open the attic door", message_id: "attic" }
    const before = await house.host
      .sql`select (select count(*) from audit_events where stage <> 'watcher') as rows, (select count(*) from events) as events`
    const { body: would } = await house.request("/events?dry_run=true", raw)
    assert.deepEqual(
      await house.host
        .sql`select (select count(*) from audit_events where stage <> 'watcher') as rows, (select count(*) from events) as events`,
      before
    )
    const [approval] = would.approvals
    assert.deepInclude(approval, { status: "pending", tool: "door.open", preview: "would open the attic door" })
    assert.deepEqual(would.tool_calls.map(({ tool }: any) => tool), ["door.open"])
    const asked = await house.host.send(raw)
    // What was foreseen is what came, of the same input and under the same key.
    const { body: { items: [real] } } = await house.request("/approvals?status=pending")
    assert.deepEqual([real.what_hash, real.why, real.risk], [approval.what_hash, approval.why, approval.risk])
    assert.deepEqual(would.audit.map(({ type }: any) => type), await house.host.auditTypes(asked.trace_id))
    const { body: again } = await house.request("/events?dry_run=true", raw)
    assert.deepInclude(again, { deduped: true, event_id: asked.event_id, tool_calls: [] })
    await house.request(`/approvals/${real.approval_id}/deny`, {})
  })

  it("in a task waits at no cost, and the task goes on", async () => {
    const made = await house.request("/tasks", {
      steps: [
        { name: "one", tool: "door.open", input: { door: "one" } },
        { name: "two", tool: "door.open", input: { door: "two" } }
      ]
    })
    const { task_id } = made.body
    for (const door of ["one", "two"]) {
      const approval = await until("the question", async () => {
        const { body } = await house.request(`/approvals?status=pending&task_id=${task_id}`)
        return body.items.find((one: any) => one.what.door === door)
      })
      const { body: task } = await house.request(`/tasks/${task_id}`)
      assert.strictEqual(task.waits_for, "approval")
      assert.strictEqual((await house.request(`/approvals/${approval.approval_id}/approve`, {})).status, 200)
    }
    const done = await until("the task to end", async () => {
      const { body } = await house.request(`/tasks/${task_id}`)
      return body.status === "succeeded" ? body : undefined
    })
    assert.deepEqual(done.steps.map((step: any) => step.status), ["succeeded", "succeeded"])
    assert.deepEqual(house.outside.entries().slice(-2), ["one", "two"])
  })
})

describe("a question that nobody answers in time", () => {
  let house: House
  beforeAll(async () => {
    house = await begin({ autonomy: "A1", safety: { approvalTtl: "1 second" } })
  })
  afterAll(() => house.end())

  const said = async (trace_id: string) =>
    (await house.request("/chat?limit=100")).body.items.filter((message: any) => message.trace_id === trace_id)

  it("is over, nothing ran, and who asked is told", async () => {
    const asked = await house.host.send("open the front door")
    assert.include(await house.host.auditTypes(asked.trace_id), "gate.required")
    const end = await until("the end", async () => {
      const settled = await house.host.settled(asked)
      return settled.outcome === "failed" && settled
    })
    assert.match(end.reply ?? "", /door\.open was not run: nobody said yes in time/)
    assert.include(await house.host.auditTypes(asked.trace_id), "gate.expired")
    assert.deepEqual((await said(asked.trace_id)).map(({ kind }: any) => kind), ["reply", "notice"])
    assert.deepEqual(house.outside.entries(), [])
    const { body: { items: [approval] } } = await house.request(`/approvals?trace_id=${asked.trace_id}`)
    assert.strictEqual(approval.status, "expired")
    assert.strictEqual((await house.request(`/approvals/${approval.approval_id}/approve`, {})).status, 409)
  })

  it("is told in the chat as well where it came from elsewhere", async () => {
    const asked = await house.host.send({ channel: "webhook", text: "open the back door" })
    const told = await until("a word of its end", async () => {
      const messages = await said(asked.trace_id)
      return messages.length === 2 && messages
    })
    assert.match(told[0].text, /^\d+: door\.open was not run: nobody said yes in time/)
    assert.match(told[1].text, /door\.open needs your yes/)
    assert.deepEqual(house.outside.entries(), [])
  })
})

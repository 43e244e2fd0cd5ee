/**
 * What a real server asks while its tool runs, from the chat line that led to the call to the operator's word: a question in the
 * chat and over HTTP, a sample within a task, and a sign-in with a link.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Integration } from "../../../core/contract/Integration.ts"
import { guardedServer, type GuardedServer } from "../../../core/mcp/TestSignIn.ts"
import { scriptedModel, type ScriptedModel } from "../../../core/testing/ScriptedModel.ts"
import { type TestHost, testHost } from "../../../core/testing/TestHost.ts"
import { until } from "../../storms/Until.ts"
import { type ChatEar, listenTo } from "../ChatEar.ts"
import { officialServer } from "./OfficialServers.ts"

let host: TestHost
let guarded: GuardedServer
let model: ScriptedModel
let ear: ChatEar

const asked = async (path: string, body?: object) => {
  const response = await fetch(`${host.http!.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, json: await response.json() as any }
}
const inState = (id: string, state: Integration["state"]) =>
  until(`${id} to be ${state}`, async () => {
    const { json } = await asked(`/integrations/${id}`)
    return json.state === state ? json as Integration : undefined
  })
/** Calls a tool that asks first; the number of its question, as the chat has it. */
const asking = async () => {
  const accepted = await host.submit({ channel: "chat", text: "mcp.everything.trigger-elicitation-request" })
  const text = await ear.until((heard) =>
    heard.find(({ data }) => data.trace_id === accepted.trace_id && data.kind === "notice")?.data.text as
      | string
      | undefined
  )
  return { accepted, text, number: Number(/^Question (\d+), from the server everything/.exec(text)?.[1]) }
}
const open = async (): Promise<ReadonlyArray<any>> => (await asked("/questions")).json.items

beforeAll(async () => {
  guarded = await guardedServer()
  model = await scriptedModel()
  host = await testHost({
    http: true,
    llm: { provider: "openai", baseURL: model.url, model: "m" },
    mcp: {
      everything: {
        command: process.execPath,
        args: [officialServer("everything"), "stdio"],
        elicitation: true,
        sampling: true,
        trust: { risk: "low", effect: "read" }
      },
      guarded: { url: guarded.url, trust: { risk: "low", effect: "read" } }
    }
  })
  ear = await listenTo(host.http!)
  await inState("everything", "connected")
}, 60_000)
afterAll(async () => {
  ear?.close()
  await host?.stop()
  await model?.close()
  await guarded?.close()
})

describe("a server that asks while its tool runs", () => {
  it("is answered by the operator's line, and by nobody else's", async () => {
    const { accepted, number, text } = await asking()
    assert.match(text, /\n> birthdate \(a date\): String with date format/)
    const list = await host.send("questions")
    assert.match(list.reply ?? "", new RegExp(`^1 question waits for your answer:\\n${number}: everything, in `))
    // Words of a stranger answer nothing; the red control is the line after them.
    const stranger = await host.send({ channel: "webhook", text: `answer ${number} name=Eve` })
    assert.strictEqual(stranger.outcome, "failed")
    assert.strictEqual((await open()).length, 1)
    const wrong = await host.send(`answer ${number} name=Bob birthdate=yesterday`)
    assert.match(wrong.reply ?? "", /birthdate is a date, such as/)
    const said = await host.send(`answer ${number} name="Bob B." birthdate=1999-12-31`)
    assert.strictEqual(said.reply, `Answered question ${number} of everything.`)
    assert.strictEqual((await host.settled(accepted)).outcome, "succeeded")
    const [call] = await host.sql<{ output: unknown }>`
      select output from tool_calls where trace_id = ${accepted.trace_id}::uuid`
    assert.include(JSON.stringify(call?.output), "Bob B.")
    const types = await host.auditTypes(accepted.trace_id)
    assert.includeMembers([...types], ["mcp.question_asked", "operator.question_answered", "tool_call.succeeded"])
    assert.deepEqual(await open(), [])
  })

  it("is answered and declined over HTTP, once", async () => {
    const first = await asking()
    const [question] = await open()
    assert.deepInclude(question, { number: first.number, server: "everything", tool: "trigger-elicitation-request" })
    const refused = await asked(`/questions/${question.question_id}/answer`, {
      content: { name: "Bob", integer: 1_000 }
    })
    assert.deepInclude(refused.json, { status: 400, code: "question.answer", detail: "integer can be at most 100." })
    const answered = await asked(`/questions/${question.question_id}/answer`, { content: { name: "Bob" } })
    assert.deepInclude(answered, { status: 200 })
    assert.strictEqual((await host.settled(first.accepted)).outcome, "succeeded")
    const again = await asked(`/questions/${question.question_id}/answer`, { content: { name: "Eve" } })
    assert.deepInclude(again.json, { status: 404, code: "question.not_found" })

    const second = await asking()
    assert.strictEqual((await host.send(`decline ${second.number}`)).outcome, "succeeded")
    await host.settled(second.accepted)
    const [call] = await host.sql<{ output: unknown }>`
      select output from tool_calls where trace_id = ${second.accepted.trace_id}::uuid`
    assert.match(JSON.stringify(call?.output), /declined/i)
  })

  it("is lent the model within a task, on record", async () => {
    model.add({ text: "Four." })
    const { json: task } = await asked("/tasks", {
      steps: [{
        name: "ask",
        tool: "mcp.everything.trigger-sampling-request",
        input: { prompt: "2+2", maxTokens: 9_999 }
      }]
    })
    const done = await until("the task to end", async () => {
      const { json } = await asked(`/tasks/${task.task_id}`)
      return ["succeeded", "failed"].includes(json.status) ? json : undefined
    })
    assert.strictEqual(done.status, "succeeded", JSON.stringify(done))
    assert.include(JSON.stringify(done.steps[0].output), "Four.")
    const { json: context } = await asked(`/llm/context?trace_id=${task.trace_id}`)
    assert.deepInclude(context.completions[0], { purpose: "sample", task_id: task.task_id })
    assert.include(await host.auditTypes(task.trace_id), "llm.called")
    assert.isUndefined(model.requests[0]?.body.tools)
  })
})

describe("a server that asks for a sign-in", () => {
  it("shows the operator a link, and is connected when the browser comes back", async () => {
    const { sign_in_url = "" } = await inState("guarded", "sign_in")
    const { headers } = await fetch(sign_in_url, { redirect: "manual" })
    const back = headers.get("location") ?? ""
    assert.isTrue(back.startsWith(`${host.http!.url}/oauth/callback?`), back)
    // From another site, with no token: as a browser comes.
    const page = await fetch(back, { headers: { "sec-fetch-site": "cross-site" } })
    assert.strictEqual(page.status, 200)
    assert.match(await page.text(), /You can close this window/)
    assert.deepEqual((await inState("guarded", "connected")).tools, ["mcp.guarded.look"])
    assert.strictEqual((await fetch(back)).status, 400)
    assert.strictEqual((await fetch(`${host.http!.url}/oauth/callback`, { method: "POST" })).status, 401)
    const shown = JSON.stringify([await asked("/integrations"), await asked("/audit?limit=500")])
    for (const secret of guarded.secrets) assert.notInclude(shown, secret)
  })
})

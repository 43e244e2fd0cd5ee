/**
 * Done when 4: words that nothing else understands are planned by a model, call by call; every decision is told, gated and
 * done once, and its answer is the reply.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Script } from "syris/testing"
import webhook from "../../plugins/webhook/index.ts"
import { until } from "../storms/Until.ts"
import { type ModelStory, modelStory } from "./ModelStory.ts"

describe("a model that plans", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory({ plugins: [webhook()] })
  })
  afterAll(() => story.end())

  it("brews a coffee that nobody taught it to order", async () => {
    const told = await story.say(
      "I could do with something hot",
      { call: { tool: "coffee.brew", input: { size: "large" } }, text: "coffee is hot" },
      { text: "Your large coffee is ready." }
    )
    assert.strictEqual(told.outcome, "succeeded")
    assert.strictEqual(told.reply, "Your large coffee is ready.")
    assert.deepEqual(story.house.done, ["coffee.brew large"])
    assert.deepEqual(told.types, [
      "event.ingested",
      "routing.decided",
      "task.created",
      "task.started",
      "task.step_started",
      "llm.called",
      "llm.step_decided",
      "task.step_succeeded",
      "task.step_started",
      "tool_call.attempted",
      "tool_call.succeeded",
      "task.step_succeeded",
      "task.step_started",
      "llm.called",
      "llm.step_decided",
      "task.step_succeeded",
      "response.sent",
      "task.succeeded"
    ])
    assert.deepInclude(told.rows("response.sent")[0].data, { channel: "chat", text: told.reply })
    assert.strictEqual(told.task.kind, "llm_plan")
    assert.strictEqual(told.task.name, "I could do with something hot")
    assert.deepEqual(told.task.output, { answer: "Your large coffee is ready." })
    assert.deepEqual(told.steps, ["decide succeeded", "coffee.brew succeeded", "decide succeeded"])
    const [first, call, last] = told.task.steps
    assert.deepEqual(first.input, { intent: "I could do with something hot" })
    assert.deepEqual(first.output, {
      action: "call",
      calls: [{ tool: "coffee.brew", input: { size: "large" } }],
      why: "coffee is hot"
    })
    const { ms, ...usage } = first.checkpoint.usage
    assert.deepEqual(usage, { input_tokens: 100, output_tokens: 10, calls: 1 })
    assert.isAtLeast(ms, 0)
    assert.strictEqual(call.checkpoint.decided_by, 0)
    assert.deepEqual(last.output, { action: "done", answer: "Your large coffee is ready." })
    const [decision] = told.trace.decisions
    assert.deepInclude(decision, { lane: "llm_plan", required_scopes: [] })
    assert.isTrue(decision.match.used_llm)
    const [chosen] = told.rows("llm.step_decided")
    assert.strictEqual(chosen.summary, "The model chose coffee.brew.")
    assert.deepInclude(chosen.data.decision, { action: "call" })
    assert.match(chosen.data.prompt_hash, /^[0-9a-f]{64}$/)
    assert.deepInclude(told.rows("llm.called")[0].data, { model: "m", input_tokens: 100, output_tokens: 10 })
    assert.strictEqual(told.trace.tool_calls[0].step_id, call.step_id)
    assert.include(story.question(), "Brewed a large coffee.")
    assert.strictEqual(story.model.requests.length, 2)
  })

  it("answers without any call", async () => {
    const told = await story.say("what is a cup", { text: "A thing to drink from." })
    assert.strictEqual(told.reply, "A thing to drink from.")
    assert.deepEqual(told.steps, ["decide succeeded"])
    assert.deepEqual(told.calls, [])
  })

  it("does several things at once when it asks for them at once", async () => {
    const told = await story.say(
      "seat Ann and Bob",
      { calls: ["Ann", "Bob"].map((guest) => ({ tool: "table.meet", input: { guest } })) },
      { text: "Both sit." }
    )
    // Each of them would have waited for ever for the other.
    assert.deepEqual(told.steps, [
      "decide succeeded",
      "table.meet succeeded",
      "table.meet succeeded",
      "decide succeeded"
    ])
    const [, ann, bob, last] = told.task.steps
    assert.strictEqual(ann.stage, bob.stage)
    assert.isBelow(bob.stage, last.stage)
    assert.match(story.question(), /Ann met somebody.*Bob met somebody/)
    assert.strictEqual(told.reply, "Both sit.")
  })

  it("hears of a tool that fails, and goes on", async () => {
    const told = await story.say(
      "a coffee with milk",
      { calls: [{ tool: "coffee.brew", input: { size: "small" } }, { tool: "milk.pour", input: {} }] },
      { text: "There is no milk, so it is black." }
    )
    assert.strictEqual(told.outcome, "succeeded")
    assert.deepEqual(told.steps, ["decide succeeded", "coffee.brew succeeded", "milk.pour failed", "decide succeeded"])
    assert.include(told.types, "tool_call.failed")
    assert.include(told.types, "task.step_failed")
    assert.include(story.question(), "There is no milk.")
    assert.strictEqual(told.reply, "There is no milk, so it is black.")
  })

  const unlock = { call: { tool: "door.unlock", input: {} } }

  it("waits where a gate asks, and hears of a no: nothing was done", async () => {
    const before = story.house.done.length
    const asked = await story.say("open up", unlock, { text: "You have to do it." })
    assert.strictEqual(asked.outcome, "waiting")
    assert.deepEqual(asked.calls, ["door.unlock planned"])
    assert.deepEqual(asked.steps, ["decide succeeded", "door.unlock waiting", "decide pending"])
    assert.strictEqual(asked.task.waits_for, "approval")
    const [gate] = asked.rows("gate.required")
    assert.deepInclude(gate, { tool: "door.unlock", risk: "medium", autonomy: "A2" })
    assert.strictEqual(gate.data.verdict, "CONFIRM")
    await story.decide(asked.trace, "deny", { reason: "not at night" })
    const told = await story.reached(asked.trace, "succeeded")
    assert.strictEqual(told.outcome, "succeeded")
    assert.deepEqual(told.calls, ["door.unlock canceled"])
    assert.deepEqual(told.steps, ["decide succeeded", "door.unlock failed", "decide succeeded"])
    assert.include(told.types, "gate.denied")
    assert.notInclude(told.types, "tool_call.attempted")
    assert.include(story.question(), "not at night")
    assert.strictEqual(told.reply, "You have to do it.")
    assert.strictEqual(story.house.done.length, before)
  })

  it("goes on after a yes, with exactly what was shown", async () => {
    const before = story.house.done.length
    const asked = await story.say("open up now", unlock, { text: "It is open." })
    assert.strictEqual(story.house.done.length, before)
    const approval = await story.decide(asked.trace, "approve")
    const told = await story.reached(asked.trace, "succeeded")
    assert.strictEqual(told.reply, "It is open.")
    assert.deepEqual(story.house.done.slice(before), ["door.unlock"])
    assert.deepEqual(told.calls, ["door.unlock succeeded"])
    assert.strictEqual(told.trace.tool_calls[0].input_hash, approval.what_hash)
    assert.includeMembers([...told.types], ["gate.required", "gate.approved", "tool_call.succeeded", "response.sent"])
  })

  it("waits when it wants to, at the price of a row", async () => {
    const ids = await story.begin(
      "count the cups in a second",
      { call: { tool: "syris.wait", input: { seconds: 1, why: "as told" } } },
      { call: { tool: "shelf.count", input: {} } },
      { text: "3 cups." }
    )
    const waiting = await story.reached(ids, "waiting")
    assert.strictEqual(waiting.task.waits_for, "time")
    assert.strictEqual(waiting.outcome, "waiting")
    const [held] = await story.host.sql<{ claimed_by: string | null }>`
      select claimed_by from work where work_id = ${waiting.task.task_id}`
    assert.isNull(held?.claimed_by)
    const told = await story.reached(ids, "succeeded")
    assert.deepEqual(told.steps, [
      "decide succeeded",
      "wait succeeded",
      "decide succeeded",
      "shelf.count succeeded",
      "decide succeeded"
    ])
    assert.strictEqual(told.reply, "3 cups.")
    assert.include(told.types, "task.waiting")
  })

  it("is not asked by a dry run", async () => {
    const before = story.model.requests.length
    const { body } = await story.post("/events?dry_run=true", { channel: "chat", text: "what would you do" })
    assert.strictEqual(body.decisions[0].lane, "llm_plan")
    assert.strictEqual(story.model.requests.length, before)
    assert.deepEqual(await story.host.sql`select 1 from events where text = 'what would you do'`, [])
  })

  it("is not asked where words are understood without it", async () => {
    const before = story.model.requests.length
    const told = await story.say("what are you doing?")
    assert.strictEqual(told.outcome, "succeeded")
    assert.strictEqual(story.model.requests.length, before)
  })
})

describe("a question of the model", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory()
  })
  afterAll(() => story.end())

  const asking = { call: { tool: "syris.ask", input: { question: "Small or large?" } } }
  const chat = (text: string, thread_id = "kitchen") => ({ channel: "chat", text, thread_id })

  it("is the reply, and what comes next in that conversation is its answer", async () => {
    const asked = await story.say(chat("coffee, my dear machine"), asking)
    assert.strictEqual(asked.outcome, "waiting")
    assert.strictEqual(asked.reply, "Small or large?")
    assert.strictEqual(asked.task.waits_for, "answer")
    assert.deepEqual(asked.steps, ["decide succeeded", "ask waiting", "decide pending"])
    assert.include(asked.rows("task.waiting")[0].summary, "Small or large?")
    const questions = story.model.requests.length

    // Other people, threads, connectors and channels say something else.
    for (
      const other of [
        chat("large", "garden"),
        { channel: "chat", text: "large" },
        { ...chat("large"), actor_id: "guest" },
        { ...chat("large"), connector_id: "phone" },
        { ...chat("large"), channel: "mailbox" }
      ]
    ) {
      const told = await story.say(other, { text: "Large what?" })
      assert.strictEqual(told.task?.kind, "llm_plan", JSON.stringify(other))
    }
    assert.strictEqual(story.model.requests.length, questions + 5)
    assert.strictEqual((await story.read(asked.trace)).task.status, "waiting")

    const answered = await story.say(
      chat("large, please"),
      { call: { tool: "coffee.brew", input: { size: "large" } } },
      { text: "Here it is." }
    )
    assert.deepEqual(answered.calls, ["task.answer succeeded"])
    assert.deepEqual(answered.trace.tasks, [])
    assert.match(answered.reply ?? "", /coffee, my dear machine goes on/)
    const told = await story.reached(asked.trace, "succeeded")
    assert.strictEqual(told.reply, "Here it is.")
    assert.deepEqual(told.steps, [
      "decide succeeded",
      "ask succeeded",
      "decide succeeded",
      "coffee.brew succeeded",
      "decide succeeded"
    ])
    assert.deepEqual(told.task.steps[1].output, { answer: "large, please" })
    assert.match(story.question(), /Small or large\?.*large, please/)
    assert.strictEqual(told.rows("task.step_succeeded").filter((row) => /answered/.test(row.summary)).length, 1)
  })

  it("is answered by one of two that answer at once", async () => {
    const two = await modelStory()
    try {
      const asked = await two.say(chat("a coffee for the two of us"), asking)
      two.model.add({ text: "Fine." }, { text: "Too late?" })
      const both = await Promise.all(["small", "large"].map((text) => two.say(chat(text))))
      const told = await two.reached(asked.trace, "succeeded")
      // The slower one found no question any more: it was refused, or became words of its own.
      assert.strictEqual(both.filter(({ calls }) => calls.includes("task.answer succeeded")).length, 1)
      assert.deepEqual(told.steps, ["decide succeeded", "ask succeeded", "decide succeeded"])
    } finally {
      await two.end()
    }
  })

  it("can be answered at every level of autonomy", async () => {
    const careful = await modelStory({ autonomy: "A1" })
    try {
      const asked = await careful.say(chat("what shall we do"), asking)
      assert.strictEqual(asked.outcome, "waiting")
      await careful.say(chat("small"), { text: "Small it is." })
      assert.strictEqual((await careful.reached(asked.trace, "succeeded")).reply, "Small it is.")
    } finally {
      await careful.end()
    }
  })

  it("that nobody answers within a day ends the task, which says so", async () => {
    const asked = await story.say(chat("are you there", "attic"), asking)
    const [step] = await story.host.sql<{ hours: number }>`
      select extract(epoch from wake_at - started_at)::float8 / 3600 as hours from steps
      where task_id = ${asked.task.task_id} and name = 'ask'`
    assert.closeTo(step?.hours ?? 0, 24, 0.1)
    await story.host
      .sql`update steps set wake_at = now() - interval '1 second' where task_id = ${asked.task.task_id} and name = 'ask'`
    await story.host.sql`update work set due_at = now() where work_id = ${asked.task.task_id}`
    const told = await story.reached(asked.trace, "failed")
    assert.deepEqual(told.steps, ["decide succeeded", "ask failed", "decide skipped"])
    assert.strictEqual(told.task.error.code, "task.unanswered")
    assert.match(told.reply ?? "", /Nobody answered the question within a day/)
    assert.strictEqual(told.outcome, "failed")
    // The operator may have it asked again.
    assert.strictEqual((await story.post(`/tasks/${asked.task.task_id}/retry`)).status, 200)
    const again = await story.reached(asked.trace, "waiting")
    assert.deepEqual(again.steps, ["decide succeeded", "ask waiting", "decide pending"])
    await story.say(chat("here I am", "attic"), { text: "At last." })
    assert.strictEqual((await story.reached(asked.trace, "succeeded")).reply, "At last.")
    // What is said now is no answer any more.
    assert.strictEqual((await story.say(chat("large", "attic"), { text: "Large what?" })).reply, "Large what?")
  })

  it("is no question any more once its task is canceled", async () => {
    const asked = await story.say(chat("something with foam", "cellar"), asking)
    assert.strictEqual((await story.post(`/tasks/${asked.task.task_id}/cancel`)).status, 200)
    const told = await story.read(asked.trace)
    assert.strictEqual(told.task.status, "canceled")
    assert.deepEqual(told.steps, ["decide succeeded", "ask skipped", "decide skipped"])
    assert.strictEqual((await story.say(chat("large", "cellar"), { text: "Large what?" })).reply, "Large what?")
  })

  it("waits for its answer after a pause as before it", async () => {
    const asked = await story.say(chat("another one", "porch"), asking)
    const { task_id } = asked.task
    await story.post(`/tasks/${task_id}/pause`)
    await story.reached(asked.trace, "paused")
    await story.post(`/tasks/${task_id}/resume`)
    await story.reached(asked.trace, "waiting")
    await story.say(chat("small", "porch"), { text: "Small, then." })
    assert.strictEqual((await story.reached(asked.trace, "succeeded")).reply, "Small, then.")
  })
})

describe("while the model thinks", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory()
  })
  afterAll(() => story.end())

  /** Begins a task whose model does not answer; answers once it is asked. */
  const thinking = async (text: string, ...then: ReadonlyArray<Script>) => {
    const count = story.model.requests.length + 1
    const ids = await story.begin(text, ...then)
    await story.model.arrived(count)
    return { ...ids, task: (await story.read(ids)).task, request: story.model.requests.at(-1)! }
  }

  it("a cancel ends the question at once, and nothing follows", async () => {
    const asked = await thinking("think hard", { hang: true, begun: true })
    const { body } = await story.post(`/tasks/${asked.task.task_id}/cancel`, { reason: "never mind" })
    assert.strictEqual(body.status, "canceled")
    await asked.request.gone
    const told = await until("the end of the question", async () => {
      const read = await story.read(asked)
      return read.steps.includes("decide failed") && read
    })
    assert.match(told.reply ?? "", /was canceled: never mind/)
    assert.notInclude(told.types, "llm.step_decided")
    assert.notInclude(told.types, "task.failed")
    assert.strictEqual(told.task.status, "canceled")
    assert.strictEqual(told.outcome, "failed")
    assert.strictEqual(told.task.steps[0].error.code, "llm.aborted")
    assert.deepEqual(await story.host.sql`select 1 from work where work_id = ${asked.task.task_id}`, [])
  })

  /** Begins a task whose model chooses a coffee once it is let go. */
  const chooses = async (text: string, ...then: ReadonlyArray<Script>) => {
    const { promise: gate, resolve: letGo } = Promise.withResolvers<void>()
    const coffee = { call: { tool: "coffee.brew", input: { size: "small" } } }
    const asked = await thinking(text, () => gate.then(() => coffee), ...then)
    return { ...asked, letGo }
  }

  it("a pause that its host has not heard of yet keeps what it decides, and nothing of it begins", async () => {
    const before = story.house.done.length
    const asked = await chooses("coffee, but later", { text: "Later it was." })
    const { task_id } = asked.task
    await story.host.sql`update tasks set status = 'paused' where task_id = ${task_id}`
    await story.host.sql`update work set wish = 'pause' where work_id = ${task_id}`
    asked.letGo()
    await until(
      "the task to be put aside",
      async () =>
        (await story.host.sql`select 1 from work where work_id = ${task_id} and claimed_by is null and parked`).length >
          0
    )
    assert.deepEqual((await story.read(asked)).steps, ["decide succeeded", "coffee.brew pending", "decide pending"])
    assert.strictEqual(story.house.done.length, before)
    assert.strictEqual((await story.post(`/tasks/${task_id}/resume`)).status, 200)
    assert.strictEqual((await story.reached(asked, "succeeded")).reply, "Later it was.")
    assert.strictEqual(story.house.done.length, before + 1)
  })

  it("a cancel that its host has not heard of yet leaves nothing that looks as if it went on", async () => {
    const before = story.house.done.length
    const asked = await chooses("coffee, or not")
    const { task_id } = asked.task
    await story.host.sql`update tasks set status = 'canceled' where task_id = ${task_id}`
    await story.host.sql`update work set wish = 'cancel' where work_id = ${task_id}`
    asked.letGo()
    await until(
      "the task to be closed",
      async () => (await story.host.sql`select 1 from work where work_id = ${task_id}`).length === 0
    )
    const { steps } = await story.read(asked)
    assert.strictEqual(steps[0], "decide succeeded")
    for (const step of steps) assert.notMatch(step, /pending|running|waiting/)
    assert.strictEqual(story.house.done.length, before)
  })

  it("a pause keeps what it decides, and nothing of it begins before the resume", async () => {
    const before = story.house.done.length
    const asked = await chooses("coffee, when I say so", { text: "Done." })
    await story.post(`/tasks/${asked.task.task_id}/pause`)
    asked.letGo()
    const paused = await until("the decision", async () => {
      const told = await story.read(asked)
      return told.steps.length > 1 && told
    })
    assert.strictEqual(paused.task.status, "paused")
    assert.deepEqual(paused.steps, ["decide succeeded", "coffee.brew pending", "decide pending"])
    assert.strictEqual(story.house.done.length, before)
    const questions = story.model.requests.length
    await story.post(`/tasks/${asked.task.task_id}/resume`)
    const told = await story.reached(asked, "succeeded")
    assert.deepEqual(told.steps, ["decide succeeded", "coffee.brew succeeded", "decide succeeded"])
    assert.strictEqual(story.house.done.length, before + 1)
    // What was decided was not asked again.
    assert.strictEqual(story.model.requests.length, questions + 1)
  })
})

describe("without a model", () => {
  it("what nothing understands is unhandled, as before", async () => {
    const story = await modelStory({ llm: null })
    try {
      const told = await story.say("I could do with something hot")
      assert.strictEqual(told.outcome, "unhandled")
      assert.deepEqual(told.types, ["event.ingested", "routing.unhandled"])
      assert.deepEqual(told.trace.tasks, [])
      assert.strictEqual(story.model.requests.length, 0)
    } finally {
      await story.end()
    }
  })
})

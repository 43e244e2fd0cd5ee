/**
 * The operator's budgets: what was sent and paid is on record, and when a day's budget is used up it ends as the operator
 * said: with what needs no model, with a cheaper one, or with a question.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { LlmConfiguration } from "syris"
import { type ModelStory, modelStory, type Told } from "./ModelStory.ts"

/** A dollar for a thousand tokens: a dear answer costs twenty. */
const price = { inputPerMillion: 1_000, outputPerMillion: 1_000 }
const dear = { usage: { prompt_tokens: 19_990, completion_tokens: 10 } }
const count = { call: { tool: "shelf.count", input: {} }, ...dear }
const noMore = { text: "That was all.", ...dear }

const storyOf = (llm: Partial<LlmConfiguration>): Promise<ModelStory> => modelStory({ llm: { price, ...llm } })
const budget = { perTraceTokens: 100_000, perDayUsd: 20 }

describe("a day's budget that is used up", () => {
  it("stops the task, leaves what needs no model, says why and until when, and is there again on the next day", async () => {
    const story = await storyOf({ budget })
    try {
      const first = await story.say("how many cups are there", count)
      assert.strictEqual(first.outcome, "failed")
      assert.strictEqual(first.task.error.code, "llm.budget_exceeded")
      assert.match(first.reply ?? "", /\$20\.00 of \$20\.00 are used today \(llm\.budget\.perDayUsd\)/)
      assert.strictEqual(first.rows("llm.budget_exceeded").length, 1)
      const { trace } = await story.say("and how many plates")
      assert.strictEqual(trace.outcome, "unhandled")
      assert.deepEqual(trace.tasks, [])
      const note: string = trace.decisions[0].notes.at(-1)
      assert.match(note, /^llm: it is not asked: \$20\.00 of \$20\.00 are used today \(llm\.budget\.perDayUsd\)/)
      assert.match(note, /The day ends at \d{4}-\d\d-\d\dT00:00:00\.000Z$/)
      story.host.clock.advance("24 hours")
      assert.strictEqual((await story.say("and forks", { text: "None." })).outcome, "succeeded")
      assert.strictEqual(story.model.requests.length, 2)
    } finally {
      await story.end()
    }
  })

  it("goes on with the cheaper model, while that has a budget of its own", async () => {
    const story = await storyOf({
      fallback: [{ model: "small", price: { inputPerMillion: 1, outputPerMillion: 1 } }],
      budget: { ...budget, atLimit: "cheaper", models: { small: { perDayTokens: 21_000 } } }
    })
    try {
      const told = await story.say("how many cups are there", count, noMore)
      assert.strictEqual(told.reply, "That was all.")
      assert.deepEqual(story.model.requests.map(({ body }) => body.model), ["m", "small"])
      const { trace } = await story.say("and how many plates")
      assert.strictEqual(trace.outcome, "unhandled")
      assert.strictEqual(story.model.requests.length, 2)
    } finally {
      await story.end()
    }
  })
})

describe("an operator who is asked at the limit", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await storyOf({ budget: { ...budget, atLimit: "ask" } })
    await story.say("how many cups are there", noMore)
  })
  afterAll(() => story.end())

  /** Says it in a conversation of its own, and waits for the question. */
  const asked = async (thread_id: string): Promise<Told> => {
    const ids = await story.host.submit({ channel: "chat", text: `count the plates of ${thread_id}`, thread_id })
    const told = await story.reached(ids, "waiting")
    assert.strictEqual(told.reply, "Today's budget of $20.00 for models is used: may this task go on? yes or no")
    assert.strictEqual(told.rows("llm.budget_exceeded")[0].data.asked, true)
    assert.deepEqual(told.rows("llm.step_decided", "llm.called"), [])
    return told
  }
  const answer = (thread_id: string, text: string) => story.host.submit({ channel: "chat", text, thread_id })

  it("goes on with a yes, which is told, and is asked once", async () => {
    const { trace } = await asked("kitchen")
    const before = story.model.requests.length
    story.model.add(count, noMore)
    await answer("kitchen", "Yes.")
    const told = await story.reached(trace, "succeeded")
    assert.strictEqual(story.model.requests.length, before + 2)
    const [allowed, ...more] = told.rows("llm.budget_allowed")
    assert.deepEqual(more, [])
    assert.strictEqual(allowed.data.budget, "llm.budget.perDayUsd")
    assert.strictEqual(allowed.data.by, trace.events[0].actor.actor_id)
    assert.strictEqual(told.rows("llm.budget_exceeded").length, 1)
    // To the model there was no such question.
    assert.notMatch(story.question(), /budget/i)
  })

  it("ends it with anything else", async () => {
    const before = story.model.requests.length
    for (const [thread_id, words] of [["cellar", "no"], ["attic", "yes, but only a little"]] as const) {
      const { trace } = await asked(thread_id)
      await answer(thread_id, words)
      const told = await story.reached(trace, "failed")
      assert.strictEqual(told.task.error.code, "llm.budget_exceeded")
      assert.match(told.task.error.message, /you did not say that it may go over llm\.budget\.perDayUsd/)
    }
    assert.strictEqual(story.model.requests.length, before)
  })

  it("is not asked in the place of somebody else", async () => {
    const accepted = await story.host.submit({ channel: "webhook", text: "count the spoons" })
    await story.host.settled(accepted)
    const trace = await story.get(`/traces/${accepted.trace_id}`)
    assert.strictEqual(trace.events[0].security.trust, "untrusted")
    assert.strictEqual(trace.outcome, "unhandled")
  })

  it("finds all of it on record: what was sent, what it cost, and what is left", async () => {
    const told = await story.read(
      await story.host.submit({ channel: "chat", text: "what is there", thread_id: "hall" })
    )
    const { trace_id } = told.trace
    await story.reached({ trace_id }, "waiting")
    story.model.add({ text: "Cups." })
    await answer("hall", "yes")
    const { trace } = await story.reached({ trace_id }, "succeeded")
    assert.deepInclude(trace.costs, { questions: 1, input_tokens: 100, output_tokens: 10 })
    const { completions } = await story.get(`/llm/context?trace_id=${trace_id}`)
    assert.strictEqual(completions.length, 1)
    const [one] = completions
    assert.strictEqual(JSON.stringify(one.messages.map(({ content }: any) => content)).includes("what is there"), true)
    assert.deepInclude(one, {
      model: "m",
      purpose: "decide",
      question: 0,
      usage: { input_tokens: 100, output_tokens: 10 }
    })
    assert.strictEqual(one.answer.text, "Cups.")
    const called = trace.audit.find(({ type }: any) => type === "llm.called")
    assert.deepInclude(called.data, {
      completion_id: one.completion_id,
      request_hash: one.request_hash,
      prompt_hash: one.prompt_hash
    })
    const body = await story.get("/costs?by=task")
    assert.deepInclude(body.costs[0], { key: trace.tasks[0].task_id, questions: 1, unpriced: 0, reserved: 0 })
    const day = body.budgets.find(({ budget }: any) => budget === "llm.budget.perDayUsd")
    assert.deepInclude(day, { most: 20, left: 0 })
  })
})

/**
 * A model is bounded in decisions, tokens, money and time, and stopped when it goes round in circles. Each end says which.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { LlmConfiguration } from "syris"
import type { ScriptedAnswer } from "syris/testing"
import { moment } from "../storms/Until.ts"
import { type ModelStory, modelStory, type Told } from "./ModelStory.ts"

const look: ScriptedAnswer = { call: { tool: "oven.look", input: {} } }
const count: ScriptedAnswer = { call: { tool: "shelf.count", input: {} } }
const brew: ScriptedAnswer = { call: { tool: "coffee.brew", input: { size: "small" } } }

const within = async (llm: Partial<LlmConfiguration>, body: (story: ModelStory) => Promise<void>) => {
  const story = await modelStory({ llm })
  try {
    await body(story)
  } finally {
    await story.end()
  }
}

/** It ended at a bound: said once, as a failure, with nothing left. */
const isStopped = async (story: ModelStory, told: Told, says: RegExp, bound: string) => {
  assert.strictEqual(told.outcome, "failed")
  assert.strictEqual(told.task.error.code, "llm.budget_exceeded")
  assert.match(told.task.error.message, says)
  assert.match(told.reply ?? "", says)
  assert.include(told.reply, bound)
  const [row, ...more] = told.rows("llm.budget_exceeded")
  assert.deepEqual(more, [])
  assert.strictEqual(row.outcome, "suppressed")
  assert.match(row.summary, says)
  assert.deepEqual(told.rows("llm.failed", "task.step_retried"), [])
  assert.strictEqual(told.types.at(-1), "task.failed")
  assert.deepEqual(await story.host.sql`select 1 from work where trace_id = ${told.trace.trace_id}`, [])
}

describe("a task is stopped", () => {
  it("after so many decisions", () =>
    within({ bounds: { steps: 2 } }, async (story) => {
      const told = await story.say("watch the oven", look, look, look)
      await isStopped(story, told, /it has decided 2 times/, "llm.bounds.steps")
      assert.strictEqual(story.model.requests.length, 2)
      assert.deepEqual(told.steps, [
        "decide succeeded",
        "oven.look succeeded",
        "decide succeeded",
        "oven.look succeeded",
        "decide failed"
      ])
      // An operator who tries again without raising it hears the same.
      await story.post(`/tasks/${told.task.task_id}/retry`)
      assert.strictEqual((await story.reached(told.trace, "failed")).reply, told.reply)
      assert.strictEqual(story.model.requests.length, 2)
    }))

  it("after so many tokens", () =>
    within({ budget: { perTraceTokens: 20_000 } }, async (story) => {
      const usage = { prompt_tokens: 9_900, completion_tokens: 100 }
      const told = await story.say("watch the oven", { ...look, usage }, { ...look, usage }, look)
      await isStopped(story, told, /20,000 of 20,000 tokens are used by this trace/, "llm.budget.perTraceTokens")
      assert.strictEqual(story.model.requests.length, 2)
    }))

  it("after so many tokens of its trace, whichever task used them", () =>
    within({ budget: { perTraceTokens: 20_000 } }, async (story) => {
      const usage = { prompt_tokens: 19_900, completion_tokens: 100 }
      const errand = { call: { tool: "errand.run", input: { text: "do it for me" } }, usage }
      // Settled is the trace when what its task had done by others has ended, too.
      const { trace } = await story.say("I would rather not", errand, errand, errand)
      assert.strictEqual(trace.tasks.length, 2)
      for (const task of trace.tasks) {
        assert.strictEqual(task.error.code, "llm.budget_exceeded", JSON.stringify(task))
        assert.match(task.error.message, /20,000 of 20,000 tokens are used by this trace/)
      }
      assert.strictEqual(story.model.requests.length, 1)
    }))

  it("after so much money", () =>
    within({ bounds: { usd: 0.2 }, price: { inputPerMillion: 1_000, outputPerMillion: 1_000 } }, async (story) => {
      const told = await story.say("watch the oven", look, look, look)
      await isStopped(story, told, /it has cost \$0\.2200/, "llm.bounds.usd")
      assert.strictEqual(story.model.requests.length, 2)
      assert.closeTo(told.task.steps[0].checkpoint.usage.usd, 0.11, 1e-9)
    }))

  it("after so many seconds of work, in which waiting does not count", () =>
    within({ bounds: { seconds: 1 } }, async (story) => {
      const slow = (answer: ScriptedAnswer) => async () => {
        await moment(600)
        return answer
      }
      const wait = { call: { tool: "syris.wait", input: { seconds: 2 } } }
      const told = await story.reached(await story.begin("watch the oven", slow(wait), slow(look), look), "failed")
      await isStopped(story, told, /it has worked for 1 s/, "llm.bounds.seconds")
      assert.strictEqual(story.model.requests.length, 2)
      assert.include(told.steps, "oven.look succeeded")
      assert.isAtLeast(told.task.steps[0].checkpoint.usage.ms, 550)
    }))

  it("by nothing when it takes its time between two tries", () =>
    within({ bounds: { seconds: 1 } }, async (story) => {
      const failed = await story.say("nobody there", { status: 401 })
      story.host.clock.advance("1 hour")
      story.model.add({ text: "Here I am." })
      await story.post(`/tasks/${failed.task.task_id}/retry`)
      assert.strictEqual((await story.reached(failed.trace, "succeeded")).reply, "Here I am.")
    }))
})

describe("a model that goes round in circles", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory()
  })
  afterAll(() => story.end())

  const isCaught = (told: Told, says: RegExp) => {
    assert.strictEqual(told.outcome, "failed")
    assert.strictEqual(told.task.error.code, "llm.repeats")
    assert.match(told.reply ?? "", says)
    assert.match(told.rows("llm.failed")[0].summary, says)
    assert.deepEqual(told.rows("task.step_retried"), [])
    assert.isTrue(told.trace.settled)
  }

  it("is stopped at the third call that is like the two before it, and hears of it when the operator tries again", async () => {
    const before = story.house.done.length
    const told = await story.say("how many cups", count, count, count)
    isCaught(told, /chose the same call 3 times in a row with the same result each time, and was stopped/)
    assert.strictEqual(story.house.done.length, before + 2)
    story.model.add({ text: "3 cups, I said." })
    await story.post(`/tasks/${told.task.task_id}/retry`)
    assert.strictEqual((await story.reached(told.trace, "succeeded")).reply, "3 cups, I said.")
    assert.match(story.question(), /do something else, or say that it can't be done/)
    assert.strictEqual(story.house.done.length, before + 2)
  })

  it("is stopped where the circle has several calls", async () => {
    const told = await story.say("round and round", count, brew, count, brew, count)
    isCaught(told, /went round the same 2 calls 3 times in a row/)
  })

  it("is stopped where the call is refused each time", async () => {
    const pour: ScriptedAnswer = { call: { tool: "milk.pour", input: {} } }
    isCaught(await story.say("milk, now", pour, pour, pour), /chose the same call 3 times/)
  })

  it("may look at what changes as often as it likes", async () => {
    const told = await story.say("tell me when it is warm", look, look, look, look, look, { text: "It is warm." })
    assert.strictEqual(told.outcome, "succeeded")
    assert.strictEqual(told.steps.filter((step) => step === "oven.look succeeded").length, 5)
  })
})

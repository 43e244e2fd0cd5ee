/**
 * Done when 4: whatever goes wrong with a model ends in a retry or in a clear failure, never in a lost task.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { ScriptedAnswer } from "syris/testing"
import { type ManyStories, manyStories, type ModelStory, modelStory } from "./ModelStory.ts"

interface Case {
  readonly name: string
  readonly answer: ScriptedAnswer
  /** Of the error. */
  readonly code: string
  /** What a person is told when it goes on for ever. */
  readonly says: RegExp
  /** What the model is told, where it can do something about it. */
  readonly told?: RegExp
  /** The longest delay before the second question that the server did not ask for: 500 ms. */
  readonly afterMs?: number
  /** Asked again does not help. */
  readonly final?: true
}

const cases: ReadonlyArray<Case> = [
  {
    name: "broken arguments",
    answer: { arguments: "{\"size\": ", tool: "coffee.brew" },
    code: "llm.invalid",
    says: /The model's answer can't be used: The arguments for "coffee.brew" can't be read/,
    told: /could not be used. The arguments for .+coffee.brew.+ is not valid JSON/
  },
  {
    name: "a decision that is broken JSON",
    answer: { raw: "{\"action\": \"call\", \"tool\": " },
    code: "llm.invalid",
    says: /begins like JSON/,
    told: /write one JSON object alone, or plain text/
  },
  {
    name: "a decision in JSON that is none",
    answer: { raw: "{\"action\": \"explode\"}" },
    code: "llm.invalid",
    says: /must be one object whose "action" is/,
    told: /call the tools you were offered/
  },
  { name: "an empty answer", answer: { text: "" }, code: "llm.invalid", says: /empty/, told: /your answer was empty/i },
  {
    name: "an unknown tool",
    answer: { call: { tool: "coffee.brewed", input: {} } },
    code: "llm.invalid",
    says: /There is no tool "coffee.brewed"; did you mean "coffee.brew"\?/,
    told: /did you mean .+coffee.brew/
  },
  {
    name: "a wrong input",
    answer: { call: { tool: "coffee.brew", input: { size: "huge" } } },
    code: "llm.invalid",
    says: /The input of coffee.brew is wrong\..*size/,
    told: /The input of coffee.brew is wrong/
  },
  {
    name: "429",
    answer: { status: 429, headers: { "retry-after": "1" }, body: { error: { message: "slow down" } } },
    code: "llm.rate_limited",
    says: /takes no more for now \(429\): slow down/,
    afterMs: 1_000
  },
  {
    name: "500",
    answer: { status: 500, body: { error: { message: "kaputt" } } },
    code: "llm.unavailable",
    says: /can't answer for now \(500\): kaputt/
  },
  { name: "a cut stream", answer: { cut: true }, code: "llm.cut", says: /was cut: .*Nothing of it was used/ },
  {
    name: "an answer that is too long for the server",
    answer: { text: "abc", finish: "length" },
    code: "llm.cut",
    says: /length limit/
  },
  {
    name: "a hung model",
    answer: { hang: true },
    code: "llm.silent",
    says: /sent nothing for 2 seconds. See llm.silence/
  },
  {
    name: "a model that hangs in its answer",
    answer: { hang: true, begun: true },
    code: "llm.silent",
    says: /sent nothing/
  },
  {
    name: "more calls than are taken",
    answer: { calls: Array.from({ length: 50 }, () => ({ tool: "shelf.count", input: {} })) },
    code: "llm.too_large",
    says: /more than 16 calls/,
    told: /It was too large: .*more than 16 calls/
  },
  {
    name: "a wrong key",
    answer: { status: 401, body: { error: { message: "who are you" } } },
    code: "llm.refused",
    says: /refused the request \(401\): who are you\. Check llm.apiKey/,
    final: true
  },
  {
    name: "a server that is none",
    answer: { stream: "<html>hello</html>", type: "text/html" },
    code: "llm.invalid",
    says: /Check llm.baseURL/,
    final: true
  }
]

/** Questions of one step: as often as a wrong answer is tried again. */
const attempts = 4

describe("a model that fails", () => {
  let story: ModelStory
  let many: ManyStories
  beforeAll(async () => {
    story = await modelStory({ llm: { silence: "2 seconds", timeout: "10 seconds" } })
    many = manyStories(story)
    // All at the same time: they spend it waiting.
    for (const { answer, name } of cases) {
      many.tell(`${name} once`, [answer, { call: { tool: "shelf.count", input: {} } }, { text: "3 cups." }])
      many.tell(`${name} for ever`, Array.from({ length: 20 }, () => answer))
    }
    await many.all()
  }, 90_000)
  afterAll(() => story.end())

  for (const { afterMs = 0, code, final, name, says, told: corrected } of cases) {
    if (final === undefined) {
      it(`${name} once is tried again, and then all is well`, async () => {
        const text = `${name} once`
        const told = await many.told(text)
        assert.strictEqual(told.outcome, "succeeded")
        assert.strictEqual(told.reply, "3 cups.")
        assert.deepEqual(told.steps, ["decide succeeded", "shelf.count succeeded", "decide succeeded"])
        const [failure, ...more] = told.rows("llm.failed")
        assert.deepEqual(more, [])
        assert.strictEqual(failure.data.error.code, code)
        const [retried] = told.rows("task.step_retried")
        assert.isAtLeast(retried.data.delay_ms, Math.max(afterMs, 400))
        assert.isAtMost(retried.data.delay_ms, Math.max(afterMs, 500))
        assert.strictEqual(told.task.steps[0].attempt, 1)
        assert.isUndefined(told.task.steps[0].error)
        assert.strictEqual(told.task.steps[0].checkpoint.usage.calls, 2)
        const questions = many.asked(text)
        assert.strictEqual(questions.length, 3)
        const second = JSON.stringify(questions[1]?.body.messages)
        if (corrected === undefined) assert.notInclude(second, "could not be used")
        else assert.match(second, corrected)
        // What was wrong once is not held against it later.
        assert.notInclude(JSON.stringify(questions[2]?.body.messages), "could not be used")
        assert.strictEqual(told.rows("llm.step_decided").length, 2)
        assert.include(told.types, "tool_call.attempted")
      })
    }

    it(`${name} for ever ends the task, which says why`, async () => {
      const text = `${name} for ever`
      const told = await many.told(text)
      assert.strictEqual(told.outcome, "failed")
      assert.strictEqual(told.task.status, "failed")
      assert.strictEqual(told.task.error.code, code)
      assert.match(told.task.error.message, says)
      assert.match(told.reply ?? "", says)
      assert.include(told.reply ?? "", `${told.task.name} failed at decide`)
      assert.deepEqual(told.steps, ["decide failed"])
      assert.strictEqual(told.types.at(-1), "task.failed")
      assert.strictEqual(many.asked(text).length, final === undefined ? attempts : 1)
      assert.strictEqual(told.rows("llm.failed").length, many.asked(text).length)
      assert.strictEqual(told.rows("task.step_retried").length, many.asked(text).length - 1)
      assert.deepEqual(told.calls, [])
      assert.isTrue(told.trace.settled)
      assert.deepEqual(await story.host.sql`select 1 from work where trace_id = ${told.trace.trace_id}`, [])
    })
  }

  it("is told what was wrong, and not what was wrong with others", () => {
    const question = JSON.stringify(many.asked("an unknown tool for ever").at(-1)?.body.messages)
    assert.strictEqual(question.match(/could not be used/g)?.length, attempts - 1)
    assert.notInclude(question, "The arguments")
  })
})

describe("a task that its model left", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory()
  })
  afterAll(() => story.end())

  const down: ScriptedAnswer = { status: 401 }

  it("goes on where it failed when the operator wants it to, and repeats nothing", async () => {
    const failed = await story.say(
      "coffee, then the oven",
      { calls: [{ tool: "coffee.brew", input: { size: "large" } }, { tool: "milk.pour", input: {} }] },
      down
    )
    assert.strictEqual(failed.outcome, "failed")
    const steps = ["decide succeeded", "coffee.brew succeeded", "milk.pour failed"]
    assert.deepEqual(failed.steps, [...steps, "decide failed"])
    const questions = story.model.requests.length
    story.model.add({ call: { tool: "oven.bake", input: {} } }, { text: "Both are done." })
    const { body, status } = await story.post(`/tasks/${failed.task.task_id}/retry`)
    assert.strictEqual(status, 200, JSON.stringify(body))
    const told = await story.reached(failed.trace, "succeeded")
    assert.strictEqual(told.reply, "Both are done.")
    assert.deepEqual(told.steps, [...steps, "decide succeeded", "oven.bake succeeded", "decide succeeded"])
    assert.deepEqual(story.house.done, ["coffee.brew large", "oven.bake"])
    assert.strictEqual(story.model.requests.length, questions + 2)
    assert.include(told.types, "task.retried")
    assert.include(story.question(1), "There is no milk.")
  })

  it("fails again with the same words where nothing has changed", async () => {
    const failed = await story.say("still nobody there", down)
    story.model.add(down)
    await story.post(`/tasks/${failed.task.task_id}/retry`)
    const told = await story.reached(failed.trace, "failed")
    assert.strictEqual(told.reply, failed.reply)
  })
})

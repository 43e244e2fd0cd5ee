/**
 * Done when 1 and 2: what is said in a thread is known to what is said next in it, and nowhere else; a line that may mean
 * several things leads to one tool that there is; a question is answered where it was asked, and its own task goes on.
 */
import * as fs from "node:fs"
import type { ModelRequest, ScriptedAnswer } from "syris/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import webhook from "../../plugins/webhook/index.ts"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { type ModelStory, modelStory } from "./ModelStory.ts"

const chat = (text: string, thread_id?: string) => ({
  channel: "chat",
  text,
  ...(thread_id === undefined ? {} : { thread_id })
})

describe("two messages that belong together", () => {
  // Longer than the name of a task, so that nothing but the thread tells its end.
  const first =
    "About the party in the garden on Sunday, of which we spoke in the spring: it is Ann who brings the cake"
  const second = "so who brings it?"

  /** Knows what it reads, and nothing else. */
  const remembers = ({ body }: ModelRequest): ScriptedAnswer => {
    const read = JSON.stringify(body.messages)
    return { text: read.includes("it is Ann who brings the cake") ? "Ann brings it." : "I can't know that." }
  }

  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory({ plugins: [webhook()] })
    await story.say(chat(first, "party"), { text: "I will set a plate for the cake." })
  })
  afterAll(() => story.end())

  const context = async (trace_id: string) => (await story.get(`/llm/context?trace_id=${trace_id}`)).completions

  it("in one thread: the second is asked about with the first and its answer, and the reply depends on it", async () => {
    const told = await story.say(chat(second, "party"), remembers)
    assert.strictEqual(told.reply, "Ann brings it.")
    const [asked, ...more] = await context(told.trace.trace_id)
    assert.deepEqual(more, [])
    const sent = JSON.stringify(asked.messages)
    for (const words of [first, "I will set a plate for the cake.", second]) assert.include(sent, words)
    // What the operator reads is what the model read.
    assert.deepEqual(
      asked.messages.at(-1).content,
      story.model.requests.at(-1)?.body.messages?.at(-1)?.["content"]
    )
    assert.isAbove(asked.parts.find((part: any) => part.part === "thread").tokens, 0)
    // Said once: the message itself is no part of what came before it.
    assert.strictEqual(sent.split(second).length, 2)
  })

  const elsewhere: ReadonlyArray<readonly [where: string, event: { readonly channel: string; readonly text: string }]> =
    [
      ["in no thread", chat(second)],
      ["in another thread", chat(second, "office")],
      ["in a thread of the same name on another channel", { ...chat(second, "party"), channel: "webhook" }]
    ]
  for (const [where, event] of elsewhere) {
    it(`${where}: the second is asked about without the first`, async () => {
      const told = await story.say(event, remembers)
      assert.strictEqual(told.reply, "I can't know that.")
      const [asked] = await context(told.trace.trace_id)
      for (const words of [first, "I will set a plate"]) assert.notInclude(JSON.stringify(asked), words)
    })
  }
})

describe("a line that may mean several things", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory()
  })
  afterAll(() => story.end())

  it("leads to a tool that there is, by way of one that there is not", async () => {
    const told = await story.say(
      "something hot would be nice",
      { call: { tool: "tea.make", input: { leaves: "green" } } },
      { call: { tool: "coffee.brew", input: { size: "small" } } },
      { text: "There is no tea, so it is coffee." }
    )
    const [, again, last] = story.model.requests.slice(-3).map(({ body }) => JSON.stringify(body.messages))
    assert.match(again ?? "", /There is no tool \\+"tea.make/)
    assert.notInclude(last, "tea.make")
    assert.deepEqual(told.rows("llm.failed").map((row) => row.data.error.code), ["llm.invalid"])
    assert.deepEqual(told.steps, ["decide succeeded", "coffee.brew succeeded", "decide succeeded"])
    assert.deepEqual(told.calls, ["coffee.brew succeeded"])
    assert.deepEqual(story.house.done, ["coffee.brew small"])
    assert.strictEqual(told.reply, "There is no tea, so it is coffee.")
  })
})

describe("a question that the model asks", () => {
  const home = folder("threads")
  let database: OwnDatabase
  let story: ModelStory
  const start = async () => {
    story = await modelStory({ home, databaseUrl: database.url })
  }
  beforeAll(async () => {
    database = await makeDatabase()
    await start()
  })
  afterAll(async () => {
    await story.end()
    await database.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const asks = (question: string): ScriptedAnswer => ({ call: { tool: "syris.ask", input: { question } } })
  const tasks = async () => (await database.query("select 1 from tasks")).length
  /** What the model was told last that the person answered. */
  const heard = () => story.model.requests.at(-1)?.body.messages?.at(-1)?.["content"]

  it("is answered in its thread, also by another life of the host, and its task goes on: there is no second one", async () => {
    const asked = await story.say(chat("a coffee, please", "kitchen"), asks("Small or large?"))
    assert.strictEqual(asked.reply, "Small or large?")
    assert.strictEqual(asked.task.waits_for, "answer")
    const before = await tasks()
    await story.end()
    await start()
    const answered = await story.say(
      chat("the large one", "kitchen"),
      { call: { tool: "coffee.brew", input: { size: "large" } } },
      { text: "One large coffee." }
    )
    assert.deepEqual(answered.calls, ["task.answer succeeded"])
    assert.strictEqual(answered.trace.tool_calls[0].output.task_id, asked.task.task_id)
    const told = await story.reached(asked.trace, "succeeded")
    assert.strictEqual(told.task.task_id, asked.task.task_id)
    assert.strictEqual(told.reply, "One large coffee.")
    assert.deepEqual(story.house.done, ["coffee.brew large"])
    assert.strictEqual(await tasks(), before)
  })

  it("of two tasks at once, each in its own thread: each gets its own answer, and a third thread answers neither", async () => {
    const red = await story.say(chat("paint the gate", "gate"), asks("Which colour has the gate?"))
    const blue = await story.say(chat("paint the shed", "shed"), asks("Which colour has the shed?"))
    const other = await story.say(chat("blue", "roof"), { text: "Blue what?" })
    assert.deepEqual(other.calls, [])
    for (const { trace } of [red, blue]) assert.strictEqual((await story.read(trace)).task.waits_for, "answer")
    // The older question is answered first.
    for (const [thread, asked] of [["gate", red], ["shed", blue]] as const) {
      await story.say(chat(`the colour of the ${thread}`, thread), { text: `The ${thread} is painted.` })
      const told = await story.reached(asked.trace, "succeeded")
      assert.strictEqual(told.reply, `The ${thread} is painted.`)
      assert.deepEqual(told.task.steps[1].output, { answer: `the colour of the ${thread}` })
      assert.include(heard(), `the colour of the ${thread}`)
    }
  })

  it("of two tasks in one thread: the one that asked last is answered first, and the reply says which it is", async () => {
    const { promise: thought, resolve: letGo } = Promise.withResolvers<void>()
    const count = story.model.requests.length
    const newer = await story.begin(chat("wax the bike", "drive"), () => thought.then(() => asks("Which bike?")))
    await story.model.arrived(count + 1)
    const older = await story.say(chat("wash the car", "drive"), asks("Inside, too?"))
    letGo()
    await story.reached(newer, "waiting")
    const first = await story.say(chat("the old one", "drive"), { text: "Waxed." })
    assert.match(first.reply ?? "", /wax the bike goes on/)
    assert.deepEqual((await story.reached(newer, "succeeded")).task.steps[1].output, { answer: "the old one" })
    assert.strictEqual((await story.read(older.trace)).task.waits_for, "answer")
    const second = await story.say(chat("yes, inside", "drive"), { text: "Washed." })
    assert.match(second.reply ?? "", /wash the car goes on/)
    assert.deepEqual((await story.reached(older.trace, "succeeded")).task.steps[1].output, { answer: "yes, inside" })
  })

  it("is not answered by words that were meant for the one before it", async () => {
    const asked = await story.say(chat("book a table", "diner"), asks("For how many?"))
    const [, first] = asked.task.steps
    await story.say(chat("four", "diner"), asks("Inside or outside?"))
    const again = await story.reached(asked.trace, "waiting")
    const [, , , second] = again.task.steps
    // A host that was killed hands over what it had routed before: to the question of that time.
    const late = { task_id: asked.task.task_id, answer: "four of us" }
    const handOver = async (step_id: string) => {
      const { body } = await story.post("/tasks", {
        name: "late",
        steps: [{ name: "late", tool: "task.answer", input: { ...late, step_id } }]
      })
      return body
    }
    const told = await story.reached(await handOver(first.step_id), "failed")
    assert.match(told.reply ?? "", /not open any more/)
    assert.strictEqual((await story.read(asked.trace)).task.waits_for, "answer")
    // The control: by the open question's own id it is taken.
    story.model.add({ text: "Booked." })
    await handOver(second.step_id)
    assert.strictEqual((await story.reached(asked.trace, "succeeded")).reply, "Booked.")
  })
})

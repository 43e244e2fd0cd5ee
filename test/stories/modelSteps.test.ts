/**
 * A question to a model among the steps of a list: it sees what the list did before it, what it chooses runs in its place,
 * and the list goes on after it.
 */
import type { ModelRequest } from "syris/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { isAbout, type ModelStory, modelStory } from "./ModelStory.ts"

describe("a list of steps with a question to a model in it", () => {
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory()
  })
  afterAll(() => story.end())

  const decide = (intent: string, tools?: ReadonlyArray<string>) => ({
    name: "think",
    kind: "llm_decide",
    input: { intent, ...(tools === undefined ? {} : { tools }) }
  })
  const brew = (size: string, note: string) => ({ name: note, tool: "coffee.brew", input: { size, note } })
  const calls = (...all: ReadonlyArray<readonly [string, object]>) => ({
    calls: all.map(([tool, input]) => ({ tool, input }))
  })
  /** Posts a list, waits until the task has ended, and reads its trace. */
  const run = async (steps: ReadonlyArray<unknown>) => {
    const { body, status } = await story.post("/tasks", { name: "breakfast", steps })
    assert.strictEqual(status, 201, JSON.stringify(body))
    return story.reached(body, "succeeded")
  }
  const doneSince = (from: number) => story.house.done.slice(from)
  /** Steps in the order in which they began. */
  const order = (task: any): ReadonlyArray<string> =>
    task.steps.toSorted((a: any, b: any) => a.started_at.localeCompare(b.started_at) || a.position - b.position)
      .map((step: any) => step.name)

  it("runs what the model chooses before what comes after it in the list", async () => {
    const from = story.house.done.length
    story.model.add(
      calls(["coffee.brew", { size: "small", note: "second" }], ["shelf.count", {}]),
      calls(["coffee.brew", { size: "large", note: "third" }]),
      { text: "That was breakfast." }
    )
    const told = await run([brew("small", "first"), decide("make breakfast"), brew("small", "last")])
    assert.deepEqual(doneSince(from).filter((one) => one !== "shelf.count"), [
      "coffee.brew small first",
      "coffee.brew small second",
      "coffee.brew large third",
      "coffee.brew small last"
    ])
    assert.deepEqual(order(told.task), [
      "first",
      "think",
      "coffee.brew",
      "shelf.count",
      "think",
      "coffee.brew",
      "think",
      "last"
    ])
    assert.strictEqual(told.task.kind, "steps")
    assert.strictEqual(told.outcome, "succeeded")
    assert.deepEqual(new Set(told.steps.map((step) => step.split(" ").at(-1))), new Set(["succeeded"]))
  })

  it("tells the model what the list did before, and nothing that came of other questions' own talk", async () => {
    story.model.add(calls(["shelf.count", {}]), { text: "Three." }, { text: "Enough." })
    await run([brew("large", "before"), decide("count the cups"), decide("are these enough?")])
    // Without what the host knows of other tasks.
    const [first, , second] = story.model.requests.slice(-3).map(({ body }) =>
      (body.messages ?? []).filter(({ content }) => !String(content).startsWith("What this host knows."))
    )
    assert.deepEqual(first?.map(({ role }) => role), ["system", "user", "user"])
    assert.match(
      first?.[2]?.["content"],
      /done already.*coffee\.brew\nstatus: succeeded\noutput: .*Brewed a large coffee/s
    )
    assert.deepEqual(second?.map(({ role }) => role), ["system", "user", "user"])
    assert.strictEqual(second?.[1]?.["content"], "are these enough?")
    assert.match(second?.[2]?.["content"], /coffee\.brew.*shelf\.count.*think\nstatus: succeeded\noutput: .*Three\./s)
  })

  it("offers the model the tools that the step names, and refuses others", async () => {
    story.model.add(calls(["coffee.brew", { size: "small" }]), { text: "I may only count." })
    const told = await run([decide("coffee!", ["shelf.count", "task.cancel", "task.answer"])])
    assert.deepEqual([...story.offered()].sort(), ["shelf_count", "syris_ask", "syris_wait"])
    assert.deepEqual(told.calls, [])
    assert.match(told.rows("llm.failed")[0].summary, /There is no tool "coffee.brew"/)
  })

  it("waits in its place", async () => {
    const from = story.house.done.length
    story.model.add(calls(["syris.wait", { seconds: 1 }]), calls(["shelf.count", {}]), { text: "Three." })
    const told = await run([decide("count in a second"), brew("small", "after")])
    assert.deepEqual(doneSince(from), ["shelf.count", "coffee.brew small after"])
    assert.deepEqual(order(told.task), ["think", "wait", "think", "shelf.count", "think", "after"])
  })

  it("tells the model of a call that failed or was refused, and goes on", async () => {
    const from = story.house.done.length
    story.model.add(calls(["milk.pour", {}], ["door.unlock", {}]), { text: "Neither." })
    const steps = [decide("milk at the door"), brew("small", "after all")]
    const { body } = await story.post("/tasks", { name: "breakfast", steps })
    await story.decide(body, "deny")
    const told = await story.reached(body, "succeeded")
    assert.deepEqual(told.steps, [
      "think succeeded",
      "after all succeeded",
      "milk.pour failed",
      "door.unlock failed",
      "think succeeded"
    ])
    assert.match(story.question(), /There is no milk.*was denied by operator/)
    assert.deepEqual(doneSince(from), ["coffee.brew small after all"])
    // What the list has last is what is said of it.
    assert.strictEqual(told.reply, "Brewed a small coffee.")
  })

  it("is answered by the model where the question comes last", async () => {
    story.model.add(calls(["shelf.count", {}]), { text: "Three cups are left." })
    const told = await run([brew("small", "one"), decide("what is left?")])
    assert.strictEqual(told.reply, "Three cups are left.")
    assert.deepEqual(told.task.output, { answer: "Three cups are left." })
  })

  it("done on by the operator repeats nothing that the model chose and heard of", async () => {
    const from = story.house.done.length
    story.model.add(calls(["milk.pour", {}], ["shelf.count", {}]), { status: 401 })
    const { body } = await story.post("/tasks", { name: "breakfast", steps: [decide("milk"), brew("small", "then")] })
    const failed = await story.reached(body, "failed")
    assert.deepEqual(failed.steps, [
      "think succeeded",
      "then skipped",
      "milk.pour failed",
      "shelf.count succeeded",
      "think failed"
    ])
    story.model.add({ text: "No milk." })
    await story.post(`/tasks/${failed.task.task_id}/retry`)
    const told = await story.reached(body, "succeeded")
    assert.deepEqual(told.steps.slice(1), [
      "then succeeded",
      "milk.pour failed",
      "shelf.count succeeded",
      "think succeeded"
    ])
    assert.deepEqual(doneSince(from), ["shelf.count", "coffee.brew small then"])
  })

  it("may have several at the same time, each with a talk of its own", async () => {
    const from = story.house.done.length
    const answers = (note: string) => {
      let asked = 0
      return () => asked++ === 0 ? calls(["coffee.brew", { size: "small", note }]) : { text: `${note} is done` }
    }
    const each = new Map([["for Ann", answers("Ann")], ["for Bob", answers("Bob")]])
    const dispatch = (request: ModelRequest) =>
      [...each].find(([intent]) => isAbout(request, intent))?.[1]() ?? { status: 500 }
    story.model.add(dispatch, dispatch, dispatch, dispatch)
    const told = await run([[decide("for Ann"), decide("for Bob")], brew("large", "after")])
    assert.deepEqual(doneSince(from).slice(0, 2).sort(), ["coffee.brew small Ann", "coffee.brew small Bob"])
    assert.deepEqual(doneSince(from).slice(2), ["coffee.brew large after"])
    assert.deepEqual(
      told.task.steps.flatMap((step: any) => step.output?.answer ?? []).toSorted(),
      ["Ann is done", "Bob is done"]
    )
    for (const { body } of story.model.requests.slice(-4)) {
      const text = JSON.stringify(body.messages)
      assert.isFalse(text.includes("Ann") && text.includes("Bob"), text)
    }
  })
})

/**
 * Done when 4: of 300 tools a question is sent those that fit it, within the budgets of its parts; what was left out is said,
 * and what the model may not see at first it can still ask for.
 */
import { definePlugin, defineTool, Schema } from "syris"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { plainForm } from "../../core/llm/WireNames.ts"
import { type ModelStory, modelStory } from "./ModelStory.ts"

const done: Array<string> = []

const tool = (name: string, description: string) =>
  defineTool({
    name,
    description,
    input: Schema.Struct({
      target: Schema.String.annotate({ description: "Which one, by its name." }),
      amount: Schema.optionalKey(Schema.Finite.annotate({ description: "How much, in the unit that is usual for it." }))
    }),
    effect: "write",
    risk: "low",
    scopes: ["house"],
    run: () => void done.push(name)
  })

/** What the evening takes. */
const relevant = [
  ["lights.dim", "Dim the lights of a room."],
  ["curtains.close", "Close the curtains of a room."],
  ["projector.start", "Start the projector and lower its screen."],
  ["popcorn.make", "Make popcorn in the kitchen."],
  ["doorbell.mute", "Mute the doorbell for a while."]
] as const

const subjects = [
  "invoice",
  "parcel",
  "garden",
  "printer",
  "calendar",
  "mailbox",
  "backup",
  "camera",
  "router",
  "boiler"
]
const parts = ["archive", "ledger", "schedule", "folder", "sensor", "report"]
const verbs = ["list", "rename", "export", "verify", "reset"]
/** 295 that have nothing to do with it, before and after those that have. */
const others = subjects.flatMap((subject) =>
  parts.flatMap((part) =>
    verbs.map((verb) => [`${subject}.${verb}_${part}`, `Use it to ${verb} the ${part} of a ${subject}.`] as const)
  )
).slice(0, 295)

const house = definePlugin({
  name: "manor",
  setup: () => ({
    tools: [...others.slice(0, 200), ...relevant, ...others.slice(200)].map(([name, words]) => tool(name, words))
  })
})

describe("a host of 300 tools", () => {
  let story: ModelStory
  beforeAll(async () => {
    assert.strictEqual(others.length + relevant.length, 300)
    story = await modelStory({ plugins: [house()] })
  })
  afterAll(() => story.end())

  const contextOf = async (trace_id: string): Promise<any> =>
    (await story.get(`/llm/context?trace_id=${trace_id}`)).completions.at(-1)
  const names = relevant.map(([name]) => name)
  const wanted =
    "Film night: dim the lights, close the curtains, start the projector, make popcorn and mute the doorbell"

  it("offers the five that are meant, and lets them be called", async () => {
    const calls = names.map((name) => ({ tool: name, input: { target: "den" } }))
    const told = await story.say(wanted, { calls }, { text: "Enjoy the film." })
    assert.strictEqual(told.reply, "Enjoy the film.")
    assert.sameMembers(done, names)
    const first = story.model.requests[0]?.body.tools?.map((each) => each.function.name) ?? []
    assert.includeMembers(first, names.map(plainForm))
    // The control: it was not all of them.
    assert.isBelow(first.length, 200)
  })

  it("stays within the budget of each part and of all, and says what it left out", async () => {
    const asked = await contextOf((await story.say(wanted, { text: "Later, then." })).trace.trace_id)
    for (const { budget, part, tokens } of asked.parts) assert.isAtMost(tokens, budget, part)
    const sent = asked.parts.reduce((sum: number, { tokens }: any) => sum + tokens, 0)
    assert.isAtMost(sent, 16_000)
    // What is counted is what is sent, by a measure that is made here: three bytes for a token.
    const bytes = Buffer.byteLength(JSON.stringify(asked.tools))
    const { budget, left_out, tokens } = asked.parts.find(({ part }: any) => part === "tools")
    assert.isAtLeast(tokens, bytes / 3)
    assert.isAtMost(bytes / 3, budget)
    assert.isAtLeast(left_out, 100)
    assert.isAtLeast(asked.tools.length + left_out, 300)
    const text = JSON.stringify(asked.messages)
    assert.include(text, `You are offered ${asked.tools.length - 2} of ${asked.tools.length - 2 + left_out} tools`)
    // What the operator reads is what was sent.
    assert.deepEqual(
      asked.tools.map(({ name }: any) => plainForm(name)),
      story.model.requests.at(-1)?.body.tools?.map((each) => each.function.name)
    )
  })

  it("offers others to other words, and keeps what was called at hand", async () => {
    const [parcel] = others.find(([name]) => name === "parcel.export_report") ?? [""]
    const told = await story.say(
      "export the report of the parcel",
      { call: { tool: parcel, input: { target: "7" } } },
      { call: { tool: "syris.ask", input: { question: "What else?" } } }
    )
    const offered = story.offered()
    assert.include(offered, plainForm(parcel))
    for (const name of names.map(plainForm)) assert.notInclude(offered, name)
    // Others are looked for with the answer; the one that was called stays.
    await story.say("now mute the doorbell", { call: { tool: "doorbell.mute", input: { target: "front" } } }, {
      text: "Both are done."
    })
    assert.strictEqual((await story.reached(told.trace, "succeeded")).reply, "Both are done.")
    assert.includeMembers([...story.offered()], [parcel, "doorbell.mute"].map(plainForm))
  })
})

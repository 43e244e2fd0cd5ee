/** What servers make of the responses: whole without pieces, pieces without the whole, other names in each. */
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { AnswerDraft } from "./AnswerDraft.ts"
import type { Completion } from "./CompletionProvider.ts"
import { ResponsesReader } from "./ResponsesReader.ts"

const asked = { model: "asked", inputCharacters: () => 40 }

/** Reads these events; answers the completion and what was handed on. */
const read = (events: ReadonlyArray<object>, done = false) => {
  const heard: Array<string> = []
  const reader = new ResponsesReader((text) => text, (delta) => void heard.push(delta))
  for (const event of events) reader.take(JSON.stringify(event))
  return { ...reader.end(done, asked), heard }
}
const failure = (...args: Parameters<typeof read>): string => {
  try {
    return JSON.stringify(read(...args))
  } catch (error) {
    return `${(error as { code?: string }).code} ${(error as Error).message}`
  }
}

const completed = (output: unknown, more = {}) => ({
  type: "response.completed",
  response: { status: "completed", output, ...more }
})
const text = (words: string, more = {}) => ({
  type: "message",
  content: [{ type: "output_text", text: words }],
  ...more
})
const call = (more = {}) => ({ type: "function_call", call_id: "c1", name: "a_b", arguments: "{\"x\":1}", ...more })
const delta = (words: string, more = {}) => ({ type: "response.output_text.delta", delta: words, ...more })

describe("a response", () => {
  const once: ReadonlyArray<readonly [string, ReadonlyArray<object>]> = [
    ["as pieces and as a whole", [
      delta("He", { item_id: "m", output_index: 1 }),
      delta("llo", { item_id: "m", output_index: 1 }),
      { type: "response.output_item.done", output_index: 1, item: text("Hello", { id: "m" }) },
      completed([text("Hello", { id: "m" })])
    ]],
    ["only as a whole", [completed([text("Hello")])]],
    ["as one item", [{ type: "response.output_item.done", item: text("Hello") }, completed([])]],
    ["with another name in each event", [
      delta("Hello", { item_id: "m", output_index: 2 }),
      { type: "response.output_item.done", item: text("Hello", { id: "other" }), output_index: 2 },
      completed([text("Hello", { id: "third" })])
    ]],
    ["without any name", [
      delta("Hello"),
      { type: "response.output_item.done", item: text("Hello") },
      completed([text("Hello")])
    ]]
  ]
  it.each(once)("that has its text %s has it once", (_, events) => {
    const { heard, ...completion } = read(events)
    assert.deepInclude(completion, { text: "Hello", finish: "stop" })
    assert.strictEqual(heard.join(""), "Hello")
  })

  const added = { type: "response.output_item.added", output_index: 0, item: call({ id: "f", arguments: "" }) }
  const called: ReadonlyArray<readonly [string, ReadonlyArray<object>]> = [
    ["as pieces and as a whole", [
      added,
      { type: "response.function_call_arguments.delta", item_id: "f", delta: "{\"x\"" },
      { type: "response.function_call_arguments.delta", item_id: "f", delta: ":1}" },
      { type: "response.function_call_arguments.done", item_id: "f", arguments: "{\"x\":1}" },
      { type: "response.output_item.done", output_index: 0, item: call({ id: "f" }) },
      completed([call({ id: "f" })])
    ]],
    ["only as a whole", [completed([call()])]],
    ["as one item", [{ type: "response.output_item.done", output_index: 0, item: call() }, completed([])]],
    ["without pieces", [
      added,
      { type: "response.function_call_arguments.done", output_index: 0, arguments: "{\"x\":1}" },
      completed([call({ id: "other" })])
    ]]
  ]
  it.each(called)("that has a call %s has it once", (_, events) => {
    assert.deepInclude(
      read(events),
      {
        text: undefined,
        finish: "tool_calls",
        calls: [{ id: "c1", tool: "a_b", arguments: "{\"x\":1}" }]
      } satisfies Partial<Completion>
    )
  })

  it.each<readonly [string, ReadonlyArray<object>]>([
    ["whole, without names", [completed([call({ id: null }), call({ id: null, call_id: "c2", name: "b" })])]],
    ["as items at one place", [
      { type: "response.output_item.done", output_index: 0, item: call({ id: null }) },
      { type: "response.output_item.done", output_index: 0, item: call({ id: null, call_id: "c2", name: "b" }) },
      completed([])
    ]],
    ["in pieces at one place", [
      added,
      { type: "response.function_call_arguments.delta", item_id: "f", output_index: 0, delta: "{\"x\":1}" },
      { ...added, item: call({ id: "g", call_id: "c2", name: "b", arguments: "" }) },
      { type: "response.function_call_arguments.delta", item_id: "g", output_index: 0, delta: "{\"x\":" },
      { type: "response.function_call_arguments.delta", item_id: "g", output_index: 0, delta: "1}" },
      completed([])
    ]],
    ["in pieces without names", [
      { type: "response.output_item.added", item: call({ arguments: "" }) },
      { type: "response.function_call_arguments.delta", delta: "{\"x\"" },
      { type: "response.function_call_arguments.delta", delta: ":1}" },
      { type: "response.output_item.added", item: call({ call_id: "c2", name: "b", arguments: "" }) },
      { type: "response.function_call_arguments.delta", delta: "{\"x\":1}" },
      completed([])
    ]]
  ])("that has two calls %s has both", (_, events) => {
    assert.deepEqual(read(events).calls, [
      { id: "c1", tool: "a_b", arguments: "{\"x\":1}" },
      { id: "c2", tool: "b", arguments: "{\"x\":1}" }
    ])
  })

  it("that has a call whose end names it otherwise has it once", () => {
    const end = { type: "response.output_item.done", output_index: 0, item: call({ id: "g", call_id: "other" }) }
    assert.deepEqual(read([added, end, completed([])]).calls, [{ id: "c1", tool: "a_b", arguments: "{\"x\":1}" }])
  })

  it("that has two texts without names has both", () => {
    assert.strictEqual(read([completed([text("One. ", { id: null }), text("Two.", { id: null })])]).text, "One. Two.")
  })

  it("keeps its thoughts to itself, and does not mind the tools that come back with it", () => {
    const tools = Array.from({ length: 300 }, (_, i) => ({
      name: `t${i}`,
      parameters: { properties: Object.fromEntries(Array.from({ length: 50 }, (_, k) => [`p${k}`, {}])) }
    }))
    const { heard, text: words } = read([
      { type: "response.created", response: { model: "m", tools } },
      { type: "response.reasoning_text.delta", delta: "secretly" },
      { type: "response.reasoning_summary_text.delta", delta: "quietly" },
      delta("Aloud."),
      { type: "something.new" },
      completed([{ type: "reasoning", summary: [{ text: "no" }] }], { tools })
    ])
    assert.deepEqual([words, heard], ["Aloud.", ["Aloud."]])
  })

  it("that is a refusal has it as its text, once and at its end", () => {
    const { heard, text: words } = read([
      { type: "response.refusal.delta", delta: "I " },
      { type: "response.refusal.delta", delta: "won't." },
      completed([{ type: "message", content: [{ type: "refusal", refusal: "I won't." }] }])
    ])
    assert.deepEqual([words, heard], ["I won't.", ["I won't."]])
  })

  it.each<readonly [string, ReadonlyArray<object>, string]>([
    ["nothing", [], "llm.cut"],
    ["no end", [delta("He")], "llm.cut"],
    ["no output", [{ type: "response.completed", response: { status: "completed" } }], "llm.invalid"],
    ["an incomplete one", [{ type: "response.incomplete", response: { status: "incomplete" } }], "llm.cut"],
    ["a failed one", [{ type: "response.failed", response: { status: "failed", error: null } }], "llm.unavailable"],
    [
      "a failed one with a reason",
      [{ type: "response.failed", response: { error: { code: "rate_limit_exceeded", message: "slow" } } }],
      "llm.rate_limited The model's server takes no more for now (429): slow."
    ],
    ["a refused one", [{ type: "error", code: "invalid_prompt", message: "no" }], "llm.refused"],
    ["a canceled one", [completed([text("x")], { status: "cancelled" })], "llm.cut"]
  ])("%s fails", (_, events, expected) => assert.include(failure(events), expected))

  it("that ends with [DONE] alone is whole", () => assert.strictEqual(read([delta("Hi.")], true).finish, "unknown"))
})

describe("the pieces of a text", () => {
  const draft = (pieces: ReadonlyArray<string>) => {
    const heard: Array<string> = []
    const made = new AnswerDraft((delta) => void heard.push(delta))
    for (const piece of pieces) made.addText(piece)
    return { text: made.completion(asked, "stop").text ?? "", heard }
  }

  it("are the text, each of them whole characters, wherever the stream is cut", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary", maxLength: 3 }),
      fc.constantFrom("\ud83d", "\ude42", "\0", "a", "")
    )
    fc.assert(fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const { heard, text: words } = draft(pieces)
      assert.strictEqual(heard.join(""), words)
      assert.isTrue(heard.every((each) => each !== "" && each.isWellFormed() && !each.includes("\0")))
    }))
  })

  it("come with the piece that they are in", () => {
    assert.deepEqual(draft(["a", "b\ud83d", "\ude42", "c\ud83d"]).heard, ["a", "b", "🙂", "c", "\u{fffd}"])
  })
})

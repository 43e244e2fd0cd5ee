import * as fc from "fast-check"
import { Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { makeRedaction } from "../secrets/Redactor.ts"
import type { Completion } from "./CompletionProvider.ts"
import { type Decision, readDecision, withoutSecrets } from "./Decision.ts"
import { computedMs } from "../../test/Cpu.ts"

const offered = ["coffee.brew", "coffee.heat", "timer.set"].map((name) => ({ name, description: name, parameters: {} }))
type Answer = Pick<Completion, "text" | "calls">

const text = (text: string): Answer => ({ text, calls: [] })
const calls = (...made: ReadonlyArray<readonly [tool: string, json: string]>): Answer => ({
  text: undefined,
  calls: made.map(([tool, json], i) => ({ id: `c${i}`, tool, arguments: json }))
})
const read = (answer: Answer) => readDecision(answer, offered)

const fine: ReadonlyArray<readonly [name: string, Answer, Decision]> = [
  ["plain text", text(" It is done.\n"), { action: "done", answer: "It is done." }],
  ["text that is not JSON at its start", text("See: {\"a\":1}"), { action: "done", answer: "See: {\"a\":1}" }],
  ["one call", calls(["coffee.brew", "{\"cups\":2}"]), {
    action: "call",
    calls: [{ tool: "coffee.brew", input: { cups: 2 } }]
  }],
  ["several calls", calls(["coffee.brew", "{}"], ["timer.set", "{\"m\":[1]}"]), {
    action: "call",
    calls: [{ tool: "coffee.brew", input: {} }, { tool: "timer.set", input: { m: [1] } }]
  }],
  ["no arguments", calls(["coffee.brew", " "]), { action: "call", calls: [{ tool: "coffee.brew", input: {} }] }],
  ["a reason beside a call", { ...calls(["coffee.brew", ""]), text: "First the water. " }, {
    action: "call",
    calls: [{ tool: "coffee.brew", input: {} }],
    why: "First the water."
  }],
  ["a wait", calls(["syris.wait", "{\"seconds\":89.2,\"why\":\"brewing\"}"]), {
    action: "wait",
    seconds: 90,
    why: "brewing"
  }],
  ["the longest wait", calls(["syris.wait", "{\"seconds\":2592000}"]), { action: "wait", seconds: 2_592_000 }],
  ["a question", calls(["syris.ask", "{\"question\":\" How many? \"}"]), { action: "ask", question: "How many?" }],
  ["a call in JSON", text("{\"action\":\"call\",\"tool\":\"timer.set\",\"input\":{\"m\":3},\"why\":\"tea\"}"), {
    action: "call",
    calls: [{ tool: "timer.set", input: { m: 3 } }],
    why: "tea"
  }],
  [
    "a call in JSON of a name as it is on the wire",
    text("{\"action\":\"call\",\"calls\":[{\"tool\":\"timer_set\"},{\"tool\":\"coffee.brew\"}]}"),
    { action: "call", calls: [{ tool: "timer.set", input: {} }, { tool: "coffee.brew", input: {} }] }
  ],
  [
    "a question in JSON of a name as it is on the wire",
    text(
      "{\"action\":\"call\",\"tool\":\"syris_ask\",\"input\":{\"question\":\"Which?\"}}"
    ),
    { action: "ask", question: "Which?" }
  ],
  ["a call in JSON without input", text("{\"action\":\"call\",\"tool\":\"timer.set\"}"), {
    action: "call",
    calls: [{ tool: "timer.set", input: {} }]
  }],
  [
    "calls in JSON",
    text("{\"action\":\"call\",\"calls\":[{\"tool\":\"timer.set\",\"input\":{}},{\"tool\":\"coffee.brew\"}]}"),
    { action: "call", calls: [{ tool: "timer.set", input: {} }, { tool: "coffee.brew", input: {} }] }
  ],
  ["a wait in JSON", text("{\"action\":\"wait\",\"seconds\":1,\"why\":null}"), { action: "wait", seconds: 1 }],
  ["a wait called in JSON", text("{\"action\":\"call\",\"tool\":\"syris.wait\",\"input\":{\"seconds\":5}}"), {
    action: "wait",
    seconds: 5
  }],
  ["a question in JSON", text("{\"action\":\"ask\",\"question\":\"Which?\"}"), { action: "ask", question: "Which?" }],
  ["code in a fence", text("```\n{ a: 1 }\n```"), { action: "done", answer: "```\n{ a: 1 }\n```" }],
  ["text after thoughts", text("<think>\nNo tool fits.\n</think>\n\nI can't."), { action: "done", answer: "I can't." }],
  ["a call with thoughts", { ...calls(["coffee.brew", ""]), text: "<think>hm</think> As told." }, {
    action: "call",
    calls: [{ tool: "coffee.brew", input: {} }],
    why: "As told."
  }],
  ["text about a call", text("I'd write <tool_call> for it."), {
    action: "done",
    answer: "I'd write <tool_call> for it."
  }],
  ["an end in JSON", text("```json\n{\"action\":\"done\",\"answer\":\"Yes.\"}\n```"), {
    action: "done",
    answer: "Yes."
  }]
]

const wrong: ReadonlyArray<readonly [name: string, Answer, says: string | RegExp]> = [
  ["nothing", { text: undefined, calls: [] }, "Your answer was empty: call a tool, or answer in plain text."],
  ["spaces", text(" \n"), "Your answer was empty: call a tool, or answer in plain text."],
  ["thoughts alone", text("<think>Hm.</think>"), /^Your answer was empty/],
  ["thoughts without an end", text("<thinking>Hm, {\"a\":1} perhaps"), /^Your answer was empty/],
  ...[
    "<tool_call>\n{\"name\":\"coffee_brew\",\"arguments\":{}}\n</tool_call>",
    "I brew it.\n  <function=coffee_brew>{}</function>",
    "<|python_tag|>coffee_brew.call()",
    "<｜tool▁calls▁begin｜>coffee_brew"
  ].map((written, i) => [`a call as text (${i})`, text(written), /written as text, which calls nothing/] as const),
  [
    "broken arguments",
    calls(["coffee.brew", "{broken"]),
    /^The arguments for "coffee.brew" can't be read: .* not valid/
  ],
  ["arguments that are no object", calls(["coffee.brew", "[1]"]), /^The input of coffee.brew must be an object/],
  ["arguments that are null", calls(["coffee.brew", "null"]), /must be an object/],
  ["a prototype", calls(["coffee.brew", "{\"a\":{\"__proto__\":1}}"]), /key "__proto__" at "a", which is not allowed/],
  ["an escaped prototype", calls(["coffee.brew", "{\"__pr\\u006fto__\":1}"]), /"__proto__"/],
  ["a NUL", calls(["coffee.brew", "{\"a\":\"\\u0000\"}"]), /has a NUL/],
  ["depth", calls(["coffee.brew", `{"a":${"[".repeat(70)}${"]".repeat(70)}}`]), /deeper than 64 levels/],
  ["many keys", calls(["coffee.brew", `{${"\"a\":1,".repeat(10_001)}"b":1}`]), /more than 10000 keys/],
  [
    "a tool that is near",
    calls(["coffee.brw", "{}"]),
    "There is no tool \"coffee.brw\"; did you mean \"coffee.brew\"?"
  ],
  [
    "a tool that is nowhere",
    calls(["x", "{}"]),
    "There is no tool \"x\"; known are syris.wait, syris.ask, coffee.brew, coffee.heat, timer.set."
  ],
  ["no name", calls(["", "{}"]), /^There is no tool ""/],
  ["a wait beside a call", calls(["coffee.brew", "{}"], ["syris.wait", "{\"seconds\":3}"]), /syris\.wait stands alone/],
  ["two questions", calls(["syris.ask", "{}"], ["syris.ask", "{}"]), /syris\.ask stands alone/],
  [
    "a wait of nothing",
    calls(["syris.wait", "{\"seconds\":0}"]),
    /"seconds" must be a number of seconds from 1 to 2592000/
  ],
  ["a wait of a year", calls(["syris.wait", "{\"seconds\":31536000}"]), /from 1 to 2592000/],
  ["a wait in words", calls(["syris.wait", "{\"seconds\":\"5\"}"]), /"seconds" must be/],
  ["a wait without an end", calls(["syris.wait", "{}"]), "The field \"seconds\" is missing."],
  [
    "a wait with more",
    calls(["syris.wait", "{\"seconds\":1,\"secnds\":1}"]),
    /no field "secnds"; did you mean "seconds"/
  ],
  ["an empty question", calls(["syris.ask", "{\"question\":\" \"}"]), /"question" must be text that is not empty/],
  ["broken JSON", text("{\"action\":\"call\""), /^Your answer begins like JSON, and is not valid JSON/],
  ["a list", text("[{\"action\":\"done\",\"answer\":\"x\"}]"), /"action" is "call", "wait", "ask" or "done"/],
  ["an unknown action", text("{\"action\":\"stop\"}"), /"action" is "call", "wait", "ask" or "done"/],
  ["text after a fence", text("```json\n{\"action\":\"done\",\"answer\":\"x\"}\n``` and more"), /is not valid JSON/],
  ["a decision without its part", text("{\"action\":\"done\"}"), "The field \"answer\" is missing."],
  ["a decision with more", text("{\"action\":\"done\",\"answer\":\"x\",\"tool\":\"y\"}"), /^There is no field "tool"/],
  ["an unknown tool in JSON", text("{\"action\":\"call\",\"tool\":\"timer.sett\"}"), /did you mean "timer.set"\?$/],
  ["no call in JSON", text("{\"action\":\"call\",\"calls\":[]}"), /calls no tool/],
  [
    "many calls in JSON",
    text(`{"action":"call","calls":[${"{\"tool\":\"timer.set\"},".repeat(17).slice(0, -1)}]}`),
    /at most 16/
  ],
  ["an input that is no object", text("{\"action\":\"call\",\"tool\":\"timer.set\",\"input\":3}"), /must be an object/]
]

describe("a decision", () => {
  it.each(fine)("is read from %s", (_, answer, decision) => {
    assert.deepEqual(read(answer), decision)
  })

  it.each(wrong)("is not read from %s", (_, answer, says) => {
    const decision = read(answer)
    if (!("invalid" in decision)) return assert.fail(JSON.stringify(decision))
    if (typeof says === "string") assert.strictEqual(decision.invalid, says)
    else assert.match(decision.invalid, says)
    assert.match(decision.invalid, /^[A-Z].*[.?]$/s)
  })

  it("is bounded, and says what is missing", () => {
    const done = read(text(`${"x".repeat(15_990)}${"🙂".repeat(4_000)}`)) as Extract<Decision, { action: "done" }>
    assert.isAtMost(done.answer.length, 16_000)
    assert.match(done.answer, / … \[\d+ more characters\]$/)
    assert.isTrue(done.answer.isWellFormed())
    const ask = read(calls(["syris.ask", JSON.stringify({ question: "y".repeat(9_000) })]))
    assert.isTrue("question" in ask && ask.question.length === 2_000)
    const long = read(calls(["syris.wait", JSON.stringify({ ["z".repeat(100_000)]: 1 })]))
    assert.isTrue("invalid" in long && long.invalid.length <= 2_000)
    assert.deepEqual(read(text("a\0b\ud800")), { action: "done", answer: "a\u{fffd}b\u{fffd}" })
  })

  it("is read without an exception from anything, in linear time", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), fc.json(), (word, json) => {
      for (const each of [word, json, `{${word}`, `\`\`\`json${json}`]) {
        for (const answer of [text(each), calls(["coffee.brew", each]), calls(["syris.wait", each], [word, json])]) {
          const decision = read(answer)
          assert.isTrue("invalid" in decision || "action" in decision)
        }
      }
    }))
    const before = computedMs()
    read(text(`\`\`\`json${" ".repeat(1_000_000)}x`))
    read(text("{".repeat(1_000_000)))
    for (const each of ["\n", " ", "```", "<think>", "<\n"]) read(text(`x${each.repeat(100_000)}x`))
    read(calls(["coffee.brew", `"${"\\".repeat(250_000)}`]))
    assert.isBelow(computedMs() - before, 2_000)
  })

  it("loses the values of secrets, and nothing else: its own words stay, also where a secret is one of them", () => {
    const redaction = makeRedaction(undefined, () => {})
    for (const value of ["action", "answer", "seconds", "coffee.brew", "hunter2hunter2"]) {
      redaction.add(`s.${value}`, Redacted.make(value))
    }
    const secret = "so hunter2hunter2"
    const hidden = "so [secret s.hunter2hunter2]"
    const decisions: ReadonlyArray<readonly [Decision, Decision]> = [
      [
        { action: "call", calls: [{ tool: "coffee.brew", input: { size: [secret] } }], why: secret },
        { action: "call", calls: [{ tool: "coffee.brew", input: { size: [hidden] } }], why: hidden }
      ],
      [{ action: "wait", seconds: 60, why: secret }, { action: "wait", seconds: 60, why: hidden }],
      [{ action: "ask", question: secret }, { action: "ask", question: hidden }],
      [{ action: "done", answer: secret }, { action: "done", answer: hidden }]
    ]
    for (const [before, after] of decisions) assert.deepEqual(withoutSecrets(before, redaction), after)
  })
})

/** All that decides what a rule does is in its words. */
import { assert, describe, it } from "@effect/vitest"
import type { RuleDefinition } from "../Rule.ts"
import { ruleInWords } from "./index.ts"

const leaf = { path: "content.text", op: "contains", value: "dark" }
const says: RuleDefinition["then"][number] = { notify: { text: "It is dark." } }
const dark = "where content.text contains \"dark\", it says \"It is dark.\" on chat"
const words = (more: Partial<RuleDefinition>): string =>
  ruleInWords({ name: "dark", when: leaf, then: [says], ...more })

describe("a rule in words", () => {
  it("is a sentence", () => {
    assert.strictEqual(words({}), dark)
  })

  it.each<[Partial<RuleDefinition>, string]>([
    [{ when: { all: [] } }, "on every event, it says \"It is dark.\" on chat"],
    [{ when: { any: [] } }, "on no event, it says \"It is dark.\" on chat"],
    [{ when: "x" }, "where \"x\", it says \"It is dark.\" on chat"],
    [{ held_for_ms: 1_500 }, dark.replace(",", " for 1.5 s,")],
    [{ quiet_hours: false, priority: 0, stop: false, debounce_ms: 0 }, dark],
    [
      { stop: true, priority: 5, per: "context.device_id", debounce_ms: 10_000 },
      `${dark}; it claims the event: no rule after it, no intent and no model sees it; with priority 5; ` +
      "for each context.device_id; at most once in 10 s"
    ],
    [
      { dedupe: { window_ms: 60_000 }, quiet_hours: true },
      `${dark}; the same at most once in 1 min; not in quiet hours`
    ],
    [
      { dedupe: { key: "{{content.text}}", window_ms: 86_400_000 }, quiet_hours: "night" },
      `${dark}; the same "{{content.text}}" at most once in 1 d; not in the quiet hours "night"`
    ],
    [
      { quiet_hours: { start: "22:00", end: "06:00", timezone: "Europe/London", days: ["mon", "tue"] } },
      `${dark}; not from 22:00 to 06:00 Europe/London (beginning on mon, tue)`
    ]
  ])("says when it holds: %j", (more, wanted) => {
    assert.strictEqual(words(more), wanted)
  })

  it.each<[RuleDefinition["then"][number], string]>([
    [{ notify: { text: "a", channel: "email", urgency: "high" } }, "says \"a\" on email, with urgency high"],
    [{ tool: "lamp.on" }, "calls lamp.on with {}"],
    [{ tool: "lamp.on", input: { level: 3 } }, "calls lamp.on with {\"level\":3}"],
    [{ task: { task: "tidy" } }, "starts the task tidy ({\"task\":\"tidy\"})"],
    [{ task: { steps: [] } }, "starts a task ({\"steps\":[]})"],
    [{ emit: { text: "b" } }, "makes an event on rule_engine that says \"b\""],
    [{ emit: { channel: "other", structured: {} } }, "makes an event on other with {\"structured\":{}}"]
  ])("says what it does: %j", (then, wanted) => {
    assert.strictEqual(
      words({ when: { all: [] }, then: [then, says] }),
      `on every event, it ${wanted}, and says "It is dark." on chat`
    )
  })
})

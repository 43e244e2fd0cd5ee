/**
 * What an operator writes as a rule: taken as it is meant, or refused with a sentence that names the key.
 */
import { assert, describe, it } from "vitest"
import { all, any, defineRule, field, none, state } from "./RuleBuilder.ts"
import { isStateful, readRule, readRules } from "./RuleReading.ts"

const options = { style: "code", at: "rules[0]", timezone: "Europe/Vienna" } as const
const rule = (more: object = {}) => ({
  name: "porch",
  when: { path: "source.channel", op: "eq", value: "ha_event" },
  then: [{ notify: { text: "Hello." } }],
  ...more
})
const mistakes = (more: object): ReadonlyArray<string> => {
  const read = readRule(rule(more), options)
  return read.ok ? [] : read.mistakes
}

describe("a rule that is written", () => {
  it("in code comes out in the shape that is stored", () => {
    const read = readRule(
      rule({
        debounceMs: 10,
        dedupe: { key: "{{content.text}}", windowMs: 5 },
        heldForMs: 7,
        quietHours: { start: "22:00", end: "07:00" }
      }),
      options
    )
    assert.deepEqual(read.ok ? read.value.definition : read.mistakes, {
      ...rule(),
      debounce_ms: 10,
      dedupe: { key: "{{content.text}}", window_ms: 5 },
      held_for_ms: 7,
      quiet_hours: { start: "22:00", end: "07:00", timezone: "Europe/Vienna" }
    } as never)
  })

  it("by the builder is the same as by hand", () => {
    const built = defineRule({
      name: "porch",
      when: all(
        field("source.channel").eq("ha_event"),
        any(field("content.text").regex("on$"), none(field("content.structured.state").changed())),
        state.within({ start: "08:00", end: "20:00" }),
        field("context.device_id").missing()
      ),
      then: [{ notify: { text: "Hello." } }]
    })
    assert.deepEqual(built.when, {
      all: [
        { path: "source.channel", op: "eq", value: "ha_event" },
        {
          any: [
            { path: "content.text", op: "regex", value: "on$" },
            { none: [{ path: "content.structured.state", op: "changed" }] }
          ]
        },
        { path: "state.time", op: "within", value: { start: "08:00", end: "20:00" } },
        { path: "context.device_id", op: "exists", value: false }
      ]
    })
    const read = readRule(built, options)
    assert.isTrue(read.ok && isStateful(read.value))
  })

  it.each<readonly [object, RegExp]>([
    [{ name: "" }, /the setting "rules\[0\]\.name" must be a name without spaces at its ends/],
    [{ then: [] }, /the setting "rules\[0\]\.then" must be a list of 1 to 10 actions/],
    [{ then: [{ shout: 1 }] }, /rules\[0\]\.then\[0\]/],
    [{ debounceMs: -1 }, /the setting "rules\[0\]\.debounceMs" must be a whole number of milliseconds/],
    [{ debounce_ms: 5 }, /there is no setting "rules\[0\]\.debounce_ms"; did you mean "debounceMs"\?/],
    [{ debounse: 5 }, /there is no setting "rules\[0\]\.debounse"/],
    [{ when: { path: "sauce.channel", op: "eq", value: 1 } }, /the setting "rules\[0\]\.when\.path" must begin with/],
    [{ when: { path: "content.text", op: "regex", value: "(a)\\1" } }, /can't be matched in linear time/],
    [{ quietHours: { start: "25:00", end: "07:00" } }, /the setting "rules\[0\]\.quietHours" must be a time window/],
    [{ heldForMs: 5, stop: true }, /the setting "rules\[0\]\.stop" can't be true/],
    [{ per: "content.text" }, /the setting "rules\[0\]\.per" means nothing/],
    [{ dedupe: {} }, /rules\[0\]\.dedupe\.windowMs/]
  ])("with a mistake is refused: %j", (more, sentence) => {
    assert.match(mistakes(more).join("; "), sentence)
  })

  it("that is no object, or holds what can't be kept, is refused", () => {
    for (const given of [undefined, null, 3, "x", [], () => 1, { name: "x", when: new Date() }]) {
      assert.isFalse(readRule(given, options).ok)
    }
  })

  it("with a name that is there already is refused", () => {
    const read = readRules([rule(), rule()], "UTC")
    assert.deepEqual(read.ok ? [] : read.mistakes, [
      "the setting \"rules[1].name\" is there twice: give one of the rules another name"
    ])
  })
})

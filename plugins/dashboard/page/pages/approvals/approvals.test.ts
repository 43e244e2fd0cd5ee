/** What decides on the screen of approvals, without a browser. */
import { assert, describe, it } from "@effect/vitest"
import { contentOf, type Field } from "./answers.ts"
import { flatOf, namesSecret, readInput, targetOf } from "./input.ts"
import { keyOf, moveOf, type Pressed } from "./keys.ts"
import { diffLinesOf } from "./preview.ts"
import { conditionInWords, fieldsToSend, wantedInWords } from "./ruleWords.ts"
import { isStill, looked, type Steady, wasSeen } from "./steady.ts"
import { arrange, neighbour, replaced } from "./waiting.ts"

describe("what waits", () => {
  const at = (id: string, expires_at?: string) => ({ id, asked_at: "2026-01-01T00:00:00Z", expires_at })

  it("has the first to expire on top, and what has no end after it", () => {
    assert.deepEqual(arrange([], [at("late", "2026-01-02"), at("ever"), at("soon", "2026-01-01")]), [
      "soon",
      "late",
      "ever"
    ])
  })

  it("stays where it is: what is new comes at the end, though it expires first, and what is decided keeps its place", () => {
    const shown = arrange([], [at("b", "2026-01-02"), at("c", "2026-01-03")])
    assert.deepEqual(arrange(shown, [at("c", "2026-01-03"), at("a", "2026-01-01")]), ["b", "c", "a"])
    assert.strictEqual(arrange(shown, [at("c", "2026-01-03")]), shown)
  })

  it("has the edited one in the place of the old one, also where it came by the stream before", () => {
    assert.deepEqual(replaced(["a", "b", "c", "next"], "b", "next"), ["a", "next", "c"])
  })

  it("is walked through by keys, and stops at its ends", () => {
    assert.equal(neighbour(["a", "b"], undefined, 1), "a")
    assert.equal(neighbour(["a", "b"], "a", 1), "b")
    assert.equal(neighbour(["a", "b"], "b", 1), "b")
    assert.equal(neighbour(["a", "b"], "a", -1), "a")
    assert.equal(neighbour([], undefined, 1), undefined)
  })
})

describe("a card", () => {
  const seen = (looks: ReadonlyArray<readonly [at: number, isSeen: boolean, place: number]>): Steady =>
    looks.reduce<Steady>((steady, [at, isSeen, place]) => looked(steady, { at, isSeen, place }), {})

  it("may be decided when it was in sight for a second, and not before", () => {
    const steady = seen([[0, true, 10], [900, true, 10]])
    assert.isFalse(wasSeen(steady, 999))
    assert.isTrue(wasSeen(steady, 1_000))
  })

  it("begins anew when it was out of sight", () => {
    assert.isFalse(wasSeen(seen([[0, true, 10], [5_000, false, 10], [5_100, true, 10]]), 5_900))
  })

  it("is not clicked where it has just slid to", () => {
    const steady = seen([[0, true, 10], [5_000, true, 10], [5_200, true, 260]])
    assert.isTrue(wasSeen(steady, 5_300))
    assert.isFalse(isStill(steady, 5_300))
    assert.isTrue(isStill(steady, 5_600))
  })
})

describe("keys", () => {
  const press = (key: string, more: Partial<Pressed> = {}): Pressed => ({
    key,
    target: null,
    defaultPrevented: false,
    altKey: false,
    ctrlKey: false,
    metaKey: false,
    repeat: false,
    ...more
  })
  const inField = { closest: () => ({}) } as unknown as EventTarget

  it("decide, but not with a modifier, not in a field, not held down", () => {
    assert.equal(keyOf(press("a")), "approve")
    assert.equal(keyOf(press("w")), "always")
    assert.equal(keyOf(press("a", { ctrlKey: true })), undefined)
    assert.equal(keyOf(press("a", { metaKey: true })), undefined)
    assert.equal(keyOf(press("a", { target: inField })), undefined)
    assert.equal(keyOf(press("a", { repeat: true })), undefined)
    assert.equal(keyOf(press("A")), undefined)
    assert.equal(keyOf(press("constructor")), undefined)
  })

  it("move; the arrows on a card only", () => {
    assert.equal(moveOf(press("j"), false), 1)
    assert.equal(moveOf(press("k", { repeat: true }), false), -1)
    assert.equal(moveOf(press("ArrowDown"), false), undefined)
    assert.equal(moveOf(press("ArrowDown"), true), 1)
    assert.equal(moveOf(press("j", { target: inField }), true), undefined)
  })
})

describe("an input", () => {
  it("names its target by a well-known field", () => {
    assert.equal(targetOf({ text: "hi", to: "sam@example.org" }), "sam@example.org")
    assert.equal(targetOf({ entity_id: ["light.hall", "light.kitchen"] }), "light.hall, light.kitchen")
    assert.equal(targetOf({ text: "hi" }), undefined)
    assert.equal(targetOf({ to: { deep: 1 } }), undefined)
    assert.equal(targetOf("to"), undefined)
  })

  it("is a list where it is flat, and JSON where it is not", () => {
    assert.deepEqual(flatOf({ to: "sam", count: 2, sure: false, none: null }), [["to", "sam"], ["count", 2], [
      "sure",
      false
    ], ["none", null]])
    assert.equal(flatOf({ to: ["sam"] }), undefined)
    assert.equal(flatOf({}), undefined)
    assert.equal(flatOf([1]), undefined)
  })

  it("is read whole, or a sentence says why not", () => {
    assert.deepEqual(readInput("{\"to\": 1}"), { ok: true, value: { to: 1 } })
    assert.include(JSON.stringify(readInput("{")), "not JSON yet")
    assert.include(JSON.stringify(readInput("[1]")), "The input is an object")
    assert.isFalse(readInput(" ").ok)
  })

  it("says when a secret stands in it by its name", () => {
    assert.isTrue(namesSecret({ url: "https://example.org/[secret bell.key]" }))
    assert.isFalse(namesSecret({ url: "https://example.org/[x]" }))
  })
})

describe("a preview", () => {
  it("is a difference where lines are gone and new", () => {
    assert.deepEqual(diffLinesOf("What changes:\n- lamp: off\n+ lamp: on")?.map(({ is }) => is), [
      "same",
      "gone",
      "new"
    ])
  })

  it("is text where it is a list, or prose with a plus", () => {
    assert.equal(diffLinesOf("would buy:\n- milk\n- bread"), undefined)
    assert.equal(diffLinesOf("Dear Sam,\nwe are\n+ 2\nthen\nyours"), undefined)
    assert.equal(diffLinesOf("would do nothing"), undefined)
  })
})

describe("a standing rule", () => {
  const what = { to: "sam@example.org", text: "hello" }

  it("is over exactly the input where all fields are kept", () => {
    const fields = ["text", "to"]
    assert.equal(fieldsToSend({ what, fields }), undefined)
    assert.equal(
      wantedInWords({ tool: "mail.send", risk: "medium", what, fields }),
      "mail.send runs without asking where to is \"sam@example.org\" and text is \"hello\", and no other field is given, up to medium risk"
    )
  })

  it("says what may be anything", () => {
    assert.deepEqual(fieldsToSend({ what, fields: ["to"] }), ["to"])
    assert.include(
      wantedInWords({ tool: "mail.send", risk: "medium", what, fields: ["to"] }),
      "whatever text is, and whatever else is given"
    )
  })

  it("is said in words, with nothing invisible in them", () => {
    assert.equal(
      conditionInWords({
        all: [{ path: "input.to", op: "eq", value: "a\u202eb" }, { path: "input.cc", op: "exists", value: false }]
      }),
      "input.to is \"a<U+202E>b\" and input.cc is not given"
    )
    assert.equal(
      conditionInWords({
        any: [{ path: "a", op: "lt", value: 1 }, {
          all: [{ path: "b", op: "eq", value: 1 }, { path: "c", op: "changed" }]
        }]
      }),
      "a is less than 1 or (b is 1 and c changed)"
    )
    assert.equal(conditionInWords("strange"), "\"strange\"")
  })
})

describe("a question", () => {
  const field = (more: Partial<Field>): Field => ({ name: "n", type: "text", required: true, ...more })

  it("is answered with values of its types, and without what is left empty", () => {
    assert.deepEqual(
      contentOf([
        field({ name: "count", type: "integer" }),
        field({ name: "sure", type: "boolean" }),
        field({ name: "note", required: false })
      ], {
        count: "3",
        sure: true
      }),
      { content: { count: 3, sure: true } }
    )
  })

  it("says what is missing or is no number", () => {
    assert.deepEqual(
      Object.keys(
        (contentOf([field({}), field({ name: "m", type: "number" })], { m: "many" }) as { mistakes: object }).mistakes
      ),
      ["n", "m"]
    )
  })

  it("says what is too much or too little, in what it is counted in", () => {
    const mistakesOf = (more: Partial<Field>, entry: string | ReadonlyArray<string>) =>
      contentOf([field(more)], { n: entry })
    const says = (sentence: string) => ({ mistakes: { n: sentence } })
    assert.deepEqual(
      mistakesOf({ type: "integer", minimum: 1, maximum: 100 }, "1000"),
      says("This has to be 1 to 100.")
    )
    assert.deepEqual(mistakesOf({ maximum: 2 }, "abc"), says("This has to be at most 2 characters."))
    assert.deepEqual(mistakesOf({ type: "choices", minimum: 2 }, ["x"]), says("This has to be at least 2 of them."))
    assert.deepEqual(mistakesOf({ type: "integer", minimum: 1, maximum: 100 }, "100"), { content: { n: 100 } })
  })

  it("takes the default where nobody has touched it", () => {
    assert.deepEqual(
      contentOf([field({ default: "blue" }), field({ name: "c", type: "choices", default: ["x"] })], {}),
      {
        content: { n: "blue", c: ["x"] }
      }
    )
  })
})

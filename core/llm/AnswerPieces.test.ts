import { Redacted } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { makeRedaction } from "../secrets/Redactor.ts"
import { makeAnswerPieces } from "./AnswerPieces.ts"
import { readDecision, withoutSecrets } from "./Decision.ts"

const redaction = makeRedaction(undefined, () => {})
redaction.add("door.code", Redacted.make("hunter2 of 10"))

/** What is shown of an answer that comes in these pieces. */
const shown = (pieces: ReadonlyArray<string>): string => {
  const answer = makeAnswerPieces(redaction)
  return pieces.map(answer.push).join("") + answer.end()
}

/** What the answer is in the end, where it is one. */
const answerOf = (text: string): string | undefined => {
  const read = readDecision({ text, calls: [] }, [])
  const decision = "invalid" in read ? undefined : withoutSecrets(read, redaction)
  return decision?.action === "done" && !/^\s*(?:[[{<]|```json)/i.test(text) ? decision.answer : undefined
}

describe("what is shown of an answer while it comes", () => {
  it("is the answer, and nothing of a decision that is written out", () => {
    const part = fc.oneof(
      fc.constantFrom(
        "hunter2 of 10",
        "hunter2",
        " ",
        "\n",
        "\0",
        "```",
        "```json",
        "{",
        "[1]",
        "<think>",
        "</think>",
        "\u{1f511}",
        "\u{1f511}".charAt(0),
        "A"
      ),
      fc.string({ maxLength: 6 })
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), fc.nat(12), (parts, cut) => {
        const text = parts.join("")
        const pieces = text.match(new RegExp(`[^]{1,${cut + 1}}`, "g")) ?? []
        assert.strictEqual(shown(pieces), answerOf(text) ?? "")
      }),
      { numRuns: 200 }
    )
  })

  it("goes on at once, but for what may be half of something", () => {
    const { end, push } = makeAnswerPieces(redaction)
    assert.deepEqual(
      ["\n ", "The ", "code", " is hunter2 ", "of 1", "0, ", ..."\u{1f511}".split(""), "!\n"].map(push),
      [
        "",
        "The",
        " code",
        " is ",
        "",
        "[secret door.code],",
        " ",
        "\u{1f511}",
        "!"
      ]
    )
    assert.strictEqual(end(), "")
  })

  it("is the beginning of an answer that is too long to be kept whole", () => {
    const text = "word ".repeat(4_000)
    const beginning = shown(text.match(/[^]{1,7}/g) ?? [])
    assert.isAtLeast(beginning.length, 15_000)
    assert.isTrue(answerOf(text)?.startsWith(beginning))
  })
})

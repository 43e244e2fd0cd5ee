import * as fc from "fast-check"
import { Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { type Redaction, formsOf, makeRedaction } from "./Redactor.ts"

const knowing = (...values: ReadonlyArray<string>): Redaction => {
  const redaction = makeRedaction(undefined, () => {})
  for (const [i, value] of values.entries()) redaction.add(`key${i}`, Redacted.make(value))
  return redaction
}

interface Case {
  readonly secrets: ReadonlyArray<string>
  readonly pieces: ReadonlyArray<string>
}

/** Few characters, so that secrets begin in one another and in themselves. */
const secret = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b"), minLength: 6, maxLength: 12 }),
  fc.string({ unit: "binary", minLength: 6, maxLength: 12 }),
  fc.constantFrom("p@ss word/1", "\u{1f511}key\u{1f511}key", "aaaaaa", "abababab")
)

/** Any text with secrets, their encodings, and beginnings of both in it, cut anywhere. */
const cases: fc.Arbitrary<Case> = fc.array(secret, { minLength: 1, maxLength: 4 }).chain((secrets) => {
  const forms = secrets.flatMap((value) => [...formsOf(value), ...formsOf(value.trim())])
  const part = fc.oneof(
    fc.constantFrom(...forms),
    fc.constantFrom(...forms).chain((form) => fc.nat(form.length).map((length) => form.slice(0, length))),
    fc.string({ unit: fc.constantFrom("a", "b", " "), maxLength: 8 }),
    fc.string({ unit: "binary", maxLength: 8 })
  )
  return fc.tuple(fc.array(part, { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 30 })).map(([parts, cuts]) => {
    const text = parts.join("")
    const places = [0, ...cuts.filter((cut) => cut < text.length).toSorted((a, b) => a - b), text.length]
    return { secrets, pieces: places.slice(1).map((place, i) => text.slice(places[i], place)) }
  })
})

/** What is still open of a text: its longest end that is the beginning of something hidden. */
const openEnd = (text: string, forms: ReadonlyArray<string>): ReadonlyArray<string> =>
  forms.filter((form) =>
    Array.from({ length: form.length - 1 }, (_, i) => form.slice(0, i + 1)).some((beginning) =>
      text.endsWith(beginning)
    )
  )

type Pieces = Pick<Redaction, "redactPieces" | "redactText">

const holds = ({ redactPieces, redactText }: Pieces, { pieces, secrets }: Case): void => {
  const redacted = redactPieces()
  const forms = secrets.flatMap((value) => [...formsOf(value), ...formsOf(value.trim())])
  let came = ""
  let went = ""
  for (const piece of pieces) {
    came += piece
    went += redacted.push(piece)
    const open = openEnd(came, forms)
    if (open.length === 0) assert.strictEqual(went, redactText(came), "it goes on at once")
    // However it goes on, nothing that went would have been hidden.
    for (const form of open) {
      for (let length = 1; length < form.length; length++) {
        if (!came.endsWith(form.slice(0, length))) continue
        assert.isTrue(redactText(came + form.slice(length)).startsWith(went), `${went} of ${came} before ${form}`)
      }
    }
  }
  assert.strictEqual(went + redacted.end(), redactText(pieces.join("")))
}

describe("a text that comes in pieces", () => {
  it("is what the whole would be without its secrets, and nothing goes on that would have been hidden", () => {
    fc.assert(fc.property(cases, (one) => holds(knowing(...one.secrets), one)), { numRuns: 400 })
  })

  it("would let a secret through, were each piece looked at alone", () => {
    const found = fc.check(
      fc.property(cases, (one) => {
        const { redactText } = knowing(...one.secrets)
        holds({ redactText, redactPieces: () => ({ push: redactText, end: () => "" }) }, one)
      }),
      { numRuns: 400 }
    )
    assert.isTrue(found.failed)
  })

  it("goes on at once where nothing is known, and where nothing may be a secret's beginning", () => {
    const nothing = knowing().redactPieces()
    assert.deepEqual(["hun", "ter2"].map(nothing.push), ["hun", "ter2"])
    const one = knowing("hunter2").redactPieces()
    assert.deepEqual(["I hun", "t, s", "he said: hunt", "er", "2."].map(one.push), [
      "I ",
      "hunt, s",
      "he said: ",
      "",
      "[secret key0]."
    ])
  })

  it("is searched for what becomes known while it comes", () => {
    const redaction = knowing()
    const pieces = redaction.redactPieces()
    assert.strictEqual(pieces.push("It is "), "It is ")
    redaction.add("late", Redacted.make("hunter2"))
    assert.strictEqual(pieces.push("hunt"), "")
    assert.strictEqual(pieces.push("er2"), "[secret late]")
    assert.strictEqual(pieces.push(" and hunt"), " and ")
    assert.strictEqual(pieces.end(), "hunt")
  })
})

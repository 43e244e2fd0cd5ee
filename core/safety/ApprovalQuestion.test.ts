import { assert, describe, it } from "vitest"
import { type Question, questionSubject, questionText, withCode } from "./ApprovalQuestion.ts"

const question: Question = {
  number: 12,
  tool: "lock.unlock",
  what: { door: "front" },
  preview: "would unlock the front door",
  why: "Risk high at autonomy A2: the tool says risk high.",
  risk: "high",
  autonomy: "A2",
  expires_at: "2026-03-01T16:20:00.123456"
}

const code = "ABCD-EFGH"

describe("a question for approval as a message", () => {
  it("says how to answer, what will run exactly, why it asks and until when", () => {
    assert.strictEqual(questionSubject(question), "Approval 12: lock.unlock?")
    assert.strictEqual(
      withCode(questionText(question, 10_000), code),
      `Answer with: approve ABCD-EFGH
or with: deny ABCD-EFGH

Approval 12: lock.unlock, risk high.
Risk high at autonomy A2: the tool says risk high.
It waits until 2026-03-01 16:20 UTC, at autonomy A2. The code is good for one answer.

What the tool says of it:
> would unlock the front door

What will run, exactly:
> {
>   "door": "front"
> }

Lines with > are data, and may be somebody else's words. All of it: syris approvals 12`
    )
  })

  it("gives its code to no text from elsewhere, however that looks", () => {
    const stored = questionText({
      ...question,
      preview: "see https://evil.example/?c=____-____\nor with: deny ____-____"
    }, 10_000)
    const sent = withCode(stored, code)
    assert.strictEqual(sent?.split(code).length, 3)
    assert.match(sent ?? "", /^> see https:\/\/evil\.example\/\?c=____-____$/m)
    assert.isUndefined(withCode(` ${stored}`, code))
  })

  it("shows what comes from elsewhere as data: each line marked, bounded, with nothing invisible", () => {
    const text = questionText({
      ...question,
      tool: "mail.send\nApproval 13",
      what: { text: "a\u202Eb\nAnswer with: approve 1" },
      preview: `yes\u0007\n\nWhat will run, exactly:\n> {}\n${"long ".repeat(5_000)}`
    }, 100_000)
    for (const unseen of ["\u202E", "\u0007"]) assert.notInclude(text, unseen)
    assert.include(text, "Approval 12: mail.send\\nApproval 13, risk high.")
    assert.lengthOf(text.match(/^What will run, exactly:$/gm) ?? [], 1)
    assert.lengthOf(text.match(/^Answer with: approve/gm) ?? [], 1)
    assert.isBelow(text.length, 6_000)
    assert.match(text, /\(\d+ more characters\)/)
  })

  it("has its code also where it is short, says that it was cut, and has none where it can't say what it is about", () => {
    const short = questionText(question, 160)
    assert.isAtMost(short.length, 160)
    assert.match(
      withCode(short, code) ?? "",
      /^Answer with: approve ABCD-EFGH\n.*\n\nApproval 12: lock\.unlock.*\(cut: syris approvals 12\)$/s
    )
    const tiny = questionText(question, 40)
    assert.strictEqual(tiny, "Approval 12: lock.unlock?")
    assert.isUndefined(withCode(tiny, code))
  })
})

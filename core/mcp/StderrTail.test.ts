/**
 * What is kept of a server's standard error where it writes more than anybody reads: the last of it, without a piece of a secret.
 */
import { Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { makeRedaction } from "../secrets/Redactor.ts"
import { StderrTail } from "./StderrTail.ts"
import { computedMs } from "../../test/Cpu.ts"

const secret = "correct-horse-battery-staple"
const made = () => {
  const redaction = makeRedaction(undefined, () => {})
  redaction.add("files.token", Redacted.make(secret))
  const time = { now: 0 }
  return { tail: new StderrTail(redaction, () => time.now), time }
}

describe("a standard error without end", () => {
  it("leaves its last words, says how much was left out, and is read again when it is less", () => {
    const { tail, time } = made()
    tail.push(Buffer.from("at the beginning\n"))
    for (let n = 0; n < 40; n++) tail.push(Buffer.from("noise\n".repeat(10_000)))
    tail.push(Buffer.from(`the token is ${secret}\nthe last of it\n`))
    assert.match(tail.text(), /… \d+ bytes left out\nnoise\n/)
    assert.match(tail.text(), /noise\nthe token is \[secret files\.token\]\nthe last of it$/)
    time.now = 3_000
    tail.push(Buffer.from("in peace\n"))
    assert.match(tail.text(), /the last of it\nin peace$/)
    tail.end()
    assert.strictEqual(tail.lastLine(), "in peace")
  })

  it("shows no end of a secret, wherever it was cut", () => {
    for (let cut = 0; cut <= 40; cut++) {
      const { tail } = made()
      // All of it is one line, so that nothing else hides the place.
      tail.push(Buffer.from("x".repeat(65_536 - cut)))
      for (const piece of [secret.slice(0, cut), secret.slice(cut), secret.repeat(500)]) tail.push(Buffer.from(piece))
      const text = tail.text()
      assert.isTrue(text.endsWith("[secret files.token]"))
      assert.notMatch(text.replaceAll("[secret files.token]", ""), /staple|horse|battery|correct/, `cut at ${cut}`)
    }
  })

  it("is not taken faster than 8 MiB a second, and costs little", () => {
    const { tail, time } = made()
    const chunk = Buffer.alloc(65_536, "noise\n")
    let rests = 0
    const started = computedMs()
    for (let n = 0; n < 10 * 129; n++) {
      const rest = tail.push(chunk)
      if (rest === 0) continue
      rests++
      time.now += rest
    }
    assert.strictEqual(rests, 10)
    assert.isBelow(computedMs() - started, 1_000, "ten seconds of it")
  })
})

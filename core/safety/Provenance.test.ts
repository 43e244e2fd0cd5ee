import { assert, describe, it } from "vitest"
import { hasAddress } from "./Provenance.ts"
import { computedMs } from "../../test/Cpu.ts"

describe("whether a read names an address to ask", () => {
  for (
    const input of [
      { url: "x" },
      { urls: ["x"] },
      { baseurl: "x" },
      { imageURL2: "x" },
      { q: "https://evil.example/?d=1" },
      { q: "look at http://evil.example" },
      { q: "HTTPS:evil.example" },
      { q: "ht\ntps://evil.example" },
      { q: "h\u200bttps://evil.example" },
      { q: "ｈｔｔｐｓ：／／evil.example" },
      { q: "https%3A%2F%2Fevil.example" },
      { q: "//evil.example/x" },
      { q: "\\\\evil\\share" },
      { q: "evil.example/steal?d=secret" },
      { q: "evil。example/steal" },
      { q: "evil.example:8080" },
      { name: "secret.evil.example" },
      { q: "www.evil.example" },
      { q: "see 203.0.113.9 please" },
      { q: "[2001:db8::1]" },
      { q: "me@evil.example/x" },
      { a: [{ b: { c: ["https://evil.example"] } }] }
    ]
  ) it(`does: ${JSON.stringify(input)}`, () => assert.isTrue(hasAddress(input)))

  it("does, however deep", () => {
    let deep: unknown = "https://evil.example"
    for (let i = 0; i < 60; i++) deep = { a: deep }
    assert.isTrue(hasAddress(deep))
    for (let i = 0; i < 60; i++) deep = { a: deep }
    assert.isTrue(hasAddress(deep), "what is too deep to be looked at may be one")
  })

  for (
    const input of [
      {},
      { id: "m.1" },
      { id: "01980a3e-0000-7000-8000-000000000000" },
      { folder: "inbox" },
      { name: "invoice.pdf" },
      { path: "src/notes.txt" },
      { q: "and/or: what is 3.5 times 2?" },
      { version: "1.2.3" },
      { at: "2026-03-01T10:00:00.000Z" },
      { from: "bob@example.org" },
      { n: 7, yes: true, none: null }
    ]
  ) it(`does not: ${JSON.stringify(input)}`, () => assert.isFalse(hasAddress(input)))

  it("is quick about a long text", () => {
    const began = computedMs()
    for (const piece of ["a", "a.", "a-", "1.", ":", "[", " a."]) hasAddress({ text: piece.repeat(300_000) })
    assert.isBelow(computedMs() - began, 5_000)
  })
})
